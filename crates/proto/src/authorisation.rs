//! What each call asks leave for. The table for people is tests/golden/authorisation.md, written
//! from here and from domain's table of roles.

use domain::access::Action;

#[cfg(test)]
mod tests;

/// The action that a call asks leave for, by its path, for example
/// `/reverie.memory.v1.StoreService/GetStore`. None for calls that are not Reverie's.
pub fn action(rpc_path: &str) -> Option<Action> {
    let (service, method) = rpc_path.strip_prefix("/reverie.")?.split_once('/')?;
    Some(match (service, method) {
        ("memory.v1.StoreService", "CreateStore") => Action::StoreCreate,
        ("memory.v1.StoreService", "GetStore" | "ListStores") => Action::StoreRead,
        ("memory.v1.StoreService", "ForkStore") => Action::StoreFork,
        ("memory.v1.StoreService", "UpdateStore" | "ArchiveStore" | "UnarchiveStore") => Action::StoreAdminister,
        ("memory.v1.StoreService", "DeleteStore" | "UndeleteStore") => Action::StoreDelete,

        ("memory.v1.MemoryService", "Commit") => Action::StoreWrite,
        ("memory.v1.MemoryService", "GetMemory" | "BatchGetMemories" | "ListMemories") => Action::StoreRead,
        ("memory.v1.MemoryService", "Grep" | "Search" | "WatchStore") => Action::StoreRead,

        ("memory.v1.HistoryService", "ListCommits" | "GetCommit" | "ListVersions" | "GetVersion") => Action::StoreRead,
        ("memory.v1.HistoryService", "Diff" | "Blame") => Action::StoreRead,
        ("memory.v1.HistoryService", "Restore") => Action::StoreWrite,
        ("memory.v1.HistoryService", "Merge") => Action::StoreMerge,

        ("memory.v1.GovernanceService", "ListAuditEvents") => Action::StoreAdminister,
        ("memory.v1.GovernanceService", "Redact" | "GetRedaction" | "ListRedactions") => Action::StoreRedact,
        ("memory.v1.GovernanceService", "VerifyHistory" | "ExportStore") => Action::StoreRead,
        ("memory.v1.GovernanceService", "ImportStore") => Action::StoreCreate,

        ("memory.v1.AccessService", "CreateToken" | "ListTokens" | "RevokeToken") => Action::TokenCreate,
        ("memory.v1.AccessService", "AttachSession") => Action::SessionAttach,
        ("memory.v1.AccessService", "GetAttachments") => Action::SessionRead,
        ("memory.v1.AccessService", "WhoAmI") => Action::WhoAmI,

        ("transcript.v1.TranscriptService", "CreateSession" | "AppendEvents" | "EndSession" | "ImportTranscripts") => {
            Action::SessionRecord
        }
        ("transcript.v1.TranscriptService", "GetSession" | "ListSessions" | "ReadEvents" | "WatchSessions") => {
            Action::SessionRead
        }

        ("dream.v1.DreamService", "CreateDream" | "CancelDream") => Action::DreamStart,
        ("dream.v1.DreamService", "GetDream" | "ListDreams" | "WatchDream" | "ListChanges" | "GetEvidence") => {
            Action::DreamRead
        }
        ("dream.v1.DreamService", "ReviewChange" | "DiscardDream") => Action::DreamReview,
        ("dream.v1.DreamService", "AdoptDream") => Action::DreamAdopt,
        _ => return None,
    })
}
