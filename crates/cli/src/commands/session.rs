//! `reverie session`: import and read agents' sessions.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use proto::transcript as pb;
use proto::transcript::import_transcripts_request::Part;

use super::memory::eprintln_note;
use super::{Context, answer};
use crate::output::{bytes, count, time};

/// Bytes of one import message.
const CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Import transcript files, or all of the folders given; a file that is there already adds nothing
    Import {
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[arg(long, value_enum, default_value_t = Format::Auto)]
        format: Format,
        /// The agent's name, where the files do not say
        #[arg(long, default_value = "")]
        agent: String,
        /// KEY=VALUE, set on every session
        #[arg(long, value_parser = super::pair)]
        label: Vec<(String, String)>,
        /// A store that the sessions worked with; may be given several times
        #[arg(long)]
        attach: Vec<String>,
    },
    /// List sessions, oldest first
    Ls {
        #[arg(long, default_value = "")]
        agent: String,
        #[arg(long, default_value = "")]
        task: String,
        /// success, failure, or a label
        #[arg(long, default_value = "")]
        outcome: String,
        #[arg(long, value_parser = super::pair)]
        label: Vec<(String, String)>,
        /// Only sessions attached to this store
        #[arg(long, default_value = "")]
        store: String,
        #[arg(short = 'n', long, default_value_t = 100)]
        limit: usize,
    },
    /// Print a session's events
    Show {
        session: String,
        /// Only the events after this one
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// End a session that is still open
    End {
        session: String,
        /// 0 is failure, 1 is success
        #[arg(long)]
        outcome: Option<f64>,
        #[arg(long, default_value = "")]
        outcome_label: String,
    },
    /// Follow what happens to sessions
    Watch {
        /// From this cursor on; 0 is the beginning
        #[arg(long)]
        after: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Format {
    Auto,
    ClaudeCode,
    OpenaiChat,
    TauBench,
    OtelGenai,
}

impl From<Format> for pb::TranscriptFormat {
    fn from(format: Format) -> pb::TranscriptFormat {
        match format {
            Format::Auto => pb::TranscriptFormat::Unspecified,
            Format::ClaudeCode => pb::TranscriptFormat::ClaudeCode,
            Format::OpenaiChat => pb::TranscriptFormat::OpenaiChat,
            Format::TauBench => pb::TranscriptFormat::TauBench,
            Format::OtelGenai => pb::TranscriptFormat::OtelGenai,
        }
    }
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Import { paths, format, agent, label, attach } => {
            let header = pb::ImportHeader {
                format: pb::TranscriptFormat::from(format).into(),
                source_name: String::new(),
                labels: label.into_iter().collect(),
                agent: Some(pb::Agent { name: agent, version: String::new() }),
                attachments: attach,
            };
            import(context, &paths, header).await
        }
        Command::Ls { agent, task, outcome, label, store, limit } => {
            let labels = label.into_iter().collect();
            let filter = pb::SessionFilter { agent, task_key: task, outcome, labels, store, ..Default::default() };
            ls(context, filter, limit).await
        }
        Command::Show { session, after } => show(context, session, after).await,
        Command::End { session, outcome, outcome_label } => {
            let source = pb::OutcomeSource::User.into();
            let outcome = outcome.map(|value| pb::Outcome { value, label: outcome_label, source });
            let request = pb::EndSessionRequest { session, outcome, last_seq: None };
            let session = answer(context.client.transcripts().end_session(request).await)?.session.unwrap_or_default();
            context.output.answer(&session, |out| {
                out.line(&format!("{} ended after {}", session.id, count(session.last_seq, "event")))
            })
        }
        Command::Watch { after } => watch(context, after).await,
    }
}

async fn import(context: &Context, paths: &[PathBuf], header: pb::ImportHeader) -> Result<()> {
    let files = transcript_files(paths)?;
    let total: u64 = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    let style = ProgressStyle::with_template("importing {bar:30} {bytes}/{total_bytes} {wide_msg}")
        .unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(total).with_style(style);
    let mut sum = pb::ImportTranscriptsResponse::default();
    for file in &files {
        let name = file.display().to_string();
        bar.set_message(name.clone());
        let data = std::fs::read(file).with_context(|| format!("reading {name}"))?;
        bar.inc(data.len() as u64);
        let header = pb::ImportHeader { source_name: name.clone(), ..header.clone() };
        let mut parts = vec![Part::Header(header)];
        parts.extend(data.chunks(CHUNK_BYTES).map(|c| Part::Chunk(c.to_vec().into())));
        let requests = parts.into_iter().map(|part| pb::ImportTranscriptsRequest { part: Some(part) });
        let done = answer(context.client.transcripts().import_transcripts(tokio_stream::iter(requests)).await)?;
        for problem in &done.problems {
            bar.suspend(|| {
                eprintln_note(&format!("{name}: record {}, line {}: {}", problem.record, problem.line, problem.reason))
            });
        }
        sum.sessions.extend(done.sessions);
        sum.problems.extend(done.problems);
        sum.format = done.format;
        sum.bytes_read += done.bytes_read;
        sum.masked_count += done.masked_count;
        sum.opaque_count += done.opaque_count;
        sum.more_problems += done.more_problems;
    }
    bar.finish_and_clear();
    context.output.answer(&sum, |out| out.line(&import_words(&sum, files.len())))
}

fn import_words(sum: &pb::ImportTranscriptsResponse, files: usize) -> String {
    let known = sum.sessions.iter().filter(|s| s.deduplicated).count() as u64;
    let events: u64 = sum.sessions.iter().filter(|s| !s.deduplicated).map(|s| s.events).sum();
    let new = sum.sessions.len() as u64 - known;
    let mut words = vec![format!(
        "{} with {} from {} ({})",
        count(new, "new session"),
        count(events, "event"),
        count(files as u64, "file"),
        bytes(sum.bytes_read)
    )];
    let rest = [
        (known, "known already"),
        (sum.masked_count, "secrets masked"),
        (sum.opaque_count, "items of unknown kind kept as they came"),
        (sum.problems.len() as u64 + sum.more_problems, "problems"),
    ];
    words.extend(rest.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    words.join(", ")
}

/// The files given, and of the folders given all files that may hold transcripts.
fn transcript_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() { collect(path, &mut files)? } else { files.push(path.clone()) }
    }
    files.sort();
    if files.is_empty() {
        bail!("no .jsonl or .json file is below the folders given");
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))? {
        let path = entry?.path();
        let may_hold = path.extension().is_some_and(|e| e == "jsonl" || e == "json");
        match path.is_dir() {
            true => collect(&path, files)?,
            false if may_hold => files.push(path),
            false => {}
        }
    }
    Ok(())
}

async fn ls(context: &Context, filter: pb::SessionFilter, limit: usize) -> Result<()> {
    let mut all = pb::ListSessionsResponse::default();
    let mut request = pb::ListSessionsRequest {
        filter: Some(filter),
        page_size: limit.clamp(1, 1_000) as i32,
        page_token: String::new(),
    };
    while all.sessions.len() < limit {
        let page = answer(context.client.transcripts().list_sessions(request.clone()).await)?;
        all.sessions.extend(page.sessions);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    all.sessions.truncate(limit);
    context.output.answer(&all, |out| {
        let row = |s: &pb::Session| {
            let agent = s.agent.as_ref().map(|a| a.name.clone()).unwrap_or_default();
            let outcome = s.outcome.as_ref().map_or("-".to_owned(), |o| {
                if o.label.is_empty() { format!("{:.2}", o.value) } else { o.label.clone() }
            });
            vec![
                s.id.clone(),
                agent,
                s.task_key.clone(),
                outcome,
                s.last_seq.to_string(),
                time(s.start_time.or(s.create_time)),
                first_words(&s.task_text),
            ]
        };
        out.table(&["session", "agent", "task", "outcome", "events", "started", "asked"], all.sessions.iter().map(row))
    })
}

fn first_words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 50 { line.chars().take(49).collect::<String>() + "…" } else { line }
}

async fn show(context: &Context, session: String, after_seq: u64) -> Result<()> {
    let request = pb::ReadEventsRequest { session, after_seq };
    let mut stream = answer(context.client.transcripts().read_events(request).await)?;
    while let Some(part) = answer(stream.message().await.map(tonic::Response::new))? {
        context.output.answer(&part, |out| {
            for event in &part.events {
                let (kind, text) = body_words(event);
                let who = format!("{:?}", event.actor()).to_lowercase();
                out.line(&out.bold(&format!("{:>4}  {}  {who} {kind}", event.seq, time(event.time))))?;
                out.raw(&text.lines().map(|l| format!("      {l}\n")).collect::<String>())?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn body_words(event: &pb::Event) -> (String, &str) {
    use pb::event::Body;
    match &event.body {
        Some(Body::Message(m)) => ("message".into(), &m.text),
        Some(Body::Thought(t)) => ("thought".into(), &t.text),
        Some(Body::ToolCall(c)) => (format!("calls {}", c.name), &c.arguments),
        Some(Body::ToolResult(r)) if r.status() == pb::ToolStatus::Error => (format!("error from {}", r.name), &r.text),
        Some(Body::ToolResult(r)) => (format!("result of {}", r.name), &r.text),
        Some(Body::Error(e)) => ("error".into(), &e.text),
        Some(Body::Verdict(v)) => (format!("verdict {} {}", v.value, v.label), &v.text),
        Some(Body::Compaction(c)) => ("compaction".into(), &c.text),
        Some(Body::Opaque(o)) => (o.kind.clone(), &o.text),
        None => (String::new(), ""),
    }
}

async fn watch(context: &Context, after_cursor: Option<u64>) -> Result<()> {
    let request = pb::WatchSessionsRequest { after_cursor };
    let mut stream = answer(context.client.transcripts().watch_sessions(request).await)?;
    while let Some(event) = answer(stream.message().await.map(tonic::Response::new))? {
        if event.kind() == pb::SessionEventKind::Progress {
            continue;
        }
        let kind = format!("{:?}", event.kind()).to_uppercase();
        context.output.answer(&event, |out| {
            out.line(&format!("{:>6}  {}  {kind}  {}", event.cursor, time(event.time), event.session))
        })?;
    }
    Ok(())
}
