//! Grouping: which sessions have one task, which statements are one statement.
//!
//! Complete linkage (Sørensen 1948): two groups join only where every pair across them is alike enough, so
//! that no chain of half-alike items becomes a lump. Cosine of log-TF-IDF vectors (Salton and Buckley 1988).

use std::collections::{BTreeMap, BTreeSet};

/// Two items and how alike they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    pub similarity: f64,
    pub a: usize,
    pub b: usize,
}

/// Groups `count` items by the edges that reach the threshold (pass no others). The most alike join first;
/// ties go by the items' numbers, so number them by content. Groups and their members are in order.
pub fn complete_linkage(count: usize, mut edges: Vec<Edge>) -> Vec<Vec<usize>> {
    edges.sort_by(|x, y| y.similarity.total_cmp(&x.similarity).then((x.a, x.b).cmp(&(y.a, y.b))));
    let mut group_of: Vec<usize> = (0..count).collect();
    let mut members: Vec<Vec<usize>> = (0..count).map(|i| vec![i]).collect();
    // Edges seen so far between two groups: they may join when it is every pair.
    let mut seen: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for edge in edges {
        let (a, b) = (group_of[edge.a], group_of[edge.b]);
        if a == b {
            continue;
        }
        let pairs = {
            *seen.entry(b).or_default().entry(a).or_default() += 1;
            let pairs = seen.entry(a).or_default().entry(b).or_default();
            *pairs += 1;
            *pairs
        };
        if pairs < members[a].len() * members[b].len() {
            continue;
        }
        let moved = std::mem::take(&mut members[b]);
        for item in &moved {
            group_of[*item] = a;
        }
        members[a].extend(moved);
        for (other, pairs) in seen.remove(&b).unwrap_or_default() {
            if let Some(row) = seen.get_mut(&other) {
                row.remove(&b);
            }
            if other != a {
                *seen.entry(a).or_default().entry(other).or_default() += pairs;
                *seen.entry(other).or_default().entry(a).or_default() += pairs;
            }
        }
        if let Some(row) = seen.get_mut(&a) {
            row.remove(&b);
        }
    }
    let mut groups: Vec<Vec<usize>> = members.into_iter().filter(|g| !g.is_empty()).collect();
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort();
    groups
}

/// The pairs of texts, given as word counts, whose cosine reaches `least`.
pub fn cosine_edges(texts: &[&BTreeMap<String, u32>], least: f64) -> Vec<Edge> {
    let mut texts_with: BTreeMap<&str, usize> = BTreeMap::new();
    for word in texts.iter().flat_map(|t| t.keys()) {
        *texts_with.entry(word).or_default() += 1;
    }
    let mut postings: BTreeMap<&str, Vec<(usize, f64)>> = BTreeMap::new();
    for (i, text) in texts.iter().enumerate() {
        let weight = |word: &str, count: u32| {
            let idf = ((1 + texts.len()) as f64 / (1 + texts_with[word]) as f64).ln() + 1.0;
            (1.0 + f64::from(count).ln()) * idf
        };
        let norm = text.iter().map(|(word, count)| weight(word, *count).powi(2)).sum::<f64>().sqrt();
        for (word, count) in *text {
            postings.entry(word).or_default().push((i, weight(word, *count) / norm));
        }
    }
    let mut edges = Vec::new();
    let mut dots = vec![0.0; texts.len()];
    for (a, text) in texts.iter().enumerate() {
        let mut touched = BTreeSet::new();
        for word in text.keys() {
            let list = &postings[word.as_str()];
            let Ok(at) = list.binary_search_by_key(&a, |(i, _)| *i) else { continue };
            for (b, weight) in &list[at + 1..] {
                dots[*b] += list[at].1 * weight;
                touched.insert(*b);
            }
        }
        for b in touched {
            let similarity = std::mem::take(&mut dots[b]);
            if similarity >= least {
                edges.push(Edge { similarity, a, b });
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(text: &str) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        text.split(' ').for_each(|w| *counts.entry(w.to_owned()).or_default() += 1);
        counts
    }

    #[test]
    fn a_chain_does_not_become_a_lump() {
        let chain: Vec<Edge> = (0..5).map(|i| Edge { similarity: 0.9 - i as f64 / 100.0, a: i, b: i + 1 }).collect();
        assert_eq!(complete_linkage(6, chain), [vec![0, 1], vec![2, 3], vec![4, 5]]);
    }

    #[test]
    fn texts_about_one_thing_are_alike() {
        let texts =
            [counts("change my flight to denver"), counts("flight to denver please change"), counts("refund a bag")];
        let edges = cosine_edges(&texts.iter().collect::<Vec<_>>(), 0.4);
        assert_eq!(edges.iter().map(|e| (e.a, e.b)).collect::<Vec<_>>(), [(0, 1)]);
        assert!(edges[0].similarity < 1.0 + 1e-9);
    }

    proptest! {
        #[test]
        fn every_pair_in_a_group_is_an_edge_and_everything_is_in_one_group(
            pairs in prop::collection::btree_map((0_usize..9, 0_usize..9), 0.0_f64..1.0, 0..30)
        ) {
            let edges: Vec<Edge> = pairs.into_iter().filter(|((a, b), _)| a < b)
                .map(|((a, b), similarity)| Edge { similarity, a, b }).collect();
            let groups = complete_linkage(9, edges.clone());
            let mut all: Vec<usize> = groups.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..9).collect::<Vec<_>>());
            for group in groups {
                for (i, a) in group.iter().enumerate() {
                    for b in &group[i + 1..] {
                        prop_assert!(edges.iter().any(|e| (e.a, e.b) == (*a, *b)));
                    }
                }
            }
        }
    }
}
