//! `reverie whoami`, `token`, `attach`: credentials, and what they reach.

use std::time::Duration;

use anyhow::{Result, bail};
use proto::memory as pb;

use super::{Context, answer, request_id};
use crate::output::{Output, time};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say what the credential stands for
    Whoami,
    /// Issue and revoke tokens
    #[command(subcommand)]
    Token(Token),
    /// Give an agent's session access to stores, and print its token
    Attach(Attach),
}

#[derive(Debug, clap::Subcommand)]
pub enum Token {
    /// Issue a token that may do at most what you may do; its secret is shown once
    Create {
        /// Whose name its commits carry; yours where absent
        #[arg(long, default_value = "")]
        subject: String,
        #[arg(long, value_enum, default_value_t = Role::Writer)]
        role: Role,
        /// STORE or STORE:/PREFIX; may be given several times
        #[arg(long)]
        read_only: Vec<crate::address::Address>,
        /// STORE or STORE:/PREFIX; may be given several times
        #[arg(long)]
        read_write: Vec<crate::address::Address>,
        /// Every store of the workspace
        #[arg(long, conflicts_with_all = ["read_only", "read_write"])]
        all_stores: bool,
        /// Hours that it lives
        #[arg(long, default_value_t = 24)]
        hours: u64,
    },
    /// List tokens
    Ls {
        /// Expired and revoked ones too
        #[arg(long)]
        ended: bool,
    },
    /// End a token at once, and those made with it
    Revoke {
        /// A token's id
        token: String,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Role {
    Reader,
    Writer,
    Curator,
    Admin,
}

#[derive(Debug, clap::Args)]
pub struct Attach {
    /// The session's id; a new one where absent
    #[arg(long)]
    session: Option<String>,
    #[arg(long, default_value = "")]
    agent: String,
    /// STORE or STORE:/PREFIX; may be given several times
    #[arg(long)]
    read_only: Vec<crate::address::Address>,
    /// STORE or STORE:/PREFIX; may be given several times
    #[arg(long)]
    read_write: Vec<crate::address::Address>,
    /// Only the token, without the note for the agent
    #[arg(short, long)]
    quiet: bool,
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Whoami => whoami(context).await,
        Command::Token(command) => token(command, context).await,
        Command::Attach(attach) => self::attach(attach, context).await,
    }
}

async fn whoami(context: &Context) -> Result<()> {
    let me = answer(context.client.access().who_am_i(pb::WhoAmIRequest {}).await)?;
    context.output.answer(&me, |out| {
        let token = me.token.clone().unwrap_or_default();
        let scope = me.effective_scope.clone().unwrap_or_default();
        out.line(&format!(
            "{}  {}, {}, until {}",
            token.subject,
            role_word(scope.role()),
            token.id,
            time(token.expire_time)
        ))?;
        if !token.session.is_empty() {
            out.line(&format!("  session {}", token.session))?;
        }
        if scope.all_stores {
            return out.line("  every store, read and write");
        }
        scope.grants.iter().try_for_each(|g| {
            out.line(&format!("  {}:{}  {}", g.store, prefix_word(&g.path_prefix), access_word(g.access())))
        })
    })
}

async fn token(command: Token, context: &Context) -> Result<()> {
    let mut access = context.client.access();
    match command {
        Token::Create { subject, role, read_only, read_write, all_stores, hours } => {
            let grant = |at: &crate::address::Address, access: pb::Access| pb::Grant {
                store: at.store.clone(),
                access: access.into(),
                path_prefix: at.path.clone(),
            };
            let grants = read_only
                .iter()
                .map(|a| grant(a, pb::Access::ReadOnly))
                .chain(read_write.iter().map(|a| grant(a, pb::Access::ReadWrite)))
                .collect();
            let role = match role {
                Role::Reader => pb::Role::Reader,
                Role::Writer => pb::Role::Writer,
                Role::Curator => pb::Role::Curator,
                Role::Admin => pb::Role::Admin,
            };
            let scope = pb::Scope { role: role.into(), grants, all_stores };
            let ttl = prost_types::Duration::try_from(Duration::from_secs(hours * 3_600))?;
            let request = pb::CreateTokenRequest {
                subject,
                scope: Some(scope),
                ttl: Some(ttl),
                request_id: request_id(),
                ..Default::default()
            };
            let made = answer(access.create_token(request).await)?;
            context.output.answer(&made, |out| out.line(&made.secret))
        }
        Token::Ls { ended } => {
            let request = pb::ListTokensRequest { page_size: 1_000, include_ended: ended, ..Default::default() };
            let page = answer(access.list_tokens(request).await)?;
            context.output.answer(&page, |out| tokens(out, &page.tokens))
        }
        Token::Revoke { token } => {
            let token = answer(access.revoke_token(pb::RevokeTokenRequest { token }).await)?.token.unwrap_or_default();
            context.output.answer(&token, |out| out.line(&format!("{} of {} is revoked", token.id, token.subject)))
        }
    }
}

fn tokens(out: &Output, tokens: &[pb::Token]) -> Result<()> {
    let row = |t: &pb::Token| {
        let scope = t.scope.clone().unwrap_or_default();
        let stores = if scope.all_stores { "all".to_owned() } else { scope.grants.len().to_string() };
        let until =
            if t.revoke_time.is_some() { format!("revoked {}", time(t.revoke_time)) } else { time(t.expire_time) };
        vec![t.id.clone(), t.subject.clone(), role_word(scope.role()).to_owned(), stores, t.session.clone(), until]
    };
    out.table(&["token", "subject", "role", "stores", "session", "until"], tokens.iter().map(row))
}

async fn attach(attach: Attach, context: &Context) -> Result<()> {
    let Attach { session, agent, read_only, read_write, quiet } = attach;
    let attachment = |at: &crate::address::Address, access: pb::Access| pb::Attachment {
        store: at.store.clone(),
        access: access.into(),
        path_prefix: at.path.clone(),
        ..Default::default()
    };
    let attachments: Vec<_> = read_only
        .iter()
        .map(|a| attachment(a, pb::Access::ReadOnly))
        .chain(read_write.iter().map(|a| attachment(a, pb::Access::ReadWrite)))
        .collect();
    if attachments.is_empty() {
        bail!("name at least one store with --read-only or --read-write");
    }
    let session = match session {
        Some(session) => session,
        None => new_session(context, &agent, &attachments).await?,
    };
    let request =
        pb::AttachSessionRequest { session, agent, attachments, new_token: true, request_id: request_id(), ttl: None };
    let made = answer(context.client.access().attach_session(request).await)?;
    context.output.answer(&made, |out| {
        out.line(&made.secret)?;
        if quiet { Ok(()) } else { out.raw(&format!("\n{}\n", made.prompt_note)) }
    })
}

/// Records the session that the attachments are for, so that its transcript can follow.
async fn new_session(context: &Context, agent: &str, attachments: &[pb::Attachment]) -> Result<String> {
    let request = proto::transcript::CreateSessionRequest {
        agent: Some(proto::transcript::Agent { name: agent.to_owned(), version: String::new() }),
        attachments: attachments.iter().map(|a| a.store.clone()).collect(),
        request_id: request_id(),
        ..Default::default()
    };
    Ok(answer(context.client.transcripts().create_session(request).await)?.session.unwrap_or_default().id)
}

fn role_word(role: pb::Role) -> &'static str {
    match role {
        pb::Role::Unspecified => "no role",
        pb::Role::Reader => "reader",
        pb::Role::Writer => "writer",
        pb::Role::Curator => "curator",
        pb::Role::Admin => "admin",
    }
}

fn access_word(access: pb::Access) -> &'static str {
    match access {
        pb::Access::Unspecified => "no access",
        pb::Access::ReadOnly => "read only",
        pb::Access::ReadWrite => "read and write",
    }
}

fn prefix_word(prefix: &str) -> &str {
    if prefix.is_empty() { "/" } else { prefix }
}
