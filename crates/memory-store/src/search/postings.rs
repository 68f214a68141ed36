//! Postings: in which documents a word stands, and where in each, in few bytes.
//!
//! Documents are numbered in the order in which they come, so that a list only grows at its end. For
//! each document: how far it is from the one before, how often the word stands in it, and how far each
//! place is from the one before; all as variable-length integers.

/// A document's number in its index.
pub type Number = u32;

#[derive(Debug, Default)]
pub struct Postings {
    bytes: Vec<u8>,
    last: Number,
    /// Documents that are still there. Those that went are passed over, until the index is compacted.
    pub live: u32,
}

impl Postings {
    /// `number` is greater than all before; `places` ascend and are not empty.
    pub fn push(&mut self, number: Number, places: impl ExactSizeIterator<Item = u32>) {
        put(&mut self.bytes, number - self.last);
        put(&mut self.bytes, u32::try_from(places.len()).unwrap_or(u32::MAX));
        let mut before = 0;
        for place in places {
            put(&mut self.bytes, place - before);
            before = place;
        }
        self.last = number;
        self.live += 1;
    }

    /// Bytes that they take in memory.
    pub fn size_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn read(&self) -> Reader<'_> {
        Reader { rest: &self.bytes, number: 0, places: 0 }
    }
}

/// Reads document after document, those that went too.
pub struct Reader<'a> {
    rest: &'a [u8],
    number: Number,
    /// Places of the current document that were not read.
    places: u32,
}

impl Reader<'_> {
    /// The next document.
    pub fn next(&mut self) -> Option<Number> {
        for _ in 0..std::mem::take(&mut self.places) {
            self.take();
        }
        if self.rest.is_empty() {
            return None;
        }
        self.number += self.take();
        self.places = self.take();
        Some(self.number)
    }

    /// The next document whose number is at least this.
    pub fn seek(&mut self, least: Number) -> Option<Number> {
        loop {
            let number = self.next()?;
            if number >= least {
                return Some(number);
            }
        }
    }

    /// Places of the current document, instead of what the buffer held.
    pub fn places(&mut self, into: &mut Vec<u32>) {
        into.clear();
        let mut place = 0;
        for _ in 0..std::mem::take(&mut self.places) {
            place += self.take();
            into.push(place);
        }
    }

    fn take(&mut self) -> u32 {
        let (mut value, mut shift) = (0, 0);
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        value
    }
}

fn put(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(all in proptest::collection::btree_map(
            0..u32::MAX,
            proptest::collection::btree_set(0..u32::MAX, 1..5),
            0..20,
        )) {
            let all: BTreeMap<u32, BTreeSet<u32>> = all;
            let mut postings = Postings::default();
            for (number, places) in &all {
                let places: Vec<u32> = places.iter().copied().collect();
                postings.push(*number, places.into_iter());
            }
            let (mut reader, mut read, mut places) = (postings.read(), BTreeMap::new(), Vec::new());
            while let Some(number) = reader.next() {
                reader.places(&mut places);
                read.insert(number, places.iter().copied().collect());
            }
            prop_assert_eq!(&read, &all);
            let mut reader = postings.read();
            let numbers: Vec<u32> = std::iter::from_fn(|| reader.next()).collect();
            prop_assert_eq!(numbers, all.keys().copied().collect::<Vec<_>>(), "places may be left unread");
            for least in all.keys() {
                prop_assert_eq!(postings.read().seek(*least), Some(*least));
            }
        }
    }
}
