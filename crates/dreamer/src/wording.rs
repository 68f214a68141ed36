//! How candidates speak: counts, names and quotations, the same everywhere.

use domain::dream::{Support, Tier};

/// "1 session", "3 sessions".
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The tier in a word, with the counts behind it: "Recurrent: 10 sessions, 3 tasks, 4 agents."
pub fn tally(tier: Tier, support: &Support) -> String {
    let word = match tier {
        Tier::Seen => "Seen",
        Tier::Recurrent => "Recurrent",
        Tier::Tested => "Tested",
        Tier::Shown => "Shown",
    };
    let mut parts = vec![count(support.sessions, "session")];
    if support.tasks > 1 {
        parts.push(count(support.tasks, "task"));
    }
    if support.agents > 1 {
        parts.push(count(support.agents, "agent"));
    }
    let against = match support.counter_examples {
        0 => String::new(),
        n => format!("; {} against it", count(n, "session")),
    };
    format!("{word}: {}{against}.", parts.join(", "))
}

/// Text on one line, at most `chars` of it.
pub fn short(text: &str, chars: usize) -> String {
    let words = crate::normalise::words(text);
    if words.chars().count() <= chars {
        return words;
    }
    let mut cut: String = words.chars().take(chars.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// As code: `text`, whatever ticks are in it.
pub fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// "`a`", "`a` and `b`", "`a`, `b` and `c`".
pub fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| code(name)).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// Seconds as people say them: "45 s", "3 min", "2.5 h".
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_nouns() {
        let support = Support { sessions: 3, tasks: 1, agents: 2, counter_examples: 1 };
        assert_eq!(tally(Tier::Recurrent, &support), "Recurrent: 3 sessions, 2 agents; 1 session against it.");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "`a`, `b` and `c`");
    }

    #[test]
    fn short_text_keeps_whole_characters() {
        assert_eq!(short("é é é é", 4), "é é…");
        assert_eq!(short("a\n b", 9), "a b");
    }
}
