//! A server's public key, and the password encrypted with it.
//!
//! The key is whatever the server sends. It is parsed here, because `mysql_common` panics on keys that are malformed or
//! too small for the password, and works for minutes on keys that are large enough.

use mysql_common::crypto::{
    der::pem_to_der,
    rsa::{GetRandom, Pkcs1OaepPadding, PublicKey},
};
use num_bigint::BigUint;

use crate::probe::ber::{BIT_STRING, Elements, INTEGER, SEQUENCE};

/// Bytes of a modulus: 1024 to 8192 bits. MySQL generates keys of 2048 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 128..=1024;

/// Most bytes of an exponent, as in OpenSSL. Nearly all keys have 65537, three bytes.
const MAX_EXPONENT: usize = 8;

/// What OAEP with SHA-1 adds to a text, in bytes; one more for the zero at the password's end.
const PADDING: usize = 42 + 1;

/// A key within the limits.
#[derive(Debug)]
pub(super) struct Key {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Key {
    /// Reads a public key in PEM, in PKCS #1 or PKCS #8 (SubjectPublicKeyInfo). Text around it is ignored.
    pub(super) fn read(pem: &[u8]) -> Result<Self, &'static str> {
        let (der, _) = pem_to_der(pem).map_err(|_| "the server's public key is not PEM")?;
        let (modulus, exponent) = numbers(&der).ok_or("the server's public key is malformed")?;
        if !MODULUS.contains(&modulus.len()) || !(1..=MAX_EXPONENT).contains(&exponent.len()) {
            return Err("the server's public key is too small or too large");
        }
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// The password and a zero, masked with the nonce and encrypted. Takes some milliseconds with the largest keys.
    pub(super) fn encrypt(&self, password: &[u8], nonce: &[u8]) -> Result<Vec<u8>, &'static str> {
        if password.len() + PADDING >= self.modulus.len() {
            return Err("the password is too long for the server's public key");
        }
        let text = password.iter().chain(&[0]).zip(nonce.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let text: Vec<u8> = text.collect();
        let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
        PublicKey::new(number(&self.modulus), number(&self.exponent))
            .encrypt_block(text, Pkcs1OaepPadding::new(GetRandom))
            .map_err(|_| "the password cannot be encrypted")
    }
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
