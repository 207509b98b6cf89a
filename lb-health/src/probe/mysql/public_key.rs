//! Whether a server's public key can be worked with.
//!
//! The RSA of `mysql_common` panics on keys that are malformed, and on those too small for the password. So they are
//! looked at first.

use mysql_common::crypto::der::pem_to_der;

use crate::probe::ber::{BIT_STRING, Elements, INTEGER, SEQUENCE};

/// Bytes of a modulus: 1024 to 16384 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 128..=2048;

/// What OAEP with SHA-1 adds to a text, in bytes; one more for the zero at the password's end.
const PADDING: usize = 42 + 1;

/// An error unless `pem` holds a public key in PKCS #1 or PKCS #8 (SubjectPublicKeyInfo), large enough for the
/// password.
pub(super) fn check(pem: &[u8], password: &[u8]) -> Result<(), &'static str> {
    let (der, _) = pem_to_der(pem).map_err(|_| "the server's public key is not PEM")?;
    let (modulus, exponent) = numbers(&der).ok_or("the server's public key is malformed")?;
    if !MODULUS.contains(&modulus.len()) || exponent.is_empty() || exponent.len() > 8 {
        return Err("the server's public key is too small or too large");
    }
    if password.len() + PADDING >= modulus.len() {
        return Err("the password is too long for the server's public key");
    }
    Ok(())
}

/// Modulus and exponent without leading zeros.
fn numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = Elements(Elements(der).expect(SEQUENCE)?);
    let mut outer = key;
    if outer.expect(SEQUENCE).is_some() {
        let (&unused, bits) = outer.expect(BIT_STRING)?.split_first()?;
        key = Elements(Elements(bits).expect(SEQUENCE).filter(|_| unused == 0)?);
    }
    let (modulus, exponent) = (key.expect(INTEGER)?, key.expect(INTEGER)?);
    Some((significant(modulus), significant(exponent)))
}

fn significant(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[first..]
}
