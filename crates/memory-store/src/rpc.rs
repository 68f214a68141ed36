//! The gRPC handlers: convert, ask for a permit, call.

mod access;
mod governance;
mod history;
mod memory;
mod stores;

use domain::access::{Action, Principal, StorePermit};
use domain::store::StoreRef;
use domain::{Error, Result, limits};
use proto::memory::access_service_server::AccessServiceServer;
use proto::memory::governance_service_server::GovernanceServiceServer;
use proto::memory::history_service_server::HistoryServiceServer;
use proto::memory::memory_service_server::MemoryServiceServer;
use proto::memory::store_service_server::StoreServiceServer;
use tonic::service::Routes;

use crate::MemoryStore;
use crate::access::audit::Audited;

macro_rules! bounded {
    ($server:ident, $handlers:expr) => {
        $server::new($handlers)
            .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
    };
}

pub fn routes(service: &MemoryStore) -> Routes {
    Routes::new(bounded!(StoreServiceServer, stores::StoreRpc(service.clone())))
        .add_service(bounded!(MemoryServiceServer, memory::MemoryRpc(service.clone())))
        .add_service(bounded!(HistoryServiceServer, history::HistoryRpc(service.clone())))
        .add_service(bounded!(GovernanceServiceServer, governance::GovernanceRpc(service.clone())))
        .add_service(bounded!(AccessServiceServer, access::AccessRpc(service.clone())))
}

/// Leave to do something with the store that a request names. One that the caller may not see is
/// absent, in the same words.
async fn permit(service: &MemoryStore, principal: &Principal, action: Action, store: &StoreRef) -> Result<StorePermit> {
    let id = service.stores().resolve(principal.workspace, store).await?;
    if !principal.sees_store(id) {
        service.refusals().record(principal, action, Some(id));
        return Err(Error::not_found(format_args!("store {store}")));
    }
    runtime::trace::store(id);
    principal.permit_store(action, id).audited(service.refusals(), principal, action, Some(id))
}

/// The same for several stores, each with something beside.
///
/// # Errors
/// Invalid for a store that is named twice, by its handle and its id.
async fn permits<T>(
    service: &MemoryStore,
    principal: &Principal,
    action: Action,
    stores: Vec<(StoreRef, T)>,
) -> Result<Vec<(StorePermit, T)>> {
    let mut permits: Vec<(StorePermit, T)> = Vec::with_capacity(stores.len());
    for (n, (store, beside)) in stores.into_iter().enumerate() {
        let permit = permit(service, principal, action, &store).await?;
        if permits.iter().any(|(other, _)| other.store() == permit.store()) {
            return Err(Error::invalid(
                format!("stores[{n}]"),
                format!("names {} again: name each store once", permit.store()),
            ));
        }
        permits.push((permit, beside));
    }
    Ok(permits)
}
