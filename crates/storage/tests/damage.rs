//! Damage: bits flip, sectors tear and ends are cut off in every kind of file, and nothing wrong or
//! missing is ever served in silence: it shows at the open, at a read, or in the scrub.
//!
//! REVERIE_DAMAGE_ROUNDS asks for other than 30 rounds, REVERIE_SEED for another run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "processes are told by their environment what to do")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reverie_storage::engine::{Direction, Error, Range};
use reverie_storage::{Options, Vault};
use tempfile::TempDir;

const CACHE_BYTES: u64 = 8 << 20;
const SECTOR: usize = 512;
/// Set in a child: the folder, and what to do there.
const CHILD: &str = "REVERIE_DAMAGE_CHILD";
const TASK: &str = "REVERIE_DAMAGE_TASK";
/// What a child that looks has found, as its exit code.
const AT_OPEN: i32 = 20;
const AT_READ: i32 = 21;
const BY_SCRUB: i32 = 22;
const SILENT: i32 = 30;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
/// Keys with their values; None deletes.
type Commit = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What a life of the database writes; lives overwrite each other.
fn commits(life: u8) -> Vec<Commit> {
    let value = |n: u16| vec![life ^ n as u8; 40 + (usize::from(n) * 677) % 6_000];
    let commit = |n: u16| {
        let key = |n: u16| [&[1][..], &n.to_be_bytes()].concat();
        let deleted = (n % 7 == 3).then(|| (key(n.wrapping_sub(2)), None));
        [(key(n), Some(value(n))), (key(1_000 + n), Some(vec![life; 9]))].into_iter().chain(deleted).collect()
    };
    let from = u16::from(life) * 60;
    (from..from + 150).map(commit).collect()
}

fn expected() -> Rows {
    let mut rows = Rows::new();
    for (key, value) in (0..3).flat_map(commits).flatten() {
        match value {
            Some(value) => _ = rows.insert(key, value),
            None => _ = rows.remove(&key),
        }
    }
    rows
}

async fn live(folder: &Path, life: u8) -> Vault {
    let vault = reverie_storage::open(folder, CACHE_BYTES).await.unwrap();
    for commit in commits(life) {
        let mut batch = vault.batch();
        for (key, value) in commit {
            match value {
                Some(value) => _ = batch.put(key, &value).unwrap(),
                None => batch.delete(key),
            }
        }
        vault.commit(batch).await.unwrap();
    }
    let key = vec![2, life];
    let mut batch = vault.batch();
    batch.put(key.clone(), b"to be erased").unwrap();
    vault.commit(batch).await.unwrap();
    vault.erase(vec![key.into()]).await.unwrap();
    vault
}

/// What a look at the folder comes to.
async fn look(folder: &Path, verify_rows_max: u64) -> i32 {
    let options = Options { cache_bytes: CACHE_BYTES, ballast_bytes: 0, verify_rows_max, ..Options::default() };
    let vault = match reverie_storage::open_with(folder, options).await {
        Ok(vault) => vault,
        Err(error) => {
            println!("{error}");
            return if matches!(error, Error::Corrupt(_)) && error.to_string().contains("backup") {
                AT_OPEN
            } else {
                1
            };
        }
    };
    let expected = expected();
    let mut wrong = Vec::new();
    for (key, value) in &expected {
        match vault.get(key).await {
            Err(error) => {
                println!("{error}");
                return AT_READ;
            }
            Ok(found) if found.as_ref().map(|r| r.value().as_ref()) != Some(value.as_slice()) => {
                wrong.push(key.clone())
            }
            Ok(_) => {}
        }
    }
    let all = Range { start: std::ops::Bound::Unbounded, end: std::ops::Bound::Unbounded };
    match vault.scan(all, usize::MAX, Direction::Ascending).await {
        Err(error) => {
            println!("{error}");
            return AT_READ;
        }
        Ok(rows) => {
            wrong.extend(rows.iter().filter(|(key, _)| !expected.contains_key(key.as_ref())).map(|(k, _)| k.to_vec()))
        }
    }
    let report = vault.scrub().unwrap().run().await.unwrap();
    match (report.is_sound(), wrong.is_empty()) {
        (true, true) => 0,
        (false, _) => BY_SCRUB,
        (true, false) => {
            println!("{} wrong answers, and nobody says so: {wrong:?}", wrong.len());
            SILENT
        }
    }
}

/// The processes of this test. Alone it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = env::var(CHILD) else { return };
    let folder = Path::new(&folder);
    match env::var(TASK).unwrap().as_str() {
        "look" => std::process::exit(look(folder, 100_000).await),
        // As a database that is too large for the open to compare all rows.
        "look at a large one" => std::process::exit(look(folder, 0).await),
        "crash" => {
            drop(live(folder, 0).await);
            drop(live(folder, 1).await);
            let _vault = live(folder, 2).await;
            std::process::exit(0);
        }
        _ => {
            for life in 0..3 {
                drop(live(folder, life).await);
            }
            // A snapshot that is as new as the rest.
            drop(reverie_storage::open(folder, CACHE_BYTES).await.unwrap());
        }
    }
}

fn run_child(folder: &Path, task: &str) -> std::process::Output {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["child", "--exact", "--nocapture", "--quiet"]).env(CHILD, folder).env(TASK, task);
    child.stdin(Stdio::null()).output().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(file, copy).unwrap();
    }
}

/// The kind of a file of the data folder.
fn kind(file: &Path) -> &'static str {
    let name = file.file_name().unwrap().to_str().unwrap();
    match name {
        "db" => "db",
        "conf" => "conf",
        "FORMAT" => "FORMAT",
        "db.mark" => "mark",
        _ if name.starts_with("snap.") => "snapshot",
        _ if name.starts_with("keyring.") => "keyring",
        _ if name.starts_with("epoch.") => "epoch key",
        _ => panic!("{name}: say what it is, and damage it"),
    }
}

/// Damages a file, and says how. Bytes that are zero carry nothing: they are left alone.
fn damage(file: &Path, rng: &mut StdRng) -> String {
    let mut bytes = fs::read(file).unwrap();
    let sectors = bytes.chunks(SECTOR).enumerate().filter(|(_, sector)| sector.iter().any(|&b| b != 0));
    let used: Vec<usize> = sectors.map(|(n, _)| n * SECTOR).collect();
    let sector = used[rng.random_range(0..used.len())];
    let end = bytes.len().min(sector + SECTOR);
    let how = match rng.random_range(0..8u32) {
        0..5 => {
            let (at, bit) = (rng.random_range(sector..end), rng.random_range(0..8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        5 => {
            bytes[sector..end].fill(0);
            format!("zeros from {sector}")
        }
        6 => {
            rng.fill(&mut bytes[sector..end]);
            format!("noise from {sector}")
        }
        _ => {
            let len = rng.random_range(0..bytes.len());
            bytes.truncate(len);
            format!("cut off at {len}")
        }
    };
    fs::write(file, bytes).unwrap();
    how
}

#[test]
fn no_damage_to_any_file_is_served_in_silence() {
    let number = |name: &str, otherwise: u64| env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (rounds, seed) = (number("REVERIE_DAMAGE_ROUNDS", 30), number("REVERIE_SEED", 1));
    println!("{rounds} rounds, REVERIE_SEED={seed}");
    let templates = ["close", "crash"].map(|task| {
        let folder = TempDir::new().unwrap();
        assert!(run_child(folder.path(), task).status.success(), "{task}");
        let scratch = TempDir::new().unwrap();
        copy(folder.path(), scratch.path());
        assert_eq!(run_child(scratch.path(), "look").status.code(), Some(0), "{task}: whole before it is damaged");
        folder
    });
    let mut tally = BTreeMap::<(&str, &str), u64>::new();
    let mut silent = 0;
    for round in 0..rounds {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) + round);
        let template = &templates[round as usize % 2];
        let folder = TempDir::new().unwrap();
        copy(template.path(), folder.path());
        let mut all = files(folder.path());
        all.sort();
        // Half of the rounds damage the log, the others each kind of file by turns.
        let file = match round / 2 % 2 {
            0 => folder.path().join("db/db"),
            _ => all[(round / 4) as usize % all.len()].clone(),
        };
        let how = damage(&file, &mut rng);
        let task = if round % 3 == 0 { "look" } else { "look at a large one" };
        let output = run_child(folder.path(), task);
        let outcome = match output.status.code() {
            Some(0) => "no effect",
            Some(AT_OPEN) => "refused at open",
            Some(AT_READ) => "refused at read",
            Some(BY_SCRUB) => "found by scrub",
            Some(SILENT) => "SILENT",
            None => "stopped",
            Some(_) => "UNEXPLAINED",
        };
        if outcome.chars().all(char::is_uppercase) {
            silent += 1;
            let words = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            println!("round {round}: {}, {how}: {} {words} {errors}", kind(&file), output.status);
        }
        *tally.entry((kind(&file), outcome)).or_default() += 1;
    }
    for ((kind, outcome), count) in &tally {
        println!("{kind}: {outcome} {count}");
    }
    assert_eq!(silent, 0);
}

#[tokio::test]
async fn a_folder_that_has_lost_a_part_is_refused_in_words() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    drop(live(path, 0).await);
    let refused = async |part: &str| {
        let aside = path.join("aside");
        fs::rename(path.join(part), &aside).unwrap();
        let error = reverie_storage::open(path, CACHE_BYTES).await.map(drop).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("backup"), "{part}: {error}");
        fs::rename(&aside, path.join(part)).unwrap();
    };
    for part in ["keyring", "keyring/epoch.2.key", "db", "db/FORMAT"] {
        refused(part).await;
    }
    // Another's keyring is no keyring of this database.
    let other = TempDir::new().unwrap();
    drop(live(other.path(), 0).await);
    fs::rename(path.join("keyring"), path.join("aside")).unwrap();
    copy(&other.path().join("keyring"), &path.join("keyring"));
    let error = reverie_storage::open(path, CACHE_BYTES).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("keyring is not the one"), "{error}");
    fs::remove_dir_all(path.join("keyring")).unwrap();
    fs::rename(path.join("aside"), path.join("keyring")).unwrap();
    drop(reverie_storage::open(path, CACHE_BYTES).await.unwrap());
}

#[tokio::test]
async fn a_database_below_its_mark_is_refused_until_somebody_accepts_it() {
    let folder = TempDir::new().unwrap();
    let old = TempDir::new().unwrap();
    drop(live(folder.path(), 0).await);
    copy(&folder.path().join("db"), &old.path().join("db"));
    drop(live(folder.path(), 1).await);
    fs::remove_dir_all(folder.path().join("db")).unwrap();
    copy(&old.path().join("db"), &folder.path().join("db"));
    let error = reverie_storage::open(folder.path(), CACHE_BYTES).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("lost its end") && error.contains("db.mark"), "{error}");
    fs::remove_file(folder.path().join("db.mark")).unwrap();
    let vault = reverie_storage::open(folder.path(), CACHE_BYTES).await.unwrap();
    assert!(vault.scrub().unwrap().run().await.unwrap().is_sound());
}

/// sled itself, as soon as its threads have let go of the folder.
fn sled_in(folder: &Path) -> sled::Db {
    loop {
        match sled::open(folder) {
            Ok(database) => return database,
            Err(error) => assert!(error.to_string().contains("WouldBlock"), "{error}"),
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn the_scrub_finds_a_row_that_is_missing_and_one_that_does_not_open() {
    type Harm = fn(&sled::Tree);
    let harms: [(&str, Harm, u64); 3] = [
        ("missing", |rows| _ = rows.remove([&[1][..], &5u16.to_be_bytes()].concat()).unwrap().unwrap(), 0),
        // A whole record, in another's place: it does not open there, and the sum is wrong.
        (
            "moved",
            |rows| {
                let other = rows.get([&[1][..], &1_003u16.to_be_bytes()].concat()).unwrap().unwrap();
                rows.insert([&[1][..], &1_004u16.to_be_bytes()].concat(), other).unwrap();
            },
            1,
        ),
        (
            "cut",
            |rows| {
                let key = [&[1][..], &1_006u16.to_be_bytes()].concat();
                let row = rows.get(&key).unwrap().unwrap();
                rows.insert(key, &row[..row.len() - 1]).unwrap();
            },
            1,
        ),
    ];
    for (what, harm, damaged) in harms {
        let folder = TempDir::new().unwrap();
        drop(live(folder.path(), 0).await);
        let database = sled_in(&folder.path().join("db"));
        harm(&database.open_tree("rows").unwrap());
        database.flush().unwrap();
        drop(database);
        let refused = reverie_storage::open(folder.path(), CACHE_BYTES).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("should be"), "{what}: {refused}");
        let options = Options { cache_bytes: CACHE_BYTES, ballast_bytes: 0, verify_rows_max: 0, ..Options::default() };
        let vault = reverie_storage::open_with(folder.path(), options).await.unwrap();
        let report = vault.scrub().unwrap().run().await.unwrap();
        assert_eq!((report.complete, report.damaged_count), (Some(false), damaged), "{what}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_under_writes_finds_nothing_that_is_not_there() {
    let folder = TempDir::new().unwrap();
    let vault = live(folder.path(), 0).await;
    let writer = |vault: Vault, n: u8| async move {
        for round in 0..60u16 {
            let mut batch = vault.batch();
            let key = |i: u16| [&[1][..], &((i * 37 + u16::from(n)) % 1_200).to_be_bytes()].concat();
            batch.put(key(round), &vec![n; usize::from(round) * 150]).unwrap();
            batch.delete(key(round + 7));
            vault.commit(batch).await.unwrap();
            let key = vec![3, n, round as u8];
            let mut batch = vault.batch();
            batch.put(key.clone(), b"soon erased").unwrap();
            vault.commit(batch).await.unwrap();
            vault.erase(vec![key.into()]).await.unwrap();
        }
    };
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4 {
        writers.spawn(writer(vault.clone(), n));
    }
    let mut scrubs = 0;
    while writers.try_join_next().is_none() {
        let report = vault.scrub().unwrap().run().await.unwrap();
        assert!(report.is_sound() && report.rows > 200, "{report:?}");
        scrubs += 1;
    }
    assert!(scrubs > 3, "{scrubs} scrubs while it was written");
    writers.join_all().await;
}
