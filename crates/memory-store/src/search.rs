//! Searching: ranked full text over the heads of stores.
//!
//! What is given as a result is read anew when it is given, so that nothing is shown that is erased.

use std::sync::Arc;

use domain::access::StorePermit;
use domain::error::Result;
use domain::search::{Found, Hit, Search, Searched, Within};
use domain::{Error, Kind, limits};

use self::analyse::Analyser;
use self::excerpt::excerpt;
use self::indexes::Index;
use self::rank::{Plan, Scope, Stats, rank};
use crate::MemoryStore;
use crate::governance::family::is_erased;
use crate::index::Entry;
use crate::load::Head;
use crate::stores::OpenStore;

mod analyse;
mod excerpt;
pub mod indexes;
mod postings;
mod rank;
mod words;

#[cfg(test)]
mod tests;

/// One store, and what is looked at in it.
struct Place<'a> {
    permit: &'a StorePermit,
    within: &'a Within,
    store: Arc<OpenStore>,
    head: Arc<Head>,
    index: Arc<Index>,
}

/// A memory that may be given.
struct Candidate {
    score: f64,
    place: usize,
    path: domain::MemoryPath,
    entry: Arc<Entry>,
}

impl MemoryStore {
    /// The memories that a query is about, best first, of several stores as if they were one. Each store
    /// is searched as of its head or later, and where a least revision is asked for, not before that is
    /// there.
    ///
    /// # Errors
    /// Exhausted for a store with more words than are kept in memory.
    pub async fn search(&self, places: &[(StorePermit, Within)], search: &Search) -> Result<Found> {
        let mut opened = Vec::with_capacity(places.len());
        for (permit, within) in places {
            opened.push(self.place(permit, within).await?);
        }
        let mut analyser = Analyser::default();
        let plan = Plan::new(&search.query, &mut analyser);
        let mut stats = Stats::default();
        let mut size_bytes = 0;
        for place in &opened {
            let words = place.index.at(self.context(), place.store.id, &place.head).await?;
            stats.add(&words, &plan, place.permit);
            size_bytes += place.index.size_bytes();
        }
        if size_bytes > limits::SEARCH_INDEX_BYTES_MAX {
            let message = "these stores together have more words than are kept in memory for searches: name fewer";
            return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
        }

        let most = match search.results_max as usize {
            0 => limits::SEARCH_RESULTS_DEFAULT,
            most => most,
        };
        let mut found = Found::default();
        let mut candidates = Vec::new();
        for (n, place) in opened.iter().enumerate() {
            let words = place.index.at(self.context(), place.store.id, &place.head).await?;
            let scope = Scope { permit: place.permit, prefix: &place.within.prefix, query: &search.query };
            let ranked = rank(&words, &plan, &stats, &scope, most);
            let candidate = |(score, document): (f64, &words::Document)| Candidate {
                score,
                place: n,
                path: document.path.clone(),
                entry: document.entry.clone(),
            };
            candidates.extend(ranked.best.into_iter().map(candidate));
            found.more |= ranked.more;
            let revision = words.revision().unwrap_or(place.head.revision());
            found.searched.push(Searched { store: place.store.id, revision });
        }
        // Stable: of equals the first store's come first, in the order of their paths.
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        for candidate in candidates {
            if found.hits.len() == most {
                found.more = true;
                break;
            }
            let family = opened[candidate.place].store.family();
            let text = match self.context().contents.read(family, &candidate.entry.content).await {
                Err(e) if is_erased(&e) => continue,
                text => text?,
            };
            found.hits.push(Hit {
                place: candidate.place,
                path: candidate.path,
                memory: candidate.entry.memory,
                revision: candidate.entry.revision,
                update_time: candidate.entry.update_time,
                score: candidate.score,
                lines: excerpt(&text, &plan, &mut analyser),
            });
            tokio::task::consume_budget().await;
        }
        Ok(found)
    }

    /// A store once it is as new as is asked for.
    async fn place<'a>(&self, permit: &'a StorePermit, within: &'a Within) -> Result<Place<'a>> {
        let store = self.stores().open(permit.workspace(), permit.store()).await?;
        let mut heads = store.heads();
        let head = loop {
            let head = heads.borrow_and_update().clone();
            head.check_visible(store.id)?;
            if head.revision() >= within.min_revision {
                break head;
            }
            let stopping = || Error::unavailable("the server is stopping: try again");
            tokio::select! {
                changed = heads.changed() => changed.map_err(|_| stopping())?,
                () = self.shutdown().cancelled() => return Err(stopping()),
            }
        };
        let index = self.context().indexes.index(self.context(), &store);
        Ok(Place { permit, within, store, head, index })
    }
}
