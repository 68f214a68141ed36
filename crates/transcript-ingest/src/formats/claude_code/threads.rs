//! Which thread a line belongs to.
//!
//! The lines of a session are a forest. In each tree the path to the last turn of the conversation is
//! the main thread, and so are results and notes that hang on it at its side, which parallel calls
//! make. What was given up by a rewind is a thread `branch-N`, and a sub-agent's lines are a thread of
//! their own. Trees follow one another, as a compaction leaves them.

use std::borrow::Cow;
use std::collections::HashMap;

use super::lines::Line;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Empty for the main thread.
    pub name: String,
    /// The prompt that a sub-agent was started with: its words stand in the call already.
    pub is_prompt: bool,
}

/// The thread of each line; `lines` are one session's, in the order of the file.
pub fn threads(lines: &[&Line<'_>]) -> Vec<Thread> {
    let parents = parents(lines);
    let roots = roots(&parents);
    let on_path = paths(lines, &parents, &roots);
    let mut names = Names::default();
    let mut threads: Vec<Thread> = Vec::with_capacity(lines.len());
    let side: Vec<Option<usize>> = side_branches(lines, &parents, &on_path);
    for (i, line) in lines.iter().enumerate() {
        let thread = if line.is_sidechain {
            let start = sidechain_start(lines, &parents, i);
            let name =
                if line.agent_id.is_empty() { names.of("agent", start) } else { format!("agent-{}", line.agent_id) };
            Thread { name, is_prompt: start == i && line.kind == "user" }
        } else {
            Thread { name: side[i].map(|branch| names.of("branch", branch)).unwrap_or_default(), is_prompt: false }
        };
        threads.push(thread);
    }
    threads
}

/// The nearest line before it that has the parent's uuid: so there are no cycles.
fn parents(lines: &[&Line<'_>]) -> Vec<Option<usize>> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut parents = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        parents.push(seen.get(line.parent.as_ref()).copied());
        if !line.uuid.is_empty() {
            seen.insert(&line.uuid, i);
        }
    }
    parents
}

/// Parents come first, so one pass finds every line's root.
fn roots(parents: &[Option<usize>]) -> Vec<usize> {
    let mut roots: Vec<usize> = Vec::with_capacity(parents.len());
    for (i, parent) in parents.iter().enumerate() {
        roots.push(parent.map_or(i, |p| roots[p]));
    }
    roots
}

/// Whether a line is on its tree's path to the last turn.
fn paths(lines: &[&Line<'_>], parents: &[Option<usize>], roots: &[usize]) -> Vec<bool> {
    let mut leaves: HashMap<usize, usize> = HashMap::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| !l.is_sidechain) {
        let leaf = leaves.entry(roots[i]).or_insert(i);
        // A turn, or a result where no turn has come yet.
        if line.is_turn || !lines[*leaf].is_turn {
            *leaf = i;
        }
    }
    let mut on_path = vec![false; lines.len()];
    for leaf in leaves.into_values() {
        let mut at = Some(leaf);
        while let Some(i) = at {
            on_path[i] = true;
            at = parents[i];
        }
    }
    on_path
}

/// For each line of a branch that was given up, the line that the branch begins with.
fn side_branches(lines: &[&Line<'_>], parents: &[Option<usize>], on_path: &[bool]) -> Vec<Option<usize>> {
    let mut starts: Vec<Option<usize>> = Vec::with_capacity(lines.len());
    for i in 0..lines.len() {
        let start =
            if on_path[i] || lines[i].is_sidechain { None } else { parents[i].and_then(|p| starts[p]).or(Some(i)) };
        starts.push(start);
    }
    // A branch counts as given up when a turn of its own is in it. Lines of one API message with a
    // line of the path are parallel calls, not turns.
    let of_path: Vec<&str> = (0..lines.len())
        .filter(|i| on_path[*i])
        .map(|i| lines[i].message_id.as_ref())
        .filter(|id| !id.is_empty())
        .collect();
    let of_path: std::collections::HashSet<&str> = of_path.into_iter().collect();
    let mut given_up = vec![false; lines.len()];
    for (i, start) in starts.iter().enumerate() {
        if let Some(start) = start {
            given_up[*start] |= lines[i].is_turn && !of_path.contains(lines[i].message_id.as_ref());
        }
    }
    starts.into_iter().map(|start| start.filter(|s| given_up[*s])).collect()
}

fn sidechain_start(lines: &[&Line<'_>], parents: &[Option<usize>], line: usize) -> usize {
    let mut start = line;
    while let Some(parent) = parents[start].filter(|p| lines[*p].is_sidechain) {
        start = parent;
    }
    start
}

/// Numbers threads of a kind by where they begin, in the order in which they are met.
#[derive(Default)]
struct Names(HashMap<(Cow<'static, str>, usize), usize>, HashMap<Cow<'static, str>, usize>);

impl Names {
    fn of(&mut self, kind: &'static str, start: usize) -> String {
        let kind = Cow::Borrowed(kind);
        let counts = &mut self.1;
        let number = *self.0.entry((kind.clone(), start)).or_insert_with(|| {
            let count = counts.entry(kind.clone()).or_default();
            *count += 1;
            *count
        });
        format!("{kind}-{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::split::split;

    /// Lines as `uuid parent kind`, with `!` for a sidechain and `=id` for the API message's id.
    fn names(text: &str) -> Vec<String> {
        let file: String = text
            .lines()
            .map(|line| {
                let mut words = line.split_whitespace();
                let mut next = || words.next().unwrap_or_default();
                let (uuid, parent, kind, mark) = (next(), next(), next(), next());
                let parent = if parent == "-" { "null".into() } else { format!("{parent:?}") };
                let content = match kind {
                    "result" => r#"[{"type":"tool_result","tool_use_id":"t","content":"x"}]"#,
                    _ => r#""words""#,
                };
                let kind = if kind == "result" { "user" } else { kind };
                let id = mark.strip_prefix('=').unwrap_or_default();
                format!(
                    r#"{{"type":{kind:?},"uuid":{uuid:?},"parentUuid":{parent},"sessionId":"s","isSidechain":{},"message":{{"id":{id:?},"content":{content}}}}}"#,
                    mark == "!"
                ) + "\n"
            })
            .collect();
        let lines: Vec<_> = split(file.as_bytes()).map(|p| Line::read(p.unwrap()).unwrap()).collect();
        threads(&lines.iter().collect::<Vec<_>>())
            .into_iter()
            .map(|t| t.name + if t.is_prompt { "?" } else { "" })
            .collect()
    }

    #[test]
    fn a_rewind_leaves_a_branch() {
        assert_eq!(
            names("1 - user\n2 1 assistant\n3 2 user\n4 3 assistant\n5 2 user\n6 5 assistant"),
            ["", "", "branch-1", "branch-1", "", ""]
        );
    }

    #[test]
    fn parallel_calls_stay_in_the_main_thread_whichever_result_the_next_turn_hangs_on() {
        let first = "1 - user\n2 1 assistant =m\n3 2 assistant =m\n4 2 result\n5 3 result\n6 5 assistant";
        let second = "1 - user\n2 1 assistant =m\n3 2 assistant =m\n5 3 result\n4 2 result\n6 4 assistant";
        assert_eq!(names(first), [""; 6]);
        assert_eq!(names(second), [""; 6]);
    }

    #[test]
    fn sub_agents_are_threads_of_their_own() {
        assert_eq!(
            names(
                "1 - user\n2 1 assistant\na - user !\nb a assistant !\nc - user !\n3 2 result\nd c assistant !\n4 3 assistant"
            ),
            ["", "", "agent-1?", "agent-1", "agent-2?", "", "agent-2", ""]
        );
    }

    #[test]
    fn trees_follow_one_another_and_a_line_may_name_itself() {
        assert_eq!(names("1 - user\n2 1 assistant\n3 - system\n4 3 user\n5 4 assistant"), [""; 5]);
        assert_eq!(names("1 1 user\n2 3 assistant\n3 2 user"), [""; 3]);
        assert_eq!(names("1 - user\n2 1 assistant\n3 2 system"), [""; 3]);
    }
}
