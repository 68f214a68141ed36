//! Writes a generated scenario as transcript files: one folder an agent, one file a session.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use reverie_scenario::oncall::{self, Plan};

/// Writes the on-call sessions of an SRE team's agents as Claude Code transcripts.
#[derive(Parser)]
struct Arguments {
    /// The folder to write: OUT/AGENT/SESSION.jsonl, and OUT/planted.json, the answer key.
    #[arg(long)]
    out: PathBuf,
    /// The same seed writes the same bytes.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How many sessions to write, shared out over the agents in turn.
    #[arg(long, default_value_t = 24)]
    sessions: usize,
    /// Plant nothing: the same events, with every pattern taken out.
    #[arg(long)]
    null: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan { seed: arguments.seed, sessions: arguments.sessions, planted: !arguments.null };
    let scenario = oncall::generate(&plan);
    for session in &scenario.sessions {
        let folder = arguments.out.join(&session.agent);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let file = folder.join(format!("{}.jsonl", session.id));
        fs::write(&file, session.to_jsonl()).with_context(|| format!("writing {}", file.display()))?;
    }
    let key = arguments.out.join("planted.json");
    fs::write(&key, serde_json::to_vec_pretty(&scenario.planted)?)
        .with_context(|| format!("writing {}", key.display()))?;
    Ok(())
}
