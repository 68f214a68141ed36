//! Lists sessions, in the order in which they were recorded.

use domain::limits::{LIST_SCAN_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use domain::page::{Page, Paged};
use domain::transcript::Session;
use domain::transcript::request::{Notice, NoticeKind, SessionFilter};
use domain::{Error, Kind, Result};
use futures_util::stream::{self, StreamExt as _};

use crate::access::Reach;
use crate::ingest::TranscriptIngest;

/// Rows of the log that are read at once.
const ROWS_MAX: usize = 256;
/// Sessions that are read at once.
const READS_MAX: usize = 8;

impl TranscriptIngest {
    /// One page of the sessions that match. The log of the workspace is the list: a session stands
    /// where it was created, so that pages neither miss nor repeat one. A page may be short, even
    /// empty, and the next go on.
    pub async fn list(&self, reach: &Reach, filter: &SessionFilter, page: &Page) -> Result<Paged<Session>> {
        let workspace = reach.permit().workspace();
        let size = page.size(PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX);
        let mut cursor = place(filter, &page.token)?;
        let mut items = Vec::new();
        let mut looked_at = 0;
        if let Some(own) = reach.only() {
            let found = existing(self.get_in(workspace, own).await)?;
            items.extend(found.filter(|s| cursor == 0 && filter.matches(s)));
            return Ok(Paged { items, next_page_token: String::new() });
        }
        loop {
            let notices = self.0.logs.after(workspace, cursor, ROWS_MAX).await?;
            if notices.is_empty() {
                return Ok(Paged { items, next_page_token: String::new() });
            }
            let created = |n: &Notice| n.session.filter(|_| n.kind == NoticeKind::Created);
            let rows = notices.into_iter().map(|notice| async move {
                match created(&notice) {
                    Some(id) => Ok((notice.cursor, true, existing(self.get_in(workspace, id).await)?)),
                    None => Ok((notice.cursor, false, None)),
                }
            });
            let mut rows = std::pin::pin!(stream::iter(rows).buffered(READS_MAX));
            while let Some((at, is_session, session)) = rows.next().await.transpose()? {
                if items.len() == size || looked_at == LIST_SCAN_MAX {
                    return Ok(Paged { items, next_page_token: token(filter, cursor)? });
                }
                cursor = at;
                looked_at += usize::from(is_session);
                items.extend(session.filter(|session| filter.matches(session)));
            }
        }
    }
}

/// A session that is gone is none.
fn existing(found: Result<Session>) -> Result<Option<Session>> {
    match found {
        Ok(session) => Ok(Some(session)),
        Err(e) if e.kind() == Kind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The cursor after which the next page begins, bound to the filter that it is a page of. It guards
/// against mistakes, not forgers: a place gives no access.
fn token(filter: &SessionFilter, cursor: u64) -> Result<String> {
    Ok(format!("{cursor:x}-{:08x}", check(filter, cursor)?))
}

fn place(filter: &SessionFilter, token: &str) -> Result<u64> {
    if token.is_empty() {
        return Ok(0);
    }
    let bad = || Error::invalid("page_token", "is not one that this same request was given for its next page");
    let (cursor, given) = token.split_once('-').ok_or_else(bad)?;
    let cursor = u64::from_str_radix(cursor, 16).map_err(|_| bad())?;
    if u32::from_str_radix(given, 16) != Ok(check(filter, cursor)?) { Err(bad()) } else { Ok(cursor) }
}

fn check(filter: &SessionFilter, cursor: u64) -> Result<u32> {
    let question = postcard::to_stdvec(&(filter, cursor)).map_err(Error::internal)?;
    let hash = blake3::derive_key("reverie 2026-11 session page v1", &question);
    Ok(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
}
