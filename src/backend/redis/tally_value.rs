//! A tally as scripts can add to it: three `MessagePack` tables one after the other.
//!
//! The first lists the counts, without the zeros at the end; the two others are the
//! histograms, from step to count. Scripts read and write this by a library that every
//! Redis has, ten times as fast as any text. That library knows one kind of table: one
//! whose keys are 1, 2, 3 … it writes as a list of its values, so a list is read as such
//! a table.

use crate::ledger::{Counter, Latencies, Tally};

/// The largest number a script can add to exactly.
const COUNT_MAX: u64 = 1 << 53;

/// The value of a tally. Numbers beyond 2^53 become that.
pub(super) fn write(tally: &Tally) -> Vec<u8> {
    let counts = Counter::ALL.map(|counter| tally.get(counter));
    let known = counts.iter().rposition(|count| *count > 0);
    let known = known.map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(128);
    write_head(&mut bytes, (0x90, 0xdc), known);
    for count in counts.into_iter().take(known) {
        write_number(&mut bytes, count);
    }
    for latencies in [&tally.total, &tally.first_byte] {
        write_head(&mut bytes, (0x80, 0xde), latencies.steps().count());
        for (step, count) in latencies.steps() {
            write_number(&mut bytes, u64::from(step));
            write_number(&mut bytes, count);
        }
    }
    bytes
}

/// The tally of a value. What a later version counts besides is left out.
pub(super) fn read(mut bytes: &[u8]) -> Option<Tally> {
    let mut tally = Tally::default();
    for (place, count) in read_table(&mut bytes)? {
        let place = usize::try_from(place).ok()?.checked_sub(1)?;
        if let Some(counter) = Counter::ALL.get(place) {
            tally.add(*counter, count);
        }
    }
    tally.total = read_latencies(&mut bytes)?;
    tally.first_byte = read_latencies(&mut bytes)?;
    Some(tally)
}

fn read_latencies(bytes: &mut &[u8]) -> Option<Latencies> {
    let mut latencies = Latencies::default();
    for (step, count) in read_table(bytes)? {
        latencies.add(u16::try_from(step).ok()?, count);
    }
    Some(latencies)
}

/// The head of a table, which has a short form for few values.
fn write_head(bytes: &mut Vec<u8>, (short, long): (u8, u8), length: usize) {
    if let Ok(few @ 0..16) = u8::try_from(length) {
        bytes.push(short | few);
    } else {
        bytes.push(long);
        // A tally has some hundred values at most.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
    }
}

fn write_number(bytes: &mut Vec<u8>, number: u64) {
    let number = number.min(COUNT_MAX);
    if let Ok(small) = u8::try_from(number) {
        if small > 0x7f {
            bytes.push(0xcc);
        }
        bytes.push(small);
    } else if let Ok(number) = u16::try_from(number) {
        bytes.push(0xcd);
        bytes.extend(number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        bytes.push(0xce);
        bytes.extend(number.to_be_bytes());
    } else {
        bytes.push(0xcf);
        bytes.extend(number.to_be_bytes());
    }
}

fn read_table(bytes: &mut &[u8]) -> Option<Vec<(u64, u64)>> {
    let [head] = take(bytes)?;
    let (length, is_list) = match head {
        0x80..0x90 => (u64::from(head & 0xf), false),
        0x90..0xa0 => (u64::from(head & 0xf), true),
        0xdc => (u64::from(u16::from_be_bytes(take(bytes)?)), true),
        0xdd => (u64::from(u32::from_be_bytes(take(bytes)?)), true),
        0xde => (u64::from(u16::from_be_bytes(take(bytes)?)), false),
        0xdf => (u64::from(u32::from_be_bytes(take(bytes)?)), false),
        _ => return None,
    };
    (1..=length)
        .map(|place| {
            let key = if is_list { place } else { read_number(bytes)? };
            Some((key, read_number(bytes)?))
        })
        .collect()
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let [head] = take(bytes)?;
    match head {
        0..0x80 => Some(u64::from(head)),
        0xcc => take(bytes).map(|[number]| u64::from(number)),
        0xcd => take(bytes).map(|number| u64::from(u16::from_be_bytes(number))),
        0xce => take(bytes).map(|number| u64::from(u32::from_be_bytes(number))),
        0xcf => take(bytes).map(u64::from_be_bytes),
        _ => None,
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tallies_survive_their_value(
            counts in proptest::collection::vec((0..Counter::ALL.len(), 0..=COUNT_MAX), 0..40),
            steps in proptest::collection::vec((0..304_u16, 0..1_u64 << 40), 0..400),
        ) {
            let mut tally = Tally::default();
            for (place, count) in counts {
                let count = count.min(COUNT_MAX - tally.get(Counter::ALL[place]));
                tally.add(Counter::ALL[place], count >> (place % 8 * 8));
            }
            for (place, (step, count)) in steps.into_iter().enumerate() {
                tally.total.add(step, count);
                if place < 5 {
                    tally.first_byte.add(step, count);
                }
            }
            prop_assert_eq!(read(&write(&tally)), Some(tally));
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            drop(read(&bytes));
        }
    }

    #[test]
    fn what_is_cut_or_of_another_kind_is_none() {
        let mut tally = Tally::default();
        tally.add(Counter::Hits, 300);
        let whole = write(&tally);
        assert_eq!(whole, [0x92, 0, 0xcd, 1, 44, 0x80, 0x80]);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        assert_eq!(read(b"?;;"), None);
        // A list stands for a table from 1; more than is known is left out.
        let list = [0x80, 0x92, 5, 6, 0x90, 0x91, 7];
        let total: Vec<_> = read(&list).unwrap().total.steps().collect();
        assert_eq!(total, [(1, 5), (2, 6)]);
        assert_eq!(read(&[0xdd, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
