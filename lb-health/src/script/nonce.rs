//! Numbers that nobody can foresee.

use std::hash::{BuildHasher, RandomState};

/// Fresh bytes for an identifier or a challenge. SipHash under a key that the standard library seeds from the
/// system's randomness: unpredictable to who sees earlier ones, and not meant for keys.
pub(crate) fn nonce<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let key = RandomState::new();
    for (index, chunk) in bytes.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&key.hash_one(index).to_ne_bytes()[..chunk.len()]);
    }
    bytes
}
