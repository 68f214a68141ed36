//! The SDK against servers that misbehave as real ones do.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::access::{Authenticator as _, Role, Secret};
use domain::{Error, Kind};
use futures_util::{Stream, TryStreamExt as _, stream};
use proto::memory as pb;
use proto::memory::access_service_server::{AccessService, AccessServiceServer};
use proto::memory::memory_service_server::{MemoryService, MemoryServiceServer};
use proto::memory::watch_store_response::Event;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::Client;
use crate::auth::WhoAmI;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Fails each call `failures` times, and counts what it does.
#[derive(Clone, Default)]
struct Flaky(Arc<State>);

#[derive(Default)]
struct State {
    failures: u64,
    calls: AtomicU64,
    credentials: Mutex<Vec<String>>,
}

impl Flaky {
    fn fail_first(failures: u64) -> Flaky {
        Flaky(Arc::new(State { failures, ..State::default() }))
    }

    fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    fn called<T>(&self, request: &Request<T>) -> Result<u64, Status> {
        let credential = request.metadata().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        self.0.credentials.lock().unwrap().push(credential.to_owned());
        let n = self.0.calls.fetch_add(1, Ordering::Relaxed);
        if n < self.0.failures { Err(Status::unavailable("away")) } else { Ok(n) }
    }

    async fn serve(&self) -> (Client, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::connect(&format!("http://{}", listener.local_addr().unwrap()), Secret::new("mine"));
        let server = tonic::transport::Server::builder()
            .add_service(MemoryServiceServer::new(self.clone()))
            .add_service(AccessServiceServer::new(self.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap() });
        (client.unwrap(), tasks)
    }
}

#[tonic::async_trait]
impl MemoryService for Flaky {
    /// Five entries, two a page.
    async fn list_memories(
        &self,
        request: Request<pb::ListMemoriesRequest>,
    ) -> Result<Response<pb::ListMemoriesResponse>, Status> {
        self.called(&request)?;
        let first: usize = request.into_inner().page_token.parse().unwrap_or(0);
        let last = (first + 2).min(5);
        let entry = |n| pb::MemoryEntry {
            entry: Some(pb::memory_entry::Entry::Memory(pb::Memory { path: format!("/{n}"), ..Default::default() })),
        };
        Ok(Response::new(pb::ListMemoriesResponse {
            entries: (first..last).map(entry).collect(),
            next_page_token: if last < 5 { last.to_string() } else { String::new() },
            read_revision: 7,
        }))
    }

    type WatchStoreStream = Answers<pb::WatchStoreResponse>;

    /// Two commits at a time, then it breaks off; at revision 6 the caller may see no more.
    async fn watch_store(
        &self,
        request: Request<pb::WatchStoreRequest>,
    ) -> Result<Response<Self::WatchStoreStream>, Status> {
        self.called(&request)?;
        let after = request.into_inner().after_revision.unwrap_or(0);
        let commit = |revision| pb::WatchStoreResponse {
            event: Some(Event::Commit(pb::CommitRecord { revision, ..Default::default() })),
        };
        let end = if after < 4 { Status::unavailable("stopping") } else { Status::permission_denied("no more") };
        let events = (after + 1..=after + 2).map(move |r| Ok(commit(r))).chain([Err(end)]);
        Ok(Response::new(Box::pin(stream::iter(events))))
    }

    async fn commit(&self, request: Request<pb::CommitRequest>) -> Result<Response<pb::CommitResponse>, Status> {
        let n = self.called(&request)?;
        Ok(Response::new(pb::CommitResponse { revision: n, ..Default::default() }))
    }

    async fn get_memory(&self, _: Request<pb::GetMemoryRequest>) -> Result<Response<pb::GetMemoryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn batch_get_memories(
        &self,
        _: Request<pb::BatchGetMemoriesRequest>,
    ) -> Result<Response<pb::BatchGetMemoriesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type GrepStream = Answers<pb::GrepResponse>;

    async fn grep(&self, _: Request<pb::GrepRequest>) -> Result<Response<Self::GrepStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn search(&self, request: Request<pb::SearchRequest>) -> Result<Response<pb::SearchResponse>, Status> {
        self.called(&request)?;
        Ok(Response::new(pb::SearchResponse { more: true, ..Default::default() }))
    }
}

#[tonic::async_trait]
impl AccessService for Flaky {
    async fn who_am_i(&self, request: Request<pb::WhoAmIRequest>) -> Result<Response<pb::WhoAmIResponse>, Status> {
        self.called(&request)?;
        if request.metadata().get("authorization").is_none_or(|v| v != "Bearer ana") {
            return Err(proto::error::to_status(&Error::new(Kind::Unauthenticated, "UNAUTHENTICATED", "who?")));
        }
        let scope = pb::Scope { role: pb::Role::Writer.into(), grants: Vec::new(), all_stores: true };
        let token = pb::Token {
            id: domain::id::TokenId::from_bytes([3; 16]).to_string(),
            subject: "ana".into(),
            scope: Some(scope.clone()),
            create_time: Some(proto::convert::time::from_time(domain::Timestamp::UNIX_EPOCH)),
            expire_time: Some(proto::convert::time::from_time(domain::Timestamp::MAX)),
            ..Default::default()
        };
        Ok(Response::new(pb::WhoAmIResponse {
            workspace: domain::id::WorkspaceId::from_bytes([4; 16]).to_string(),
            token: Some(token),
            effective_scope: Some(scope),
        }))
    }

    async fn create_token(
        &self,
        _: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_tokens(&self, _: Request<pb::ListTokensRequest>) -> Result<Response<pb::ListTokensResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_token(
        &self,
        _: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn attach_session(
        &self,
        _: Request<pb::AttachSessionRequest>,
    ) -> Result<Response<pb::AttachSessionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_attachments(
        &self,
        _: Request<pb::GetAttachmentsRequest>,
    ) -> Result<Response<pb::GetAttachmentsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test]
async fn a_listing_asks_for_page_after_page_and_again_for_one_that_failed() {
    let flaky = Flaky::fail_first(2);
    let (client, _server) = flaky.serve().await;
    let listed: Vec<_> = client.list_memories(pb::ListMemoriesRequest::default()).try_collect().await.unwrap();
    let paths = listed.into_iter().map(|e| match e.entry {
        Some(pb::memory_entry::Entry::Memory(memory)) => memory.path,
        other => panic!("{other:?}"),
    });
    assert_eq!(paths.collect::<Vec<_>>(), ["/0", "/1", "/2", "/3", "/4"]);
    assert_eq!(flaky.calls(), 2 + 3);
    assert!(flaky.0.credentials.lock().unwrap().iter().all(|c| c == "Bearer mine"));
}

#[tokio::test]
async fn a_search_that_failed_is_asked_again() {
    let flaky = Flaky::fail_first(2);
    let (client, _server) = flaky.serve().await;
    assert!(client.search(&pb::SearchRequest::default()).await.unwrap().more);
    assert_eq!(flaky.calls(), 2 + 1);
}

#[tokio::test]
async fn a_watch_that_breaks_off_is_resumed_after_the_last_commit_seen() {
    let (client, _server) = Flaky::fail_first(1).serve().await;
    let mut watch = std::pin::pin!(client.watch_store(pb::WatchStoreRequest::default()));
    let mut revisions = Vec::new();
    let refused = loop {
        match watch.try_next().await {
            Ok(Some(pb::WatchStoreResponse { event: Some(Event::Commit(commit)) })) => revisions.push(commit.revision),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6], "each once, in order, over three streams");
    assert_eq!(refused.kind(), Kind::Denied, "what waiting does not mend ends it");
}

#[tokio::test]
async fn a_commit_is_made_again_only_with_a_request_id() {
    let (client, _server) = Flaky::fail_first(1).serve().await;
    let request = pb::CommitRequest::default();
    assert_eq!(client.commit(&request).await.unwrap_err().kind(), Kind::Unavailable);
    let (client, _server) = Flaky::fail_first(1).serve().await;
    let request = pb::CommitRequest { request_id: "req_1".into(), ..request };
    assert_eq!(client.commit(&request).await.unwrap().revision, 1);
}

#[tokio::test]
async fn who_calls_is_asked_once_and_a_refusal_each_time() {
    let flaky = Flaky::default();
    let (client, _server) = flaky.serve().await;
    let who = WhoAmI::new(client);
    for _ in 0..3 {
        let ana = who.authenticate(&Secret::new("ana")).await.unwrap();
        assert_eq!((ana.subject.as_str(), ana.scope.role), ("ana", Role::Writer));
    }
    assert_eq!(flaky.calls(), 1);
    for calls in 2..4 {
        let refused = who.authenticate(&Secret::new("eve")).await.unwrap_err();
        assert_eq!((refused.kind(), flaky.calls()), (Kind::Unauthenticated, calls));
    }
}

#[test]
fn an_address_that_cannot_be_reached_this_way_is_refused_at_once() {
    for url in ["https://127.0.0.1:7400", "not an address"] {
        let error = Client::connect(url, Secret::new("")).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{url}");
    }
}
