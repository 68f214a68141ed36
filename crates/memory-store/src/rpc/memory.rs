//! MemoryService.

use std::pin::Pin;

use domain::Result;
use domain::access::Action;
use domain::store::StoreRef;
use futures_util::{Stream, StreamExt as _};
use proto::convert::{memory, search, store_ref::to_store_ref};
use proto::memory as pb;
use proto::memory::memory_service_server::MemoryService;
use runtime::auth::{principal, secret};
use runtime::refusal::refuse;
use tonic::{Request, Response, Status};

use super::permit;
use crate::MemoryStore;
use crate::access::audit::Audited;
use crate::watch::{Event, Renew};

pub struct MemoryRpc(pub MemoryStore);

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl MemoryService for MemoryRpc {
    async fn get_memory(
        &self,
        request: Request<pb::GetMemoryRequest>,
    ) -> Result<Response<pb::GetMemoryResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let wanted = memory::to_memory_ref(request.memory).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let (found, read_revision) = self.0.memory(&permit, &wanted, request.revision).await.map_err(refuse)?;
        Ok(Response::new(pb::GetMemoryResponse { memory: Some(found.into()), read_revision }))
    }

    async fn batch_get_memories(
        &self,
        request: Request<pb::BatchGetMemoriesRequest>,
    ) -> Result<Response<pb::BatchGetMemoriesResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let paths = memory::to_paths("paths", &request.paths).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let batch = self.0.memories(&permit, &paths, request.revision).await.map_err(refuse)?;
        Ok(Response::new(pb::BatchGetMemoriesResponse {
            memories: batch.memories.into_iter().map(Into::into).collect(),
            missing_paths: batch.missing.into_iter().map(|p| p.to_string()).collect(),
            read_revision: batch.revision,
        }))
    }

    async fn list_memories(
        &self,
        request: Request<pb::ListMemoriesRequest>,
    ) -> Result<Response<pb::ListMemoriesResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let list = memory::to_list(request).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let listing = self.0.list_memories(&permit, &list).await.map_err(refuse)?;
        Ok(Response::new(listing.into()))
    }

    type GrepStream = Streamed<pb::GrepResponse>;

    async fn grep(&self, request: Request<pb::GrepRequest>) -> Result<Response<Self::GrepStream>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let grep = memory::to_grep(request).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let found = self.0.grep(&permit, &grep).await.map_err(refuse)?;
        let answers = found.map(|found| {
            let found = found.map_err(refuse)?;
            let matches = found.matches.into_iter().map(Into::into).collect();
            Ok(pb::GrepResponse {
                matches,
                read_revision: found.revision,
                truncated: found.truncated,
                erased_memories: found.erased,
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn search(&self, request: Request<pb::SearchRequest>) -> Result<Response<pb::SearchResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let (stores, search) = search::to_search(&request).map_err(refuse)?;
        let permits = super::permits(&self.0, &principal, Action::StoreRead, stores).await.map_err(refuse)?;
        let found = self.0.search(&permits, &search).await.map_err(refuse)?;
        Ok(Response::new(search::from_found(found, &request.stores)))
    }

    async fn commit(&self, request: Request<pb::CommitRequest>) -> Result<Response<pb::CommitResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let commit = memory::to_commit_request(request).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreWrite, &store).await.map_err(refuse)?;
        let outcome = self.0.commit(&permit, commit).await;
        let outcome = outcome.audited(self.0.refusals(), &principal, Action::StoreWrite, Some(permit.store()));
        let outcome = outcome.map_err(refuse)?;
        Ok(Response::new(outcome.into()))
    }

    type WatchStoreStream = Streamed<pb::WatchStoreResponse>;

    async fn watch_store(
        &self,
        request: Request<pb::WatchStoreRequest>,
    ) -> Result<Response<Self::WatchStoreStream>, Status> {
        let (principal, secret) = (principal(&request)?, secret(&request)?);
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let glob = memory::to_glob("path_glob", &request.path_glob).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        // The store by its id: its handle may change while the watch is on.
        let renew = renew(self.0.clone(), secret, StoreRef::Id(permit.store()));
        let events = self.0.watch(permit, request.after_revision, glob, renew).await.map_err(refuse)?;
        let answers = events.map(|event| {
            use pb::watch_store_response::Event as Wire;
            let event = match event.map_err(refuse)? {
                Event::Commit(commit) => Wire::Commit(commit.into()),
                Event::Progress(revision) => Wire::Progress(pb::Progress { revision }),
            };
            Ok(pb::WatchStoreResponse { event: Some(event) })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Asks again for leave: the credential may have ended, or its attachments changed.
fn renew(service: MemoryStore, secret: domain::access::Secret, store: StoreRef) -> Renew {
    Box::new(move || {
        let (service, secret, store) = (service.clone(), secret.clone(), store.clone());
        Box::pin(async move {
            let principal = service.authenticator().authenticate(&secret).await?;
            super::permit(&service, &principal, Action::StoreRead, &store).await
        })
    })
}
