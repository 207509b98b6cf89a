//! What a virtual router is to be.

mod builder;
mod error;

use alloc::boxed::Box;
use core::{net::IpAddr, ops::RangeInclusive, time::Duration};

pub use builder::ConfigBuilder;
pub use error::{ConfigError, ConfigErrors, OtherRouter};

use crate::{
    AddressList, Family, Interval, Priority, VersionMode, Vrid,
    wire::{Authentication, ChecksumForm, Mac, virtual_mac},
};

/// Whose rules hold where the RFCs and what is in the field differ. It sets the defaults of the options of a
/// [`ConfigBuilder`]; see each option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// RFC 9568 and RFC 3768 to the letter, with their verified errata. Options that lead away from it are refused.
    Strict,
    /// What interoperates with keepalived 2.2.7 and FRR 8.4 as they are found in the field.
    #[default]
    Compatible,
}

/// Which form of checksum VRRPv3 over IPv4 is sent with. Both are accepted always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumPolicy {
    /// RFC 9568 §5.2.8: over the message alone (Cisco IOS-XE, Arista EOS).
    MessageOnly,
    /// RFC 5798 as keepalived and FRR read it: with the pseudo-header.
    PseudoHeader,
    /// With the pseudo-header until an advertisement of a peer is accepted, then in the form of the last one.
    #[default]
    Auto,
}

impl ChecksumPolicy {
    /// The form until a peer is heard.
    pub(super) const fn first_form(self) -> ChecksumForm {
        match self {
            Self::MessageOnly => ChecksumForm::MessageOnly,
            Self::PseudoHeader | Self::Auto => ChecksumForm::PseudoHeader,
        }
    }
}

/// Whether a Backup takes over from an Active router of lower priority (RFC 9568 §6.1 `Preempt_Mode`). An owner always
/// does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preempt {
    /// It does.
    #[default]
    Yes,
    /// Once the lower priority has been heard for so long. Until then its advertisements are accepted.
    After(Duration),
    /// It does not, as long as the other is heard.
    No,
}

/// Whom advertisements are exchanged with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// All routers on the link, by this group: [`Family::multicast_group`] unless another one is configured.
    Multicast(IpAddr),
    /// Just these peers; each gets a copy of every advertisement.
    Unicast(Box<[IpAddr]>),
}

/// A virtual router as it is to be. Made by [`Config::v2`], [`Config::v3`] or [`Config::dual`], and valid by
/// construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) version: VersionMode,
    pub(crate) vrid: Vrid,
    pub(crate) addresses: AddressList,
    pub(crate) priority: Priority,
    pub(crate) interval: Interval,
    pub(crate) preempt: Preempt,
    pub(crate) accept: bool,
    pub(crate) mode: Mode,
    pub(crate) authentication: Authentication,
    pub(crate) profile: Profile,
    pub(crate) checksum: ChecksumPolicy,
    pub(crate) options: Options,
    /// What the TTL of some of the unicast peers has to be.
    pub(crate) peer_ttls: Box<[(IpAddr, RangeInclusive<u8>)]>,
    #[cfg(feature = "hmac")]
    pub(crate) keyring: Option<crate::wire::hmac::Keyring>,
}

/// What is decided by profile, unless set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) min_ttl: Option<u8>,
    pub(crate) strict_addresses: bool,
    pub(crate) require_link_local: bool,
    pub(crate) accept_interval_mismatch: bool,
    pub(crate) reassert_v2: bool,
    pub(crate) resignation_of_active_only: bool,
    pub(crate) max_learned_interval: Option<Interval>,
    pub(crate) down_adverts: u8,
    pub(crate) step_down_when_late: bool,
    pub(crate) only_backup: bool,
    pub(crate) preempt_after_skew: bool,
    pub(crate) answer_lower: bool,
    pub(crate) advertise_when_yielding: bool,
    pub(crate) any_unicast_source: bool,
    pub(crate) owner_ignores_adverts: bool,
}

impl Options {
    /// Those of a profile, with these unicast peers if there are any.
    fn of(profile: Profile, peers: Option<&[IpAddr]>) -> Self {
        let strict = profile == Profile::Strict;
        Self {
            min_ttl: (strict || peers.is_none()).then_some(255),
            strict_addresses: false,
            require_link_local: strict,
            accept_interval_mismatch: false,
            reassert_v2: !strict,
            resignation_of_active_only: !strict,
            max_learned_interval: None,
            down_adverts: 3,
            step_down_when_late: false,
            only_backup: !strict && peers.is_some_and(|peers| peers.len() == 1),
            preempt_after_skew: false,
            answer_lower: true,
            advertise_when_yielding: false,
            any_unicast_source: false,
            owner_ignores_adverts: false,
        }
    }
}

impl Config {
    /// A VRRPv2 virtual router (RFC 3768) for these IPv4 addresses. Intervals are whole seconds.
    pub fn v2(vrid: Vrid, addresses: impl IntoIterator<Item = IpAddr>) -> ConfigBuilder {
        ConfigBuilder::new(VersionMode::V2, vrid, addresses)
    }

    /// A VRRPv3 virtual router (RFC 9568) for these addresses, which are all IPv4 or all IPv6.
    pub fn v3(vrid: Vrid, addresses: impl IntoIterator<Item = IpAddr>) -> ConfigBuilder {
        ConfigBuilder::new(VersionMode::V3, vrid, addresses)
    }

    /// A virtual router that speaks VRRPv2 and VRRPv3 at once, to get from the one to the other (RFC 9568 §8.4.2, which
    /// does not recommend it for long). IPv4 only.
    pub fn dual(vrid: Vrid, addresses: impl IntoIterator<Item = IpAddr>) -> ConfigBuilder {
        ConfigBuilder::new(VersionMode::Dual, vrid, addresses)
    }

    /// Which versions are spoken.
    pub fn version(&self) -> VersionMode {
        self.version
    }

    /// Identifier of the virtual router.
    pub fn vrid(&self) -> Vrid {
        self.vrid
    }

    /// Family of its addresses.
    pub fn family(&self) -> Family {
        self.addresses.family()
    }

    /// Its addresses, as they are advertised.
    pub fn addresses(&self) -> &AddressList {
        &self.addresses
    }

    /// Its Ethernet address.
    pub fn virtual_mac(&self) -> Mac {
        virtual_mac(self.family(), self.vrid)
    }

    /// Configured priority of this router; trackers may make it run with another.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// Interval between advertisements.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Whether it takes over from lower priorities.
    pub fn preempt(&self) -> Preempt {
        self.preempt
    }

    /// Whether packets to the virtual addresses are accepted although this router does not own them (RFC 9568 §6.1
    /// `Accept_Mode`). To act on it is up to the platform.
    pub fn accept(&self) -> bool {
        self.accept || self.priority.is_owner()
    }

    /// Whom advertisements are exchanged with.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// What VRRPv2 messages are authenticated with.
    pub fn authentication(&self) -> Authentication {
        self.authentication
    }

    /// Whose rules hold.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether advertisements may come from this address (RFC 9568 §5.1.2.1). The compatible profile takes any IPv6 address,
    /// since keepalived does.
    pub(crate) fn check_source(&self, source: IpAddr) -> Result<(), ConfigError> {
        match (&self.mode, source) {
            _ if Family::of(source) != self.family() => Err(ConfigError::Source(source)),
            (Mode::Multicast(_), IpAddr::V6(address))
                if self.profile == Profile::Strict && !address.is_unicast_link_local() =>
            {
                Err(ConfigError::SourceNotLinkLocal(source))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn peers(&self) -> &[IpAddr] {
        match &self.mode {
            Mode::Multicast(_) => &[],
            Mode::Unicast(peers) => peers,
        }
    }
}

#[cfg(test)]
mod tests;
