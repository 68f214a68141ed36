//! Reads a session and its events.

use std::collections::VecDeque;
use std::ops::Bound;

use domain::access::Permit;
use domain::id::{SessionId, WorkspaceId};
use domain::transcript::{Event, Session};
use domain::{Error, Result};
use futures_util::stream::{Stream, TryStreamExt as _, try_unfold};
use storage::Record;
use storage::engine::{Direction, Key, Range};

use crate::ingest::TranscriptIngest;
use crate::{fault, key, record};

/// Blocks fetched at once: what one reader holds in memory.
const BLOCKS_MAX: usize = 4;

impl TranscriptIngest {
    pub async fn get(&self, permit: &Permit, id: SessionId) -> Result<Session> {
        self.get_in(permit.workspace(), id).await
    }

    pub(crate) async fn get_in(&self, workspace: WorkspaceId, id: SessionId) -> Result<Session> {
        self.0.session(workspace, id).await.map(|(_, session)| session)
    }

    /// The events after a seq, in order, in pages of at most one block.
    pub async fn read(
        &self,
        permit: &Permit,
        id: SessionId,
        after_seq: u64,
    ) -> Result<impl Stream<Item = Result<Vec<Event>>> + Send + use<>> {
        let workspace = permit.workspace();
        let (_, session) = self.0.session(workspace, id).await?;
        Ok(self.events(workspace, id, after_seq, session.last_seq))
    }

    /// Every event of a session.
    pub(crate) async fn all_events(&self, workspace: WorkspaceId, session: &Session) -> Result<Vec<Event>> {
        self.events(workspace, session.id, 0, session.last_seq).try_concat().await
    }

    /// The events after a seq, up to the last. A hole is damage.
    fn events(
        &self,
        workspace: WorkspaceId,
        id: SessionId,
        after_seq: u64,
        last_seq: u64,
    ) -> impl Stream<Item = Result<Vec<Event>>> + Send + use<> {
        let reader = Reader {
            ingest: self.clone(),
            workspace,
            id,
            next: after_seq.saturating_add(1),
            last_seq,
            rest: None,
            fetched: VecDeque::new(),
        };
        try_unfold(reader, |mut reader| async move { Ok(reader.page().await?.map(|page| (page, reader))) })
    }
}

struct Reader {
    ingest: TranscriptIngest,
    workspace: WorkspaceId,
    id: SessionId,
    next: u64,
    last_seq: u64,
    /// What has not been fetched yet; None before the first fetch.
    rest: Option<Range>,
    fetched: VecDeque<(Key, Record)>,
}

impl Reader {
    async fn page(&mut self) -> Result<Option<Vec<Event>>> {
        if self.next > self.last_seq {
            return Ok(None);
        }
        let Some((_, block)) = self.block().await? else {
            return Err(Error::corrupt(format!("session {} has no events from seq {} on", self.id, self.next)));
        };
        let mut events = record::decode_block(block.value())?;
        events.retain(|event| (self.next..=self.last_seq).contains(&event.seq));
        let gapless = events.iter().zip(self.next..).all(|(event, seq)| event.seq == seq);
        if events.is_empty() || !gapless {
            return Err(Error::corrupt(format!("session {} has no event {}", self.id, self.next)));
        }
        self.next += events.len() as u64;
        Ok(Some(events))
    }

    async fn block(&mut self) -> Result<Option<(Key, Record)>> {
        if self.fetched.is_empty() {
            let vault = &self.ingest.0.vault;
            let range = match self.rest.take() {
                Some(range) => range,
                None => self.first_range().await?,
            };
            let rows = vault.scan(range.clone(), BLOCKS_MAX, Direction::Ascending).await.map_err(fault::of)?;
            self.rest = Some(rows.last().map_or(range.clone(), |(key, _)| range.after(key.clone())));
            self.fetched = rows.into();
        }
        Ok(self.fetched.pop_front())
    }

    /// The blocks from the one on that holds the next event.
    async fn first_range(&self) -> Result<Range> {
        let all = key::events_of(self.workspace, self.id);
        let next = key::events(self.workspace, self.id, self.next);
        let before = Range { start: all.start, end: Bound::Included(next) };
        let newest = self.ingest.0.vault.scan(before.clone(), 1, Direction::Descending).await.map_err(fault::of)?;
        let start = newest.into_iter().next().map_or(before.start, |(key, _)| Bound::Included(key));
        Ok(Range { start, end: all.end })
    }
}
