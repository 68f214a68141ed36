//! HistoryService.

use domain::Result;
use domain::access::Action;
use proto::convert::history;
use proto::memory as pb;
use proto::memory::history_service_server::HistoryService;
use runtime::auth::principal;
use runtime::refusal::refuse;
use tonic::{Request, Response, Status};

use super::permit;
use crate::MemoryStore;
use crate::access::audit::Audited;

pub struct HistoryRpc(pub MemoryStore);

#[tonic::async_trait]
impl HistoryService for HistoryRpc {
    async fn list_commits(
        &self,
        request: Request<pb::ListCommitsRequest>,
    ) -> Result<Response<pb::ListCommitsResponse>, Status> {
        let principal = principal(&request)?;
        let (store, commits) = history::to_list_commits(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let page = self.0.list_commits(&permit, &commits).await.map_err(refuse)?;
        let commits = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListCommitsResponse { commits, next_page_token: page.next_page_token }))
    }

    async fn get_commit(
        &self,
        request: Request<pb::GetCommitRequest>,
    ) -> Result<Response<pb::GetCommitResponse>, Status> {
        let principal = principal(&request)?;
        let (store, revision) = history::to_get_commit(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let commit = self.0.commit_at(&permit, revision).await.map_err(refuse)?;
        Ok(Response::new(pb::GetCommitResponse { commit: Some(commit.into()) }))
    }

    async fn list_versions(
        &self,
        request: Request<pb::ListVersionsRequest>,
    ) -> Result<Response<pb::ListVersionsResponse>, Status> {
        let principal = principal(&request)?;
        let (store, versions) = history::to_list_versions(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let page = self.0.list_versions(&permit, &versions).await.map_err(refuse)?;
        let versions = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListVersionsResponse { versions, next_page_token: page.next_page_token }))
    }

    async fn get_version(
        &self,
        request: Request<pb::GetVersionRequest>,
    ) -> Result<Response<pb::GetVersionResponse>, Status> {
        let principal = principal(&request)?;
        let (store, id) = history::to_get_version(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let (version, content) = self.0.version(&permit, id).await.map_err(refuse)?;
        Ok(Response::new(pb::GetVersionResponse { version: Some(version.into()), content }))
    }

    async fn diff(&self, request: Request<pb::DiffRequest>) -> Result<Response<pb::DiffResponse>, Status> {
        let principal = principal(&request)?;
        let history::Diff { base, target, how } = history::to_diff(request.into_inner()).map_err(refuse)?;
        let base_permit = permit(&self.0, &principal, Action::StoreRead, &base.0).await.map_err(refuse)?;
        let target_permit = permit(&self.0, &principal, Action::StoreRead, &target.0).await.map_err(refuse)?;
        let compared =
            self.0.compare((&base_permit, base.1), (&target_permit, target.1), &how).await.map_err(refuse)?;
        Ok(Response::new(compared.into()))
    }

    async fn blame(&self, request: Request<pb::BlameRequest>) -> Result<Response<pb::BlameResponse>, Status> {
        let principal = principal(&request)?;
        let (store, path, revision) = history::to_blame(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let (ranges, read_revision) = self.0.blame(&permit, &path, revision).await.map_err(refuse)?;
        Ok(Response::new(pb::BlameResponse { ranges: ranges.into_iter().map(Into::into).collect(), read_revision }))
    }

    async fn restore(&self, request: Request<pb::RestoreRequest>) -> Result<Response<pb::RestoreResponse>, Status> {
        let principal = principal(&request)?;
        let (store, restore) = history::to_restore(request.into_inner()).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreWrite, &store).await.map_err(refuse)?;
        let outcome = self.0.restore(&permit, &restore).await;
        let outcome = outcome.audited(self.0.refusals(), &principal, Action::StoreWrite, Some(permit.store()));
        let outcome = outcome.map_err(refuse)?;
        let versions = outcome.versions.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::RestoreResponse { revision: outcome.revision, versions, no_op: outcome.no_op }))
    }

    async fn merge(&self, request: Request<pb::MergeRequest>) -> Result<Response<pb::MergeResponse>, Status> {
        let principal = principal(&request)?;
        let history::MergeSides { source, target, merge } = history::to_merge(request.into_inner()).map_err(refuse)?;
        let source_permit = permit(&self.0, &principal, Action::StoreRead, &source.0).await.map_err(refuse)?;
        let target_permit = permit(&self.0, &principal, Action::StoreMerge, &target).await.map_err(refuse)?;
        let merged = self.0.merge((&source_permit, source.1), &target_permit, &merge).await;
        let target = Some(target_permit.store());
        let merged = merged.audited(self.0.refusals(), &principal, Action::StoreMerge, target).map_err(refuse)?;
        let outcome = merged.outcome;
        Ok(Response::new(pb::MergeResponse {
            revision: outcome.revision,
            versions: outcome.versions.into_iter().map(Into::into).collect(),
            no_op: outcome.no_op,
            base: Some(merged.base.into()),
        }))
    }
}
