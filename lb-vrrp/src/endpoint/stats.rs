use serde::{Deserialize, Serialize};

use crate::router::RouterStats;

/// Counters of an [`Endpoint`](super::Endpoint): those of RFC 6527's MIB that are not about one virtual router, with the
/// name of the object beside each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointStats {
    /// `vrrpv3RouterChecksumErrors`: messages with a wrong checksum.
    pub checksum_errors: u64,
    /// `vrrpv3RouterVersionErrors`: messages of an unknown version, or of one that the router does not speak.
    pub version_errors: u64,
    /// `vrrpv3RouterVrIdErrors`: messages for virtual routers that are not here.
    pub vrid_errors: u64,
    /// Messages that are malformed in another way, and not for one of the routers here: those count them themselves.
    pub malformed: u64,
}

impl EndpointStats {
    /// Adds what a router has counted.
    pub(super) fn add(&mut self, router: &RouterStats) {
        self.checksum_errors += router.checksum_errors;
        self.version_errors += router.version_errors;
        self.vrid_errors += router.vrid_errors;
    }
}
