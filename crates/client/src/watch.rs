//! Watches that go on: one that breaks off, for example because the server starts anew, is resumed
//! after the last event seen, so that nothing is missed and nothing comes twice.

use std::future::Future;

use domain::{Error, Result};
use futures_util::{Stream, stream};
use proto::memory::watch_store_response::Event;
use proto::{dream, memory, transcript};
use tonic::Streaming;

use crate::retry::Backoff;
use crate::{Client, answer};

/// Tries in a row without an event before a watch gives up: some 30 seconds.
const TRIES: u32 = 20;

impl Client {
    /// Every commit of a store, once, in order, with progress marks between. Ends only with an error
    /// that does not pass by waiting.
    pub fn watch_store(
        &self,
        request: memory::WatchStoreRequest,
    ) -> impl Stream<Item = Result<memory::WatchStoreResponse>> + Send + use<> {
        let client = self.memory();
        let open = move |request| {
            let mut client = client.clone();
            async move { answer(client.watch_store(request).await) }
        };
        let seen = |request: &mut memory::WatchStoreRequest, response: &memory::WatchStoreResponse| {
            request.after_revision = match &response.event {
                Some(Event::Commit(commit)) => Some(commit.revision),
                Some(Event::Progress(progress)) => Some(progress.revision),
                None => request.after_revision,
            };
        };
        follow(Watch { request, open, seen, ends: false })
    }

    /// What happens to sessions, once each, in order, with progress marks between. Ends only with an
    /// error that does not pass by waiting.
    pub fn watch_sessions(
        &self,
        request: transcript::WatchSessionsRequest,
    ) -> impl Stream<Item = Result<transcript::WatchSessionsResponse>> + Send + use<> {
        let client = self.transcripts();
        let open = move |request| {
            let mut client = client.clone();
            async move { answer(client.watch_sessions(request).await) }
        };
        let seen = |request: &mut transcript::WatchSessionsRequest, response: &transcript::WatchSessionsResponse| {
            request.after_cursor = Some(response.cursor);
        };
        follow(Watch { request, open, seen, ends: false })
    }

    /// A dream whenever it changes, until it has ended. After a break the newest state comes again.
    pub fn watch_dream(
        &self,
        request: dream::WatchDreamRequest,
    ) -> impl Stream<Item = Result<dream::WatchDreamResponse>> + Send + use<> {
        let client = self.dreams();
        let open = move |request| {
            let mut client = client.clone();
            async move { answer(client.watch_dream(request).await) }
        };
        follow(Watch { request, open, seen: |_: &mut _, _: &_| {}, ends: true })
    }
}

struct Watch<R, O, S> {
    /// Names what comes next.
    request: R,
    open: O,
    /// Moves the request past an event.
    seen: S,
    /// Whether the server may end the stream without an error.
    ends: bool,
}

fn follow<R, M, O, S, F>(watch: Watch<R, O, S>) -> impl Stream<Item = Result<M>>
where
    R: Clone,
    O: FnMut(R) -> F,
    S: FnMut(&mut R, &M),
    F: Future<Output = Result<Streaming<M>>>,
{
    stream::try_unfold((watch, None), |(mut watch, mut open)| async move {
        let event = watch.next(&mut open).await?;
        Ok(event.map(|event| (event, (watch, open))))
    })
}

impl<R: Clone, O, S> Watch<R, O, S> {
    async fn next<M, F>(&mut self, stream: &mut Option<Streaming<M>>) -> Result<Option<M>>
    where
        O: FnMut(R) -> F,
        S: FnMut(&mut R, &M),
        F: Future<Output = Result<Streaming<M>>>,
    {
        let mut backoff = Backoff::new(TRIES);
        loop {
            match self.ask(stream).await {
                Ok(Some(event)) => {
                    (self.seen)(&mut self.request, &event);
                    return Ok(Some(event));
                }
                Ok(None) if self.ends => return Ok(None),
                broken => {
                    *stream = None;
                    let error = broken.err().unwrap_or_else(|| Error::unavailable("the watch broke off"));
                    let Some(wait) = backoff.after(&error) else { return Err(error) };
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn ask<M, F>(&mut self, stream: &mut Option<Streaming<M>>) -> Result<Option<M>>
    where
        O: FnMut(R) -> F,
        F: Future<Output = Result<Streaming<M>>>,
    {
        let stream = match stream {
            Some(stream) => stream,
            None => stream.insert((self.open)(self.request.clone()).await?),
        };
        stream.message().await.map_err(|status| proto::error::from_status(&status))
    }
}
