//! Pages: the page_size and page_token of every listing.

use domain::page::Page;
use domain::{Error, Result};

/// Bytes of a page token: what we give out is far shorter.
const TOKEN_BYTES_MAX: usize = 4_096;

pub fn to_page(page_size: i32, page_token: String) -> Result<Page> {
    let size = usize::try_from(page_size).map_err(|_| Error::invalid("page_size", "must not be negative"))?;
    if page_token.len() > TOKEN_BYTES_MAX {
        return Err(Error::invalid("page_token", "must be what the page before gave, for the same request"));
    }
    Ok(Page { size, token: page_token })
}
