//! A puncturable pseudo-random function: one seed makes the data key of every serial, until a serial
//! is punctured; then what is kept makes all the others and no longer that one.
//!
//! The tree of Goldreich, Goldwasser and Micali (How to Construct Random Functions, J. ACM 1986),
//! punctured as Boneh and Waters, and Boyle, Goldwasser and Ivan describe (2013): the seeds beside
//! the path to the punctured leaf take the place of the seed above it. Children are made by keyed
//! BLAKE3.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bits of a serial: 2.8e14 records. A punctured serial adds at most this many seeds.
pub const SERIAL_BITS: u32 = 48;

/// A neighbourhood has 2^this many serials: records are written in the order of their serials, so that one of
/// these, kept, saves most of the way from the root.
const NEIGHBOURHOOD_BITS: u32 = 6;

/// A subtree of serials that were not punctured when it was made.
#[derive(Clone)]
pub struct Neighbourhood(Node);

impl Neighbourhood {
    pub fn contains(&self, serial: u64) -> bool {
        self.0.contains(serial)
    }

    /// The data key of a serial that it contains.
    pub fn key(&self, serial: u64) -> [u8; 32] {
        let mut node = self.0.clone();
        while node.height > 0 {
            node = node.towards(serial);
        }
        blake3::derive_key("reverie 2026-11 record data key v1", &node.seed)
    }
}

/// The seeds from which every serial that is not punctured can be made.
#[derive(Clone, Serialize, Deserialize)]
pub struct Cover {
    /// Disjoint subtrees, in the order of their serials.
    nodes: Vec<Node>,
}

#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Node {
    /// The first serial of the subtree.
    start: u64,
    /// The subtree holds 2^height serials.
    height: u32,
    seed: [u8; 32],
}

impl Node {
    fn contains(&self, serial: u64) -> bool {
        serial >> self.height == self.start >> self.height
    }

    fn child(&self, right: bool) -> Node {
        let height = self.height - 1;
        let seed = *blake3::keyed_hash(&self.seed, &[u8::from(right)]).as_bytes();
        Node { start: self.start | u64::from(right) << height, height, seed }
    }

    /// The child that holds the serial.
    fn towards(&self, serial: u64) -> Node {
        self.child(serial >> (self.height - 1) & 1 == 1)
    }

    /// What is left of the subtree without some of its serials, which are sorted.
    fn without(self, serials: &[u64], left: &mut Vec<Node>) {
        if serials.is_empty() {
            left.push(self);
        } else if (serials.len() as u64) < 1 << self.height {
            let right = self.child(true);
            let (lower, upper) = serials.split_at(serials.partition_point(|&s| s < right.start));
            self.child(false).without(lower, left);
            right.without(upper, left);
        }
    }
}

impl Cover {
    pub fn new(seed: [u8; 32]) -> Cover {
        Cover { nodes: vec![Node { start: 0, height: SERIAL_BITS, seed }] }
    }

    /// The data key of a serial; None where it is punctured.
    #[cfg(test)]
    pub fn key(&self, serial: u64) -> Option<[u8; 32]> {
        Some(self.neighbourhood(serial)?.key(serial))
    }

    /// The smallest subtree of the cover around a serial with at least its near neighbours, where there is one.
    pub fn neighbourhood(&self, serial: u64) -> Option<Neighbourhood> {
        let mut node = self.nodes[self.place(serial)?].clone();
        while node.height > NEIGHBOURHOOD_BITS {
            node = node.towards(serial);
        }
        Some(Neighbourhood(node))
    }

    /// Makes the keys of some serials impossible to make.
    pub fn puncture(&mut self, serials: &[u64]) {
        let mut serials = serials.to_vec();
        serials.sort_unstable();
        serials.dedup();
        let (mut rest, mut nodes) = (serials.as_slice(), Vec::with_capacity(self.nodes.len() + serials.len()));
        for node in std::mem::take(&mut self.nodes) {
            let (_, from) = rest.split_at(rest.partition_point(|&s| s < node.start));
            let (within, after) = from.split_at(from.partition_point(|&s| node.contains(s)));
            node.without(within, &mut nodes);
            rest = after;
        }
        self.nodes = nodes;
    }

    /// The subtree that holds the serial. The nodes are disjoint and sorted.
    fn place(&self, serial: u64) -> Option<usize> {
        let at = self.nodes.partition_point(|n| n.start <= serial).checked_sub(1)?;
        self.nodes[at].contains(serial).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_puncture_takes_its_own_key_and_no_other(seed: [u8; 32], erased in proptest::collection::btree_set(0..1u64 << SERIAL_BITS, 1..12), kept in proptest::collection::btree_set(0..1u64 << SERIAL_BITS, 1..12)) {
            let whole = Cover::new(seed);
            let mut cover = whole.clone();
            // At once, one after the other, and again.
            let all: Vec<u64> = erased.iter().copied().collect();
            let (some, others) = all.split_at(all.len() / 2);
            for serials in [some, &others[..others.len().min(1)], others, &all] {
                cover.puncture(serials);
            }
            prop_assert!(cover.nodes.is_sorted_by_key(|n| n.start));
            for &serial in &erased {
                prop_assert_eq!(cover.key(serial), None);
            }
            // The neighbours of an erased serial are where a mistake would show.
            let neighbours = erased.iter().flat_map(|s| [s ^ 1, s.saturating_sub(1)]);
            for serial in kept.iter().copied().chain(neighbours).filter(|s| !erased.contains(s)) {
                prop_assert_eq!(cover.key(serial), whole.key(serial));
            }
            prop_assert!(cover.nodes.len() <= erased.len() * SERIAL_BITS as usize);
        }
    }

    #[test]
    fn neighbours_that_are_punctured_together_cost_no_more_than_one() {
        let mut cover = Cover::new([1; 32]);
        cover.puncture(&(4_096..8_192).collect::<Vec<_>>());
        assert_eq!(cover.nodes.len(), SERIAL_BITS as usize - 12);
        assert!(cover.key(4_095).is_some() && cover.key(8_192).is_some());
        assert!((4_096..8_192).all(|serial| cover.key(serial).is_none()));
    }
}
