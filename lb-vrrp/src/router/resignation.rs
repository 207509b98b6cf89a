//! Resignations that are made ahead, for somebody else to send when this process is dead.

use alloc::{vec, vec::Vec};
use core::net::IpAddr;

use super::{Mode, State, VirtualRouter, message::Filled};

impl VirtualRouter {
    /// The advertisements of priority 0 that this router would send now if it were Active and resigned, with their
    /// destinations. They stay good until its configuration, source address or form of checksum changes. Empty unless it
    /// is Active, and with an HMAC trailer, which carries the time.
    ///
    /// Nothing of the router changes. Allocates.
    pub fn resignations(&self) -> Vec<(IpAddr, Vec<u8>)> {
        let mut made = Vec::new();
        if self.state != State::Active || self.is_timed() {
            return made;
        }
        let destinations = match &self.config.mode {
            Mode::Multicast(group) => vec![*group],
            Mode::Unicast(peers) => peers.to_vec(),
        };
        for mut message in self.messages.iter().cloned() {
            let form = self.form_of(message.version);
            for destination in &destinations {
                let destination = *destination;
                let filled = Filled { priority: None, source: self.source, destination, form };
                made.push((destination, message.fill(filled).to_vec()));
            }
        }
        made
    }

    fn is_timed(&self) -> bool {
        #[cfg(feature = "hmac")]
        return self.trailer.is_some();
        #[cfg(not(feature = "hmac"))]
        false
    }
}
