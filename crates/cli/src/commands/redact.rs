//! `reverie redact`: take text out of a store and its forks for good.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Result, bail};
use proto::memory as pb;
use proto::memory::redaction_selector::{Selector, VersionIds};

use super::{Context, answer, request_id};
use crate::output::{bytes, time};

#[derive(Debug, clap::Args)]
pub struct Redact {
    /// A store; its forks, and what it was forked from, go with it
    store: String,
    #[command(flatten)]
    selector: SelectorArguments,
    /// Why; the receipt keeps it, so it must not repeat what is redacted
    #[arg(long, short)]
    reason: String,
    /// Say what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct SelectorArguments {
    /// A path and all below it: every version that was ever there, and the path itself
    #[arg(long)]
    path: Option<String>,
    /// Every version whose content matches; the head is written anew with [redacted] in its place
    #[arg(long)]
    regex: Option<String>,
    /// A version's id (memver_...); may be given more than once
    #[arg(long)]
    version_id: Vec<String>,
    /// Every version that a session wrote
    #[arg(long)]
    session: Option<String>,
    /// Every version that an actor wrote: NAME, or agent=NAME, session=ID, dream=ID, joined by commas
    #[arg(long, value_parser = actor)]
    actor: Option<pb::ActorFilter>,
    /// Every version with an origin that names a session
    #[arg(long)]
    derived_from: Option<String>,
}

impl From<SelectorArguments> for Option<Selector> {
    fn from(a: SelectorArguments) -> Option<Selector> {
        let versions =
            Some(a.version_id).filter(|ids| !ids.is_empty()).map(|ids| Selector::VersionIds(VersionIds { ids }));
        versions
            .or(a.path.map(Selector::Path))
            .or(a.regex.map(Selector::Regex))
            .or(a.session.map(Selector::Session))
            .or(a.actor.map(Selector::Actor))
            .or(a.derived_from.map(Selector::DerivedFromSession))
    }
}

pub async fn run(arguments: Redact, context: &Context) -> Result<()> {
    let Redact { store, selector, reason, dry_run, yes } = arguments;
    let selector = Some(pb::RedactionSelector { selector: selector.into() });
    let mut request = pb::RedactRequest { store, selector, reason, dry_run: true, request_id: String::new() };
    if dry_run || !yes {
        let planned = answer(context.client.governance().redact(request.clone()).await)?;
        let plan = planned.redaction.clone().unwrap_or_default();
        if dry_run {
            return context.output.answer(&planned, |out| out.raw(&format!("would redact {}\n", counts(&plan))));
        }
        confirm(&plan)?;
    }
    (request.dry_run, request.request_id) = (false, request_id());
    let done = answer(context.client.governance().redact(request).await)?;
    let redaction = done.redaction.clone().unwrap_or_default();
    context.output.answer(&done, |out| out.raw(&describe(&redaction)))
}

/// Asks the person at the terminal.
fn confirm(plan: &pb::Redaction) -> Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("this cannot be undone, and there is nobody to ask: give --yes, or --dry-run to see what would go");
    }
    let mut err = std::io::stderr().lock();
    write!(err, "This erases {} for good, here and in every fork. Go on? [y/N] ", counts(plan))?;
    err.flush()?;
    let mut said = String::new();
    stdin.lock().read_line(&mut said)?;
    if matches!(said.trim(), "y" | "Y" | "yes") { Ok(()) } else { bail!("nothing was redacted") }
}

fn counts(redaction: &pb::Redaction) -> String {
    let c = redaction.counts.unwrap_or_default();
    format!(
        "{} versions of {} memories in {} stores: {} contents, {}",
        c.versions,
        c.memories,
        c.stores,
        c.contents,
        bytes(c.content_bytes)
    )
}

/// The receipt.
pub fn describe(redaction: &pb::Redaction) -> String {
    let mut text = match redaction.state() {
        pb::redaction::State::Succeeded => format!("redacted {}\n", counts(redaction)),
        _ => "reads have stopped; the keys are still being destroyed\n".to_owned(),
    };
    text += &format!("  {}  {}\n  reason: {}\n", redaction.id, time(redaction.create_time), redaction.reason);
    for commit in &redaction.commits {
        text += &format!("  took memories out of the head of {} by revision {}\n", commit.store, commit.revision);
    }
    if redaction.key_epoch > 0 {
        text += &format!("  the keys before epoch {} are destroyed\n", redaction.key_epoch);
    }
    text
}

/// Parses `ana` or `agent=triage,session=sesn_...`.
fn actor(text: &str) -> Result<pb::ActorFilter, String> {
    let mut filter = pb::ActorFilter::default();
    for part in text.split(',') {
        let (field, value) = part.split_once('=').unwrap_or(("principal", part));
        let slot = match field {
            "principal" => &mut filter.principal,
            "agent" => &mut filter.agent,
            "session" => &mut filter.session,
            "dream" => &mut filter.dream,
            other => return Err(format!("{other:?} is none of principal, agent, session, dream")),
        };
        value.clone_into(slot);
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_a_name_or_fields() {
        assert_eq!(actor("ana").unwrap().principal, "ana");
        let filter = actor("agent=triage,session=sesn_1").unwrap();
        assert_eq!(
            (filter.agent.as_str(), filter.session.as_str(), filter.principal.as_str()),
            ("triage", "sesn_1", "")
        );
        assert!(actor("role=x").is_err());
    }
}
