//! GovernanceService.

use domain::access::Action;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use proto::convert::portability;
use proto::convert::store_ref::to_store_ref;
use proto::error::from_status;
use proto::memory as pb;
use proto::memory::governance_service_server::GovernanceService;
use runtime::auth::principal;
use runtime::refusal::refuse;
use tonic::{Request, Response, Status, Streaming};

use super::permit;
use crate::MemoryStore;
use crate::access::audit::Audited;

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

    type ExportStoreStream = BoxStream<'static, Result<pb::ExportStoreResponse, Status>>;

    async fn export_store(
        &self,
        request: Request<pb::ExportStoreRequest>,
    ) -> Result<Response<Self::ExportStoreStream>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let store = to_store_ref("store", &request.store).map_err(refuse)?;
        let export = portability::to_export(&request).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let (revision, chunks) = self.0.export(&permit, &export).await.map_err(refuse)?;
        let answers = chunks.enumerate().map(move |(number, chunk)| {
            let read_revision = if number == 0 { revision } else { 0 };
            Ok(pb::ExportStoreResponse { chunk: chunk.map_err(refuse)?, read_revision })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn import_store(
        &self,
        request: Request<Streaming<pb::ImportStoreRequest>>,
    ) -> Result<Response<pb::ImportStoreResponse>, Status> {
        let principal = principal(&request)?;
        let permit = principal.permit(Action::StoreCreate).audited(&principal, Action::StoreCreate).map_err(refuse)?;
        let parts = request
            .into_inner()
            .map(|part| part.map_err(|status| from_status(&status)).and_then(portability::to_import_part));
        let report = self.0.import_parts(&permit, parts).await.map_err(refuse)?;
        // Who makes a store may read and write it.
        self.0.access().grant(principal.workspace, principal.token, report.store.id).await.map_err(refuse)?;
        Ok(Response::new(report.into()))
    }
}
