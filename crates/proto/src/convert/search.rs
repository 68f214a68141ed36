//! Searches: proto/reverie/memory/v1/search.proto.

use domain::limits::{SEARCH_RESULTS_MAX, SEARCH_STORES_MAX};
use domain::path::Prefix;
use domain::search::{Found, Hit, Line, Query, Search, Within};
use domain::store::StoreRef;
use domain::{Error, Result};

use crate::convert::memory::to_prefix;
use crate::convert::store_ref::to_store_ref;
use crate::convert::time::from_time;
use crate::convert::violations::Violations;
use crate::memory as pb;

#[cfg(test)]
mod tests;

/// The stores, each with where in it to look, and what to look for.
pub fn to_search(r: &pb::SearchRequest) -> Result<(Vec<(StoreRef, Within)>, Search)> {
    let mut violations = Violations::default();
    if r.stores.is_empty() || r.stores.len() > SEARCH_STORES_MAX {
        violations.add("stores", format!("name 1 to {SEARCH_STORES_MAX} stores"));
    }
    let refs: Vec<Option<StoreRef>> =
        r.stores.iter().enumerate().map(|(n, s)| violations.take(to_store_ref(&format!("stores[{n}]"), s))).collect();
    for (n, store) in r.stores.iter().enumerate() {
        if r.stores[..n].contains(store) {
            violations.add(format!("stores[{n}]"), format!("names {store} again: name each store once"));
        }
    }
    let query = r.query.parse::<Query>().map_err(|e: Error| e.within("query"));
    let query = violations.take(query);
    let prefix = violations.take(to_prefix("path_prefix", &r.path_prefix));
    if r.limit as usize > SEARCH_RESULTS_MAX {
        violations.add("limit", format!("must be at most {SEARCH_RESULTS_MAX}"));
    }
    let named = [("min_revisions", keys(&r.min_revisions)), ("path_prefixes", keys(&r.path_prefixes))];
    for (field, store) in named.iter().flat_map(|(field, keys)| keys.iter().map(move |key| (field, key))) {
        if !r.stores.contains(store) {
            violations.add(format!("{field}[{store:?}]"), "must be one of stores, named as it is there");
        }
    }
    let mut withins: Vec<Option<Within>> = Vec::with_capacity(r.stores.len());
    for store in &r.stores {
        let own: Option<Prefix> = match r.path_prefixes.get(store) {
            Some(own) => violations.take(to_prefix(&format!("path_prefixes[{store:?}]"), own)),
            None => prefix.clone(),
        };
        let min_revision = r.min_revisions.get(store).copied().unwrap_or(0);
        withins.push(own.map(|prefix| Within { prefix, min_revision }));
    }
    let search = (|| {
        let stores = refs.into_iter().zip(withins).map(|(store, within)| Some((store?, within?)));
        prefix?;
        Some((stores.collect::<Option<_>>()?, Search { query: query?, results_max: r.limit }))
    })();
    violations.finish(search)
}

/// In an order that does not change.
fn keys<V>(map: &std::collections::HashMap<String, V>) -> Vec<&String> {
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    keys
}

/// The answer to a request that names the stores so.
pub fn from_found(found: Found, stores: &[String]) -> pb::SearchResponse {
    let name = |place: usize| stores.get(place).cloned().unwrap_or_default();
    let searched = found.searched.iter().enumerate().map(|(place, searched)| pb::SearchedStore {
        store: name(place),
        store_id: searched.store.to_string(),
        revision: searched.revision,
    });
    let searched = searched.collect();
    let results = found.hits.into_iter().map(|hit| from_hit(name(hit.place), hit)).collect();
    pb::SearchResponse { results, searched, more: found.more }
}

fn from_hit(store: String, hit: Hit) -> pb::SearchResult {
    pb::SearchResult {
        store,
        path: hit.path.to_string(),
        memory_id: hit.memory.to_string(),
        revision: hit.revision,
        update_time: Some(from_time(hit.update_time)),
        score: hit.score,
        lines: hit.lines.into_iter().map(Into::into).collect(),
    }
}

impl From<Line> for pb::SearchLine {
    fn from(line: Line) -> pb::SearchLine {
        // A line is far shorter than 4 GiB.
        let span = |m: std::ops::Range<usize>| pb::SearchSpan { start: m.start as u32, end: m.end as u32 };
        pb::SearchLine { number: line.number, matches: line.matches.into_iter().map(span).collect(), text: line.text }
    }
}
