//! Hashes as lower-case hexadecimal.

use domain::{Error, Result};

pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[(b >> 4) as usize] as char, DIGITS[(b & 15) as usize] as char]).collect()
}

/// Exactly 32 bytes. `field` is the request's field.
pub fn decode(field: &str, text: &str) -> Result<[u8; 32]> {
    let digit = |b: u8| (b as char).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    let mut bytes = [0; 32];
    let well_formed = text.len() == 64
        && text.as_bytes().chunks_exact(2).zip(&mut bytes).all(|(pair, byte)| match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => {
                *byte = (high << 4 | low) as u8;
                true
            }
            _ => false,
        });
    if well_formed { Ok(bytes) } else { Err(Error::invalid(field, "must be 64 lower-case hexadecimal digits")) }
}
