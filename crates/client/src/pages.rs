//! Pages: a listing read to its end.

use std::future::Future;

use domain::Result;

/// Asks for page after page, from the empty token on, and keeps all items. `page` returns a page's
/// items and the next page's token.
pub async fn all<T, F: Future<Output = Result<(Vec<T>, String)>>>(mut page: impl FnMut(String) -> F) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let (more, next) = page(token).await?;
        items.extend(more);
        if next.is_empty() {
            return Ok(items);
        }
        token = next;
    }
}
