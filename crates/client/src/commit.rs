//! Commits: a write that is made once, whatever the network does.

use domain::{Ids, Result};
use proto::memory::{CommitRequest, CommitResponse};

use crate::retry::retry_write;
use crate::{Client, answer};

/// A fresh request id: a call that carries it may be made again and has one outcome.
pub fn request_id(ids: &dyn Ids) -> String {
    let digits = ids.fresh().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("req_{digits}")
}

impl Client {
    /// Commits. Where the request has a request_id it is made again after an unknown outcome.
    ///
    /// # Errors
    /// Conflict where somebody else was first: `details().conflicts` holds, for each path, what
    /// stands there now and who wrote it; put the change on top of that and commit again.
    pub async fn commit(&self, request: &CommitRequest) -> Result<CommitResponse> {
        let client = self.memory();
        retry_write(&request.request_id, || async { answer(client.clone().commit(request.clone()).await) }).await
    }
}
