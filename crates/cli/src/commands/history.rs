//! `reverie log`, `show`, `diff`, `blame`, `restore`, `merge`, `watch`: what was, and who changed it.

use anyhow::{Result, bail};
use proto::memory as pb;
use proto::memory::watch_store_response::Event;

use super::{Context, answer, evidence, request_id};
use crate::address::Address;
use crate::output::{Output, count, time};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List commits, newest first
    Log {
        /// STORE or STORE:/PATH
        at: Address,
        /// How many to list
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: usize,
        /// Only this principal's
        #[arg(long, default_value = "")]
        principal: String,
        /// Only this agent's
        #[arg(long, default_value = "")]
        agent: String,
        /// Only this session's
        #[arg(long, default_value = "")]
        session: String,
        /// Only this dream's
        #[arg(long, default_value = "")]
        dream: String,
    },
    /// Show one commit
    Show {
        /// STORE@REVISION
        at: Address,
    },
    /// Show what differs between two snapshots, also of forks
    Diff {
        /// STORE@REVISION
        base: Address,
        /// STORE or STORE@REVISION; the head of the same store where absent
        target: Option<Address>,
        /// Only the paths that match
        #[arg(long, default_value = "")]
        glob: String,
        /// Only the number of lines
        #[arg(long)]
        stat: bool,
    },
    /// Show who brought each line in
    Blame {
        /// STORE:/PATH, with @REVISION
        at: Address,
        /// For lines that a dream brought: the events that prove them
        #[arg(long)]
        evidence: bool,
    },
    /// Make paths, or the whole store, as they were at a revision
    Restore {
        /// STORE@REVISION or STORE:/PATH@REVISION
        at: Address,
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Merge a fork into a store of its family
    Merge {
        /// STORE or STORE@REVISION
        source: Address,
        /// The store to merge into
        target: String,
        /// Say what would happen, change nothing
        #[arg(long)]
        dry_run: bool,
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Follow a store's commits as they happen
    Watch {
        /// STORE or STORE:/GLOB; with @REVISION from there on
        at: Address,
    },
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Log { at, limit, principal, agent, session, dream } => {
            let actor = Some(pb::ActorFilter { principal, session, agent, dream });
            log(context, &at, limit, actor).await
        }
        Command::Show { at } => show(context, at).await,
        Command::Diff { base, target, glob, stat } => {
            let target = target.unwrap_or(Address { revision: 0, ..base.clone() });
            diff(context, &base, &target, glob, stat).await
        }
        Command::Blame { at, evidence } => blame(context, at, evidence).await,
        Command::Restore { at, message } => restore(context, at, message).await,
        Command::Merge { source, target, dry_run, message } => merge(context, &source, target, dry_run, message).await,
        Command::Watch { at } => watch(context, at).await,
    }
}

async fn log(context: &Context, at: &Address, limit: usize, actor: Option<pb::ActorFilter>) -> Result<()> {
    let path = if at.has_path() { at.path.clone() } else { String::new() };
    let page_size = limit.clamp(1, 1_000) as i32;
    let request = pb::ListCommitsRequest {
        store: at.store.clone(),
        path,
        actor,
        page_size,
        revision: at.revision,
        ..Default::default()
    };
    let page = answer(context.client.history().list_commits(request).await)?;
    context.output.answer(&page, |out| {
        for commit in &page.commits {
            commit_lines(out, &at.store, commit)?;
        }
        Ok(())
    })
}

async fn show(context: &Context, at: Address) -> Result<()> {
    if at.revision == 0 {
        bail!("name a commit: {}@REVISION", at.store);
    }
    let request = pb::GetCommitRequest { store: at.store.clone(), revision: at.revision };
    let commit = answer(context.client.history().get_commit(request).await)?.commit.unwrap_or_default();
    if context.output.is_json() {
        return context.output.answer(&commit, |_| Ok(()));
    }
    commit_lines(&context.output, &at.store, &commit)?;
    let base = Address { revision: at.revision - 1, ..at.clone() };
    // Revision 0 would mean the head: the first commit is shown by its paths alone.
    if base.revision > 0 { diff(context, &base, &at, String::new(), false).await } else { Ok(()) }
}

fn commit_lines(out: &Output, store: &str, commit: &pb::CommitRecord) -> Result<()> {
    let head = out.bold(&format!("{store}@{}", commit.revision));
    let actor = commit.actor.clone().unwrap_or_default();
    let when = claim::time(&actor).or(commit.create_time);
    out.line(&format!("{head}  {}  {}", time(when), actor_words(&actor)))?;
    if !commit.message.is_empty() {
        out.line(&format!("    {}", commit.message))?;
    }
    for version in commit.versions.iter().take(10) {
        let from =
            if version.previous_path.is_empty() { String::new() } else { format!("{} -> ", version.previous_path) };
        out.line(&format!("    {} {from}{}", mark(version.kind()), version.path))?;
    }
    match commit.versions.len().saturating_sub(10) {
        0 => Ok(()),
        more => out.line(&format!("    and {more} more")),
    }
}

/// `ana`, `pager-a (agent, session sesn_...)`, `ana for drm_...`, `ben (claimed, imported by ana)`.
fn actor_words(actor: &pb::Actor) -> String {
    let said = claim::said(actor);
    let mut words = said.principal.clone();
    if !said.agent.is_empty() && said.agent != said.principal {
        words += &format!(" as {}", said.agent);
    }
    for (label, value) in [("session", &said.session), ("dream", &said.dream), ("tool call", &said.tool_call)] {
        if !value.is_empty() {
            words += &format!(", {label} {value}");
        }
    }
    words + &claim::mark(actor)
}

/// What imports say of who wrote it, and how that is marked.
mod claim {
    use super::pb;

    /// Who wrote it as far as anybody says.
    pub fn said(actor: &pb::Actor) -> pb::Claim {
        actor.claim.clone().unwrap_or_else(|| pb::Claim {
            principal: actor.principal.clone(),
            session: actor.session.clone(),
            agent: actor.agent.clone(),
            tool_call: actor.tool_call.clone(),
            on_behalf_of: actor.on_behalf_of.clone(),
            dream: actor.dream.clone(),
            time: None,
        })
    }

    pub fn time(actor: &pb::Actor) -> Option<prost_types::Timestamp> {
        actor.claim.as_ref()?.time
    }

    /// Nothing for what the server vouches for.
    pub fn mark(actor: &pb::Actor) -> String {
        if actor.claim.is_none() { String::new() } else { format!(" (claimed, imported by {})", actor.principal) }
    }
}

fn mark(kind: pb::ChangeKind) -> char {
    match kind {
        pb::ChangeKind::Created => 'A',
        pb::ChangeKind::Modified => 'M',
        pb::ChangeKind::Deleted => 'D',
        pb::ChangeKind::Renamed => 'R',
        pb::ChangeKind::Unspecified => '?',
    }
}

async fn diff(context: &Context, base: &Address, target: &Address, path_glob: String, stat: bool) -> Result<()> {
    let request = pb::DiffRequest {
        base: Some(base.snapshot()),
        target: Some(target.snapshot()),
        path_glob,
        context_lines: None,
    };
    let diff = answer(context.client.history().diff(request).await)?;
    context.output.answer(&diff, |out| {
        for file in diff.files.iter().filter(|_| !stat) {
            out.diff(&file.unified)?;
        }
        let stats = diff.stats.unwrap_or_default();
        out.line(&out.dim(&format!(
            "{}, +{} -{} lines",
            count(stats.files, "memory").replace("memorys", "memories"),
            stats.added_lines,
            stats.removed_lines
        )))
    })
}

async fn blame(context: &Context, at: Address, with_evidence: bool) -> Result<()> {
    let request = pb::BlameRequest { store: at.store.clone(), path: at.path.clone(), revision: at.revision };
    let blame = answer(context.client.history().blame(request).await)?;
    if context.output.is_json() {
        return context.output.answer(&blame, |_| Ok(()));
    }
    let out = &context.output;
    let who = |range: &pb::BlameRange| {
        range
            .actor
            .as_ref()
            .map(|a| {
                let said = claim::said(a);
                let dream = if said.dream.is_empty() { "" } else { " + dream" };
                format!("{}{dream}{}", said.principal, claim::mark(a))
            })
            .unwrap_or_default()
    };
    let width = blame.ranges.iter().map(|r| who(r).chars().count()).max().unwrap_or(0);
    for range in &blame.ranges {
        let label = format!(
            "{:>5}  {:width$}  {}",
            format!("@{}", range.revision),
            who(range),
            &time(range.actor.as_ref().and_then(claim::time).or(range.create_time))[..10]
        );
        for (n, line) in (range.start_line..).zip(&range.lines) {
            out.line(&format!("{}  {n:>3}  {line}", out.dim(&label)))?;
        }
    }
    let mut sources: Vec<&String> = blame.ranges.iter().flat_map(|r| &r.sources).collect();
    sources.sort();
    sources.dedup();
    for source in sources {
        out.line(&format!("source {source}"))?;
        if with_evidence {
            evidence::of_source(context, source).await?;
        }
    }
    Ok(())
}

async fn restore(context: &Context, at: Address, message: String) -> Result<()> {
    let paths = if at.has_path() { vec![at.path.clone()] } else { Vec::new() };
    let request = pb::RestoreRequest {
        store: at.store.clone(),
        to_revision: at.revision,
        all: paths.is_empty(),
        paths,
        message,
        request_id: request_id(),
        expected_revision: None,
    };
    let done = answer(context.client.history().restore(request).await)?;
    let changed = done.versions.len() as u64;
    context.output.answer(&done, |out| out.line(&format!("{}@{}  {changed} changed", at.store, done.revision)))
}

async fn merge(context: &Context, source: &Address, target: String, dry_run: bool, message: String) -> Result<()> {
    let request = pb::MergeRequest {
        source: Some(source.snapshot()),
        target_store: target.clone(),
        dry_run,
        message,
        request_id: request_id(),
        ..Default::default()
    };
    let done = answer(context.client.history().merge(request).await)?;
    context.output.answer(&done, |out| {
        let word = if done.no_op {
            "nothing to merge"
        } else if dry_run {
            "would change"
        } else {
            "changed"
        };
        out.line(&format!("{target}@{}  {word}", done.revision))?;
        done.versions.iter().try_for_each(|v| out.line(&format!("    {} {}", mark(v.kind()), v.path)))
    })
}

async fn watch(context: &Context, at: Address) -> Result<()> {
    let request = pb::WatchStoreRequest {
        store: at.store.clone(),
        after_revision: (at.revision > 0).then_some(at.revision),
        path_glob: if at.has_path() { at.path.clone() } else { String::new() },
    };
    let mut stream = answer(context.client.memory().watch_store(request).await)?;
    while let Some(part) = answer(stream.message().await.map(tonic::Response::new))? {
        match &part.event {
            Some(Event::Commit(commit)) => context.output.answer(commit, |out| commit_lines(out, &at.store, commit))?,
            Some(Event::Progress(_)) | None => {}
        }
    }
    Ok(())
}
