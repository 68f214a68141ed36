//! INDEX.md: one line a file, so that an agent knows in one read what there is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::MemoryPath;

use crate::note;

/// Where the index stands.
#[allow(clippy::expect_used, reason = "a constant path, parsed by every test of this file")]
pub static INDEX: LazyLock<MemoryPath> = LazyLock::new(|| "/INDEX.md".parse().expect("a well-formed path"));

const HEADING: &str = "# Index\n\nOne line a file; kept by dreams, rewritten at each adoption.\n";

/// The index of a set of memories, itself left out.
pub fn reindex(memories: &BTreeMap<MemoryPath, String>) -> String {
    let mut text = HEADING.to_owned();
    let mut folder = None;
    let mut files: Vec<(&str, &MemoryPath, &String)> = memories
        .iter()
        .filter(|(path, _)| **path != *INDEX)
        .map(|(path, content)| (path.ancestors().next().unwrap_or("/"), path, content))
        .collect();
    files.sort();
    for (parent, path, content) in files {
        if folder != Some(parent) {
            text += &format!("\n## {parent}\n\n");
            folder = Some(parent);
        }
        text += &format!("- [{}]({path}): {}{}\n", path.name(), note::title(content), mark(content));
    }
    text
}

/// How sure a note of ours is; nothing for a file by people.
fn mark(content: &str) -> String {
    match note::head(content).and_then(|head| head.get("tier").copied()) {
        Some(tier) => format!(" ({tier})"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_has_a_line_a_file_and_not_itself() {
        let memories = [("/INDEX.md", "old"), ("/a.md", "# Alpha\n\ntext"), ("/notes/b.md", "plain text")];
        let memories = memories.into_iter().map(|(p, t)| (p.parse().unwrap(), t.to_owned())).collect();
        let text = reindex(&memories);
        assert!(
            text.contains("- [a.md](/a.md): Alpha\n")
                && text.contains("## /notes\n\n- [b.md](/notes/b.md): plain text\n")
        );
        assert!(!text.contains("INDEX.md]"));
    }
}
