use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Config, Family, Vrid};

/// What tells the virtual routers of a host apart: identifiers count per interface and per family (RFC 9568 §5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouterKey {
    /// Index of the interface on whose link the virtual router is.
    pub interface: u32,
    /// Family of its addresses.
    pub family: Family,
    /// Its identifier.
    pub vrid: Vrid,
}

impl RouterKey {
    /// The key of a virtual router with this configuration on this interface.
    pub fn new(interface: u32, config: &Config) -> Self {
        Self { interface, family: config.family(), vrid: config.vrid() }
    }

    pub(super) const fn first_of(interface: u32) -> Self {
        Self { interface, family: Family::V4, vrid: Vrid::MIN }
    }

    pub(super) const fn last_of(interface: u32) -> Self {
        Self { interface, family: Family::V6, vrid: Vrid::MAX }
    }
}

impl fmt::Display for RouterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interface, family, vrid } = self;
        write!(f, "virtual router {vrid} ({family}) on interface {interface}")
    }
}
