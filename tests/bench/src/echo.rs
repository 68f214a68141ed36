//! The yardstick of a call: the same bytes there and back, behind the layers that every service is behind, in a
//! process of its own.

use std::io::{BufRead as _, BufReader};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use domain::access::{Authenticator, Grants, Principal, Role, Scope, Secret};
use domain::id::{TokenId, WorkspaceId};
use runtime::server::Server;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::cluster::{Bearer, Connection, Process, connect};
use crate::load::Client;
use crate::pb::echo::echo_service_client::EchoServiceClient;
use crate::pb::echo::echo_service_server::{EchoService, EchoServiceServer};
use crate::pb::echo::{EchoRequest, EchoResponse};

struct Handler;

#[tonic::async_trait]
impl EchoService for Handler {
    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        Ok(Response::new(EchoResponse { payload: request.into_inner().payload }))
    }
}

/// Lets everybody in, as fast as a table in memory would.
struct Everybody(Principal);

impl Authenticator for Everybody {
    fn authenticate<'a>(
        &'a self,
        _: &'a Secret,
    ) -> Pin<Box<dyn Future<Output = domain::Result<Principal>> + Send + 'a>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// The server's process: prints its port, then serves until it is killed.
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let principal = Principal {
        workspace: WorkspaceId::from_bytes([9; 16]),
        token: TokenId::from_bytes([8; 16]),
        subject: "bench".into(),
        scope: Scope { role: Role::Admin, grants: Grants::All },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: domain::Timestamp::MAX,
    };
    let routes = Routes::new(EchoServiceServer::new(Handler));
    let authenticator = Arc::new(Everybody(principal));
    let names = ["reverie.bench.v1.EchoService"];
    Server::new("echo", routes, names, authenticator, CancellationToken::new()).run(listener).await?;
    Ok(())
}

pub struct Echo {
    _process: Process,
    url: String,
}

impl Echo {
    pub fn start() -> Result<Echo> {
        let mut process =
            Process::start(Command::new(std::env::current_exe()?).arg("--serve-echo").stdout(Stdio::piped()))?;
        let mut line = String::new();
        BufReader::new(process.take_stdout().context("its output")?).read_line(&mut line)?;
        Ok(Echo { _process: process, url: format!("http://127.0.0.1:{}", line.trim()) })
    }

    pub async fn clients(&self, count: usize) -> Result<Vec<Echoer>> {
        let payload = Bytes::from(vec![b'x'; crate::VALUE_BYTES]);
        let mut clients = Vec::new();
        for _ in 0..count {
            let connection = InterceptedService::new(connect(&self.url).await?, Bearer("Bearer rv1_bench".parse()?));
            clients.push(Echoer { client: EchoServiceClient::new(connection), payload: payload.clone() });
        }
        Ok(clients)
    }
}

pub struct Echoer {
    client: EchoServiceClient<Connection>,
    payload: Bytes,
}

impl Client for Echoer {
    async fn call(&mut self) -> Result<()> {
        self.client.echo(EchoRequest { payload: self.payload.clone() }).await?;
        Ok(())
    }
}
