//! GovernanceService.

use proto::memory as pb;
use proto::memory::governance_service_server::GovernanceService;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::MemoryStore;

#[expect(dead_code, reason = "its calls come one by one")]
pub struct GovernanceRpc(pub MemoryStore);

fn missing<T>(call: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!("{call} is not there yet")))
}

#[tonic::async_trait]
impl GovernanceService for GovernanceRpc {
    async fn redact(&self, _: Request<pb::RedactRequest>) -> Result<Response<pb::RedactResponse>, Status> {
        missing("Redact")
    }

    async fn get_redaction(
        &self,
        _: Request<pb::GetRedactionRequest>,
    ) -> Result<Response<pb::GetRedactionResponse>, Status> {
        missing("GetRedaction")
    }

    async fn list_redactions(
        &self,
        _: Request<pb::ListRedactionsRequest>,
    ) -> Result<Response<pb::ListRedactionsResponse>, Status> {
        missing("ListRedactions")
    }

    async fn verify_history(
        &self,
        _: Request<pb::VerifyHistoryRequest>,
    ) -> Result<Response<pb::VerifyHistoryResponse>, Status> {
        missing("VerifyHistory")
    }

    async fn list_audit_events(
        &self,
        _: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        missing("ListAuditEvents")
    }

    type ExportStoreStream = ReceiverStream<Result<pb::ExportStoreResponse, Status>>;

    async fn export_store(
        &self,
        _: Request<pb::ExportStoreRequest>,
    ) -> Result<Response<Self::ExportStoreStream>, Status> {
        missing("ExportStore")
    }

    async fn import_store(
        &self,
        _: Request<Streaming<pb::ImportStoreRequest>>,
    ) -> Result<Response<pb::ImportStoreResponse>, Status> {
        missing("ImportStore")
    }
}
