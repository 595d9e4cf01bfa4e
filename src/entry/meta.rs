//! What is known of an answer without reading its body.
//!
//! Stored as a CBOR map with integer keys: a reader skips keys it does not know,
//! so that fields can be added without a new version of the envelope. A key is
//! never reused for something else.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::wire::Usage;

/// What is known of an answer without reading its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Meta {
    /// The model that was asked for.
    #[n(0)]
    pub model: String,
    /// The model that answered, where the answer says so.
    #[n(1)]
    pub resolved_model: Option<String>,
    /// Who answered: the origin of the upstream, without credentials. Empty for the
    /// items of lists, of which there may be millions: it is in their key.
    #[n(2)]
    pub upstream: String,
    /// The status of the answer.
    #[n(3)]
    pub status: u16,
    /// The tokens the answer cost, where the upstream counted them.
    #[n(4)]
    #[cbor(with = "usage")]
    pub usage: Option<Usage>,
    /// How long the upstream took, in milliseconds.
    #[n(5)]
    pub took_millis: u32,
    /// The media type of the body.
    #[n(6)]
    #[cbor(with = "media_type")]
    pub content_type: String,
    /// The upstream's own id of the request that got the answer.
    #[n(7)]
    pub origin_request_id: Option<String>,
    /// Names by which the caller may have it removed.
    #[n(8)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The generation of the cache it was written in.
    #[n(9)]
    #[cbor(default)]
    pub generation: u64,
    /// The document in which the answer stood as the only item of a list, with an
    /// empty list; `None` where it said nothing that is not known anyway.
    #[n(10)]
    pub around: Option<String>,
    /// Whose it is: the tenant's name, for those who list and remove.
    #[n(11)]
    pub tenant: Option<String>,
    /// A sketch of the request, for those who ask why another is not answered by it.
    #[n(12)]
    #[cbor(with = "minicbor::bytes")]
    pub sketch: Option<Vec<u8>>,
    /// The answer came as a stream that told its usage beside its last part, whether it
    /// was asked for or not.
    #[n(13)]
    #[cbor(default, skip_if = "is_not_so")]
    pub usage_beside: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the derived encoder's signature"
)]
const fn is_not_so(said: &bool) -> bool {
    !*said
}

impl Meta {
    /// The model that answered; the one asked for, if the answer does not say.
    pub fn answered_by(&self) -> &str {
        self.resolved_model.as_deref().unwrap_or(&self.model)
    }
}

/// The media type nearly all answers have as one byte, others as text.
mod media_type {
    use minicbor::data::Type;

    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};

    const JSON: &str = "application/json";

    pub(super) fn encode<C, W: Write>(
        media_type: &str,
        encoder: &mut Encoder<W>,
        _context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        if media_type == JSON {
            encoder.null()?;
        } else {
            encoder.str(media_type)?;
        }
        Ok(())
    }

    pub(super) fn decode<C>(
        decoder: &mut Decoder<'_>,
        _context: &mut C,
    ) -> Result<String, DecodeError> {
        if decoder.datatype()? == Type::Null {
            decoder.null()?;
            Ok(JSON.to_owned())
        } else {
            decoder.str().map(str::to_owned)
        }
    }
}

/// Tokens as an array, whose elements of a later version are skipped.
#[expect(clippy::ref_option, reason = "the signature is the derived encoder's")]
mod usage {
    use minicbor::data::Type;

    use super::{DecodeError, Decoder, EncodeError, Encoder, Usage, Write};

    /// Those that every version has written.
    const FIELDS: u64 = 5;

    /// The same and the tokens written to the provider's prompt cache, which came later.
    const FIELDS_WITH_WRITTEN: u64 = 6;

    pub(super) fn encode<C, W: Write>(
        usage: &Option<Usage>,
        encoder: &mut Encoder<W>,
        _context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let Some(usage) = usage else {
            encoder.null()?;
            return Ok(());
        };
        encoder
            .array(FIELDS_WITH_WRITTEN)?
            .u64(usage.input)?
            .u64(usage.cached_input)?
            .u64(usage.output)?
            .u64(usage.reasoning)?
            .bool(usage.estimated)?
            .u64(usage.written_input)?;
        Ok(())
    }

    pub(super) fn decode<C>(
        decoder: &mut Decoder<'_>,
        _context: &mut C,
    ) -> Result<Option<Usage>, DecodeError> {
        if decoder.datatype()? == Type::Null {
            decoder.null()?;
            return Ok(None);
        }
        let fields = decoder
            .array()?
            .filter(|fields| *fields >= FIELDS)
            .ok_or_else(|| DecodeError::message("usage has too few fields"))?;
        let mut usage = Usage {
            input: decoder.u64()?,
            cached_input: decoder.u64()?,
            written_input: 0,
            output: decoder.u64()?,
            reasoning: decoder.u64()?,
            estimated: decoder.bool()?,
        };
        if fields >= FIELDS_WITH_WRITTEN {
            usage.written_input = decoder.u64()?;
        }
        for _later in FIELDS_WITH_WRITTEN..fields {
            decoder.skip()?;
        }
        Ok(Some(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        Meta {
            model: "gpt-4o-mini".to_owned(),
            usage: Some(Usage {
                input: 3,
                output: u64::MAX,
                estimated: true,
                ..Usage::default()
            }),
            tags: vec!["a".to_owned(), String::new()],
            sketch: Some(vec![0, 1, 0xff]),
            ..Meta::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for content_type in ["application/json", "", "text/plain"] {
            let meta = Meta {
                content_type: content_type.to_owned(),
                usage: meta().usage.filter(|_| !content_type.is_empty()),
                ..meta()
            };
            let bytes = minicbor::to_vec(&meta).unwrap();
            assert_eq!(minicbor::decode::<Meta>(&bytes).unwrap(), meta);
        }
    }

    #[test]
    fn fields_of_a_later_version_are_skipped() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        encoder.map(7).unwrap();
        encoder.u8(0).unwrap().str("m").unwrap();
        encoder.u8(2).unwrap().str("u").unwrap();
        encoder.u8(3).unwrap().u16(200).unwrap();
        encoder.u8(4).unwrap().array(7).unwrap();
        for _count in 0..4 {
            encoder.u64(1).unwrap();
        }
        encoder.bool(false).unwrap().u64(9).unwrap();
        encoder.str("later").unwrap();
        encoder.u8(5).unwrap().u32(1).unwrap();
        encoder.u8(6).unwrap().str("t").unwrap();
        encoder.u8(200).unwrap().array(1).unwrap().u8(1).unwrap();
        let meta: Meta = minicbor::decode(&bytes).unwrap();
        assert_eq!((meta.model.as_str(), meta.usage.unwrap().output), ("m", 1));
        assert_eq!((meta.resolved_model, meta.generation), (None, 0));
        assert_eq!(meta.sketch, None);
    }

    #[test]
    fn a_record_without_its_model_is_an_error() {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes)
            .map(1)
            .unwrap()
            .u8(3)
            .unwrap()
            .u16(200)
            .unwrap();
        assert!(minicbor::decode::<Meta>(&bytes).is_err());
    }
}
