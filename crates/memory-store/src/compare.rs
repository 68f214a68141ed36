//! Comparing two snapshots, of one store or of any two.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::StorePermit;
use domain::commit::{ChangeKind, Revision};
use domain::diff::{self, Stats, Unpaired};
use domain::error::Result;
use domain::history::{Compare, Comparison, FileChange};
use domain::{Error, Kind, MemoryPath, limits};
use imbl::ordmap::DiffItem;

use crate::MemoryStore;
use crate::index::Entry;
use crate::stores::View;

type File = (MemoryPath, Arc<Entry>);

/// The files that differ.
#[derive(Default)]
struct Changed {
    removed: Vec<File>,
    added: Vec<File>,
    modified: Vec<(File, File)>,
}

impl MemoryStore {
    /// How a target differs from a base. Memories are paired by path, then by id, then by content.
    ///
    /// # Errors
    /// Exhausted where the answer would be larger than limits::DIFF_BYTES_MAX.
    pub async fn compare(
        &self,
        (base, base_revision): (&StorePermit, Revision),
        (target, target_revision): (&StorePermit, Revision),
        how: &Compare,
    ) -> Result<Comparison> {
        if how.context_lines as usize > limits::DIFF_CONTEXT_LINES_MAX {
            let most = limits::DIFF_CONTEXT_LINES_MAX;
            return Err(Error::invalid("context_lines", format!("must be at most {most}")));
        }
        let base_view = self.view(base, base_revision).await?;
        let target_view = self.view(target, target_revision).await?;
        let shown = |permit: &StorePermit, path: &MemoryPath| {
            permit.may_read(path.as_str()) && how.glob.as_ref().is_none_or(|g| g.matches(path.as_str()))
        };
        let mut changed = Changed::default();
        for item in base_view.map.diff(&target_view.map) {
            match item {
                DiffItem::Add(path, entry) if shown(target, path) => changed.added.push((path.clone(), entry.clone())),
                DiffItem::Remove(path, entry) if shown(base, path) => {
                    changed.removed.push((path.clone(), entry.clone()));
                }
                DiffItem::Update { old: (path, old), new: (_, new) } => {
                    match (shown(base, path), shown(target, path)) {
                        (true, true) if old.content == new.content => {}
                        (true, true) => {
                            changed.modified.push(((path.clone(), old.clone()), (path.clone(), new.clone())));
                        }
                        (true, false) => changed.removed.push((path.clone(), old.clone())),
                        (false, true) => changed.added.push((path.clone(), new.clone())),
                        (false, false) => {}
                    }
                }
                DiffItem::Add(..) | DiffItem::Remove(..) => {}
            }
        }
        let mut writer = Writer { store: self, base: &base_view, target: &target_view, how, bytes: 0 };
        let files = writer.files(changed).await?;
        let mut stats = Stats::default();
        for file in &files {
            stats.added_lines += file.diff.stats.added_lines;
            stats.removed_lines += file.diff.stats.removed_lines;
        }
        Ok(Comparison { files, stats, base_revision: base_view.revision, target_revision: target_view.revision })
    }
}

struct Writer<'a> {
    store: &'a MemoryStore,
    base: &'a View,
    target: &'a View,
    how: &'a Compare,
    bytes: usize,
}

impl Writer<'_> {
    async fn files(&mut self, mut changed: Changed) -> Result<Vec<FileChange>> {
        let mut files = changed.take_erased();
        let removed = self.texts(self.base, &changed.removed).await?;
        let added = self.texts(self.target, &changed.added).await?;
        let pairs: BTreeMap<usize, usize> =
            diff::pair_renames(&unpaired(&changed.removed, &removed), &unpaired(&changed.added, &added))
                .into_iter()
                .collect();
        for (r, (path, _)) in changed.removed.iter().enumerate() {
            files.push(match pairs.get(&r) {
                Some(&a) => {
                    self.file(ChangeKind::Renamed, Some((path, &removed[r])), Some((&changed.added[a].0, &added[a])))?
                }
                None => self.file(ChangeKind::Deleted, Some((path, &removed[r])), None)?,
            });
        }
        let paired: std::collections::BTreeSet<usize> = pairs.values().copied().collect();
        for (a, (path, _)) in changed.added.iter().enumerate().filter(|(a, _)| !paired.contains(a)) {
            files.push(self.file(ChangeKind::Created, None, Some((path, &added[a])))?);
        }
        for ((path, old), (_, new)) in &changed.modified {
            let old = self.store.text(self.base, old).await?;
            let new = self.store.text(self.target, new).await?;
            files.push(self.file(ChangeKind::Modified, Some((path, &old)), Some((path, &new)))?);
        }
        files.sort_by(|x, y| x.path.cmp(&y.path));
        Ok(files)
    }

    async fn texts(&self, view: &View, files: &[File]) -> Result<Vec<Arc<str>>> {
        let bytes: usize = files.iter().map(|(_, entry)| entry.content.size_bytes as usize).sum();
        if bytes > limits::DIFF_BYTES_MAX {
            return Err(too_large());
        }
        let mut texts = Vec::with_capacity(files.len());
        for (_, entry) in files {
            texts.push(self.store.text(view, entry).await?);
        }
        Ok(texts)
    }

    fn file(
        &mut self,
        kind: ChangeKind,
        base: Option<(&MemoryPath, &Arc<str>)>,
        target: Option<(&MemoryPath, &Arc<str>)>,
    ) -> Result<FileChange> {
        let text = |side: Option<(&MemoryPath, &Arc<str>)>| side.map(|(_, text)| text.clone()).unwrap_or_default();
        let name = |side: Option<(&MemoryPath, &Arc<str>)>, letter: &str| {
            side.map_or("/dev/null".to_owned(), |(path, _)| format!("{letter}{path}"))
        };
        let diff = diff::diff_lines(&text(base), &text(target), self.how.context_lines as usize);
        let unified = diff::unified(&name(base, "a"), &name(target, "b"), &diff);
        // Hunks and unified text hold about the same bytes.
        self.bytes += 2 * unified.len();
        if self.bytes > limits::DIFF_BYTES_MAX {
            return Err(too_large());
        }
        let path = target.or(base).map(|(path, _)| path.clone());
        Ok(FileChange {
            kind,
            path: path.ok_or_else(|| Error::internal("a change without a side"))?,
            previous_path: base.filter(|_| kind == ChangeKind::Renamed).map(|(path, _)| path.clone()),
            diff,
            unified,
            erased: false,
        })
    }
}

impl Changed {
    /// The files of which a side is erased: all that can be said is that they differ.
    fn take_erased(&mut self) -> Vec<FileChange> {
        let gone = |(_, entry): &File| entry.content.erasure().is_some();
        let mut files = Vec::new();
        for (kind, list) in [(ChangeKind::Deleted, &mut self.removed), (ChangeKind::Created, &mut self.added)] {
            files.extend(list.extract_if(.., |file| gone(file)).map(|(path, _)| erased(kind, path)));
        }
        let modified = self.modified.extract_if(.., |(old, new)| gone(old) || gone(new));
        files.extend(modified.map(|((path, _), _)| erased(ChangeKind::Modified, path)));
        files
    }
}

fn erased(kind: ChangeKind, path: MemoryPath) -> FileChange {
    let diff = diff::FileDiff { hunks: Vec::new(), stats: Stats::default() };
    FileChange { kind, path, previous_path: None, diff, unified: String::new(), erased: true }
}

fn unpaired<'a>(files: &[File], texts: &'a [Arc<str>]) -> Vec<Unpaired<'a>> {
    files.iter().zip(texts).map(|((_, entry), text)| Unpaired { memory: entry.memory, content: text }).collect()
}

fn too_large() -> Error {
    Error::new(Kind::Exhausted, "LIMIT_REACHED", "the diff is too large for one answer: narrow it with path_glob")
}
