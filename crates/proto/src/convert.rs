//! Conversions between the wire and the words of `domain`: one noun a file, named as its proto is.

pub mod access;
pub mod change;
pub mod commit;
pub mod dream;
pub mod governance;
pub mod hex;
pub mod history;
pub mod memory;
pub mod page;
pub mod portability;
pub mod search;
pub mod session;
pub mod store;
pub mod store_ref;
pub mod text;
pub mod time;
pub mod transcript;
pub mod version;
pub mod violations;
