//! Operations: each step of a commit, applied in order to a draft.

use std::sync::Arc;

use domain::blame;
use domain::commit::{Operation, Origin};
use domain::error::{Details, Result, Violation};
use domain::id::MemoryId;
use domain::{Error, Kind, MemoryPath, limits};

use crate::commit::{Pending, PlannedStep};
use crate::content::Text;
use crate::context::Context;
use crate::draft::Draft;
use crate::index::{self, Entry};
use crate::record::ContentRef;

#[cfg(test)]
mod tests;

/// Applies the steps. True where one of them is about all below a prefix.
pub async fn apply(context: &Context, pending: &Pending, draft: &mut Draft, steps: &[PlannedStep]) -> Result<bool> {
    let mut bulk = false;
    for (i, step) in steps.iter().enumerate() {
        let mut applying = Applying { context, pending, draft, step: i };
        bulk |= applying.apply(step).await?;
    }
    Ok(bulk)
}

struct Applying<'a> {
    context: &'a Context,
    pending: &'a Pending,
    draft: &'a mut Draft,
    step: usize,
}

impl Applying<'_> {
    async fn apply(&mut self, step: &PlannedStep) -> Result<bool> {
        match (&step.step.operation, &step.text) {
            (Operation::Write { path, origins, .. }, Some(text)) => match self.draft.map().get(path).cloned() {
                Some(entry) => self.modify(path, &entry, text.clone(), origins).await?,
                None => self.create("write.path", path, text.clone(), origins)?,
            },
            (Operation::Create { path, origins, .. }, Some(text)) => {
                if self.draft.map().contains_key(path) {
                    return Err(self.exists("create.path", path));
                }
                self.create("create.path", path, text.clone(), origins)?;
            }
            (Operation::ReplaceText { path, old_text, new_text }, _) => {
                let (entry, old) = self.existing("replace_text.path", path).await?;
                let new = self.replaced(path, &old, old_text, new_text)?;
                self.edit("replace_text.new_text", path, &entry, new).await?;
            }
            (Operation::InsertLines { path, after_line, text }, _) => {
                let (entry, old) = self.existing("insert_lines.path", path).await?;
                let new = insert_lines(&old, *after_line as usize, text).ok_or_else(|| {
                    let lines = old.split_inclusive('\n').count();
                    self.refused(
                        Kind::Precondition,
                        "LINE_OUT_OF_RANGE",
                        "insert_lines.after_line",
                        format!("{path} has {lines} lines"),
                    )
                })?;
                self.edit("insert_lines.text", path, &entry, new).await?;
            }
            (Operation::Append { path, text }, _) => match self.draft.map().get(path).cloned() {
                Some(entry) => {
                    let old = self.read(&entry.content).await?;
                    self.edit("append.text", path, &entry, format!("{old}{text}")).await?;
                }
                None => {
                    let text = self.context.contents.name(self.pending.row.family, text.as_str().into());
                    self.create("append.path", path, text, &[])?;
                }
            },
            (Operation::Move { from, to }, _) => return self.rename(from, to),
            (Operation::Delete { path, recursive }, _) => return self.delete(path, *recursive),
            (Operation::Write { .. } | Operation::Create { .. }, None) => {
                return Err(Error::internal("a write came without its content"));
            }
        }
        Ok(false)
    }

    fn create(&mut self, field: &str, path: &MemoryPath, text: Text, origins: &[Origin]) -> Result<()> {
        self.check_free(field, path)?;
        let memory = MemoryId::from_bytes(self.context.ids.fresh());
        let content = self.draft.add_text(text);
        self.draft.create(path.clone(), memory, content, origins.to_vec());
        Ok(())
    }

    async fn edit(&mut self, field: &str, path: &MemoryPath, entry: &Entry, new: String) -> Result<()> {
        if new.len() > limits::CONTENT_BYTES_MAX {
            let most = limits::CONTENT_BYTES_MAX;
            return Err(self.refused(
                Kind::Invalid,
                "INVALID_FIELD",
                field,
                format!("{path} would have {} bytes, at most {most} are allowed", new.len()),
            ));
        }
        let text = self.context.contents.name(self.pending.row.family, new.into());
        self.modify(path, entry, text, &[]).await
    }

    async fn modify(&mut self, path: &MemoryPath, entry: &Entry, text: Text, given: &[Origin]) -> Result<()> {
        if entry.content == text.name {
            return Ok(());
        }
        let origins = if entry.origins.is_empty() && given.is_empty() {
            Vec::new()
        } else {
            // Of lines that are erased nothing is known.
            let old = if entry.content.erasure().is_some() { "".into() } else { self.read(&entry.content).await? };
            blame::origins_after(&entry.origins, &old, &text.text, given)
        };
        let content = self.draft.add_text(text);
        self.draft.modify(path, content, origins);
        Ok(())
    }

    fn replaced(&self, path: &MemoryPath, content: &str, old: &str, new: &str) -> Result<String> {
        let field = "replace_text.old_text";
        let Some(start) = content.find(old) else {
            let message = format!("{path} does not hold the text");
            return Err(self.refused(Kind::Precondition, "TEXT_NOT_FOUND", field, message));
        };
        // The next occurrence may overlap the first.
        let next = start + content[start..].chars().next().map_or(1, char::len_utf8);
        if content[next..].contains(old) {
            let message = format!("{path} holds the text more than once: take in more of what stands around it");
            return Err(self.refused(Kind::Precondition, "TEXT_NOT_UNIQUE", field, message));
        }
        Ok([&content[..start], new, &content[start + old.len()..]].concat())
    }

    fn rename(&mut self, from: &MemoryPath, to: &MemoryPath) -> Result<bool> {
        let one = self.draft.map().contains_key(from);
        let moved: Vec<MemoryPath> = if one {
            vec![from.clone()]
        } else {
            index::below(self.draft.map(), from.as_str()).map(|(path, _)| path.clone()).collect()
        };
        if moved.is_empty() {
            return Err(self.absent("move.from", from, ""));
        }
        if moved.len() > limits::BULK_VERSIONS_MAX {
            return Err(self.too_many("move.from", moved.len()));
        }
        if from == to {
            return Ok(!one);
        }
        // All leave before any arrives: a directory may move into itself.
        let removed: Vec<_> = moved.into_iter().filter_map(|p| Some((self.draft.remove(&p)?, p))).collect();
        for (entry, path) in removed {
            let Some(path) = path.moved(from, to) else { continue };
            let path = path.map_err(|e| {
                self.refused(Kind::Invalid, "INVALID_FIELD", "move.to", e.details().violations[0].description.clone())
            })?;
            if self.draft.map().contains_key(&path) {
                return Err(self.exists("move.to", &path));
            }
            self.check_free("move.to", &path)?;
            self.draft.put_back(path, &entry);
        }
        Ok(!one)
    }

    fn delete(&mut self, path: &MemoryPath, recursive: bool) -> Result<bool> {
        if !recursive {
            return match self.draft.remove(path) {
                Some(_) => Ok(false),
                None if index::below(self.draft.map(), path.as_str()).next().is_some() => {
                    Err(self.absent("delete.path", path, "; set recursive to delete all below it"))
                }
                None => Err(self.absent("delete.path", path, "")),
            };
        }
        let prefix = path.clone().into();
        let all: Vec<MemoryPath> = index::within(self.draft.map(), &prefix).map(|(path, _)| path.clone()).collect();
        if all.is_empty() {
            return Err(self.absent("delete.path", path, " nor anything below it"));
        }
        if all.len() > limits::BULK_VERSIONS_MAX {
            return Err(self.too_many("delete.path", all.len()));
        }
        for path in &all {
            self.draft.remove(path);
        }
        Ok(true)
    }

    async fn existing(&self, field: &str, path: &MemoryPath) -> Result<(Arc<Entry>, Arc<str>)> {
        let entry = self.draft.map().get(path).cloned().ok_or_else(|| self.absent(field, path, ""))?;
        let text = self.read(&entry.content).await?;
        Ok((entry, text))
    }

    /// A content as of this step, of which earlier steps and commits may not be durable yet.
    async fn read(&self, name: &ContentRef) -> Result<Arc<str>> {
        match self.draft.text(name).or_else(|| self.pending.texts.get(&name.hash)) {
            Some(text) => Ok(text.text.clone()),
            None => self.context.contents.read(self.pending.row.family, name).await,
        }
    }

    fn check_free(&self, field: &str, path: &MemoryPath) -> Result<()> {
        match index::blocker(self.draft.map(), path) {
            Some(blocker) => {
                let message = format!("{path} and {blocker} exclude each other: one would be a directory");
                Err(self.blocked("PATH_CONFLICT", field, message, blocker))
            }
            None => Ok(()),
        }
    }

    fn exists(&self, field: &str, path: &MemoryPath) -> Error {
        self.blocked("ALREADY_EXISTS", field, format!("there is a memory at {path} already"), path.as_str())
    }

    /// The memory in the way is named also for programs.
    fn blocked(&self, reason: &'static str, field: &str, description: String, blocker: &str) -> Error {
        let error = self.refused(Kind::Exists, reason, field, description);
        let memory = self.draft.map().get::<str>(blocker).map(|entry| ("conflicting_memory", entry.memory.to_string()));
        let metadata = [("conflicting_path", blocker.to_owned())].into_iter().chain(memory).collect();
        let details = Details { metadata, ..error.details().clone() };
        error.with_details(details)
    }

    fn absent(&self, field: &str, path: &MemoryPath, more: &str) -> Error {
        self.refused(Kind::NotFound, "NOT_FOUND", field, format!("there is no memory at {path}{more}"))
    }

    fn too_many(&self, field: &str, count: usize) -> Error {
        let most = limits::BULK_VERSIONS_MAX;
        let message = format!("it is about {count} memories, at most {most} are allowed: divide it");
        self.refused(Kind::Exhausted, "LIMIT_REACHED", field, message)
    }

    fn refused(&self, kind: Kind, reason: &'static str, field: &str, description: String) -> Error {
        let field = format!("operations[{}].{field}", self.step);
        let message = format!("{field}: {description}");
        let violations = vec![Violation { field, description }];
        Error::new(kind, reason, message).with_details(Details { violations, ..Details::default() })
    }
}

/// Inserts whole lines: where the text or the line before it has no line end, it gets one, except at
/// the end of the content. None where there is no such line.
fn insert_lines(content: &str, after_line: usize, text: &str) -> Option<String> {
    let lines: Vec<&str> = content.split_inclusive('\n').collect();
    let (before, after) = lines.split_at_checked(after_line)?;
    if text.is_empty() {
        return Some(content.to_owned());
    }
    let mut new = before.concat();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(text);
    if !after.is_empty() && !text.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(&after.concat());
    Some(new)
}
