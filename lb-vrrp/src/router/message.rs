use alloc::{boxed::Box, vec};
use core::net::IpAddr;

use crate::{
    Config, Priority, Version,
    wire::{Advert, ChecksumForm, fill_checksum},
};

/// The advertisement of one version, made once and changed in place.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) version: Version,
    bytes: Box<[u8]>,
    filled: Option<Filled>,
}

/// What the checksum in a message was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) priority: Option<Priority>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) form: ChecksumForm,
}

impl Message {
    pub(super) fn new(config: &Config, version: Version) -> Self {
        let advert = Advert {
            version,
            vrid: config.vrid,
            priority: Some(config.priority),
            interval: config.interval,
            addresses: config.addresses.as_addresses(),
            authentication: config.authentication,
        };
        let mut bytes = vec![0; advert.encoded_len()].into_boxed_slice();
        advert.encode(&mut bytes);
        Self { version, bytes, filled: None }
    }

    /// The message for this destination.
    pub(super) fn fill(&mut self, wanted: Filled) -> &[u8] {
        if self.filled != Some(wanted) {
            self.bytes[2] = wanted.priority.map_or(0, Priority::get);
            fill_checksum(&mut self.bytes, wanted.source, wanted.destination, wanted.form);
            self.filled = Some(wanted);
        }
        &self.bytes
    }
}
