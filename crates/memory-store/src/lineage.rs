//! Lineage: the stores whose commits make up a store's history.
//!
//! A fork is an overlay. It begins at a snapshot of its parent and goes on counting from there: forked
//! at 41, its head is 41, and its first own commit is 42. It copies nothing: commits up to the fork
//! point are read from the parent's log, and contents are named within the family, which all forks of
//! forks of one store share. Hence a fork costs one row, whatever the size of its parent; and a parent
//! that is deleted stays, hidden, for as long as forks build on it.

use domain::commit::Revision;
use domain::id::StoreId;
use domain::store::Snapshot;

/// A store and its ancestors, nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage(Vec<Link>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    store: StoreId,
    /// The fork point; 0 for a store that is no fork. Its own commits come after.
    start: Revision,
}

/// A run of revisions whose commits are in one store's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub store: StoreId,
    pub first: Revision,
    /// Inclusive.
    pub last: Revision,
}

impl Lineage {
    /// `ancestors` are the snapshots that the store, then its parent and so on, were forked from.
    pub fn new(store: StoreId, ancestors: &[Snapshot]) -> Lineage {
        let starts = ancestors.iter().map(|a| a.revision).chain([0]);
        let stores = [store].into_iter().chain(ancestors.iter().map(|a| a.store));
        Lineage(stores.zip(starts).map(|(store, start)| Link { store, start }).collect())
    }

    pub fn store(&self) -> StoreId {
        self.0[0].store
    }

    /// The store whose log has the commit.
    pub fn owner(&self, revision: Revision) -> StoreId {
        let link = self.0.iter().find(|link| revision > link.start);
        link.or(self.0.last()).map_or(self.store(), |link| link.store)
    }

    /// The first commit after the fork point that the owner of a revision has.
    pub fn start(&self, revision: Revision) -> Revision {
        self.0.iter().find(|link| revision > link.start).map_or(0, |link| link.start)
    }

    /// The commits after `after`, up to and with `to`, oldest first.
    pub fn segments(&self, after: Revision, to: Revision) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut last = to;
        for link in &self.0 {
            let first = link.start.max(after) + 1;
            if first <= last {
                segments.push(Segment { store: link.store, first, last });
            }
            last = last.min(link.start);
        }
        segments.reverse();
        segments
    }

    /// The newest snapshot that two snapshots of one family have in common.
    pub fn common(&self, revision: Revision, other: &Lineage, other_revision: Revision) -> Option<Snapshot> {
        let theirs = other.reach(other_revision);
        self.reach(revision).find_map(|(store, ours)| {
            let found = theirs.clone().find(|(other, _)| *other == store)?;
            Some(Snapshot { store, revision: ours.min(found.1) })
        })
    }

    /// How far into each store's log a snapshot reaches.
    fn reach(&self, revision: Revision) -> impl Iterator<Item = (StoreId, Revision)> + Clone {
        self.0.iter().scan(revision, |left, link| {
            let reached = *left;
            *left = reached.min(link.start);
            Some((link.store, reached))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: StoreId = StoreId::from_bytes([1; 16]);
    const B: StoreId = StoreId::from_bytes([2; 16]);
    const C: StoreId = StoreId::from_bytes([3; 16]);

    fn at(store: StoreId, revision: Revision) -> Snapshot {
        Snapshot { store, revision }
    }

    #[test]
    fn a_fork_reads_its_parent_up_to_the_fork_point() {
        let c = Lineage::new(C, &[at(B, 50), at(A, 41)]);
        assert_eq!([c.owner(41), c.owner(42), c.owner(50), c.owner(51)], [A, B, B, C]);
        assert_eq!(
            c.segments(40, 52),
            [
                Segment { store: A, first: 41, last: 41 },
                Segment { store: B, first: 42, last: 50 },
                Segment { store: C, first: 51, last: 52 }
            ]
        );
        assert!(c.segments(52, 52).is_empty());
    }

    #[test]
    fn a_fork_of_an_older_snapshot_than_its_parents_fork_point_skips_the_parent() {
        let c = Lineage::new(C, &[at(B, 30), at(A, 41)]);
        assert_eq!([c.owner(30), c.owner(31)], [A, C]);
        assert_eq!(
            c.segments(0, 31),
            [Segment { store: A, first: 1, last: 30 }, Segment { store: C, first: 31, last: 31 }]
        );
    }

    #[test]
    fn the_common_snapshot_is_the_newest() {
        let (a, b) = (Lineage::new(A, &[]), Lineage::new(B, &[at(A, 41)]));
        let c = Lineage::new(C, &[at(A, 12)]);
        assert_eq!(a.common(50, &b, 45), Some(at(A, 41)));
        assert_eq!(b.common(45, &a, 50), Some(at(A, 41)));
        assert_eq!(b.common(45, &c, 13), Some(at(A, 12)));
        assert_eq!(b.common(30, &a, 50), Some(at(A, 30)));
        assert_eq!(a.common(50, &Lineage::new(B, &[]), 50), None);
    }
}
