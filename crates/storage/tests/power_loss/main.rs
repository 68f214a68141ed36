//! Loss of power: a real process is recorded while it works, the recording is cut at random points, what
//! was not synced is dropped, and the database must open with everything that was acknowledged.
//!
//! REVERIE_POWER_LOSS_POINTS asks for other than 20 points, REVERIE_SEED for another run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "processes are told by their environment what to do")]

mod replay;
mod trace;
mod workload;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;

use self::replay::Disk;
use self::trace::Event;
use self::workload::{Found, Life};

/// Set in a child: the folder of the database.
const CHILD: &str = "REVERIE_POWER_LOSS_CHILD";
/// Set in a child that works: its life. One without checks.
const LIFE: &str = "REVERIE_POWER_LOSS_LIFE";
const ACKS: &str = "REVERIE_SHIM_ACKS";
/// What a child that checks says by its exit code.
const LOST: i32 = 10;
const UNOPENABLE: i32 = 11;
/// Chances that what is not synced survives.
const CHANCES: [f64; 4] = [0.0, 0.0, 0.5, 0.9];

const APPEND: &[Life] = &[
    Life { appends: 60, overwrites: 0, maximal: 0, erasures: 3, abrupt: false },
    Life { appends: 60, overwrites: 5, maximal: 0, erasures: 3, abrupt: true },
    Life { appends: 60, overwrites: 0, maximal: 0, erasures: 3, abrupt: false },
];
const OVERWRITE: &[Life] = &[
    Life { appends: 0, overwrites: 150, maximal: 0, erasures: 0, abrupt: true },
    Life { appends: 5, overwrites: 150, maximal: 0, erasures: 1, abrupt: false },
    Life { appends: 0, overwrites: 50, maximal: 0, erasures: 0, abrupt: false },
];
const MAXIMAL: &[Life] = &[
    Life { appends: 10, overwrites: 10, maximal: 1, erasures: 1, abrupt: true },
    Life { appends: 10, overwrites: 10, maximal: 1, erasures: 0, abrupt: false },
];

/// The process whose power goes, and the one that looks what is left. Alone it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = env::var(CHILD) else { return };
    let acks = PathBuf::from(env::var(ACKS).unwrap());
    match env::var(LIFE) {
        Ok(life) => workload::live(Path::new(&folder), &acks, Life::parse(&life)).await,
        Err(_) => {
            let told = std::fs::read_to_string(acks).unwrap();
            let told: Vec<String> = told.lines().map(str::to_owned).collect();
            let vault = match reverie_storage::open(Path::new(&folder), 8 << 20).await {
                Ok(vault) => vault,
                Err(error) => {
                    println!("it does not open: {error}");
                    std::process::exit(UNOPENABLE);
                }
            };
            if let Err(lost) = Found::read(&vault).await.and_then(|found| found.holds(&told)) {
                println!("{lost}");
                std::process::exit(LOST);
            }
        }
    }
}

fn child_command(folder: &Path, acks: &Path) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["child", "--exact", "--nocapture", "--quiet"]).env(CHILD, folder).env(ACKS, acks);
    child.env_remove(LIFE).stdin(Stdio::null());
    child
}

/// The shim, compiled; None, and a word, where there is no C compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_loss/shim.c");
    let shim = folder.join("shim.so");
    let compiled =
        Command::new("gcc").args(["-O2", "-shared", "-fPIC", "-pthread", "-o"]).arg(&shim).arg(source).status();
    match compiled {
        Ok(status) => {
            assert!(status.success(), "gcc does not compile the shim");
            Some(shim)
        }
        Err(error) => {
            println!("SKIPPED: loss of power is not simulated, for gcc is missing ({error}); install a C compiler");
            None
        }
    }
}

/// Lives through some lives under the shim. Gives the root of the data and the trace.
fn record(work: &Path, shim: &Path, lives: &[Life], fdatasync: Option<&str>) -> (PathBuf, Vec<Event>, ExitStatus) {
    let root = work.join("disk");
    std::fs::create_dir(&root).unwrap();
    let (trace, acks) = (work.join("trace"), work.join("told"));
    let mut last = None;
    for life in lives {
        let mut child = child_command(&root.join("data"), &acks);
        child.env(LIFE, life.to_text()).env("LD_PRELOAD", shim).env("REVERIE_SHIM_ROOT", &root);
        child.env("REVERIE_SHIM_TRACE", &trace).stdout(Stdio::null());
        if let Some(how) = fdatasync {
            child.env("REVERIE_SHIM_FDATASYNC", how);
        }
        last = Some(child.status().unwrap());
    }
    (root, trace::read(&trace), last.unwrap())
}

#[derive(Debug, Default)]
struct Tally {
    clean: AtomicUsize,
    lost: AtomicUsize,
    unopenable: AtomicUsize,
}

/// Cuts a recording at some points and looks what is left at each.
fn cut(root: &Path, events: &[Event], points: usize, seed: u64, tally: &Tally, is_control: bool) {
    let turns: Vec<usize> = (0..events.len()).filter(|&i| events[i].is_turn()).collect();
    let opens = opens(events);
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    let point = next.fetch_add(1, Ordering::Relaxed);
                    if point >= points {
                        return;
                    }
                    let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) + point as u64);
                    // A third of the points lies around turns, and a third around opens: both are few among
                    // the events. The control's lie where something has been acknowledged.
                    let at = match rng.random_range(0..3) {
                        0 if !is_control => turns[rng.random_range(0..turns.len())] + rng.random_range(0..3),
                        1 if !is_control => opens[rng.random_range(0..opens.len())],
                        _ if is_control => rng.random_range(events.len() / 10..events.len()),
                        _ => rng.random_range(0..events.len()),
                    };
                    let chance = CHANCES[rng.random_range(0..CHANCES.len())];
                    one_point(root, &events[..at.min(events.len())], chance, &mut rng, tally, is_control);
                }
            });
        }
    });
}

/// What happens shortly before and while a database is opened again: then sled writes a snapshot, and over
/// what the one before needed.
fn opens(events: &[Event]) -> Vec<usize> {
    let starts = (0..events.len()).filter(|&i| matches!(events[i], Event::Start)).skip(1);
    starts.flat_map(|start| start.saturating_sub(20)..start + 150).collect()
}

fn one_point(root: &Path, events: &[Event], chance: f64, rng: &mut StdRng, tally: &Tally, is_control: bool) {
    let work = TempDir::new().unwrap();
    let folder = work.path().join("disk");
    Disk::new(root, events).lose_power(&folder, chance, rng);
    let told = events.iter().filter_map(|e| match e {
        Event::Told(line) if line != "exit" => Some(line.as_str()),
        _ => None,
    });
    let told: Vec<&str> = told.collect();
    let acks = work.path().join("told");
    std::fs::write(&acks, told.join("\n")).unwrap();
    let output = child_command(&folder.join("data"), &acks).output().unwrap();
    let counter = match output.status.code() {
        Some(0) => &tally.clean,
        Some(LOST) => &tally.lost,
        _ => &tally.unopenable,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    if !output.status.success() && !is_control {
        let words = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        println!("cut after {} events, chance {chance}: {} {words} {errors}", events.len(), output.status);
    }
}

fn seed() -> u64 {
    env::var("REVERIE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn points() -> usize {
    env::var("REVERIE_POWER_LOSS_POINTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

#[test]
fn nothing_acknowledged_is_lost_by_a_loss_of_power() {
    let build = TempDir::new().unwrap();
    let Some(shim) = shim(build.path()) else { return };
    let tally = Tally::default();
    // The maximal commit's recording is the longest: it gets the fewest points, and more per second of it.
    let (points, seed) = (points(), seed());
    let maximal = (points / 5).max(1);
    let each = (points - maximal) / 2;
    for (what, lives, points) in
        [("append", APPEND, each), ("overwrite", OVERWRITE, points - maximal - each), ("maximal", MAXIMAL, maximal)]
    {
        let work = TempDir::new().unwrap();
        let (root, events, _) = record(&work.path().canonicalize().unwrap(), &shim, lives, None);
        println!("{what}: {}; {points} points, REVERIE_SEED={seed}", trace::summary(&events));
        let told = events.iter().filter(|e| matches!(e, Event::Told(_))).count();
        let syncs = events.iter().filter(|e| matches!(e, Event::SyncEnd { .. })).count();
        assert!(told > 20 && syncs > 20, "the shim saw {told} acknowledgements and {syncs} syncs");
        cut(&root, &events, points, seed, &tally, false);
    }
    println!("{tally:?}");
    assert_eq!((tally.lost.into_inner(), tally.unopenable.into_inner()), (0, 0));
    assert_eq!(tally.clean.into_inner(), points);
}

#[test]
fn without_our_own_fsync_the_same_test_fails() {
    let build = TempDir::new().unwrap();
    let Some(shim) = shim(build.path()) else { return };
    let (tally, points) = (Tally::default(), (points() / 4).max(10));
    let work = TempDir::new().unwrap();
    let (root, events, _) = record(&work.path().canonicalize().unwrap(), &shim, APPEND, Some("ignore"));
    cut(&root, &events, points, seed(), &tally, true);
    println!("without fsync, of {points}: {tally:?}");
    assert!(tally.clean.into_inner() * 2 <= points, "the simulation does not find a missing fsync");
}

#[test]
fn a_failed_fsync_ends_the_process_before_anything_false_is_said() {
    let build = TempDir::new().unwrap();
    let Some(shim) = shim(build.path()) else { return };
    let work = TempDir::new().unwrap();
    let work = work.path().canonicalize().unwrap();
    let (root, events, status) = record(&work, &shim, &APPEND[..1], Some("30"));
    use std::os::unix::process::ExitStatusExt as _;
    assert_eq!(status.signal(), Some(6), "aborted: {status}");
    let told: Vec<&str> =
        events.iter().filter_map(|e| if let Event::Told(line) = e { Some(line.as_str()) } else { None }).collect();
    assert!(!told.is_empty(), "29 syncs went well");
    // Only what was synced is on the disk, and that is all that was told.
    let tally = Tally::default();
    one_point(&root, &events, 0.0, &mut StdRng::seed_from_u64(seed()), &tally, false);
    assert_eq!(tally.clean.into_inner(), 1);
}
