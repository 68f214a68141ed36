//! The server around a service of its own, over real connections on ports that the system chooses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::server::Server;
use crate::task::{self, Task};
use domain::access::{Authenticator, Grants, Principal, Role, Scope, Secret};
use domain::id::{TokenId, WorkspaceId};
use domain::{Error, Kind, Timestamp};
use futures_util::{Stream, StreamExt as _};
use proto::memory as pb;
use proto::memory::memory_service_client::MemoryServiceClient;
use proto::memory::memory_service_server::{MemoryService, MemoryServiceServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

const SERVICE: &str = "reverie.memory.v1.MemoryService";
/// Longer than anything here takes, and shorter than the drain, so that nothing passes by being cut off.
const SOON: Duration = Duration::from_secs(8);

/// What a path asks for, happens.
#[derive(Clone)]
struct Obedient {
    shutdown: CancellationToken,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl MemoryService for Obedient {
    async fn get_memory(&self, r: Request<pb::GetMemoryRequest>) -> Result<Response<pb::GetMemoryResponse>, Status> {
        let caller = crate::auth::principal(&r)?;
        let secret = crate::auth::secret(&r)?;
        if r.into_inner().store == "panic" {
            panic!("as asked");
        }
        let memory = pb::Memory { path: caller.subject, content: secret.expose().to_owned(), ..Default::default() };
        Ok(Response::new(pb::GetMemoryResponse { memory: Some(memory), ..Default::default() }))
    }

    type WatchStoreStream = Answers<pb::WatchStoreResponse>;

    /// One answer, then silence until the shutdown; in the store `panic` a panic.
    async fn watch_store(&self, r: Request<pb::WatchStoreRequest>) -> Result<Response<Self::WatchStoreStream>, Status> {
        let panics = r.into_inner().store == "panic";
        let shutdown = self.shutdown.clone();
        let end = async move {
            assert!(!panics, "as asked");
            shutdown.cancelled().await;
            Err(Status::unavailable("stopping"))
        };
        let first = futures_util::stream::iter([Ok(pb::WatchStoreResponse::default())]);
        Ok(Response::new(Box::pin(first.chain(futures_util::stream::once(end)))))
    }

    async fn batch_get_memories(
        &self,
        _: Request<pb::BatchGetMemoriesRequest>,
    ) -> Result<Response<pb::BatchGetMemoriesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_memories(
        &self,
        _: Request<pb::ListMemoriesRequest>,
    ) -> Result<Response<pb::ListMemoriesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type GrepStream = Answers<pb::GrepResponse>;

    async fn grep(&self, _: Request<pb::GrepRequest>) -> Result<Response<Self::GrepStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn search(&self, _: Request<pb::SearchRequest>) -> Result<Response<pb::SearchResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn commit(&self, _: Request<pb::CommitRequest>) -> Result<Response<pb::CommitResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// `ana` is Ana; `late` was valid until 1970.
struct Doorman;

impl Authenticator for Doorman {
    fn authenticate<'a>(
        &'a self,
        secret: &'a Secret,
    ) -> Pin<Box<dyn Future<Output = domain::Result<Principal>> + Send + 'a>> {
        let expire_time = match secret.expose() {
            "ana" => Ok(Timestamp::MAX),
            "late" => Ok(Timestamp::UNIX_EPOCH),
            _ => Err(Error::new(Kind::Unauthenticated, "UNAUTHENTICATED", "who is that?")),
        };
        let principal = expire_time.map(|expire_time| Principal {
            workspace: WorkspaceId::from_bytes([1; 16]),
            token: TokenId::from_bytes([2; 16]),
            subject: "Ana".into(),
            scope: Scope { role: Role::Reader, grants: Grants::All },
            session: None,
            agent: String::new(),
            dream: String::new(),
            expire_time,
        });
        Box::pin(std::future::ready(principal))
    }
}

struct Running {
    address: std::net::SocketAddr,
    channel: Channel,
    shutdown: CancellationToken,
    server: Task<std::io::Result<()>>,
}

async fn start(requests_max: usize) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let routes = Routes::new(MemoryServiceServer::new(Obedient { shutdown: shutdown.clone() }));
    let server = Server::new("test", routes, [SERVICE], Arc::new(Doorman), shutdown.clone()).requests_max(requests_max);
    let server = task::spawn("server", server.run(listener));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    Running { address, channel, shutdown, server }
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

impl Running {
    fn memory(&self) -> MemoryServiceClient<Channel> {
        MemoryServiceClient::new(self.channel.clone())
    }

    fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel.clone())
    }

    async fn read(&self, token: &str, store: &str) -> Result<pb::Memory, Status> {
        let request = pb::GetMemoryRequest { store: store.into(), ..Default::default() };
        let answer = self.memory().get_memory(with_token(token, request)).await?;
        Ok(answer.into_inner().memory.unwrap_or_default())
    }

    async fn watch(&self, store: &str) -> Result<tonic::Streaming<pb::WatchStoreResponse>, Status> {
        let request = pb::WatchStoreRequest { store: store.into(), ..Default::default() };
        Ok(self.memory().watch_store(with_token("ana", request)).await?.into_inner())
    }

    async fn reflect(&self, question: MessageRequest) -> ServerReflectionResponse {
        let question = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut client = ServerReflectionClient::new(self.channel.clone());
        let answers = client.server_reflection_info(tokio_stream::iter([question])).await.unwrap();
        answers.into_inner().message().await.unwrap().unwrap()
    }

    async fn serving(&self, service: &str) -> Result<ServingStatus, Status> {
        let answer = self.health().check(HealthCheckRequest { service: service.into() }).await?;
        Ok(answer.into_inner().status())
    }
}

#[tokio::test]
async fn without_a_valid_credential_only_health_and_reflection_answer() {
    let running = start(8).await;
    let anonymous = running.memory().get_memory(pb::GetMemoryRequest::default()).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    assert_eq!(proto::error::from_status(&anonymous).reason(), "UNAUTHENTICATED");
    for token in ["nobody", "late"] {
        assert_eq!(running.read(token, "").await.unwrap_err().code(), Code::Unauthenticated, "{token}");
    }
    assert_eq!(running.serving(SERVICE).await.unwrap(), ServingStatus::Serving);
    assert_eq!(running.serving("").await.unwrap(), ServingStatus::Serving);
    assert_eq!(running.serving("liveness").await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn the_handler_sees_who_calls_and_with_what() {
    let memory = start(8).await.read("ana", "").await.unwrap();
    assert_eq!((memory.path.as_str(), memory.content.as_str()), ("Ana", "ana"));
}

#[tokio::test]
async fn reflection_lists_what_is_served_here_and_knows_the_details_of_errors() {
    let running = start(8).await;
    let Some(MessageResponse::ListServicesResponse(list)) =
        running.reflect(MessageRequest::ListServices(String::new())).await.message_response
    else {
        panic!("no list")
    };
    let mut names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", SERVICE]);
    for symbol in ["google.rpc.BadRequest", "google.rpc.RetryInfo", "reverie.memory.v1.CommitConflict", SERVICE] {
        let found = running.reflect(MessageRequest::FileContainingSymbol(symbol.into())).await.message_response;
        assert!(matches!(found, Some(MessageResponse::FileDescriptorResponse(_))), "{symbol}: {found:?}");
    }
}

#[tokio::test]
async fn beyond_the_bound_the_answer_is_no_at_once_and_a_stream_counts_until_it_ends() {
    let running = start(1).await;
    let mut watch = running.watch("").await.unwrap();
    watch.message().await.unwrap().unwrap();
    let refused = proto::error::from_status(&running.read("ana", "").await.unwrap_err());
    assert_eq!((refused.kind(), refused.reason()), (Kind::Exhausted, "OVERLOADED"));
    assert!(refused.details().retry_after.is_some());
    assert_eq!(running.serving(SERVICE).await.unwrap(), ServingStatus::Serving, "it is overloaded, not dead");
    drop(watch);
    let free_again = async {
        while let Err(status) = running.read("ana", "").await {
            assert_eq!(status.code(), Code::ResourceExhausted);
        }
    };
    tokio::time::timeout(SOON, free_again).await.expect("the place is given back when the stream ends");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_connection_lives_on() {
    let running = start(8).await;
    let status = running.read("ana", "panic").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("as asked"), "what a panic says is for the operator: {}", status.message());
    let mut watch = running.watch("panic").await.unwrap();
    let status = loop {
        if let Err(status) = watch.message().await.map(|answer| answer.expect("it ends with its panic")) {
            break status;
        }
    };
    assert_eq!(status.code(), Code::Internal, "in a stream too");
    running.read("ana", "").await.unwrap();
}

#[tokio::test]
async fn a_drain_says_so_ends_open_streams_and_returns() {
    let running = start(8).await;
    let health = running.health().watch(HealthCheckRequest { service: SERVICE.into() }).await;
    let mut health = health.unwrap().into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut watch = running.watch("").await.unwrap();
    watch.message().await.unwrap().unwrap();

    running.shutdown.cancel();
    let drained = async {
        assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert_eq!(health.message().await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
        running.server.join().await.unwrap().unwrap();
    };
    tokio::time::timeout(SOON, drained).await.expect("nothing holds it up until the drain's time is over");
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

/// One unary call as a browser makes it: HTTP/1.1, trailers in the body. Returns headers and body.
async fn grpc_web(address: std::net::SocketAddr, token: &str) -> String {
    let body = [0, 0, 0, 0, 0];
    let head = format!(
        "POST /{SERVICE}/GetMemory HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-grpc-web: 1\r\n\
         content-type: application/grpc-web+proto\r\nx-api-key: {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).to_lowercase()
}

#[tokio::test]
async fn a_browser_is_answered_in_its_own_protocol_when_it_is_let_in_and_when_not() {
    let running = start(8).await;
    let welcome = grpc_web(running.address, "ana").await;
    assert!(welcome.contains("application/grpc-web+proto") && welcome.contains("grpc-status:0"), "{welcome}");
    let refused = grpc_web(running.address, "nobody").await;
    let unauthenticated = Code::Unauthenticated as i32;
    assert!(refused.contains("application/grpc-web+proto"), "{refused}");
    assert!(refused.contains(&format!("grpc-status: {unauthenticated}")), "{refused}");
}

/// A server with a plain route beside the gRPC ones.
async fn start_plain() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let routes = Routes::new(MemoryServiceServer::new(Obedient { shutdown: shutdown.clone() }));
    let hello = tower::service_fn(async |request: http::Request<_>| {
        if request.uri().query() == Some("panic") {
            panic!("as asked");
        }
        let caller = request.extensions().get::<Principal>().map(|p| p.subject.clone()).unwrap_or_default();
        let answer = http::Response::builder().header("x-caller", caller).body("hello".to_owned()).unwrap();
        Ok::<_, std::convert::Infallible>(answer)
    });
    let routes = Routes::from(routes.into_axum_router().route_service("/v1/hello", hello));
    let refuse = Arc::new(|error: Error| {
        let status = proto::error::http_status(error.kind());
        http::Response::builder().status(status).header("x-reason", error.reason()).body(Default::default()).unwrap()
    });
    let server = Server::new("test", routes, [SERVICE], Arc::new(Doorman), shutdown.clone());
    let server = server.plain(crate::front::Plain { prefix: "/v1/", refuse });
    let server = task::spawn("server", server.run(listener));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    Running { address, channel, shutdown, server }
}

async fn plain(address: std::net::SocketAddr, path: &str, token: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-api-key: {token}\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn plain_http_passes_the_same_layers_and_is_refused_in_its_own_words() {
    let running = start_plain().await;
    let welcome = plain(running.address, "/v1/hello", "ana").await;
    assert!(welcome.starts_with("HTTP/1.1 200") && welcome.ends_with("hello"), "{welcome}");
    assert!(welcome.contains("x-caller: Ana"), "{welcome}");
    let refused = plain(running.address, "/v1/hello", "nobody").await;
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("x-reason: UNAUTHENTICATED"), "{refused}");
    assert!(!refused.contains("grpc"), "{refused}");
    let defect = plain(running.address, "/v1/hello?panic", "ana").await;
    assert!(defect.starts_with("HTTP/1.1 500") && defect.contains("x-reason: INTERNAL"), "{defect}");
    assert!(!defect.contains("as asked"), "{defect}");
    running.read("ana", "").await.expect("gRPC is served beside it");
}
