//! Pages of a collection.

/// Which page of a collection is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// 0 for the default; more than the limit reads as the limit.
    pub size: usize,
    /// As the page before gave it; empty for the first.
    pub token: String,
}

impl Page {
    /// The number of items to give.
    pub fn size(&self, default: usize, max: usize) -> usize {
        if self.size == 0 { default.min(max) } else { self.size.min(max) }
    }
}

/// One page of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    /// Empty after the last page.
    pub next_page_token: String,
}
