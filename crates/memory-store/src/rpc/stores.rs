//! StoreService.

use domain::access::Action;
use domain::id::StoreId;
use domain::store::{Change, Store};
use domain::{Error, Result};
use proto::convert::{page, store, store_ref::to_store_ref};
use proto::memory as pb;
use proto::memory::store_service_server::StoreService;
use runtime::auth::principal;
use runtime::refusal::refuse;
use tonic::{Request, Response, Status};

use super::permit;
use crate::MemoryStore;
use crate::access::audit::Audited;

pub struct StoreRpc(pub MemoryStore);

impl StoreRpc {
    async fn change<T>(
        &self,
        request: &Request<T>,
        action: Action,
        name: &str,
        change: Change,
        request_id: &str,
    ) -> Result<Option<pb::Store>, Status> {
        let principal = principal(request)?;
        let store = to_store_ref("store", name).map_err(refuse)?;
        let permit = permit(&self.0, &principal, action, &store).await.map_err(refuse)?;
        let store = self.0.change_store(&permit, change, request_id).await.map_err(refuse)?;
        Ok(Some(store.into()))
    }

    /// Who makes a store may read and write it, also where the request was made before.
    async fn grant(&self, principal: &domain::access::Principal, store: Store) -> Result<Option<pb::Store>, Status> {
        self.0.access().grant(principal.workspace, principal.token, store.id).await.map_err(refuse)?;
        Ok(Some(store.into()))
    }
}

#[tonic::async_trait]
impl StoreService for StoreRpc {
    async fn create_store(
        &self,
        request: Request<pb::CreateStoreRequest>,
    ) -> Result<Response<pb::CreateStoreResponse>, Status> {
        let principal = principal(&request)?;
        let (new, request_id) = store::to_new_store(request.into_inner()).map_err(refuse)?;
        let permit = principal
            .permit(Action::StoreCreate)
            .audited(self.0.refusals(), &principal, Action::StoreCreate, None)
            .map_err(refuse)?;
        let made = self.0.create_store(&permit, new, &request_id).await.map_err(refuse)?;
        Ok(Response::new(pb::CreateStoreResponse { store: self.grant(&principal, made).await? }))
    }

    async fn get_store(&self, request: Request<pb::GetStoreRequest>) -> Result<Response<pb::GetStoreResponse>, Status> {
        let principal = principal(&request)?;
        let store = to_store_ref("store", &request.get_ref().store).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreRead, &store).await.map_err(refuse)?;
        let store = self.0.store(&permit).await.map_err(refuse)?;
        Ok(Response::new(pb::GetStoreResponse { store: Some(store.into()) }))
    }

    async fn list_stores(
        &self,
        request: Request<pb::ListStoresRequest>,
    ) -> Result<Response<pb::ListStoresResponse>, Status> {
        let principal = principal(&request)?;
        let permit = principal
            .permit(Action::StoreRead)
            .audited(self.0.refusals(), &principal, Action::StoreRead, None)
            .map_err(refuse)?;
        let request = request.into_inner();
        let filter = store::to_filter(&request).map_err(refuse)?;
        let page = page::to_page(request.page_size, request.page_token).map_err(refuse)?;
        let sees = |id: StoreId| principal.sees_store(id);
        let listed = self.0.list_stores(&permit, sees, &filter, &page).await.map_err(refuse)?;
        let stores = listed.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListStoresResponse { stores, next_page_token: listed.next_page_token }))
    }

    async fn update_store(
        &self,
        request: Request<pb::UpdateStoreRequest>,
    ) -> Result<Response<pb::UpdateStoreResponse>, Status> {
        let (name, request_id) = (request.get_ref().store.clone(), request.get_ref().request_id.clone());
        let change = store::to_update(request.get_ref().clone()).map_err(refuse)?;
        let store = self.change(&request, Action::StoreAdminister, &name, change, &request_id).await?;
        Ok(Response::new(pb::UpdateStoreResponse { store }))
    }

    async fn archive_store(
        &self,
        request: Request<pb::ArchiveStoreRequest>,
    ) -> Result<Response<pb::ArchiveStoreResponse>, Status> {
        let r = request.get_ref();
        let store = self.change(&request, Action::StoreAdminister, &r.store, Change::Archive, &r.request_id).await?;
        Ok(Response::new(pb::ArchiveStoreResponse { store }))
    }

    async fn unarchive_store(
        &self,
        request: Request<pb::UnarchiveStoreRequest>,
    ) -> Result<Response<pb::UnarchiveStoreResponse>, Status> {
        let r = request.get_ref();
        let store = self.change(&request, Action::StoreAdminister, &r.store, Change::Unarchive, &r.request_id).await?;
        Ok(Response::new(pb::UnarchiveStoreResponse { store }))
    }

    async fn delete_store(
        &self,
        request: Request<pb::DeleteStoreRequest>,
    ) -> Result<Response<pb::DeleteStoreResponse>, Status> {
        let r = request.get_ref();
        let store = self.change(&request, Action::StoreDelete, &r.store, Change::Delete, &r.request_id).await?;
        Ok(Response::new(pb::DeleteStoreResponse { store }))
    }

    async fn undelete_store(
        &self,
        request: Request<pb::UndeleteStoreRequest>,
    ) -> Result<Response<pb::UndeleteStoreResponse>, Status> {
        let r = request.get_ref();
        if !r.store.starts_with(StoreId::PREFIX) {
            return Err(refuse(Error::invalid(
                "store",
                "name the deleted store by its id: another may have taken its handle",
            )));
        }
        let store = self.change(&request, Action::StoreDelete, &r.store, Change::Undelete, &r.request_id).await?;
        Ok(Response::new(pb::UndeleteStoreResponse { store }))
    }

    async fn fork_store(
        &self,
        request: Request<pb::ForkStoreRequest>,
    ) -> Result<Response<pb::ForkStoreResponse>, Status> {
        let principal = principal(&request)?;
        let request = request.into_inner();
        let parent = to_store_ref("store", &request.store).map_err(refuse)?;
        let new = store::to_new_fork(&request).map_err(refuse)?;
        let permit = permit(&self.0, &principal, Action::StoreFork, &parent).await.map_err(refuse)?;
        let made = self.0.fork_store(&permit, new, &request.request_id).await.map_err(refuse)?;
        Ok(Response::new(pb::ForkStoreResponse { store: self.grant(&principal, made).await? }))
    }
}
