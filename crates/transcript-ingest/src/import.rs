//! Imports a file of sessions: reads it off the executor, and stores what it reads, whole session by
//! whole session. A crash leaves the sessions that were stored; importing the file again adds the rest.

mod prepare;
mod store;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::access::Permit;
use domain::limits::{IMPORT_BYTES_MAX, IMPORT_COMMIT_SESSIONS_MAX, IMPORT_PROBLEMS_MAX, IMPORT_SESSIONS_MAX};
use domain::transcript::request::{Format, ImportHeader, ImportPart, ImportProblem, ImportReport};
use domain::{Error, Kind, Result};
use futures_util::stream::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use crate::formats;
use crate::ingest::{TranscriptIngest, off_executor};
use prepare::{Found, Prepared};

/// Sessions that wait between the reader and the storage.
const READ_AHEAD: usize = 4;

impl TranscriptIngest {
    /// Takes the parts of an import and imports them.
    ///
    /// # Errors
    /// Invalid where the parts are out of order, the file is larger than limits::IMPORT_BYTES_MAX, or
    /// its format is not known; Exhausted where too many imports run. Sessions that were stored
    /// before an error stay.
    pub async fn import_parts(
        &self,
        permit: &Permit,
        parts: impl Stream<Item = Result<ImportPart<Bytes>>> + Send,
    ) -> Result<ImportReport> {
        let _running = self.0.imports.clone().try_acquire_owned().map_err(|_| {
            Error::new(Kind::Exhausted, "OVERLOADED", "too many imports run: try again")
                .retry_after(Duration::from_secs(1))
        })?;
        let mut parts = std::pin::pin!(parts);
        let Some(ImportPart::Header(header)) = next(&mut parts, self.0.bounds.import_silence).await? else {
            return Err(Error::invalid("header", "must be sent first, once"));
        };
        let mut file = BytesMut::new();
        while let Some(part) = next(&mut parts, self.0.bounds.import_silence).await? {
            match part {
                ImportPart::Header(_) => return Err(Error::invalid("header", "must be sent first, once")),
                ImportPart::Chunk(chunk) if file.len() + chunk.len() > IMPORT_BYTES_MAX => {
                    let message = format!("the file has more than {IMPORT_BYTES_MAX} bytes: split it");
                    return Err(Error::invalid("chunk", message));
                }
                ImportPart::Chunk(chunk) => file.extend_from_slice(&chunk),
            }
        }
        self.import(permit, header, file.freeze()).await
    }

    /// Imports a file. Sessions that an earlier import stored are found again and not stored twice.
    pub async fn import(&self, permit: &Permit, header: ImportHeader, file: Bytes) -> Result<ImportReport> {
        let workspace = permit.workspace();
        let format = match header.format {
            Some(format) => format,
            None => detect(file.clone()).await?,
        };
        let mut report = ImportReport {
            format,
            sessions: Vec::new(),
            problems: Vec::new(),
            more_problems: 0,
            bytes_read: file.len() as u64,
            masked_count: 0,
            opaque_count: 0,
        };
        let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
        let reading = tokio::task::spawn_blocking(move || prepare::prepare(format, &file, &header, &sender));
        let mut pending: Vec<Prepared> = Vec::new();
        let mut pending_bytes = 0;
        let commit_bytes_max = self.0.bounds.import_commit_bytes;
        while let Some(found) = receiver.recv().await {
            let prepared = match found {
                Found::Session(prepared) => *prepared,
                Found::Problem(problem) => {
                    add_problem(&mut report, problem);
                    continue;
                }
                Found::MoreProblems(count) => {
                    report.more_problems += count;
                    continue;
                }
            };
            if report.sessions.len() + pending.len() == IMPORT_SESSIONS_MAX {
                add_problem(&mut report, too_many(&prepared));
                break;
            }
            report.masked_count += prepared.session.masked_count;
            report.opaque_count += prepared.opaque_count;
            let bytes = prepared.bytes();
            if pending.len() == IMPORT_COMMIT_SESSIONS_MAX || pending_bytes + bytes > commit_bytes_max {
                report.sessions.extend(self.store(workspace, std::mem::take(&mut pending)).await?);
                pending_bytes = 0;
            }
            if bytes > commit_bytes_max {
                report.sessions.push(self.store_large(workspace, prepared).await?);
            } else {
                pending_bytes += bytes;
                pending.push(prepared);
            }
        }
        drop(receiver); // Stops a reader that is not done.
        report.sessions.extend(self.store(workspace, pending).await?);
        reading.await.map_err(Error::internal)?;
        Ok(report)
    }
}

/// The next part, if it comes in time: the file so far is held in memory meanwhile.
async fn next<T>(parts: &mut (impl Stream<Item = Result<T>> + Unpin), silence: Duration) -> Result<Option<T>> {
    match tokio::time::timeout(silence, parts.next()).await {
        Ok(part) => part.transpose(),
        Err(_) => {
            let message = format!("no chunk came for {} s: import the file again", silence.as_secs());
            Err(Error::new(Kind::Deadline, "DEADLINE", message))
        }
    }
}

async fn detect(file: Bytes) -> Result<Format> {
    let format = off_executor(move || formats::sniff(&file)).await?;
    format.ok_or_else(|| {
        let known = Format::ALL.map(Format::as_str).join(", ");
        Error::invalid("header.format", format!("the file is of no format that is known ({known})"))
    })
}

fn add_problem(report: &mut ImportReport, problem: ImportProblem) {
    if report.problems.len() < IMPORT_PROBLEMS_MAX {
        report.problems.push(problem);
    } else {
        report.more_problems += 1;
    }
}

fn too_many(first: &Prepared) -> ImportProblem {
    let reason = format!(
        "here begins session {}: at most {IMPORT_SESSIONS_MAX} of a file are taken; split it",
        IMPORT_SESSIONS_MAX + 1
    );
    ImportProblem { record: first.record, line: first.line, reason }
}
