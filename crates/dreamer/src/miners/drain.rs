//! Drain (He, Zhu, Zheng, Lyu: Drain, an online log parsing approach with fixed depth tree, ICWS 2017):
//! templates of lines that differ in a few words.
//!
//! Depth 4: root, number of words, first word, templates; similarity 0.5. Drain learns online, and its templates
//! depend on the order of lines; here the distinct masked lines come sorted, so that they do not.

use std::collections::{BTreeMap, BTreeSet};

use crate::normalise::SLOT;

/// The share of equal words from which a line belongs to a template.
const SIMILARITY_MIN: f64 = 0.5;

/// The template of every distinct line.
pub fn templates<'a>(lines: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let lines: BTreeSet<&str> = lines.into_iter().collect();
    let mut leaves: BTreeMap<(usize, &str), Vec<Template<'_>>> = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let first = words.first().copied().filter(|w| !w.contains(SLOT)).unwrap_or(SLOT);
        let leaf = leaves.entry((words.len(), first)).or_default();
        // The first of the most similar, as in the paper; slots count as unequal words.
        let best = leaf
            .iter_mut()
            .map(|template| (template.similarity(&words), template))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        match best {
            Some((similarity, template)) if similarity >= SIMILARITY_MIN => template.take(line, &words),
            _ => leaf.push(Template { words, lines: vec![line] }),
        }
    }
    let all = leaves.into_values().flatten();
    all.flat_map(|template| {
        let text = template.words.join(" ");
        template.lines.into_iter().map(move |line| (line.to_owned(), text.clone()))
    })
    .collect()
}

struct Template<'a> {
    words: Vec<&'a str>,
    lines: Vec<&'a str>,
}

impl<'a> Template<'a> {
    fn similarity(&self, words: &[&str]) -> f64 {
        let same = self.words.iter().zip(words).filter(|(a, b)| a == b && **a != SLOT).count();
        same as f64 / words.len() as f64
    }

    fn take(&mut self, line: &'a str, words: &[&'a str]) {
        for (own, other) in self.words.iter_mut().zip(words) {
            if own != other {
                *own = SLOT;
            }
        }
        self.lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::normalise::matches;

    #[test]
    fn lines_that_differ_in_a_word_share_a_template() {
        let found =
            templates(["Error: no pod api found", "Error: no pod web found", "Error: quota spent", "all fine here x"]);
        assert_eq!(found["Error: no pod api found"], "Error: no pod <*> found");
        assert_eq!(found["Error: no pod web found"], "Error: no pod <*> found");
        assert_eq!(found["Error: quota spent"], "Error: quota spent");
    }

    proptest! {
        #[test]
        fn the_order_of_lines_is_nothing_and_every_template_matches_its_line(
            lines in prop::collection::vec("[ab]( [abc<]){0,4}", 1..12), seed in any::<u64>()
        ) {
            let found = templates(lines.iter().map(String::as_str));
            let mut shuffled = lines.clone();
            crate::stats::Shuffler::new(seed).shuffle(&mut shuffled);
            prop_assert_eq!(&found, &templates(shuffled.iter().map(String::as_str)));
            for (line, template) in &found {
                prop_assert!(matches(template, line), "{} {}", template, line);
            }
        }
    }
}
