//! `reverie dream`: start dreams, review and adopt what they propose.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use proto::dream as pb;
use proto::dream::session_selector::Selector;

use super::{Context, answer, evidence, request_id};
use crate::output::{Output, count, time};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Start a dream: read sessions beside a store and propose a better store
    Create(Create),
    /// List dreams, newest first
    Ls {
        #[arg(long, default_value = "")]
        store: String,
    },
    /// Show one dream and its report
    Show { dream: String },
    /// Follow a dream until it ends
    Watch { dream: String },
    /// Show what a dream proposes, change by change, with its evidence
    Diff { dream: String },
    /// Accept or reject one change
    Review {
        dream: String,
        /// The change's id, c-...
        change: String,
        #[arg(value_enum)]
        decision: Decision,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Merge what is not rejected into the store, as one commit
    Adopt {
        dream: String,
        /// Only what was accepted, with what it depends on
        #[arg(long)]
        accepted: bool,
        /// Say what would happen, change nothing
        #[arg(long)]
        dry_run: bool,
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Give a proposal up
    Discard { dream: String },
    /// Stop a dream that runs
    Cancel { dream: String },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Decision {
    Accept,
    Reject,
}

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The store to improve
    store: String,
    /// These sessions; may be given several times
    #[arg(long)]
    session: Vec<String>,
    /// Sessions with this KEY=VALUE
    #[arg(long, value_parser = super::pair, conflicts_with = "session")]
    label: Vec<(String, String)>,
    /// Sessions of this agent
    #[arg(long, default_value = "", conflicts_with = "session")]
    agent: String,
    /// Sessions that were attached to the store
    #[arg(long, conflicts_with = "session")]
    attached: bool,
    /// Sessions that ended since the store's last dream succeeded
    #[arg(long, conflicts_with = "session")]
    since_last_dream: bool,
    /// What to look for, kept with the dream
    #[arg(long, default_value = "")]
    instructions: String,
    /// Follow the dream until it ends
    #[arg(long)]
    wait: bool,
    /// Write the dream's id into this file
    #[arg(long)]
    id_file: Option<PathBuf>,
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    let mut dreams = context.client.dreams();
    let dream = match command {
        Command::Create(create) => return start(create, context).await,
        Command::Ls { store } => return ls(context, store).await,
        Command::Watch { dream } => return follow(context, dream).await,
        Command::Diff { dream } => return diff(context, dream).await,
        Command::Review { dream, change, decision, note } => {
            let decision = match decision {
                Decision::Accept => pb::ReviewDecision::Accept,
                Decision::Reject => pb::ReviewDecision::Reject,
            };
            let request = pb::ReviewChangeRequest { dream, change, decision: decision.into(), note };
            let change = answer(dreams.review_change(request).await)?.change.unwrap_or_default();
            return context.output.answer(&change, |out| change_lines(out, &change));
        }
        Command::Adopt { dream, accepted, dry_run, message } => {
            return adopt(context, dream, accepted, dry_run, message).await;
        }
        Command::Show { dream } => answer(dreams.get_dream(pb::GetDreamRequest { dream }).await)?.dream,
        Command::Discard { dream } => answer(dreams.discard_dream(pb::DiscardDreamRequest { dream }).await)?.dream,
        Command::Cancel { dream } => answer(dreams.cancel_dream(pb::CancelDreamRequest { dream }).await)?.dream,
    };
    let dream = dream.unwrap_or_default();
    context.output.answer(&dream, |out| describe(out, &dream))
}

async fn start(create: Create, context: &Context) -> Result<()> {
    let Create { store, session, label, agent, attached, since_last_dream, instructions, wait, id_file } = create;
    let selector = if session.is_empty() {
        let labels = label.into_iter().collect();
        let filter =
            pb::DreamSessionFilter { agent, labels, since_last_dream, attached_only: attached, ..Default::default() };
        Selector::Filter(filter)
    } else {
        Selector::Ids(pb::SessionIds { ids: session })
    };
    let request = pb::CreateDreamRequest {
        store,
        sessions: Some(pb::SessionSelector { selector: Some(selector) }),
        instructions,
        request_id: request_id(),
        ..Default::default()
    };
    let dream = answer(context.client.dreams().create_dream(request).await)?.dream.unwrap_or_default();
    if let Some(file) = id_file {
        std::fs::write(&file, &dream.id).with_context(|| format!("writing {}", file.display()))?;
    }
    if wait { follow(context, dream.id).await } else { context.output.answer(&dream, |out| out.line(&dream.id)) }
}

/// Shows progress until the dream ends; fails where the dream failed.
async fn follow(context: &Context, dream: String) -> Result<()> {
    let style =
        ProgressStyle::with_template("dreaming {bar:30} {percent}% {msg}").unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(100).with_style(style);
    let mut stream = answer(context.client.dreams().watch_dream(pb::WatchDreamRequest { dream }).await)?;
    let mut last = pb::Dream::default();
    while let Some(part) = answer(stream.message().await.map(tonic::Response::new))? {
        last = part.dream.unwrap_or_default();
        let progress = last.progress.unwrap_or_default();
        bar.set_position(progress.percent as u64);
        bar.set_message(if progress.total > 0 {
            format!("{} {}/{}", last.stage, progress.done, progress.total)
        } else {
            last.stage.clone()
        });
    }
    bar.finish_and_clear();
    context.output.answer(&last, |out| summary(out, &last))?;
    match last.state() {
        pb::DreamState::Succeeded | pb::DreamState::NeedsReview => Ok(()),
        _ => bail!("{} {}: {}", last.id, state_word(last.state()), last.error.map(|e| e.message).unwrap_or_default()),
    }
}

fn state_word(state: pb::DreamState) -> &'static str {
    match state {
        pb::DreamState::Unspecified => "unknown",
        pb::DreamState::Pending => "pending",
        pb::DreamState::Running => "running",
        pb::DreamState::Succeeded => "succeeded",
        pb::DreamState::NeedsReview => "needs review",
        pb::DreamState::Failed => "failed",
        pb::DreamState::Canceled => "canceled",
    }
}

fn summary(out: &Output, dream: &pb::Dream) -> Result<()> {
    let report = dream.report.clone().unwrap_or_default();
    let input = dream.input.clone().unwrap_or_default();
    let took = match (dream.start_time, dream.end_time) {
        (Some(start), Some(end)) => {
            format!(" in {:.1} s", (end.seconds - start.seconds) as f64 + f64::from(end.nanos - start.nanos) / 1e9)
        }
        _ => String::new(),
    };
    out.line(&format!("{}  {}{took}", out.bold(&dream.id), state_word(dream.state())))?;
    out.line(&format!(
        "  read {} ({}) beside {}@{}; proposes {}, dropped {}",
        count(report.sessions_read, "session"),
        count(report.events_read, "event"),
        input.store,
        input.revision,
        count(report.verified, "verified change"),
        report.dropped
    ))?;
    report.review_reasons.iter().try_for_each(|reason| out.line(&format!("  needs review: {reason}")))
}

fn describe(out: &Output, dream: &pb::Dream) -> Result<()> {
    summary(out, dream)?;
    if let Some(a) = dream.adoption.as_ref().filter(|a| a.state() == pb::AdoptionState::Adopted) {
        out.line(&format!("  adopted as revision {} by {} at {}", a.revision, a.principal, time(a.time)))?;
    }
    if let Some(error) = dream.error.as_ref().filter(|e| !e.message.is_empty()) {
        out.line(&format!("  {}", error.message))?;
    }
    match &dream.report {
        Some(report) if !report.markdown.is_empty() => out.raw(&format!("\n{}", report.markdown)),
        _ => Ok(()),
    }
}

async fn ls(context: &Context, store: String) -> Result<()> {
    let request = pb::ListDreamsRequest { store, page_size: 100, ..Default::default() };
    let page = answer(context.client.dreams().list_dreams(request).await)?;
    context.output.answer(&page, |out| {
        let row = |d: &pb::Dream| {
            let input = d.input.clone().unwrap_or_default();
            let changes = d.report.as_ref().map_or(String::new(), |r| r.verified.to_string());
            let adoption = match d.adoption.as_ref().map(pb::Adoption::state) {
                Some(pb::AdoptionState::Adopted) => "adopted",
                Some(pb::AdoptionState::Discarded) => "discarded",
                _ => "",
            };
            vec![
                d.id.clone(),
                state_word(d.state()).to_owned(),
                adoption.to_owned(),
                input.store,
                changes,
                time(d.create_time),
            ]
        };
        out.table(&["dream", "state", "adoption", "store", "changes", "created"], page.dreams.iter().map(row))
    })
}

async fn diff(context: &Context, dream: String) -> Result<()> {
    let changes = evidence::changes(context, &dream).await?;
    let all = pb::ListChangesResponse { changes, next_page_token: String::new() };
    context.output.answer(&all, |out| {
        for change in &all.changes {
            change_lines(out, change)?;
            evidence::quotes(out, change)?;
            out.diff(&change.diff)?;
            out.line("")?;
        }
        out.line(&out.dim(&format!(
            "{}; accept or reject one: reverie dream review {dream} CHANGE accept",
            count(all.changes.len() as u64, "change")
        )))
    })
}

fn change_lines(out: &Output, change: &pb::Change) -> Result<()> {
    let word = |text: &str, prefix: &str| text.trim_start_matches(prefix).to_lowercase();
    let operation = word(change.operation().as_str_name(), "CHANGE_OPERATION_");
    let tier = word(change.tier().as_str_name(), "TIER_");
    let support = change.support.unwrap_or_default();
    let review = match change.review.as_ref().map(pb::Review::decision) {
        Some(pb::ReviewDecision::Accept) => "  accepted",
        Some(pb::ReviewDecision::Reject) => "  rejected",
        _ => "",
    };
    out.line(&format!("{}  {operation}, {tier}{review}", out.bold(&format!("{}  {}", change.id, change.summary))))?;
    if support.sessions == 0 {
        return Ok(());
    }
    let counter =
        if support.counter_examples > 0 { format!(", {} against", support.counter_examples) } else { String::new() };
    let tasks = if support.tasks > 0 { format!(", {}", count(support.tasks, "task")) } else { String::new() };
    out.line(&format!(
        "    {} by {}{tasks}{counter}",
        count(support.sessions, "session"),
        count(support.agents, "agent")
    ))
}

async fn adopt(context: &Context, dream: String, accepted: bool, dry_run: bool, message: String) -> Result<()> {
    let changes = if accepted { pb::AdoptSelection::Accepted } else { pb::AdoptSelection::All };
    let request = pb::AdoptDreamRequest {
        dream,
        changes: changes.into(),
        expected_target_revision: None,
        dry_run,
        request_id: request_id(),
        message,
    };
    let done = answer(context.client.dreams().adopt_dream(request).await)?;
    context.output.answer(&done, |out| {
        let input = done.dream.clone().and_then(|d| d.input).unwrap_or_default();
        let n = count(done.adopted_changes.len() as u64, "change");
        let word = if dry_run { "would be adopted" } else { "adopted" };
        out.line(&format!("{n} {word}: {}@{}", input.store, done.revision))
    })
}
