//! CreateDream: a proposal begins with a fork and a token that reaches nothing but it and its input.

use std::time::Duration;

use client::{Client, answer};
use domain::access::{Permit, Secret};
use domain::dream::{Engine, NewDream, SessionSelector, State};
use domain::id::{DreamId, StoreId};
use domain::{Error, Kind, Result, Timestamp, limits};
use proto::memory as pb;

use crate::record::{Dream, Filter, Outcome, Selector, Stage};
use crate::{DreamOrchestrator, ledger};

impl DreamOrchestrator {
    /// Begins a dream on the caller's behalf. With a request id that was used before, the dream that
    /// came of it.
    pub(crate) async fn create(&self, permit: &Permit, secret: &Secret, request: NewDream) -> Result<Dream> {
        let context = self.context();
        if !matches!(request.engine, None | Some(Engine::Classic)) {
            return Err(Error::invalid("engine", "no language model is configured in this release: use CLASSIC"));
        }
        let replay = self.replay_key(permit, &request);
        if let Some((hash, digest)) = &replay
            && let Some(outcome) = context.ledger.outcome(permit.workspace(), hash).await?
        {
            return self.replayed(permit, outcome, digest).await;
        }
        let memory = context.peers.memory(secret);
        let store = answer(memory.stores().get_store(pb::GetStoreRequest { store: request.store.clone() }).await)?
            .store
            .unwrap_or_default();
        let store_id: StoreId = store.id.parse()?;
        if let Some(running) = context.ledger.running(permit.workspace(), store_id).await? {
            return Err(ledger::already_running(running));
        }
        let id = DreamId::from_bytes(context.ids.fresh());
        let output = fork(&memory, &store, id).await?;
        let wall_time_s = request
            .wall_time
            .map_or(limits::DREAM_WALL_TIME_S, |w| i64::try_from(w.as_secs()).unwrap_or(i64::MAX))
            .clamp(1, limits::DREAM_WALL_TIME_S * 24);
        let token = token(&memory, &store.id, &output, id, wall_time_s).await?;
        let now = context.clock.now();
        let dream = Dream {
            id,
            workspace: permit.workspace(),
            state: State::Pending,
            stage: Stage::Snapshot,
            done: 0,
            total: 0,
            store: store_id,
            store_handle: store.handle,
            revision: store.head_revision,
            selector: self.selector(permit, store_id, request.sessions).await?,
            sessions: Vec::new(),
            duplicates: 0,
            output_store: output.parse()?,
            engine: Engine::Classic,
            instructions: request.instructions,
            principal: permit.actor().principal.clone(),
            wall_time_s,
            token,
            usage: Vec::new(),
            report: None,
            failure: None,
            adoption: None,
            session: None,
            create_time: now,
            start_time: None,
            end_time: None,
        };
        let outcome = replay.map(|(hash, request_digest)| (hash, Outcome { request_digest, dream: id, time: now }));
        context.ledger.create(&dream, outcome).await?;
        self.0.runner.run(dream.workspace, id);
        Ok(dream)
    }

    /// Where the outcome of the request is kept, and what the request says; None without a request id.
    fn replay_key(&self, permit: &Permit, request: &NewDream) -> Option<([u8; 32], [u8; 32])> {
        if request.request_id.is_empty() {
            return None;
        }
        let vault = self.context().ledger.vault();
        let who = format!("{}\0{}", permit.actor().principal, request.request_id);
        let body = format!("{request:?}");
        Some((vault.keyed_hash("dream request id", who.as_bytes()), vault.keyed_hash("dream request", body.as_bytes())))
    }

    async fn replayed(&self, permit: &Permit, outcome: Outcome, digest: &[u8; 32]) -> Result<Dream> {
        if outcome.request_digest != *digest {
            return Err(Error::new(
                Kind::Invalid,
                "REQUEST_ID_REUSED",
                "request_id was used for another request: take a fresh one",
            ));
        }
        Ok(self.context().ledger.dream(permit.workspace(), outcome.dream).await?.dream)
    }

    async fn selector(&self, permit: &Permit, store: StoreId, sessions: SessionSelector) -> Result<Selector> {
        Ok(match sessions {
            SessionSelector::Ids(ids) => Selector::Ids(ids),
            SessionSelector::Filter(f) => Selector::Filter(Filter {
                ended_after: if f.since_last_dream { self.last_dream(permit, store).await? } else { None },
                start_time: f.start_time,
                end_time: f.end_time,
                agent: f.agent,
                task_key: f.task_key,
                labels: f.labels,
                attached_only: f.attached_only,
            }),
        })
    }

    /// When the newest dream of the store that came to something began: what ended later it has not seen.
    async fn last_dream(&self, permit: &Permit, store: StoreId) -> Result<Option<Timestamp>> {
        let mut before = None;
        loop {
            let page = self.context().ledger.page(permit.workspace(), before, limits::PAGE_SIZE_MAX).await?;
            let came = |d: &&Dream| d.store == store && matches!(d.state, State::Succeeded | State::NeedsReview);
            if let Some(dream) = page.iter().find(came) {
                return Ok(dream.start_time);
            }
            match page.last() {
                Some(last) => before = Some(last.id),
                None => return Ok(None),
            }
        }
    }
}

async fn fork(memory: &Client, store: &pb::Store, dream: DreamId) -> Result<String> {
    let request = pb::ForkStoreRequest {
        store: store.id.clone(),
        revision: store.head_revision,
        handle: handle("dream", dream),
        name: format!("{dream} of {}", store.handle),
        request_id: format!("dream:{dream}:fork"),
    };
    Ok(answer(memory.stores().fork_store(request).await)?.store.unwrap_or_default().id)
}

/// `dream-01kaxyz...`: a handle that no other dream has.
pub fn handle(word: &str, dream: DreamId) -> String {
    format!("{word}-{}", dream.to_string().trim_start_matches(DreamId::PREFIX))
}

/// A token that reads the input, writes the fork, and carries the dream into every commit.
async fn token(memory: &Client, input: &str, output: &str, dream: DreamId, wall_time_s: i64) -> Result<String> {
    let grant = |store: &str, access: pb::Access| pb::Grant {
        store: store.to_owned(),
        access: access.into(),
        path_prefix: String::new(),
    };
    let grants = vec![grant(input, pb::Access::ReadOnly), grant(output, pb::Access::ReadWrite)];
    // Longer than the dream may take, so that it can still write down how it ended.
    let ttl = Duration::from_secs(wall_time_s.unsigned_abs() + 3_600);
    narrowed(memory, pb::Role::Writer, grants, dream, ttl).await
}

/// A narrower token than the caller's own.
pub async fn narrowed(
    memory: &Client,
    role: pb::Role,
    grants: Vec<pb::Grant>,
    dream: DreamId,
    ttl: Duration,
) -> Result<String> {
    let request = pb::CreateTokenRequest {
        scope: Some(pb::Scope { role: role.into(), grants, all_stores: false }),
        ttl: Some(proto::convert::time::from_duration(ttl)),
        dream: dream.to_string(),
        ..Default::default()
    };
    Ok(answer(memory.access().create_token(request).await)?.secret)
}
