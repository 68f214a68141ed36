//! Every limit of the storage, with its unit. What callers may ask for is bounded in the domain's limits;
//! these bound what the engine does with it.

use std::time::Duration;

/// Batches that may wait for the committer; more wait in `commit`.
pub const QUEUE_MAX: usize = 4_096;
/// Batches of one transaction.
pub const GROUP_BATCHES_MAX: usize = 512;
/// Bytes of one transaction; one batch may be larger.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
/// Bytes of a piece of a value. sled puts items over about 8 KiB into files that it never syncs.
pub const PIECE_BYTES: usize = 4_096;

/// Bytes of sled's page cache where nobody says. The process takes two to three times that at its peak.
pub const CACHE_BYTES_DEFAULT: u64 = 256 << 20;
/// Bytes of a database from which on a warning says that it has outgrown one process.
pub const DATABASE_BYTES_WARN: u64 = 20 << 30;
/// Free bytes of the disk below which only what makes room is written.
pub const FREE_BYTES_MIN: u64 = 64 << 20;
/// The part of the free bytes below which nothing is written before the ballast is given up.
pub const FREE_FLOOR_DIVISOR: u64 = 4;
/// Bytes of the file that is given up when the disk is full.
pub const BALLAST_BYTES: u64 = 64 << 20;

/// How often the high-water mark is synced, at most.
pub const MARK_SYNC_EVERY: Duration = Duration::from_secs(1);
/// Rows up to which every open compares the digest of what is there with what should be. A larger
/// database leaves that to the scrub.
pub const VERIFY_AT_OPEN_ROWS_MAX: u64 = 100_000;

/// Rows and bytes of one slice of a walk: for so long commits wait.
pub const SLICE_ROWS_MAX: usize = 256;
pub const SLICE_BYTES_MAX: usize = 1 << 20;
/// Bytes of changes that a walk keeps for who walks too slowly; then the walk is given up.
pub const WALK_CHANGED_BYTES_MAX: usize = 256 << 20;
/// Damaged rows that a scrub lists; all are counted.
pub const DAMAGED_LISTED_MAX: usize = 1_000;

/// Bytes of a backup's frame, roughly: the value that reaches it is the frame's last.
pub const FRAME_BYTES: usize = 1 << 20;
/// Bytes of a frame that a restore reads.
pub const FRAME_BYTES_MAX: usize = 64 << 20;
/// Bytes of a backup's passphrase.
pub const PASSPHRASE_BYTES_MIN: usize = 12;
/// What it costs to try a passphrase: Argon2id's memory, passes and lanes (RFC 9106, section 4).
pub const PASSPHRASE_MEMORY_KIB: u32 = 64 << 10;
pub const PASSPHRASE_PASSES: u32 = 3;
pub const PASSPHRASE_LANES: u32 = 4;
/// What a key file may ask of who opens it.
pub const PASSPHRASE_MEMORY_KIB_MAX: u32 = 1 << 20;
pub const PASSPHRASE_PASSES_MAX: u32 = 16;

/// How often and how long to wait for a lock that a process which just ended still holds.
pub const LOCK_TRIES: u32 = 100;
pub const LOCK_WAIT: Duration = Duration::from_millis(100);
