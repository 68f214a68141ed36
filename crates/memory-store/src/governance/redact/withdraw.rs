//! Withdrawing: redacted memories leave the head of a store by commits of the redaction's own.

use std::sync::Arc;

use domain::blame::origins_after;
use domain::commit::Origin;
use domain::error::Result;
use domain::governance::NOTICE;
use domain::path::Prefix;
use domain::{Error, MemoryPath, limits};
use regex::NoExpand;

use super::Job;
use crate::MemoryStore;
use crate::blame::{Attributions, credits};
use crate::commit::{Plan, Proposal, Refusal};
use crate::edit::{Edit, NewContent, Target};
use crate::governance::erase::{Erasure, own_message};
use crate::governance::members::Member;
use crate::governance::scrub::Scrub;
use crate::index::{self, Entry};
use crate::stores::View;

/// What is to leave the heads.
#[derive(Clone, Copy)]
enum Leaving<'a> {
    /// All at or below a path.
    Below(&'a Prefix),
    /// What is barred; for a regular expression it is written anew without it.
    Barred(&'a Erasure<'a>),
}

impl MemoryStore {
    /// Deletes all at or below a path from a head.
    pub(super) async fn withdraw_path(&self, job: &Job, member: &Member, prefix: &Prefix) -> Result<()> {
        self.withdraw_all(job, member, Leaving::Below(prefix)).await
    }

    /// Takes what is barred out of a head.
    pub(super) async fn withdraw(&self, job: &Job, member: &Member, erasure: &Erasure<'_>) -> Result<()> {
        self.withdraw_all(job, member, Leaving::Barred(erasure)).await
    }

    /// The next edits against a head, as many as one commit may have; none once all has left.
    async fn withdrawals(&self, view: &View, leaving: Leaving<'_>) -> Result<Vec<Edit>> {
        let erasure = match leaving {
            Leaving::Below(prefix) => {
                let there = index::within(&view.map, prefix).take(limits::REDACTION_COMMIT_MEMORIES_MAX);
                return Ok(there.map(|(path, entry)| deletion(path, entry)).collect());
            }
            Leaving::Barred(erasure) => erasure,
        };
        let (mut edits, mut bytes) = (Vec::new(), 0);
        for (path, entry) in &view.map {
            if !erasure.takes(path, entry) {
                continue;
            }
            if edits.len() == limits::REDACTION_COMMIT_MEMORIES_MAX || bytes > limits::REDACTION_COMMIT_BYTES_MAX {
                break;
            }
            let edit = match &erasure.scrub {
                Scrub::Matches(_) => self.rewritten(view, path, entry, erasure).await?,
                Scrub::Nothing | Scrub::Path(_) => deletion(path, entry),
            };
            bytes += edit.size_bytes();
            edits.push(edit);
        }
        Ok(edits)
    }

    /// Commits edits that are worked out against the head, until there are none.
    async fn withdraw_all(&self, job: &Job, member: &Member, leaving: Leaving<'_>) -> Result<()> {
        let open = self.stores().open_any(job.receipt.workspace, member.id).await?;
        let mut stale = 0;
        loop {
            let view = self.stores().view(open.clone(), 0).await?;
            let edits = self.withdrawals(&view, leaving).await?;
            if edits.is_empty() {
                return Ok(());
            }
            let proposal = Proposal {
                actor: Arc::new(job.receipt.actor.clone()),
                message: own_message(job.id),
                plan: Plan::Edits { edits, based_on: view.revision, expected_revision: None },
                claim: None,
                merged: None,
                redaction: true,
            };
            match self.propose(&open, proposal, false).await {
                Ok(_) => stale = 0,
                Err(Refusal::Stale | Refusal::Conflict(_)) if stale < limits::REBASES_MAX => stale += 1,
                Err(Refusal::Stale | Refusal::Conflict(_)) => {
                    return Err(Error::unavailable("the store keeps changing: try again"));
                }
                Err(Refusal::Error(e)) => return Err(e),
            }
        }
    }

    /// The memory with a notice in the place of each match. Where that is too long, or is erased itself,
    /// the memory goes.
    async fn rewritten(&self, view: &View, path: &MemoryPath, entry: &Entry, erasure: &Erasure<'_>) -> Result<Edit> {
        let Scrub::Matches(regex) = &erasure.scrub else { return Ok(deletion(path, entry)) };
        let contents = &self.context().contents;
        let old = contents.read_anyway(erasure.family, &entry.content).await?;
        let new = regex.replace_all(&old, NoExpand(NOTICE)).into_owned();
        let name = contents.name(erasure.family, new.into());
        if name.text.len() > limits::CONTENT_BYTES_MAX || erasure.contents.contains(&name.name.hash) {
            return Ok(deletion(path, entry));
        }
        let text = name.text.clone();
        let known = self.attributions_by(view, entry, true).await?;
        let known = known.carry_with(&old, &text, &Attributions::of(&text, None));
        let mut credits = credits(&known, "", &text);
        for credit in &mut credits {
            credit.message = regex.replace_all(&credit.message, NoExpand(NOTICE)).into_owned();
        }
        let scrubbed = |o: Origin| Origin { source: regex.replace_all(&o.source, NoExpand(NOTICE)).into_owned(), ..o };
        let origins = origins_after(&entry.origins, &old, &text, &[]);
        let to = Target {
            path: path.clone(),
            content: NewContent::New(name),
            origins: origins.into_iter().map(scrubbed).collect(),
            credits,
            create_time: entry.create_time,
        };
        Ok(Edit { to: Some(to), ..deletion(path, entry) })
    }
}

fn deletion(path: &MemoryPath, entry: &Entry) -> Edit {
    Edit { memory: entry.memory, from: Some((path.clone(), entry.version)), to: None }
}
