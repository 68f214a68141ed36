//! `reverie audit`: who did what, and whether anybody changed the past.

use anyhow::{Result, bail};
use proto::memory as pb;

use super::{Context, answer};
use crate::output::time;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List what was administered, redacted and refused, newest first
    Ls {
        /// Only about this store
        #[arg(long)]
        store: Option<String>,
        /// Only of this principal
        #[arg(long)]
        principal: Option<String>,
        /// Only this action, for example StoreAdminister
        #[arg(long)]
        action: Option<String>,
        /// Only what was refused
        #[arg(long)]
        refused: bool,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Recompute a store's hash chain from its first commit, and open every commitment
    Verify { store: String },
    /// List a store's redactions, newest first
    Redactions { store: String },
    /// Show a redaction's receipt
    Receipt {
        /// redact_...
        redaction: String,
    },
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Ls { store, principal, action, refused, limit } => {
            let request = pb::ListAuditEventsRequest {
                store: store.unwrap_or_default(),
                principal: principal.unwrap_or_default(),
                action: action.unwrap_or_default(),
                refused_only: refused,
                ..Default::default()
            };
            ls(context, request, limit).await
        }
        Command::Verify { store } => verify(context, store).await,
        Command::Redactions { store } => redactions(context, store).await,
        Command::Receipt { redaction } => {
            let receipt =
                answer(context.client.governance().get_redaction(pb::GetRedactionRequest { redaction }).await)?;
            let text = super::redact::describe(&receipt.redaction.clone().unwrap_or_default());
            context.output.answer(&receipt, |out| out.raw(&text))
        }
    }
}

async fn ls(context: &Context, mut request: pb::ListAuditEventsRequest, limit: usize) -> Result<()> {
    let mut events = Vec::new();
    while events.len() < limit {
        request.page_size = i32::try_from((limit - events.len()).min(1_000))?;
        let page = answer(context.client.governance().list_audit_events(request.clone()).await)?;
        events.extend(page.events);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let row = |e: &pb::AuditEvent| {
        let actor = e.actor.clone().unwrap_or_default();
        vec![
            time(e.create_time),
            if e.allowed { "done" } else { "refused" }.to_owned(),
            if actor.principal.is_empty() { actor.agent } else { actor.principal },
            e.action.clone(),
            e.store.clone(),
            e.description.clone(),
        ]
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    let answer = pb::ListAuditEventsResponse { events, next_page_token: String::new() };
    context.output.answer(&answer, |out| out.table(&["time", "", "who", "action", "store", "what"], rows))
}

async fn verify(context: &Context, store: String) -> Result<()> {
    let found = answer(context.client.governance().verify_history(pb::VerifyHistoryRequest { store }).await)?;
    context.output.answer(&found, |out| {
        for problem in &found.problems {
            out.line(&format!("{}@{}: {}", problem.store, problem.revision, problem.description))?;
        }
        out.line(&format!(
            "{} commits up to revision {}, chain {}\n{} commitments opened, {} versions redacted or expired",
            found.commits, found.head_revision, found.chain_hash, found.opened, found.redacted
        ))
    })?;
    if found.problems.is_empty() { Ok(()) } else { bail!("the history is not what was committed") }
}

async fn redactions(context: &Context, store: String) -> Result<()> {
    let mut request = pb::ListRedactionsRequest { store, page_size: 1_000, ..Default::default() };
    let mut redactions = Vec::new();
    loop {
        let page = answer(context.client.governance().list_redactions(request.clone()).await)?;
        redactions.extend(page.redactions);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let row = |r: &pb::Redaction| {
        let actor = r.actor.clone().unwrap_or_default();
        let done = if r.finish_time.is_some() { "done" } else { "running" };
        let versions = r.counts.unwrap_or_default().versions.to_string();
        vec![r.id.clone(), time(r.create_time), done.to_owned(), versions, actor.principal, r.reason.clone()]
    };
    let rows: Vec<_> = redactions.iter().map(row).collect();
    let answer = pb::ListRedactionsResponse { redactions, next_page_token: String::new() };
    context.output.answer(&answer, |out| out.table(&["redaction", "time", "", "versions", "who", "reason"], rows))
}
