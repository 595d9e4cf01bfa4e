//! Whatever happens to stored bytes, they never become a wrong answer.

use proptest::prelude::*;

use super::*;
use crate::wire::Usage;

const LIMITS: Limits = Limits {
    plain_bytes_max: 1 << 20,
};

fn entry(body: &[u8]) -> Entry {
    Entry {
        operation: Operation::Chat,
        stored_at: 1_770_000_000_123,
        fresh_for: Duration::from_hours(24 * 365),
        meta: Meta {
            model: "gpt-4o-mini".to_owned(),
            resolved_model: Some("gpt-4o-mini-2024-07-18".to_owned()),
            upstream: "https://api.example.com".to_owned(),
            status: 200,
            usage: Some(Usage {
                input: 12,
                output: 34,
                ..Usage::default()
            }),
            took_millis: 812,
            content_type: "application/json".to_owned(),
            origin_request_id: Some("req_1".to_owned()),
            tags: vec!["nightly".to_owned()],
            around: Some("{\"data\":[]}".to_owned()),
            tenant: Some("acme".to_owned()),
            sketch: Some(vec![1, 2, 3]),
            generation: 7,
            usage_beside: true,
        },
        body: Bytes::copy_from_slice(body),
    }
}

fn answer() -> Entry {
    entry(
        br#"{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Paris is the capital of France; Lyon and Marseille are large cities of France."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}}"#,
    )
}

/// An entry whose check is right, whatever its head and payload say.
fn forged(header: Header, payload: &[u8], key: &Key) -> Vec<u8> {
    let meta = minicbor::to_vec(&answer().meta).unwrap();
    let header = Header {
        meta_len: u16::try_from(meta.len()).unwrap(),
        ..header
    }
    .to_bytes();
    let check = check(key, &[&header, &meta], payload);
    [&header[..], &meta, &check, payload].concat()
}

fn plain_header(plain_len: usize) -> Header {
    Header {
        kind: Operation::Chat.code(),
        flags: 0,
        master: 0,
        dictionary: 0,
        stored_at: 1,
        fresh_millis: 1,
        plain_len: u32::try_from(plain_len).unwrap(),
        meta_len: 0,
    }
}

#[test]
fn an_entry_comes_back_as_it_was() {
    let key = Key::for_tests(1);
    for body in [&b""[..], b"{}", &answer().body, &vec![b' '; 100_000]] {
        let entry = entry(body);
        let sealed = seal(&entry, &key).unwrap();
        assert_eq!(open(&sealed, &key, LIMITS), Ok(entry));
    }
}

#[test]
fn metadata_are_told_without_the_body() {
    let key = Key::for_tests(1);
    let told = peek(&seal(&answer(), &key).unwrap(), &key).unwrap();
    assert_eq!(told.meta, answer().meta);
    assert_eq!(usize::try_from(told.body_bytes), Ok(answer().body.len()));
    assert_eq!(told.fresh_for, answer().fresh_for);
}

#[test]
fn every_flipped_bit_is_an_error() {
    let key = Key::for_tests(1);
    for body in [answer().body, Bytes::from_static(b"{}")] {
        let sealed = seal(&entry(&body), &key).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&flipped, &key, LIMITS).is_err(), "bit {bit}");
            assert!(peek(&flipped, &key).is_err(), "bit {bit}, peeking");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_an_error() {
    let key = Key::for_tests(1);
    let sealed = seal(&answer(), &key).unwrap();
    for length in 0..sealed.len() {
        assert!(open(&sealed[..length], &key, LIMITS).is_err(), "{length}");
    }
    let longer = [&sealed[..], b"\0"].concat();
    assert_eq!(open(&longer, &key, LIMITS), Err(OpenError::Mismatch));
}

#[test]
fn an_entry_under_another_key_is_an_error() {
    let sealed = seal(&answer(), &Key::for_tests(1)).unwrap();
    assert_eq!(
        open(&sealed, &Key::for_tests(2), LIMITS),
        Err(OpenError::Mismatch)
    );
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    let key = Key::for_tests(1);
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let compressed = |plain_len| Header {
        flags: FLAG_ZSTD,
        ..plain_header(plain_len)
    };
    // It says how long it is.
    let honest = forged(compressed(64 << 20), &bomb, &key);
    assert_eq!(open(&honest, &key, LIMITS), Err(OpenError::TooLarge));
    // It says less than it holds.
    let lying = forged(compressed(1000), &bomb, &key);
    assert_eq!(open(&lying, &key, LIMITS), Err(OpenError::Undecodable));
}

#[test]
fn a_length_that_is_not_the_bodys_is_an_error() {
    let key = Key::for_tests(1);
    let short = forged(plain_header(3), b"{}", &key);
    assert_eq!(open(&short, &key, LIMITS), Err(OpenError::Undecodable));
    let frame = zstd::bulk::compress(&[b'a'; 100], 3).unwrap();
    let header = Header {
        flags: FLAG_ZSTD,
        ..plain_header(101)
    };
    let short = forged(header, &frame, &key);
    assert_eq!(open(&short, &key, LIMITS), Err(OpenError::Undecodable));
}

#[test]
fn what_a_later_version_wrote_is_not_damage() {
    let key = Key::for_tests(1);
    let later_flags = [1 << 4, 1 << 7];
    for flags in later_flags {
        let header = Header {
            flags,
            ..plain_header(2)
        };
        let error = open(&forged(header, b"{}", &key), &key, LIMITS).unwrap_err();
        assert_eq!(error, OpenError::Unsupported, "flags {flags}");
        assert!(!error.is_damage());
    }
    let unknown_operation = Header {
        kind: 250,
        ..plain_header(2)
    };
    let sealed = forged(unknown_operation, b"{}", &key);
    assert_eq!(open(&sealed, &key, LIMITS), Err(OpenError::Unsupported));

    let unknown_dictionary = Header {
        flags: FLAG_ZSTD | FLAG_DICTIONARY,
        dictionary: 4_000_000_000,
        ..plain_header(2)
    };
    let sealed = forged(unknown_dictionary, b"{}", &key);
    assert_eq!(open(&sealed, &key, LIMITS), Err(OpenError::Unsupported));

    let mut newer = seal(&answer(), &key).unwrap();
    newer[2] = 2;
    let error = open(&newer, &key, LIMITS).unwrap_err();
    assert_eq!(error, OpenError::Version(2));
    assert!(!error.is_damage());
}

#[test]
fn metadata_that_do_not_fit_are_refused() {
    let mut long = answer();
    long.meta.tags = vec!["x".repeat(70_000)];
    assert_eq!(seal(&long, &Key::for_tests(1)), Err(SealError::MetaTooLong));
}

/// A vector of pseudo-random values, of which only so many bits are not zero.
fn vector(dimensions: usize, bits: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let mut body = vec![0];
    for _ in 0..dimensions {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let mixed = (state >> 9) ^ (state << 7);
        let value = 0x3d00_0000 | (mixed & 0x00ff_ffff);
        body.extend_from_slice(&(value & (u32::MAX << (32 - bits))).to_le_bytes());
    }
    body
}

#[test]
fn vectors_are_compressed_where_that_is_worth_it() {
    let key = Key::for_tests(1);
    for (bits, percent) in [(32, 85..92), (16, 30..80)] {
        let body = vector(1536, bits);
        let vector = Entry {
            operation: Operation::Embedding,
            ..entry(&body)
        };
        let sealed = seal(&vector, &key).unwrap();
        assert!(percent.contains(&(sealed.len() * 100 / body.len())));
        assert_eq!(open(&sealed, &key, LIMITS), Ok(vector));
    }
}

#[test]
fn a_vector_takes_less_than_four_bytes_a_value() {
    let body = vector(512, 32);
    let mut vector = entry(&body);
    vector.operation = Operation::Embedding;
    vector.meta = Meta {
        model: "text-embedding-3-small".to_owned(),
        status: 200,
        usage: Some(Usage {
            input: 300,
            estimated: true,
            ..Usage::default()
        }),
        took_millis: 1234,
        content_type: "application/json".to_owned(),
        ..Meta::default()
    };
    let sealed = seal(&vector, &Key::for_tests(1)).unwrap();
    assert!(sealed.len() <= 512 * 38 / 10, "{} bytes", sealed.len());
}

#[test]
fn short_answers_take_little_room() {
    let body = answer().body;
    let sealed = seal(&answer(), &Key::for_tests(1)).unwrap();
    let payload = sealed.len() - HEADER_BYTES - CHECK_BYTES;
    assert!(payload < body.len() * 8 / 10, "{payload} of {}", body.len());
}

#[test]
fn an_answer_compressed_without_a_dictionary_can_be_read() {
    let key = Key::for_tests(1);
    let body = answer().body;
    let frame = zstd::bulk::compress(&body, 3).unwrap();
    let header = Header {
        flags: FLAG_ZSTD,
        ..plain_header(body.len())
    };
    let opened = open(&forged(header, &frame, &key), &key, LIMITS).unwrap();
    assert_eq!(opened.body, body);
}

#[test]
fn an_answer_compressed_with_another_dictionary_is_an_error() {
    let key = Key::for_tests(1);
    let mut other = dictionary::bytes(dictionary::CURRENT).unwrap().to_vec();
    let last = other.len() - 100;
    // What repeats nothing but the dictionary's own end.
    for (place, byte) in (0_u8..).zip(&mut other[last..]) {
        *byte = place.wrapping_mul(97) ^ 0x5a;
    }
    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, &other).unwrap();
    let checksum = zstd::zstd_safe::CParameter::ChecksumFlag(true);
    compressor.set_parameter(checksum).unwrap();
    let body = [&other[last..], &answer().body].concat();
    let header = Header {
        flags: FLAG_ZSTD | FLAG_DICTIONARY,
        dictionary: dictionary::CURRENT,
        ..plain_header(body.len())
    };
    let frame = compressor.compress(&body).unwrap();
    let error = open(&forged(header, &frame, &key), &key, LIMITS);
    assert_eq!(error, Err(OpenError::Undecodable));
}

proptest! {
    #[test]
    fn any_body_comes_back_as_it_was(
        body in proptest::collection::vec(any::<u8>(), 0..5000),
        repeated in 0_usize..20,
        seed in any::<u8>(),
        stored_at in any::<u64>(),
        fresh_millis in any::<u64>(),
    ) {
        let entry = Entry {
            stored_at,
            fresh_for: Duration::from_millis(fresh_millis),
            ..entry(&body.repeat(repeated))
        };
        let key = Key::for_tests(seed);
        let sealed = seal(&entry, &key).unwrap();
        prop_assert_eq!(open(&sealed, &key, LIMITS), Ok(entry));
    }

    #[test]
    fn random_bytes_are_never_an_entry(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = Key::for_tests(1);
        prop_assert!(open(&bytes, &key, LIMITS).is_err());
        let headed = [&b"LC\x01"[..], &bytes].concat();
        prop_assert!(open(&headed, &key, LIMITS).is_err());
    }
}
