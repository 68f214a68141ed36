//! Every limit of Reverie, with its unit. A limit that is not here is a defect.

/// Bytes of one memory's content.
pub const CONTENT_BYTES_MAX: usize = 102_400;
/// Bytes of one memory's path.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Segments of one memory's path.
pub const PATH_SEGMENTS_MAX: usize = 32;
/// Memories in one store.
pub const STORE_MEMORIES_MAX: usize = 100_000;
/// Bytes of a store's handle (a DNS label, RFC 1123).
pub const HANDLE_BYTES_MAX: usize = 63;
/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 256;
/// Characters of a store's name.
pub const STORE_NAME_CHARS_MAX: usize = 255;
/// Bytes of a description, of instructions, of a commit's message.
pub const TEXT_BYTES_MAX: usize = 8_192;
/// Metadata pairs on a store, label pairs on a session.
pub const METADATA_PAIRS_MAX: usize = 16;
/// Characters of a store's metadata key, and of a value.
pub const METADATA_KEY_CHARS_MAX: usize = 64;
pub const METADATA_VALUE_CHARS_MAX: usize = 512;
/// Bytes of a session's label key, and of a value.
pub const METADATA_KEY_BYTES_MAX: usize = 64;
pub const METADATA_VALUE_BYTES_MAX: usize = 512;
/// Bytes of a request id.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Seconds for which a request id keeps its outcome.
pub const REQUEST_ID_TTL_S: i64 = 24 * 3_600;

/// Operations and resulting versions of one commit.
pub const COMMIT_VERSIONS_MAX: usize = 1_000;
/// Resulting versions of a merge, restore, prefix move or recursive delete.
pub const BULK_VERSIONS_MAX: usize = 10_000;
/// Bytes of content that one commit may write.
pub const COMMIT_BYTES_MAX: usize = 8 << 20;
/// Bytes of content that a conflict carries back per path.
pub const CONFLICT_CONTENT_BYTES_MAX: usize = 100_000;
/// Bytes of conflict contents in one answer; later conflicts come without.
pub const CONFLICT_DETAILS_BYTES_MAX: usize = 1 << 20;
/// Conflicts listed in one answer.
pub const CONFLICTS_MAX: usize = 100;
/// Origin ranges on one written memory.
pub const ORIGINS_MAX: usize = 1_000;
/// Sources kept for one line.
pub const LINE_ORIGINS_MAX: usize = 16;
/// Bytes of one origin's source URI.
pub const ORIGIN_SOURCE_BYTES_MAX: usize = 512;
/// Forks of forks: deeper ones are refused.
pub const FORK_DEPTH_MAX: usize = 8;
/// Days for which a deleted store can be brought back.
pub const STORE_PURGE_DAYS: i64 = 7;

/// Days for which contents may be kept at most by a retention: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_525;
/// Versions that one redaction may name.
pub const REDACTION_VERSIONS_MAX: usize = 1_000;
/// Versions that a receipt lists; its counts tell of all.
pub const REDACTION_VERSIONS_SHOWN_MAX: usize = 20_000;
/// Memories that one commit of a redaction takes out of a head, and bytes that it writes.
pub const REDACTION_COMMIT_MEMORIES_MAX: usize = 500;
pub const REDACTION_COMMIT_BYTES_MAX: usize = 4 << 20;
/// Rows and bytes that one batch of an erasure writes.
pub const ERASURE_BATCH_ROWS_MAX: usize = 256;
pub const ERASURE_BATCH_BYTES_MAX: usize = 2 << 20;
/// Seconds that a caller waits for a redaction; then it is told that it runs.
pub const REDACTION_WAIT_S: u64 = 45;
/// Contents that are remembered as erased, for readers that began before.
pub const ERASED_REMEMBERED_MAX: u64 = 100_000;
/// Redactions of a family among which that of a version is looked for, newest first.
pub const REDACTIONS_LOOKED_AT_MAX: usize = 1_000;
/// Bytes of the shortest line that counts as a quotation of a content.
pub const QUOTED_LINE_BYTES_MIN: usize = 8;
/// Problems that a check of a history lists.
pub const HISTORY_PROBLEMS_MAX: usize = 100;
/// Seconds between two rounds of housekeeping: purges, expiries, retention.
pub const HOUSEKEEPING_S: u64 = 3_600;
/// Refusals of one workspace that are recorded at once, and then in a minute.
pub const AUDIT_REFUSALS_BURST: u32 = 100;
pub const AUDIT_REFUSALS_PER_MINUTE: u32 = 10;
/// Days for which a recorded refusal is kept; what was done is kept for good.
pub const AUDIT_REFUSAL_DAYS: i64 = 30;
/// Events looked at for one page of a listing; then the page ends early.
pub const AUDIT_PAGE_SCAN_MAX: usize = 10_000;
/// Refusals that wait to be recorded; more are only counted.
pub const AUDIT_QUEUE_MAX: usize = 256;

/// Items of one page.
pub const PAGE_SIZE_MAX: usize = 1_000;
/// Items of one page where the caller does not say.
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// Items of one page that carries contents.
pub const PAGE_SIZE_FULL_MAX: usize = 100;
/// Paths of one batch read.
pub const BATCH_GET_MAX: usize = 100;
/// Bytes of contents in one page or stream message.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// Matches of one grep.
pub const GREP_MATCHES_MAX: usize = 10_000;
/// Matches of one grep where the caller does not say.
pub const GREP_MATCHES_DEFAULT: usize = 1_000;
/// Context lines on each side of a match.
pub const GREP_CONTEXT_LINES_MAX: usize = 10;
/// Memories that one grep reads at once.
pub const GREP_READS_MAX: usize = 16;
/// Bytes of a regular expression or glob.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// Bytes of a compiled regular expression.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Stores of one search.
pub const SEARCH_STORES_MAX: usize = 16;
/// Bytes of a query.
pub const SEARCH_QUERY_BYTES_MAX: usize = 1_024;
/// Words, phrases and paths of a query.
pub const SEARCH_CLAUSES_MAX: usize = 64;
/// Memories that one search gives.
pub const SEARCH_RESULTS_MAX: usize = 100;
/// Memories that one search gives where the caller does not say.
pub const SEARCH_RESULTS_DEFAULT: usize = 10;
/// Lines shown of a memory that was found.
pub const SEARCH_LINES_MAX: usize = 3;
/// Bytes of such a line; a longer one is cut around the first match.
pub const SEARCH_LINE_BYTES_MAX: usize = 240;
/// Bytes of a word that tell it from others.
pub const SEARCH_WORD_BYTES_MAX: usize = 64;
/// Bytes, roughly, of words kept in memory for searches, of all stores; whole stores are let go.
pub const SEARCH_INDEX_BYTES_MAX: usize = 256 << 20;
/// Commits by which the words kept of a store may lag behind until they are brought up in the background.
pub const SEARCH_LAG_COMMITS_MAX: u64 = 256;
/// Times that this is done for a store in which nobody searches; then its words are let go.
pub const SEARCH_IDLE_FOLLOWS_MAX: u32 = 16;
/// Words whose stems are remembered while texts are read.
pub const SEARCH_STEMS_KEPT_MAX: usize = 16_384;
/// Context lines of a diff.
pub const DIFF_CONTEXT_LINES_MAX: usize = 100;

/// Commits of one store that wait to be judged; more are refused at once.
pub const COMMIT_QUEUE_MAX: usize = REQUESTS_MAX;
/// Commits of one store written by one batch.
pub const BATCH_COMMITS_MAX: usize = 256;
/// Bytes of contents in one batch of commits; the commit that reaches it is the batch's last.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Times that a batch is judged anew because another process changed the store's row.
pub const REJUDGES_MAX: usize = 3;
/// Times that a merge or restore is worked out anew because the head moved meanwhile.
pub const REBASES_MAX: usize = 16;
/// Outcomes of requests kept in memory for each open store; older ones are read from storage.
pub const OUTCOMES_RECENT_MAX: u64 = 65_536;
/// Stores kept open by one process.
pub const OPEN_STORES_MAX: usize = 1_024;
/// Memories of all stores kept open by one process.
pub const OPEN_MEMORIES_MAX: usize = 2_000_000;
/// Memories of all snapshots of the past kept in memory, counted as if none shared its structure.
pub const SNAPSHOTS_MEMORIES_MAX: u64 = 2_000_000;
/// Memories that the smallest snapshot counts for.
pub const SNAPSHOT_MEMORIES_MIN: usize = 2_000;
/// Bytes of contents kept in memory.
pub const CONTENT_CACHE_BYTES_MAX: u64 = 64 << 20;
/// Bytes, roughly, of commits kept in memory for watchers and replays.
pub const COMMIT_CACHE_BYTES_MAX: u64 = 32 << 20;
/// Commits read by one scan of the log.
pub const LOG_SCAN_MAX: usize = 256;
/// Commits looked at for one page of a filtered listing; then the page ends early.
pub const LOG_PAGE_SCAN_MAX: usize = 10_000;
/// Commits of a store between two checkpoints of its paths, at least.
pub const CHECKPOINT_COMMITS_MIN: u64 = 256;
/// Memories of a store for each commit between two checkpoints: what a checkpoint costs a commit.
pub const CHECKPOINT_MEMORIES_PER_COMMIT: u64 = 4;
/// Memories on one page of a checkpoint.
pub const CHECKPOINT_PAGE_MEMORIES_MAX: usize = 500;
/// Versions of one memory that a blame follows; lines that are older count as the oldest's.
pub const BLAME_VERSIONS_MAX: usize = 2_000;
/// Bytes of one diff's answer; a larger one is refused.
pub const DIFF_BYTES_MAX: usize = 8 << 20;

/// Bytes of one message of an export, about.
pub const EXPORT_CHUNK_BYTES: usize = 256 << 10;
/// Bytes of one part of the history, or of the memories' details, in an exported archive, about.
pub const EXPORT_PART_BYTES: usize = 1 << 20;
/// Memories in one part of an exported archive.
pub const EXPORT_PART_MEMORIES_MAX: usize = 500;
/// Contents that an export remembers to have written; then it forgets them and may write one again.
pub const EXPORT_CONTENTS_MAX: usize = 500_000;
/// Bytes of one imported store's file, as sent and when decompressed.
pub const STORE_IMPORT_BYTES_MAX: u64 = 16 << 30;
/// Bytes of one line of an imported file, or of one entry of an archive that describes others.
pub const STORE_IMPORT_RECORD_BYTES_MAX: usize = 32 << 20;
/// Commits of one imported store.
pub const STORE_IMPORT_COMMITS_MAX: u64 = 1_000_000;
/// Different contents of one imported store, those of commits that are left out included.
pub const STORE_IMPORT_CONTENTS_MAX: usize = 1_000_000;
/// Bytes of a git repository's commits without contents: their graph is held in memory.
pub const STORE_IMPORT_GRAPH_BYTES_MAX: usize = 256 << 20;
/// Stores that one process imports at once.
pub const STORE_IMPORTS_RUNNING_MAX: usize = 2;
/// Rows and bytes that an import writes as one batch.
pub const STORE_IMPORT_BATCH_ROWS_MAX: usize = 2_000;
pub const STORE_IMPORT_BATCH_BYTES_MAX: usize = 4 << 20;
/// Seconds for which an import holds what it has built so far without writing; then it is abandoned.
pub const STORE_IMPORT_LEASE_S: i64 = 120;
/// Seconds between looks for imports that a crash has left half done.
pub const STORE_IMPORT_SWEEP_S: u64 = 60;

/// Attachments of one session.
pub const ATTACHMENTS_MAX: usize = 8;
/// Grants in one token's scope.
pub const GRANTS_MAX: usize = 32;
/// Grants that a token may gather by making stores and forks.
pub const GRANTS_MADE_MAX: usize = 1_000;
/// Tokens looked at for one page of a listing; then the page ends early.
pub const TOKEN_PAGE_SCAN_MAX: usize = 10_000;
/// Tokens of one session that are looked at for one that still lives, newest first.
pub const SESSION_TOKENS_MAX: usize = 100;
/// Tokens kept in memory.
pub const TOKENS_CACHED_MAX: u64 = 100_000;
/// Tokens made with tokens: deeper ones are refused.
pub const TOKEN_DEPTH_MAX: usize = 8;
/// Seconds that a token lives where the caller does not say.
pub const TOKEN_TTL_DEFAULT_S: i64 = 24 * 3_600;
/// Seconds that a token may live.
pub const TOKEN_TTL_MAX_S: i64 = 365 * 24 * 3_600;
/// Bytes of a presented credential.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// Seconds for which a service trusts another's answer about a credential: how late a revocation
/// can take effect outside memory-store.
pub const TOKEN_CACHE_S: u64 = 10;

/// MiB of a database's page cache: where no memory limit is set, and the bounds of what is taken of one.
pub const CACHE_MIB_DEFAULT: u64 = 256;
pub const CACHE_MIB_MIN: u64 = 16;
pub const CACHE_MIB_MAX: u64 = 4_096;
/// The cache's share of the memory limit is one in this many.
pub const CACHE_SHARE: u64 = 4;

/// Bytes of one gRPC message.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 12 << 20;
/// Concurrent requests of one service before it answers RESOURCE_EXHAUSTED.
pub const REQUESTS_MAX: usize = 2_048;
/// Concurrent streams of one HTTP/2 connection.
pub const CONNECTION_STREAMS_MAX: u32 = 1_024;
/// Seconds that a unary call may take.
pub const REQUEST_DEADLINE_S: u64 = 60;
/// Seconds that open requests get to finish when the process is told to stop.
pub const DRAIN_S: u64 = 10;

/// The REST facade's own limits, where the API that it speaks sets others than Reverie does.
/// Bytes of a request's body: a memory's content, each byte of which JSON may write as six.
pub const REST_BODY_BYTES_MAX: usize = 1 << 20;
/// Items of one page; where the caller does not say; and with contents.
pub const REST_PAGE_SIZE_MAX: usize = 100;
pub const REST_PAGE_SIZE_DEFAULT: usize = 20;
pub const REST_PAGE_SIZE_FULL_MAX: usize = 20;
/// Characters of a store's description.
pub const REST_DESCRIPTION_CHARS_MAX: usize = 1_024;
/// Segments of one memory's path.
pub const REST_PATH_SEGMENTS_MAX: usize = 20;
/// Sessions of one dream, and characters of its instructions and of its model's name.
pub const REST_DREAM_SESSIONS_MAX: usize = 100;
pub const REST_DREAM_INSTRUCTIONS_CHARS_MAX: usize = 4_096;
pub const REST_MODEL_CHARS_MAX: usize = 256;
/// Times that a change of a memory is made anew because the memory changed meanwhile.
pub const REST_REBASES_MAX: usize = 16;
/// Contents that are read at once for one page.
pub const REST_READS_MAX: usize = 8;
/// Pages that are read for one page, of which nothing was to be shown.
pub const REST_EMPTY_PAGES_MAX: usize = 16;

/// Events of one append.
pub const APPEND_EVENTS_MAX: usize = 1_000;
/// Bytes of one append.
pub const APPEND_BYTES_MAX: usize = 8 << 20;
/// Bytes of one event's text; longer text is cut, and says so.
pub const EVENT_TEXT_BYTES_MAX: usize = 1 << 20;
/// Events of one session.
pub const SESSION_EVENTS_MAX: u64 = 100_000;
/// Bytes of one session.
pub const SESSION_BYTES_MAX: u64 = 64 << 20;
/// Bytes of one imported file.
pub const IMPORT_BYTES_MAX: usize = 256 << 20;
/// Sessions of one imported file: what lies beyond is a problem of the answer.
pub const IMPORT_SESSIONS_MAX: usize = 50_000;
/// Fields of one JSON object of an imported file, where its reader looks into it.
pub const IMPORT_FIELDS_MAX: usize = 10_000;
/// Levels to which readers follow what an imported file nests: sub-agents' runs, attributes' values.
pub const IMPORT_DEPTH_MAX: usize = 32;
/// Imported files that one process holds in memory at once.
pub const IMPORTS_RUNNING_MAX: usize = 4;
/// Seconds for which an import may wait for its next chunk.
pub const IMPORT_SILENCE_S: u64 = 30;
/// Sessions and bytes that an import puts into one commit. A larger session takes several.
pub const IMPORT_COMMIT_SESSIONS_MAX: usize = 64;
pub const IMPORT_COMMIT_BYTES_MAX: usize = 4 << 20;
/// Bytes of a tool's name, a call's id, a thread's name, a kind; a longer one is cut, and says so.
pub const EVENT_NAME_BYTES_MAX: usize = 1_024;
/// Bytes of what a session says its agent was asked to do.
pub const TASK_TEXT_BYTES_MAX: usize = 4_096;
/// Events and bytes of their text that are stored as one value.
pub const EVENT_BLOCK_EVENTS_MAX: usize = 256;
pub const EVENT_BLOCK_BYTES_MAX: usize = 1 << 20;
/// Sessions looked at for one page of a listing; a page may be short, and the next goes on.
pub const LIST_SCAN_MAX: usize = 10_000;
/// Seconds of silence after which a watch of sessions says how far it is.
pub const WATCH_PROGRESS_S: u64 = 15;
/// Problems listed in one import's answer.
pub const IMPORT_PROBLEMS_MAX: usize = 1_000;

/// Sessions of one dream.
pub const DREAM_SESSIONS_MAX: usize = 10_000;
/// Changes of one dream.
pub const DREAM_CHANGES_MAX: usize = 1_000;
/// Dreams that run at once in one process.
pub const DREAMS_RUNNING_MAX: usize = 4;
/// Sessions read at once by one dream.
pub const DREAM_READS_MAX: usize = 8;
/// Seconds that a dream's lease lasts without renewal.
pub const DREAM_LEASE_S: u64 = 30;
/// Seconds between two looks for dreams that nobody runs.
pub const DREAM_LOOK_S: u64 = 5;
/// Seconds between two sweeps of what has expired.
pub const DREAM_SWEEP_S: u64 = 600;
/// Seconds for which a dream may be in the making before it counts as given up.
pub const DREAM_BEGIN_S: i64 = 120;
/// Seconds for which a dream waits for a service that does not answer before it fails.
pub const DREAM_PATIENCE_S: u64 = 600;
/// Seconds between two tries, at most.
pub const DREAM_WAIT_MAX_S: u64 = 30;
/// Seconds that a dream may take where its budget does not say.
pub const DREAM_WALL_TIME_S: i64 = 3_600;
/// Bytes of a quote in a piece of evidence.
pub const QUOTE_BYTES_MAX: usize = 400;
/// Pieces of evidence on one change.
pub const EVIDENCE_MAX: usize = 50;
/// Bytes of one note that a dream writes.
pub const NOTE_BYTES_MAX: usize = 8_192;
/// Notes that one dream may add before it needs review.
pub const DREAM_ADDS_MAX: usize = 50;
/// Share of the store's bytes that one dream may touch before it needs review.
pub const DREAM_TOUCHED_SHARE_MAX: f64 = 0.30;
