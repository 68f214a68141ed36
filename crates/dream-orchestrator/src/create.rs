//! CreateDream: a proposal begins with a fork and a token that reaches nothing but it and its input.

use std::time::Duration;

use client::retry::may_pass;
use client::{Client, answer};
use domain::access::Permit;
use domain::dream::{Engine, NewDream, SessionSelector, State};
use domain::id::{DreamId, StoreId};
use domain::{Error, Kind, Result, Timestamp, limits};
use proto::memory as pb;

use crate::DreamOrchestrator;
use crate::caller::Caller;
use crate::record::{Dream, Filter, Selector, Stage};
use crate::request::Claim;

const METHOD: &str = "CreateDream";

impl DreamOrchestrator {
    /// Begins a dream on the caller's behalf. With a request id that was used before, the dream that
    /// came of it.
    ///
    /// The dream is written down first, and its fork is named for it: a call that is cut short anywhere
    /// and made again goes on with the same dream and the same fork.
    pub(crate) async fn create(&self, caller: &Caller, request: NewDream) -> Result<Dream> {
        if !matches!(request.engine, None | Some(Engine::Classic)) {
            return Err(Error::invalid("engine", "no language model is configured in this release: use CLASSIC"));
        }
        let body = format!("{request:?}");
        let claim = match self.claim(&caller.permit, &request.request_id, METHOD, &body).await? {
            Some((_, Some(before))) => return self.go_on(caller, before).await,
            claim => claim.map(|(claim, _)| claim),
        };
        let memory = self.context().peers.memory(&caller.secret);
        let store = answer(memory.stores().get_store(pb::GetStoreRequest { store: request.store.clone() }).await)?
            .store
            .unwrap_or_default();
        let request_id = request.request_id.clone();
        let dream = self.draw_up(caller, store, request).await?;
        if let Err(error) = self.context().ledger.create(&dream, claim.as_ref()).await {
            // The dream that runs may be this request's own, of a call at the same moment.
            return match self.claim(&caller.permit, &request_id, METHOD, &body).await? {
                Some((_, Some(before))) => self.go_on(caller, before).await,
                _ => Err(error),
            };
        }
        match self.begin(caller, &dream).await {
            // With its id the caller can ask again, and goes on from here.
            Err(error) if claim.is_some() && may_pass(&error) => Err(error),
            Err(error) => {
                self.give_up(caller, &dream, claim.as_ref()).await;
                Err(error)
            }
            begun => begun,
        }
    }

    /// The dream of a request that is made again.
    async fn go_on(&self, caller: &Caller, id: DreamId) -> Result<Dream> {
        let dream = self.dream(&caller.permit, id).await?;
        if dream.state.is_final() || dream.has_begun() {
            return Ok(dream);
        }
        self.begin(caller, &dream).await
    }

    /// The dream as it is before it has anything in another service.
    async fn draw_up(&self, caller: &Caller, store: pb::Store, request: NewDream) -> Result<Dream> {
        let context = self.context();
        let store_id: StoreId = store.id.parse()?;
        let wall_time_s = request
            .wall_time
            .map_or(limits::DREAM_WALL_TIME_S, |w| i64::try_from(w.as_secs()).unwrap_or(i64::MAX))
            .clamp(1, limits::DREAM_WALL_TIME_S * 24);
        Ok(Dream {
            id: DreamId::from_bytes(context.ids.fresh()),
            workspace: caller.permit.workspace(),
            state: State::Pending,
            stage: Stage::Snapshot,
            done: 0,
            total: 0,
            store: store_id,
            store_handle: store.handle,
            revision: store.head_revision,
            selector: self.selector(&caller.permit, store_id, request.sessions).await?,
            is_pinned: false,
            sessions: Vec::new(),
            duplicates: 0,
            skipped: Vec::new(),
            output_store: None,
            engine: Engine::Classic,
            instructions: request.instructions,
            principal: caller.permit.actor().principal.clone(),
            wall_time_s,
            token: String::new(),
            usage: Vec::new(),
            report: None,
            failure: None,
            adopting: None,
            adoption: None,
            session: None,
            create_time: context.clock.now(),
            start_time: None,
            end_time: None,
        })
    }

    /// Gives a dream its fork and its token, and lets it run.
    async fn begin(&self, caller: &Caller, dream: &Dream) -> Result<Dream> {
        let context = self.context();
        let memory = context.peers.memory(&caller.secret);
        let output: StoreId = fork(&memory, dream).await?.parse()?;
        let token = token(&memory, dream, output, caller.lives_for(context.clock.now())).await?;
        let begun = context.ledger.update(dream.workspace, dream.id, None, |dream| {
            // Another call of the same request may have been faster.
            if dream.has_begun() {
                return Ok(());
            }
            if dream.state.is_final() {
                return Err(Error::new(Kind::Precondition, "DREAM_ENDED", format!("{} has ended", dream.id)));
            }
            dream.output_store = Some(output);
            dream.token.clone_from(&token);
            Ok(())
        });
        let begun = begun.await?;
        self.0.runner.run(begun.workspace, begun.id);
        Ok(begun)
    }

    /// Leaves nothing of a dream that could not begin, as far as that can be done now.
    async fn give_up(&self, caller: &Caller, dream: &Dream, claim: Option<&Claim>) {
        let memory = self.context().peers.memory(&caller.secret);
        let left = async {
            if self.context().ledger.forget(dream, claim).await? {
                delete_store(&memory, &dream.output()).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = left.await {
            tracing::warn!(dream = %dream.id, ?error, "a dream that could not begin left something behind");
        }
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

async fn fork(memory: &Client, dream: &Dream) -> Result<String> {
    let request = pb::ForkStoreRequest {
        store: dream.store.to_string(),
        revision: dream.revision,
        handle: handle("dream", dream.id),
        name: format!("{} of {}", dream.id, dream.store_handle),
        request_id: format!("dream:{}:fork", dream.id),
    };
    Ok(answer(memory.stores().fork_store(request).await)?.store.unwrap_or_default().id)
}

/// `dream-01kaxyz...`: a handle that no other dream has.
pub fn handle(word: &str, dream: DreamId) -> String {
    format!("{word}-{}", dream.to_string().trim_start_matches(DreamId::PREFIX))
}

/// A token that reads the input, writes the fork, and carries the dream into every commit.
async fn token(memory: &Client, dream: &Dream, output: StoreId, at_most: Duration) -> Result<String> {
    let grants = vec![read_only(&dream.store.to_string()), read_write(&output.to_string())];
    // Longer than the dream may take, so that it can still write down how it ended.
    let ttl = Duration::from_secs(dream.wall_time_s.unsigned_abs() + 3_600);
    narrowed(memory, pb::Role::Writer, grants, dream.id, ttl.min(at_most)).await
}

pub fn read_write(store: &str) -> pb::Grant {
    pb::Grant { store: store.to_owned(), access: pb::Access::ReadWrite.into(), path_prefix: String::new() }
}

pub fn read_only(store: &str) -> pb::Grant {
    pb::Grant { store: store.to_owned(), access: pb::Access::ReadOnly.into(), path_prefix: String::new() }
}

/// Deletes a store that may be gone already.
pub async fn delete_store(memory: &Client, store: &str) -> Result<()> {
    let request = pb::DeleteStoreRequest { store: store.to_owned(), request_id: String::new() };
    match answer(memory.stores().delete_store(request).await) {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        done => done.map(drop),
    }
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
