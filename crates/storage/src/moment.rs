//! A moment of a database: its whole state in a few bytes, so that it can be kept elsewhere and compared.

use std::fmt;

/// The state after some number of commits. Two databases of the same moment hold the same rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Batches that were ever committed.
    pub commits: u64,
    pub rows: u64,
    pub digest: Digest,
}

/// The sum of the hashes of all rows. A row can be added and taken away, so that a commit costs what it
/// changes and no more. It finds what was lost or has come back; it is no defence against forgers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u64; 4]);

pub const MOMENT_BYTES: usize = 48;

impl Moment {
    pub fn to_bytes(self) -> [u8; MOMENT_BYTES] {
        let mut bytes = [0; MOMENT_BYTES];
        let numbers = [self.commits, self.rows].into_iter().chain(self.digest.0);
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Moment> {
        let bytes: &[u8; MOMENT_BYTES] = bytes.try_into().ok()?;
        let number = |i: usize| bytes[i * 8..].first_chunk().map(|b| u64::from_be_bytes(*b));
        let digest = Digest([number(2)?, number(3)?, number(4)?, number(5)?]);
        Some(Moment { commits: number(0)?, rows: number(1)?, digest })
    }

    /// A row was there, or is there now; `value_hash` of each.
    pub fn change(&mut self, key: &[u8], old: Option<[u8; 32]>, new: Option<[u8; 32]>) {
        if let Some(old) = old {
            self.rows = self.rows.wrapping_sub(1);
            self.digest.sum(key, old, u64::wrapping_sub);
        }
        if let Some(new) = new {
            self.rows = self.rows.wrapping_add(1);
            self.digest.sum(key, new, u64::wrapping_add);
        }
    }

    /// Whether the rows are the same, whatever commits they came by.
    pub fn same_rows(&self, other: &Moment) -> bool {
        (self.rows, self.digest) == (other.rows, other.digest)
    }
}

impl Digest {
    fn sum(&mut self, key: &[u8], value_hash: [u8; 32], add: impl Fn(u64, u64) -> u64) {
        let row = blake3::Hasher::new().update(&value_hash).update(key).finalize();
        for (lane, bytes) in self.0.iter_mut().zip(row.as_bytes().as_chunks::<8>().0) {
            *lane = add(*lane, u64::from_be_bytes(*bytes));
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}..", self.0[0])
    }
}

/// The hash that stands for a value in a digest.
pub fn value_hash(value: &[u8]) -> [u8; 32] {
    *blake3::hash(value).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_changes_does_not_matter_and_a_row_can_be_taken_back() {
        let (a, b) = (Some(value_hash(b"a")), Some(value_hash(b"b")));
        let mut one = Moment::default();
        one.change(b"1", None, a);
        one.change(b"2", None, b);
        let mut other = Moment::default();
        other.change(b"2", None, a);
        other.change(b"1", None, a);
        assert!(!one.same_rows(&other));
        other.change(b"2", a, b);
        assert!(one.same_rows(&other));
        other.change(b"2", b, None);
        other.change(b"1", a, None);
        assert_eq!(other, Moment::default());
        assert_eq!(Moment::from_bytes(&one.to_bytes()), Some(one));
    }

    #[test]
    fn values_that_change_places_change_the_digest() {
        let (a, b) = (Some(value_hash(b"a")), Some(value_hash(b"b")));
        let (mut one, mut other) = (Moment::default(), Moment::default());
        for (key, straight, crossed) in [(b"1", a, b), (b"2", b, a)] {
            one.change(key, None, straight);
            other.change(key, None, crossed);
        }
        assert!(!one.same_rows(&other));
    }
}
