//! The HMAC trailer of messages that are sent and received.

use alloc::{boxed::Box, vec, vec::Vec};
use core::{net::IpAddr, time::Duration};

use super::Config;
use crate::{
    Time,
    wire::{
        ChecksumForm, fill_checksum,
        hmac::{Guard, HmacError, TRAILER_LEN},
    },
};

#[derive(Clone, Debug)]
pub(super) struct Trailer {
    guard: Guard,
    /// What time it was, and how long that was since 1970.
    clock: (Time, Duration),
    /// Where a message and its trailer are put together.
    buffer: Vec<u8>,
}

impl Trailer {
    pub(super) fn of(config: &Config) -> Option<Box<Self>> {
        let guard = Guard::new(config.keyring.clone()?);
        let buffer = vec![0; Self::longest(config)];
        Some(Box::new(Self { guard, clock: (Time::ZERO, Duration::ZERO), buffer }))
    }

    /// Takes the keys of another configuration. What was heard with the old ones can still not be replayed.
    pub(super) fn reconfigure(trailer: &mut Option<Box<Self>>, config: &Config) {
        match (trailer.as_mut(), &config.keyring) {
            (Some(trailer), Some(keyring)) => {
                trailer.guard.set_keyring(keyring.clone());
                trailer.buffer.resize(Self::longest(config), 0);
            }
            _ => *trailer = Self::of(config),
        }
    }

    pub(super) fn set_clock(&mut self, now: Time, unix: Duration) {
        self.clock = (now, unix);
    }

    /// The message with a trailer for this time.
    pub(super) fn seal(&mut self, now: Time, source: IpAddr, destination: IpAddr, message: &[u8]) -> &[u8] {
        let unix = self.unix(now);
        let pdu = &mut self.buffer[..message.len() + TRAILER_LEN];
        pdu[..message.len()].copy_from_slice(message);
        let len = self.guard.seal(unix, source, pdu);
        let pdu = &mut pdu[..len];
        if len > message.len() && source.is_ipv6() {
            fill_checksum(pdu, source, destination, ChecksumForm::PseudoHeader);
        }
        pdu
    }

    /// The message without its trailer.
    pub(super) fn open<'a>(
        &mut self,
        received: Time,
        source: IpAddr,
        payload: &'a [u8],
    ) -> Result<&'a [u8], HmacError> {
        let unix = self.unix(received);
        self.guard.open(unix, source, payload)
    }

    fn unix(&self, at: Time) -> Duration {
        let (then, unix) = self.clock;
        (unix + at.since(then)).saturating_sub(then.since(at))
    }

    fn longest(config: &Config) -> usize {
        // The fixed part, and what VRRPv2 has at the end.
        8 + config.addresses.as_addresses().as_bytes().len() + 8 + TRAILER_LEN
    }
}

#[cfg(test)]
mod tests;
