//! Statements that say one thing in nearly the same words.
//!
//! Two sentences are one statement when their stems are alike (Jaccard, complete linkage) and they name the
//! same things and agree in yes or no: alike sentences about two hosts are two statements.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Edge, complete_linkage};
use crate::prose;

/// Above this many in one block, only statements of the same stems are joined.
const BLOCK_MAX: usize = 1_000;

/// Groups the places of texts that are one statement; groups and members in order.
pub fn group(texts: &[&str], jaccard_min: f64) -> Vec<Vec<usize>> {
    let mut blocks: BTreeMap<(BTreeSet<String>, bool), Vec<usize>> = BTreeMap::new();
    for (i, text) in texts.iter().enumerate() {
        blocks.entry((prose::names(text), prose::is_negated(text))).or_default().push(i);
    }
    let mut groups = Vec::new();
    for block in blocks.values() {
        // Equal texts are one item, so that a statement made a thousand times is compared once.
        let mut distinct: BTreeMap<BTreeSet<String>, Vec<usize>> = BTreeMap::new();
        block.iter().for_each(|i| distinct.entry(prose::stems(texts[*i])).or_default().push(*i));
        let (stems, places): (Vec<_>, Vec<_>) = distinct.into_iter().unzip();
        let mut edges = Vec::new();
        if stems.len() <= BLOCK_MAX {
            for a in 0..stems.len() {
                for b in a + 1..stems.len() {
                    let similarity = prose::jaccard(&stems[a], &stems[b]);
                    if similarity >= jaccard_min {
                        edges.push(Edge { similarity, a, b });
                    }
                }
            }
        }
        groups.extend(complete_linkage(stems.len(), edges).into_iter().map(|group| {
            let mut members: Vec<usize> = group.into_iter().flat_map(|i| places[i].clone()).collect();
            members.sort_unstable();
            members
        }));
    }
    groups.sort();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paraphrase_joins_and_another_host_or_a_no_does_not() {
        let texts = [
            "The leak in payments-api is being fixed in payments-api#4812.",
            "payments-api#4812 is fixing the leak in payments-api.",
            "payments-api#4813 is fixing the leak in payments-api.",
            "payments-api#4812 is not fixing the leak in payments-api.",
        ];
        assert_eq!(group(&texts, 0.8), [vec![0, 1], vec![2], vec![3]]);
    }
}
