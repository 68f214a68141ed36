//! What the process does whose power goes, what it tells the world meanwhile, and whether what it told
//! still holds.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use reverie_storage::Vault;
use reverie_storage::engine::{Direction, Range};

const CACHE_BYTES: u64 = 8 << 20;
const WRITERS: u8 = 4;
/// Keys that are written over and over.
const SLOTS: u8 = 12;
/// Values of a maximal commit, and bytes of each: 8 MiB.
const MAXIMAL_VALUES: u16 = 1_000;
const MAXIMAL_BYTES: usize = 8_388;

/// One life of a process.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    pub appends: u64,
    pub overwrites: u64,
    pub maximal: u64,
    pub erasures: u64,
    /// Ends without a word to the database.
    pub abrupt: bool,
}

impl Life {
    pub fn to_text(self) -> String {
        let Life { appends, overwrites, maximal, erasures, abrupt } = self;
        format!("{appends} {overwrites} {maximal} {erasures} {}", u8::from(abrupt))
    }

    pub fn parse(text: &str) -> Life {
        let n: Vec<u64> = text.split(' ').map(|n| n.parse().expect("a number")).collect();
        Life { appends: n[0], overwrites: n[1], maximal: n[2], erasures: n[3], abrupt: n[4] == 1 }
    }
}

/// What the process has told the world: the shim puts it into the trace.
#[derive(Clone)]
struct World(Arc<Mutex<File>>);

impl World {
    fn tell(&self, line: &str) {
        self.0.lock().expect("whole").write_all(format!("{line}\n").as_bytes()).expect("the shim listens");
    }
}

/// Lives one life in a folder.
pub async fn live(folder: &Path, acks: &Path, life: Life) {
    let world = OpenOptions::new().append(true).create(true).open(acks).expect("the acknowledgements' file");
    let world = World(Arc::new(Mutex::new(world)));
    let vault = reverie_storage::open(folder, CACHE_BYTES).await.expect("opens");
    let found = Found::read(&vault).await.expect("whole");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let from = found.appended.get(&writer).copied().unwrap_or(0);
        writers.spawn(append(vault.clone(), world.clone(), writer, from..from + life.appends));
    }
    for slot in 0..SLOTS {
        let from = found.slots.get(&slot).map_or(0, |v| v + 1);
        writers.spawn(overwrite(vault.clone(), world.clone(), slot, from..from + life.overwrites));
    }
    let from = found.maximal.keys().last().map_or(0, |n| n + 1);
    writers.spawn(maximal(vault.clone(), world.clone(), from..from + life.maximal));
    let from = found.erasable.keys().last().map_or(0, |n| n + 1);
    writers.spawn(erase(vault.clone(), world.clone(), from..from + life.erasures));
    writers.join_all().await;
    if life.abrupt {
        world.tell("exit");
    }
    drop(vault);
}

async fn put(vault: &Vault, rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) {
    let mut batch = vault.batch();
    for (key, value) in rows {
        batch.put(key, &value).expect("sealed");
    }
    vault.commit(batch).await.expect("committed");
}

/// Two values a batch: a short one, and one in pieces.
fn appended(writer: u8, n: u64) -> [(Vec<u8>, Vec<u8>); 2] {
    let key = |part: u8| [&[1, writer][..], &n.to_be_bytes(), &[part]].concat();
    let long = 500 + (n as usize * 977) % 9_000;
    [(key(0), format!("{writer}/{n}").into_bytes()), (key(1), vec![writer ^ n as u8; long])]
}

async fn append(vault: Vault, world: World, writer: u8, range: std::ops::Range<u64>) {
    for n in range {
        put(&vault, appended(writer, n)).await;
        world.tell(&format!("appended {writer} {n}"));
    }
}

fn slot_value(slot: u8, version: u64) -> Vec<u8> {
    let bytes = 100 + (version as usize * 613 + usize::from(slot) * 97) % 5_000;
    [&version.to_be_bytes()[..], &vec![slot ^ version as u8; bytes]].concat()
}

async fn overwrite(vault: Vault, world: World, slot: u8, range: std::ops::Range<u64>) {
    for version in range {
        let mut batch = vault.batch();
        let value = slot_value(slot, version);
        match vault.get(&[2, slot]).await.expect("read") {
            Some(old) => _ = batch.replace(vec![2, slot], &old, &value).expect("sealed"),
            None => _ = batch.put(vec![2, slot], &value).expect("sealed"),
        }
        vault.commit(batch).await.expect("committed");
        world.tell(&format!("slot {slot} {version}"));
    }
}

async fn maximal(vault: Vault, world: World, range: std::ops::Range<u64>) {
    for n in range {
        let key = |i: u16| [&[3][..], &n.to_be_bytes(), &i.to_be_bytes()].concat();
        put(&vault, (0..MAXIMAL_VALUES).map(|i| (key(i), vec![i as u8 ^ n as u8; MAXIMAL_BYTES]))).await;
        world.tell(&format!("maximal {n}"));
    }
}

async fn erase(vault: Vault, world: World, range: std::ops::Range<u64>) {
    for n in range {
        let key = [&[4][..], &n.to_be_bytes()].concat();
        put(&vault, [(key.clone(), format!("erasable {n}").into_bytes())]).await;
        world.tell(&format!("erasable {n}"));
        if n % 3 != 2 {
            world.tell(&format!("erasing {n}"));
            vault.erase(vec![key.into()]).await.expect("erased");
            world.tell(&format!("erased {n}"));
        }
    }
}

/// What is there.
#[derive(Default)]
pub struct Found {
    /// Whole batches of each writer, all of them from 0 on.
    appended: BTreeMap<u8, u64>,
    /// The version in each slot.
    slots: BTreeMap<u8, u64>,
    /// Values of each maximal commit.
    maximal: BTreeMap<u64, u64>,
    erasable: BTreeMap<u64, ()>,
}

impl Found {
    /// Reads everything; Err says what nobody wrote.
    pub async fn read(vault: &Vault) -> Result<Found, String> {
        let scan = async |kind: u8| {
            let rows = vault.scan(Range::prefix(&[kind]), usize::MAX, Direction::Ascending).await;
            rows.map_err(|e| format!("kind {kind} cannot be read: {e}"))
        };
        let number = |key: &[u8], at: usize| u64::from_be_bytes(key[at..at + 8].try_into().expect("a key of ours"));
        let mut found = Found::default();
        let mut parts = BTreeMap::<u8, u64>::new();
        for (key, record) in scan(1).await? {
            let (writer, nth) = (key[1], parts.entry(key[1]).or_default());
            let (wanted_key, wanted) = &appended(writer, *nth / 2)[*nth as usize % 2];
            if key != wanted_key || record.value() != wanted {
                return Err(format!("writer {writer}: not batch {} where it belongs", *nth / 2));
            }
            *nth += 1;
        }
        for (writer, n) in parts {
            if n % 2 != 0 {
                return Err(format!("writer {writer}: half a batch"));
            }
            found.appended.insert(writer, n / 2);
        }
        for (key, record) in scan(2).await? {
            let version = number(record.value(), 0);
            if record.value() != &slot_value(key[1], version) {
                return Err(format!("slot {}: nobody wrote this", key[1]));
            }
            found.slots.insert(key[1], version);
        }
        for (key, record) in scan(3).await? {
            let (n, i) = (number(&key, 1), key[10]);
            if record.value().as_ref() != vec![i ^ n as u8; MAXIMAL_BYTES] {
                return Err(format!("maximal commit {n}: nobody wrote this"));
            }
            *found.maximal.entry(n).or_default() += 1;
        }
        if let Some((n, values)) = found.maximal.iter().find(|(_, values)| **values != u64::from(MAXIMAL_VALUES)) {
            return Err(format!("maximal commit {n}: {values} of its values"));
        }
        for (key, record) in scan(4).await? {
            let n = number(&key, 1);
            if record.value().as_ref() != format!("erasable {n}").as_bytes() {
                return Err(format!("erasable {n}: nobody wrote this"));
            }
            found.erasable.insert(n, ());
        }
        Ok(found)
    }

    /// Whether what was told holds; Err says what does not.
    pub fn holds(&self, told: &[String]) -> Result<(), String> {
        let mut erasures = BTreeMap::<u64, &str>::new();
        for line in told {
            let words: Vec<&str> = line.split(' ').collect();
            let n: Vec<u64> = words[1..].iter().map(|n| n.parse().expect("a number")).collect();
            let holds = match words[0] {
                "appended" => self.appended.get(&(n[0] as u8)).is_some_and(|count| *count > n[1]),
                "slot" => self.slots.get(&(n[0] as u8)).is_some_and(|version| *version >= n[1]),
                "maximal" => self.maximal.contains_key(&n[0]),
                what @ ("erasable" | "erasing" | "erased") => {
                    erasures.insert(n[0], what);
                    true
                }
                other => panic!("{other} says nothing"),
            };
            if !holds {
                return Err(format!("{line}: it is gone"));
            }
        }
        for (n, what) in erasures {
            match (what, self.erasable.contains_key(&n)) {
                ("erasable", false) => return Err(format!("erasable {n}: it is gone")),
                ("erased", true) => return Err(format!("erased {n}: it is back")),
                _ => {}
            }
        }
        Ok(())
    }
}
