//! Page tokens: where the next page begins, bound to the question that the first one answered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A token for a place in the answer to a question.
pub fn encode(question: &impl Serialize, place: &impl Serialize) -> Result<String> {
    let place = postcard::to_stdvec(place).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode([digest(question, &place)?.as_slice(), &place].concat()))
}

/// The place; None for the first page.
///
/// # Errors
/// Invalid where the token is not one that the same question was given.
pub fn decode<T: DeserializeOwned>(question: &impl Serialize, token: &str) -> Result<Option<T>> {
    if token.is_empty() {
        return Ok(None);
    }
    let bad = || Error::invalid("page_token", "is not one that this same request was given for its next page");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
    let (given, place) = bytes.split_first_chunk::<8>().ok_or_else(bad)?;
    if *given != digest(question, place)? {
        return Err(bad());
    }
    postcard::from_bytes(place).map(Some).map_err(|_| bad())
}

/// Against mistakes, not against forgers: a place gives no access.
fn digest(question: &impl Serialize, place: &[u8]) -> Result<[u8; 8]> {
    let question = postcard::to_stdvec(question).map_err(Error::internal)?;
    let mut hasher = blake3::Hasher::new_derive_key("reverie 2026-11 page token v1");
    hasher.update(&(question.len() as u64).to_be_bytes()).update(&question).update(place);
    let mut digest = [0; 8];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_answers_its_own_question_only() {
        let token = encode(&("list", 7), &"/a").unwrap();
        assert_eq!(decode::<String>(&("list", 7), &token).unwrap(), Some("/a".into()));
        assert!(decode::<String>(&("list", 8), &token).is_err());
        assert!(decode::<String>(&("list", 7), &token[1..]).is_err());
        assert_eq!(decode::<String>(&("list", 7), "").unwrap(), None);
    }
}
