//! Hashes as lower-case hexadecimal.

use domain::{Error, Result};

pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[(b >> 4) as usize] as char, DIGITS[(b & 15) as usize] as char]).collect()
}

/// Exactly `N` bytes: 32 for a whole hash, 16 for a short one. `field` is the request's field.
pub fn decode<const N: usize>(field: &str, text: &str) -> Result<[u8; N]> {
    let digit = |b: u8| (b as char).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    let mut bytes = [0; N];
    let well_formed = text.len() == 2 * N
        && text.as_bytes().chunks_exact(2).zip(&mut bytes).all(|(pair, byte)| match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => {
                *byte = (high << 4 | low) as u8;
                true
            }
            _ => false,
        });
    if well_formed {
        Ok(bytes)
    } else {
        Err(Error::invalid(field, format!("must be {} lower-case hexadecimal digits", 2 * N)))
    }
}
