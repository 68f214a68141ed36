//! Exports and imports of stores: proto/reverie/memory/v1/governance.proto.

use bytes::Bytes;
use domain::portability::{Export, Format, ImportHeader, ImportPart, ImportProblem, ImportReport};
use domain::{Error, Result};

use crate::memory as pb;
use crate::memory::import_store_request::Part;

/// The export; the store is parsed by the caller.
pub fn to_export(r: &pb::ExportStoreRequest) -> Result<Export> {
    let format = to_format("format", r.format)?.ok_or_else(|| {
        Error::invalid("format", "must be EXPORT_FORMAT_TAR_ZST, EXPORT_FORMAT_JSONL or EXPORT_FORMAT_GIT_FAST_EXPORT")
    })?;
    Ok(Export { revision: r.revision, format, with_history: r.with_history })
}

pub fn to_import_part(r: pb::ImportStoreRequest) -> Result<ImportPart<Bytes>> {
    match r.part {
        Some(Part::Header(header)) => Ok(ImportPart::Header(to_header(header)?)),
        Some(Part::Chunk(chunk)) => Ok(ImportPart::Chunk(chunk)),
        None => Err(Error::invalid("part", "set header or chunk")),
    }
}

fn to_header(h: pb::ImportStoreHeader) -> Result<ImportHeader> {
    let handle = Some(h.handle).filter(|handle| !handle.is_empty());
    Ok(ImportHeader {
        handle: handle.map(|handle| handle.parse()).transpose().map_err(|e: Error| e.within("header.handle"))?,
        name: h.name,
        description: h.description,
        format: to_format("header.format", h.format)?,
        request_id: h.request_id,
        git_branch: h.git_branch,
    })
}

fn to_format(field: &str, format: i32) -> Result<Option<Format>> {
    match pb::ExportFormat::try_from(format) {
        Ok(pb::ExportFormat::Unspecified) => Ok(None),
        Ok(pb::ExportFormat::TarZst) => Ok(Some(Format::Tar)),
        Ok(pb::ExportFormat::Jsonl) => Ok(Some(Format::Jsonl)),
        Ok(pb::ExportFormat::GitFastExport) => Ok(Some(Format::Git)),
        Err(_) => Err(Error::invalid(field, format!("{format} is no export format"))),
    }
}

impl From<ImportReport> for pb::ImportStoreResponse {
    fn from(r: ImportReport) -> pb::ImportStoreResponse {
        pb::ImportStoreResponse {
            store: Some(r.store.into()),
            commits: r.commits,
            memories: r.memories,
            problems: r.problems.into_iter().map(Into::into).collect(),
            more_problems: r.more_problems,
        }
    }
}

impl From<ImportProblem> for pb::ImportStoreProblem {
    fn from(p: ImportProblem) -> pb::ImportStoreProblem {
        pb::ImportStoreProblem { path: p.path, reason: p.reason, place: p.place }
    }
}
