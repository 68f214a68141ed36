//! What every engine must do, as one suite: each engine's tests run it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::{Batch, Condition, Direction, Engine, Error, Key, Moment, Range, Value, Write};
use crate::moment::value_hash;

/// Longer than any engine keeps in one piece.
const LONG: usize = 300_000;

/// Runs the suite; `open` makes an empty engine. Panics at what an engine does wrong.
pub async fn run(open: impl Fn() -> Arc<dyn Engine>) {
    a_batch_is_all_or_nothing(&*open()).await;
    a_conflict_names_each_failed_key_with_its_value(&*open()).await;
    a_scan_keeps_order_bounds_and_limit(&*open()).await;
    long_values_come_back_whole_and_leave_nothing(&*open()).await;
    of_many_that_add_one_nobody_is_lost(open()).await;
    a_walk_under_writes_ends_in_the_state_of_its_end(open()).await;
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(key: &str, value: &str) -> Write {
    Write::Put(bytes(key), bytes(value))
}

fn batch(conditions: Vec<Condition>, writes: Vec<Write>) -> Batch {
    Batch { conditions, writes, ..Batch::default() }
}

async fn get(engine: &dyn Engine, key: &str) -> Option<Bytes> {
    engine.get(key.as_bytes()).await.expect("a read")
}

async fn a_batch_is_all_or_nothing(engine: &dyn Engine) {
    engine.commit(batch(vec![Condition::Absent(bytes("a"))], vec![put("a", "1"), put("b", "1")])).await.expect("first");
    let again = engine.commit(batch(vec![Condition::Absent(bytes("a"))], vec![put("a", "2"), put("c", "2")])).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert_eq!((get(engine, "a").await, get(engine, "c").await), (Some(bytes("1")), None));
    let equals = Condition::Equals(bytes("a"), bytes("1"));
    engine.commit(batch(vec![equals], vec![put("a", "3"), Write::Delete(bytes("b"))])).await.expect("as expected");
    assert_eq!((get(engine, "a").await, get(engine, "b").await), (Some(bytes("3")), None));
    engine.commit(Batch::default()).await.expect("nothing is no error");
}

async fn a_conflict_names_each_failed_key_with_its_value(engine: &dyn Engine) {
    engine.commit(batch(vec![], vec![put("a", "1"), put("b", "2")])).await.expect("a write");
    let conditions = vec![
        Condition::Absent(bytes("a")),
        Condition::Equals(bytes("b"), bytes("2")),
        Condition::Equals(bytes("c"), bytes("3")),
    ];
    match engine.commit(batch(conditions, vec![put("d", "4")])).await {
        Err(Error::Conflict(mut failed)) => {
            failed.sort();
            assert_eq!(failed, [(bytes("a"), Some(bytes("1"))), (bytes("c"), None)]);
        }
        other => panic!("{other:?}"),
    }
}

async fn a_scan_keeps_order_bounds_and_limit(engine: &dyn Engine) {
    let names = ["a", "aa", "ab", "b", "ba", "c"];
    engine.commit(batch(vec![], names.iter().map(|n| put(n, n)).collect())).await.expect("a write");
    let scan = async |range: Range, limit, direction| {
        let found = engine.scan(range, limit, direction).await.expect("a scan");
        found
            .into_iter()
            .map(|(key, value)| (assert_eq!(key, value), String::from_utf8_lossy(&key).into_owned()).1)
            .collect::<Vec<_>>()
    };
    let all = || Range { start: Bound::Unbounded, end: Bound::Unbounded };
    assert_eq!(scan(all(), 99, Direction::Ascending).await, names);
    assert_eq!(scan(all(), 2, Direction::Descending).await, ["c", "ba"]);
    assert_eq!(scan(Range::prefix(b"a"), 99, Direction::Ascending).await, ["a", "aa", "ab"]);
    assert_eq!(scan(Range::prefix(b"a").after(bytes("aa")), 99, Direction::Ascending).await, ["ab"]);
    let between = Range { start: Bound::Included(bytes("aa")), end: Bound::Included(bytes("b")) };
    assert_eq!(scan(between, 99, Direction::Descending).await, ["b", "ab", "aa"]);
    let nothing = Range { start: Bound::Excluded(bytes("b")), end: Bound::Excluded(bytes("b")) };
    assert!(scan(nothing, 99, Direction::Ascending).await.is_empty());
    assert!(scan(all(), 0, Direction::Ascending).await.is_empty());
}

async fn long_values_come_back_whole_and_leave_nothing(engine: &dyn Engine) {
    let long =
        |seed: u8, len: usize| Bytes::from((0..len).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect::<Vec<_>>());
    for (round, len) in [LONG, 4_095, 4_096, 4_097, 0, LONG].into_iter().enumerate() {
        let value = long(round as u8, len);
        engine.commit(batch(vec![], vec![Write::Put(bytes("k"), value.clone())])).await.expect("a write");
        assert_eq!(get(engine, "k").await, Some(value.clone()), "{len} bytes");
        let equals = Condition::Equals(bytes("k"), value);
        engine.commit(batch(vec![equals], vec![put("last", "x")])).await.expect("equal as a whole");
    }
    engine.commit(batch(vec![], vec![Write::Delete(bytes("k"))])).await.expect("a delete");
    let left = engine
        .scan(Range { start: Bound::Unbounded, end: Bound::Unbounded }, 99, Direction::Ascending)
        .await
        .expect("a scan");
    assert_eq!(left.len(), 1, "only the row beside it: {left:?}");
}

async fn of_many_that_add_one_nobody_is_lost(engine: Arc<dyn Engine>) {
    const ADDERS: u64 = 16;
    const EACH: u64 = 10;
    let add = |engine: Arc<dyn Engine>| async move {
        for _ in 0..EACH {
            loop {
                let seen = engine.get(b"n").await.expect("a read");
                let next = seen.as_ref().map_or(0, number) + 1;
                let condition = match seen {
                    Some(value) => Condition::Equals(bytes("n"), value),
                    None => Condition::Absent(bytes("n")),
                };
                let write = Write::Put(bytes("n"), Bytes::copy_from_slice(&next.to_be_bytes()));
                match engine.commit(batch(vec![condition], vec![write])).await {
                    Ok(()) => break,
                    Err(Error::Conflict(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let mut adders = tokio::task::JoinSet::new();
    for _ in 0..ADDERS {
        adders.spawn(add(engine.clone()));
    }
    adders.join_all().await;
    assert_eq!(engine.get(b"n").await.expect("a read").as_ref().map(number), Some(ADDERS * EACH));
}

async fn a_walk_under_writes_ends_in_the_state_of_its_end(engine: Arc<dyn Engine>) {
    const WRITERS: u64 = 4;
    let key = |n: u64| Bytes::copy_from_slice(&(n % 1_500).to_be_bytes());
    let value = |n: u64| Bytes::from(vec![n as u8; (n as usize * 337) % 9_000]);
    let rows = (0..1_000).map(|n| Write::Put(key(n * 3), value(n)));
    engine.commit(batch(vec![], rows.collect())).await.expect("a write");
    let write = |engine: Arc<dyn Engine>, writer: u64| async move {
        for n in (0..60).map(|n| n * 7_919 + writer * 104_729) {
            let writes =
                vec![Write::Put(key(n), value(n)), Write::Delete(key(n + 1)), Write::Put(key(n + 2), value(n))];
            engine.commit(batch(vec![], writes)).await.expect("a write");
        }
    };
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(engine.clone(), writer));
    }
    let mut walk = engine.walk().expect("a walk");
    let mut map = BTreeMap::<Key, Value>::new();
    let end = loop {
        let slice = walk.next().await.expect("a slice");
        for write in slice.changed {
            match write {
                Write::Put(key, value) => _ = map.insert(key, value),
                Write::Delete(key) => _ = map.remove(&key),
            }
        }
        map.extend(slice.rows.into_iter().map(|(key, value)| (key, value.expect("whole"))));
        if let Some(end) = slice.end {
            break end;
        }
    };
    assert!(end.agrees);
    let mut seen = Moment { commits: end.moment.commits, ..Moment::default() };
    for (key, value) in &map {
        seen.change(key, None, Some(value_hash(value)));
    }
    assert_eq!(seen, end.moment, "what was walked is the state of the end");
    writers.join_all().await;
}

fn number(value: &Value) -> u64 {
    value.as_ref().try_into().map_or(0, u64::from_be_bytes)
}

/// One step of a random history; see `agrees_with_a_map`.
#[derive(Debug, Clone)]
pub struct Step {
    /// Keys that must be absent (true), or must equal what the map holds (false).
    pub conditions: Vec<(u8, bool)>,
    /// Keys, and the length of the value to write; None deletes.
    pub writes: Vec<(u8, Option<u16>)>,
}

/// An engine and a plain map, given the same history, say the same at every step.
pub async fn agrees_with_a_map(engine: &dyn Engine, steps: &[Step]) {
    let mut map: BTreeMap<Key, Value> = BTreeMap::new();
    let key = |n: &u8| Bytes::copy_from_slice(&[1, *n % 12]);
    for (round, step) in steps.iter().enumerate() {
        let condition = |(k, absent): &(u8, bool)| match map.get(&key(k)) {
            Some(value) if !absent => Condition::Equals(key(k), value.clone()),
            _ => Condition::Absent(key(k)),
        };
        let conditions: Vec<Condition> = step.conditions.iter().map(condition).collect();
        let writes: BTreeMap<Key, Option<Value>> = step
            .writes
            .iter()
            .map(|(k, len)| (key(k), len.map(|len| Bytes::from(vec![round as u8; usize::from(len)]))))
            .collect();
        let holds = conditions.iter().all(|c| c.holds(map.get(c.key()).map(AsRef::as_ref)));
        let writes_list = writes.iter().map(|(k, v)| match v {
            Some(value) => Write::Put(k.clone(), value.clone()),
            None => Write::Delete(k.clone()),
        });
        let done = engine.commit(batch(conditions, writes_list.collect())).await;
        assert_eq!(done.is_ok(), holds, "{step:?}: {done:?}");
        if holds {
            for (k, v) in writes {
                match v {
                    Some(value) => map.insert(k, value),
                    None => map.remove(&k),
                };
            }
        }
        let found = engine.scan(Range::prefix(&[1]), usize::MAX, Direction::Ascending).await.expect("a scan");
        assert!(found.iter().map(|(k, v)| (k, v)).eq(map.iter()), "after {step:?}");
    }
}
