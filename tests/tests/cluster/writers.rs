//! Many writers at once: nobody's update is lost, and whoever comes late is shown the current text.

use anyhow::Result;
use client::Client;
use domain::{Error, Kind};
use proto::memory as pb;
use proto::memory::operation::Operation;
use proto::memory::precondition::Condition;

use crate::cluster::{Running, answer, create_store};

const WRITERS: usize = 64;
const INCREMENTS: usize = 5;

/// Adds one to the counter at `path` if nobody else has meanwhile. Ok(None) is success.
async fn increment(client: &Client, store: &str, path: &str, seen: &pb::Memory) -> Result<Option<Error>> {
    let next = seen.content.trim().parse::<u64>()? + 1;
    let write = Operation::Write(pb::Write { path: path.into(), content: format!("{next}\n"), origins: Vec::new() });
    let precondition = pb::Precondition { condition: Some(Condition::ContentSha256(seen.content_sha256.clone())) };
    let operation = pb::Operation { operation: Some(write), precondition: Some(precondition) };
    let request = pb::CommitRequest { store: store.into(), operations: vec![operation], ..Default::default() };
    match answer(client.memory().commit(request).await) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == Kind::Conflict => Ok(Some(error)),
        Err(error) => Err(error.into()),
    }
}

async fn read(client: &Client, store: &str, path: &str) -> Result<pb::Memory> {
    let memory = Some(pb::get_memory_request::Memory::Path(path.into()));
    let request = pb::GetMemoryRequest { store: store.into(), memory, revision: 0 };
    Ok(answer(client.memory().get_memory(request).await)?.memory.unwrap_or_default())
}

/// One writer's increments. A conflict's own content is the base of the next try. Returns the conflicts met.
async fn writer(client: Client, store: &'static str, path: String) -> Result<usize> {
    let mut conflicts = 0;
    let mut seen = read(&client, store, &path).await?;
    for _ in 0..INCREMENTS {
        while let Some(error) = increment(&client, store, &path, &seen).await? {
            conflicts += 1;
            let conflict = error.details().conflicts.first().expect("a conflict says what it met").clone();
            assert_eq!(conflict.subject(), path);
            assert!(conflict.actual_actor.is_some() && conflict.actual_revision > 0);
            seen.content = conflict.actual_content.expect("the current text is short enough to come along");
            seen.content_sha256 = proto::convert::hex::encode(&conflict.actual_sha256.expect("and so is its hash"));
        }
        seen = read(&client, store, &path).await?;
    }
    Ok(conflicts)
}

async fn race(store: &'static str, path_of: fn(usize) -> String) -> Result<(Vec<u64>, usize)> {
    let cluster = Running::start().await?;
    let client = cluster.admin();
    create_store(&client, store).await?;
    let mut paths: Vec<String> = (0..WRITERS).map(path_of).collect();
    let writers: Vec<_> = paths.iter().map(|path| writer(client.clone(), store, path.clone())).collect();
    paths.sort();
    paths.dedup();
    for path in &paths {
        let write = Operation::Create(pb::Create { path: path.clone(), content: "0\n".into(), origins: Vec::new() });
        let operation = pb::Operation { operation: Some(write), precondition: None };
        answer(
            client
                .memory()
                .commit(pb::CommitRequest { store: store.into(), operations: vec![operation], ..Default::default() })
                .await,
        )?;
    }
    let conflicts: usize = futures_util::future::try_join_all(writers).await?.into_iter().sum();
    let mut counters = Vec::new();
    for path in &paths {
        counters.push(read(&client, store, path).await?.content.trim().parse()?);
    }
    let head =
        answer(client.stores().get_store(pb::GetStoreRequest { store: store.into() }).await)?.store.unwrap_or_default();
    assert_eq!(head.head_revision as usize, paths.len() + WRITERS * INCREMENTS, "one revision a commit, no gaps");
    Ok((counters, conflicts))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_writers_of_one_memory_none_loses_an_update() -> Result<()> {
    let (counters, conflicts) = race("one-counter", |_| "/counter".into()).await?;
    assert_eq!(counters, [(WRITERS * INCREMENTS) as u64]);
    assert!(conflicts > 0, "64 writers of one memory must meet each other");
    println!("{WRITERS} writers, {INCREMENTS} increments each, {conflicts} conflicts, each with the current text");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_writers_of_64_memories_none_meets_another() -> Result<()> {
    let (counters, conflicts) = race("many-counters", |n| format!("/counters/{n:02}")).await?;
    assert_eq!(counters, vec![INCREMENTS as u64; WRITERS]);
    assert_eq!(conflicts, 0);
    Ok(())
}
