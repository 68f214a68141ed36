//! Searches: a read, asked again where that may help.

use domain::Result;
use proto::memory::{SearchRequest, SearchResponse};

use crate::retry::retry;
use crate::{Client, answer};

impl Client {
    /// The memories that a query is about, best first, of several stores.
    ///
    /// # Errors
    /// Invalid names each wrong field, the query's syntax too. Deadline where a store does not come to
    /// its least revision in time.
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchResponse> {
        let client = self.memory();
        retry(|| async { answer(client.clone().search(request.clone()).await) }).await
    }
}
