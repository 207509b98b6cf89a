//! The HMAC trailer of draft-cassen-vrrp-auth-hmac, which keepalived has since 2.4.0 as `auth_hmac`: authentication for
//! both versions and both families, with keys that can be changed while all routers run.
//!
//! 28 bytes stand after the message, inside the IP packet:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | type: 1, HMAC-SHA256 cut to 128 bits |
//! | 1 | key id, 1 to 255 |
//! | 2..4 | reserved: 0 |
//! | 4..12 | time sequence: Unix time in seconds (4 bytes), fraction of a second in 1/65536 (2 bytes), counter (2 bytes) |
//! | 12..28 | first 16 bytes of the HMAC |
//!
//! The HMAC is over a pseudo-header (family 4 or 6, version, virtual router id, 0, source address in 16 bytes, where zeros
//! follow an IPv4 address), the message with its checksum as 0, and the trailer with its last 16 bytes as 0. The checksum of
//! an IPv6 message covers the trailer, since the kernel computes it over the whole payload; that of an IPv4 message does not.
//!
//! **State of this module.** It reproduces both test vectors in the appendix of the draft: layout, algorithm, pseudo-header
//! and checksums. Taken from descriptions of the draft: the time window with its range and default, that sequences have to
//! grow (RFC 1982), and the names of the modes. Ours, for lack of the text: what exactly each mode lets in. It was **not
//! tried beside a running keepalived 2.4**.
//!
//! A receiver that does not know the trailer drops such messages as too long. Go through the modes in this order, on all
//! routers each time: [`Mode::ReceiveOnly`], [`Mode::Permissive`], [`Mode::Enforce`].

mod keyring;

use core::{net::IpAddr, time::Duration};

use hmac::Mac as _;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::{Family, wire::recent::Recent};

use keyring::Key;
pub use keyring::{AntiReplay, Keyring, KeyringBuilder, KeyringError, Mode};

/// Bytes that follow the message.
pub const TRAILER_LEN: usize = STAMPED_LEN + MAC_LEN;

/// Up to the HMAC.
const STAMPED_LEN: usize = 12;
const MAC_LEN: usize = 16;
/// HMAC-SHA256 cut to 128 bits.
const TYPE: u8 = 1;

/// Why a message is not let in. Each is a reason to drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HmacError {
    /// No trailer of the right length follows the message, and [`Mode::Enforce`] wants one.
    #[error("there is no HMAC trailer")]
    Missing,
    /// The type of the trailer is not 1.
    #[error("trailer type {0} is unknown")]
    TrailerType(u8),
    /// The reserved bytes are not 0.
    #[error("the reserved bytes of the trailer are not 0")]
    Reserved,
    /// No key has this id.
    #[error("key id {0} is unknown")]
    UnknownKey(u8),
    /// The HMAC is wrong: another key, or the message was changed.
    #[error("the HMAC is wrong")]
    Mac,
    /// The message was made too long before or after now, by its time.
    #[error("its time is not within the time window")]
    TimeWindow,
    /// The message is not newer than the latest one of its sender.
    #[error("it is not newer than the latest message of its sender")]
    Replay,
}

/// By how much the clocks of two routers may differ when both step back, so that neither refuses what the other sends.
const CLOCK_DIFFERENCE: u64 = 1 << 32;

/// Seals and opens messages. It needs no memory after it was made.
///
/// The latest 16 pairs of sender and virtual router are remembered. Only who has a key gets in there, so with more routers
/// than that a message could be replayed within the time window, and with fewer none.
#[derive(Clone, Debug)]
pub struct Guard {
    keyring: Keyring,
    /// The time sequence of the latest message sealed.
    sealed: Option<u64>,
    /// The time sequence of the latest message opened, by sender and virtual router.
    opened: Recent<(IpAddr, u8), u64>,
}

impl Guard {
    /// A guard with these keys that has seen nothing yet.
    pub const fn new(keyring: Keyring) -> Self {
        Self { keyring, sealed: None, opened: Recent::new() }
    }

    /// The keys.
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Other keys from now on. What was seen stays known.
    pub fn set_keyring(&mut self, keyring: Keyring) {
        self.keyring = keyring;
    }

    /// Writes the trailer into the last [`TRAILER_LEN`] bytes of `pdu`, with the message before them, and returns how many
    /// bytes are to be sent: all, or only the message in [`Mode::ReceiveOnly`]. `unix` is the time since 1970.
    ///
    /// # Panics
    /// When `pdu` is shorter than the fixed part of a message and the trailer, 36 bytes.
    pub fn seal(&mut self, unix: Duration, source: IpAddr, pdu: &mut [u8]) -> usize {
        let (message, trailer) = pdu.split_at_mut(pdu.len() - TRAILER_LEN);
        if self.keyring.mode() == Mode::ReceiveOnly {
            return message.len();
        }
        let stamp = self.next_stamp(stamp(unix));
        self.sealed = Some(stamp);
        let key = self.keyring.active();
        let (stamped, mac) = trailer.split_at_mut(STAMPED_LEN);
        stamped[..4].copy_from_slice(&[TYPE, key.id(), 0, 0]);
        stamped[4..].copy_from_slice(&stamp.to_be_bytes());
        mac.copy_from_slice(&authenticate(key, source, message, stamped));
        pdu.len()
    }

    /// The message without its trailer, if it is authentic and new. In other modes than [`Mode::Enforce`] a payload that
    /// does not end in a trailer is returned as it is. `unix` is the time since 1970.
    ///
    /// # Errors
    /// Named in [`HmacError`]. The guard is unchanged then.
    pub fn open<'a>(
        &mut self,
        unix: Duration,
        source: IpAddr,
        payload: &'a [u8],
    ) -> Result<&'a [u8], HmacError> {
        let Some((message, trailer)) = split(Family::of(source), payload) else {
            return match self.keyring.mode() {
                Mode::Enforce => Err(HmacError::Missing),
                Mode::Permissive | Mode::ReceiveOnly => Ok(payload),
            };
        };
        let (stamped, mac) = trailer.split_at(STAMPED_LEN);
        let [kind, id, reserved_high, reserved_low, time @ ..] = *trailer;
        if kind != TYPE {
            return Err(HmacError::TrailerType(kind));
        }
        if [reserved_high, reserved_low] != [0, 0] {
            return Err(HmacError::Reserved);
        }
        let key = self.keyring.key(id).ok_or(HmacError::UnknownKey(id))?;
        if !bool::from(authenticate(key, source, message, stamped).ct_eq(mac)) {
            return Err(HmacError::Mac);
        }
        let theirs = u64::from_be_bytes(*time.first_chunk().unwrap_or(&[0; 8]));
        let is_current = |time| {
            self.keyring.anti_replay() != AntiReplay::Time || distance(time, stamp(unix)) <= self.window()
        };
        if !is_current(theirs) {
            return Err(HmacError::TimeWindow);
        }
        let sender = (source, message[1]);
        // A time that is not current any more belongs to a clock that was set back since.
        if self.opened.get(sender).is_some_and(|latest| is_current(latest) && !is_newer(theirs, latest)) {
            return Err(HmacError::Replay);
        }
        self.opened.put(sender, theirs);
        Ok(message)
    }

    /// A time sequence greater than the latest one.
    fn next_stamp(&self, now: u64) -> u64 {
        match self.sealed {
            // The clock stepped by so much that no receiver whose clock stepped with it remembers what was sealed before.
            Some(latest)
                if self.keyring.anti_replay() == AntiReplay::Time
                    && distance(latest, now) > self.window() + CLOCK_DIFFERENCE =>
            {
                now
            }
            Some(latest) if !is_newer(now, latest) => latest.wrapping_add(1),
            _ => now,
        }
    }

    fn window(&self) -> u64 {
        self.keyring.time_window().as_secs() << 32
    }
}

/// A message and the trailer after it, if there is just one trailer's length after what the message counts.
fn split(family: Family, payload: &[u8]) -> Option<(&[u8], &[u8; TRAILER_LEN])> {
    let (message, trailer) = payload.split_last_chunk()?;
    let authentication_len = match message.first()? >> 4 {
        2 => 8,
        _ => 0,
    };
    let len = 8 + usize::from(*message.get(3)?) * family.address_len() + authentication_len;
    (message.len() == len).then_some((message, trailer))
}

fn authenticate(key: &Key, source: IpAddr, message: &[u8], stamped: &[u8]) -> [u8; MAC_LEN] {
    let mut address = [0; 16];
    let family = match source {
        IpAddr::V4(source) => {
            address[..4].copy_from_slice(&source.octets());
            4
        }
        IpAddr::V6(source) => {
            address = source.octets();
            6
        }
    };
    let digest = key
        .hmac()
        .chain_update([family, message[0] >> 4, message[1], 0])
        .chain_update(address)
        .chain_update(&message[..6])
        .chain_update([0; 2])
        .chain_update(&message[8..])
        .chain_update(stamped)
        .chain_update([0; MAC_LEN])
        .finalize()
        .into_bytes();
    let mut mac = [0; MAC_LEN];
    mac.copy_from_slice(&digest[..MAC_LEN]);
    mac
}

/// The time sequence of a time, with the counter at 0. Seconds go round in 2106.
fn stamp(unix: Duration) -> u64 {
    let fraction = (u64::from(unix.subsec_nanos()) << 16) / 1_000_000_000;
    unix.as_secs() << 32 | fraction << 16
}

/// How far two time sequences are apart, on the circle.
const fn distance(one: u64, other: u64) -> u64 {
    one.wrapping_sub(other).cast_signed().unsigned_abs()
}

/// Whether one time sequence comes after another (RFC 1982).
const fn is_newer(one: u64, than: u64) -> bool {
    one.wrapping_sub(than).cast_signed() > 0
}

#[cfg(test)]
mod tests;
