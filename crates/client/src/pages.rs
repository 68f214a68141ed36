//! Pages: listings as streams, each page asked for when it is needed.

use std::future::Future;

use domain::Result;
use futures_util::{Stream, TryStreamExt as _, stream};
use proto::{dream, memory, transcript};

use crate::retry::retry;
use crate::{Client, answer};

/// The items of page after page, from the empty token on. `page` returns a page's items and the
/// next page's token.
pub fn items<T, F>(page: impl FnMut(String) -> F) -> impl Stream<Item = Result<T>>
where
    F: Future<Output = Result<(Vec<T>, String)>>,
{
    let pages = stream::try_unfold((Some(String::new()), page), |(token, mut page)| async move {
        let Some(token) = token else { return Ok(None) };
        let (items, next) = page(token).await?;
        let next = Some(next).filter(|token| !token.is_empty());
        Ok(Some((stream::iter(items.into_iter().map(Ok)), (next, page))))
    });
    pages.try_flatten()
}

/// The same, read to its end and kept.
pub async fn all<T, F: Future<Output = Result<(Vec<T>, String)>>>(page: impl FnMut(String) -> F) -> Result<Vec<T>> {
    items(page).try_collect().await
}

macro_rules! list {
    ($(#[$doc:meta])* $name:ident: $service:ident, $request:ty => $items:ident: $item:ty) => {
        $(#[$doc])*
        ///
        /// Begins at the request's page_token; page_size is how many are asked for at once.
        pub fn $name(&self, request: $request) -> impl Stream<Item = Result<$item>> + Send + use<> {
            let (client, first) = (self.$service(), request.page_token.clone());
            items(move |token| {
                let page_token = if token.is_empty() { first.clone() } else { token };
                let (client, request) = (client.clone(), <$request>::clone(&request));
                async move {
                    let request = <$request>::clone(&request).at_page(page_token);
                    let page = retry(|| async { answer(client.clone().$name(request.clone()).await) }).await?;
                    Ok((page.$items, page.next_page_token))
                }
            })
        }
    };
}

trait AtPage {
    fn at_page(self, page_token: String) -> Self;
}

macro_rules! at_page {
    ($($request:ty),+ $(,)?) => {
        $(impl AtPage for $request {
            fn at_page(self, page_token: String) -> Self {
                Self { page_token, ..self }
            }
        })+
    };
}

at_page!(
    memory::ListStoresRequest,
    memory::ListMemoriesRequest,
    memory::ListCommitsRequest,
    transcript::ListSessionsRequest,
    dream::ListDreamsRequest,
    dream::ListChangesRequest,
);

impl Client {
    list! {
        /// The stores that the credential may see.
        list_stores: stores, memory::ListStoresRequest => stores: memory::Store
    }
    list! {
        /// Memories and directories in path order, all of one revision.
        list_memories: memory, memory::ListMemoriesRequest => entries: memory::MemoryEntry
    }
    list! {
        /// A store's commits, newest first.
        list_commits: history, memory::ListCommitsRequest => commits: memory::CommitRecord
    }
    list! {
        /// Sessions, without their events.
        list_sessions: transcripts, transcript::ListSessionsRequest => sessions: transcript::Session
    }
    list! {
        /// Dreams, newest first.
        list_dreams: dreams, dream::ListDreamsRequest => dreams: dream::Dream
    }
    list! {
        /// What a dream proposes.
        list_changes: dreams, dream::ListChangesRequest => changes: dream::Change
    }
}
