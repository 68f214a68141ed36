//! Evidence: from a dream's change back to the events that it quotes.

use anyhow::Result;
use proto::dream as pb;
use proto::dream::evidence::Source;

use super::{Context, answer};
use crate::output::{Output, time};

/// How many pieces of evidence are shown of one change.
const SHOWN: usize = 2;
/// Characters of one event's text that are shown.
const TEXT_CHARS: usize = 160;

/// Shows the evidence behind an origin such as `reverie:dream/drm_.../change/c-1f2e3d4c`.
pub async fn of_source(context: &Context, source: &str) -> Result<()> {
    let Some((dream, id)) = source.strip_prefix("reverie:dream/").and_then(|rest| rest.split_once("/change/")) else {
        return Ok(());
    };
    let changes = changes(context, dream).await?;
    match changes.iter().find(|c| c.id == id) {
        Some(change) => of_change(context, dream, change).await,
        None => context.output.line(&format!("  {dream} has no change {id} any more")),
    }
}

/// Every change of a dream, page after page.
pub async fn changes(context: &Context, dream: &str) -> Result<Vec<pb::Change>> {
    let mut request = pb::ListChangesRequest { dream: dream.to_owned(), page_size: 1_000, page_token: String::new() };
    let mut changes = Vec::new();
    loop {
        let page = answer(context.client.dreams().list_changes(request.clone()).await)?;
        changes.extend(page.changes);
        if page.next_page_token.is_empty() {
            return Ok(changes);
        }
        request.page_token = page.next_page_token;
    }
}

async fn of_change(context: &Context, dream: &str, change: &pb::Change) -> Result<()> {
    let out = &context.output;
    out.line(&format!("  {}", change.summary))?;
    for evidence in change.evidence.iter().take(SHOWN) {
        let request = pb::GetEvidenceRequest { dream: dream.to_owned(), evidence: Some(evidence.clone()) };
        let found = answer(context.client.dreams().get_evidence(request).await)?;
        out.line(&format!("  {}", out.dim(&place(evidence, &found.agent))))?;
        for event in &found.events {
            let mark = if event.quoted { ">" } else { " " };
            out.line(&format!(
                "  {mark} {:>4} {} {} {}",
                event.seq,
                time(event.time),
                event.actor,
                shorten(&event.text, &found.quote)
            ))?;
        }
    }
    match change.evidence.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => out.line(&out.dim(&format!("  and {more} more: reverie dream diff {dream}"))),
    }
}

fn place(evidence: &pb::Evidence, agent: &str) -> String {
    match &evidence.source {
        Some(Source::Event(span)) if agent.is_empty() => format!("{} event {}", span.session, span.seq),
        Some(Source::Event(span)) => format!("{} event {}, agent {agent}", span.session, span.seq),
        Some(Source::Memory(span)) => format!("{}@{}", span.path, span.revision),
        None => String::new(),
    }
}

/// The quotes of a change, one line each, as a list below it.
pub fn quotes(out: &Output, change: &pb::Change) -> Result<()> {
    for evidence in change.evidence.iter().take(SHOWN) {
        let quote: String = evidence.quote.split_whitespace().collect::<Vec<_>>().join(" ");
        let quote: String = quote.chars().take(TEXT_CHARS).collect();
        out.line(&format!("    {} \"{quote}\"", out.dim(&place(evidence, ""))))?;
    }
    match change.evidence.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => out.line(&out.dim(&format!("    and {more} more"))),
    }
}

/// One line of an event's text, around its quote.
fn shorten(text: &str, quote: &str) -> String {
    let start = text.find(quote).filter(|_| !quote.is_empty()).unwrap_or(0);
    let before = text[..start].char_indices().rev().take(TEXT_CHARS / 4).last().map_or(start, |(i, _)| i);
    let line: String = text[before..].split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(TEXT_CHARS).collect();
    let (lead, tail) = (if before > 0 { "…" } else { "" }, if cut.len() < line.len() { "…" } else { "" });
    format!("{lead}{cut}{tail}")
}
