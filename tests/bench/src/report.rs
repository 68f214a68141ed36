//! What was measured, as a table for people, as JSON, and as gates that hold or do not.

use std::fmt;

use anyhow::{Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::load::Figures;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    machine: String,
    rows: Vec<Row>,
    gates: Vec<Gate>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    what: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Serialize)]
struct Gate {
    what: String,
    value: f64,
    bound: f64,
    holds: bool,
    /// What is aimed at beyond the gate.
    goal: Option<f64>,
    /// Where there is a goal.
    reached: Option<bool>,
}

impl Report {
    pub fn row(&mut self, what: impl Into<String>, figures: Figures) {
        self.rows.push(Row { what: what.into(), figures });
    }

    pub fn at_least(&mut self, what: impl Into<String>, value: f64, bound: f64, goal: Option<f64>) {
        let (holds, reached) = (value >= bound, goal.map(|goal| value >= goal));
        self.gates.push(Gate { what: what.into(), value, bound, holds, goal, reached });
    }

    pub fn at_most(&mut self, what: impl Into<String>, value: f64, bound: f64) {
        self.gates.push(Gate { what: what.into(), value, bound, holds: value <= bound, goal: None, reached: None });
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Fails where a gate does not hold.
    pub fn check(&self) -> Result<()> {
        let failed: Vec<&str> = self.gates.iter().filter(|g| !g.holds).map(|g| g.what.as_str()).collect();
        if failed.is_empty() { Ok(()) } else { bail!("gates that do not hold: {}", failed.join("; ")) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header(["what", "calls/s", "p50", "p99"]);
        for Row { what, figures } in &self.rows {
            let ms = |us: f64| if us < 1_000.0 { format!("{us:.0} us") } else { format!("{:.2} ms", us / 1_000.0) };
            table.add_row([
                what.clone(),
                format!("{:.0}", figures.calls_per_s),
                ms(figures.p50_us),
                ms(figures.p99_us),
            ]);
        }
        for column in 1..4 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}\n\n{table}\n", machine())?;
        for Gate { what, value, bound, holds, goal, reached } in &self.gates {
            let goal = match goal.zip(*reached) {
                Some((goal, true)) => format!(", goal {goal:.2} reached"),
                Some((goal, false)) => format!(", goal {goal:.2} not reached"),
                None => String::new(),
            };
            writeln!(f, "{} {what}: {value:.2} (gate {bound:.2}{goal})", if *holds { "holds " } else { "FAILS " })?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note   {note}"))
    }
}

/// The machine, so that figures are not read without it.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map_or("an unknown CPU", |m| m.trim_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores of {model}, clients and servers on the same machine")
}
