use alloc::vec::Vec;
use core::{net::IpAddr, ops::RangeInclusive};

use super::{ChecksumPolicy, Config, ConfigError, ConfigErrors, Mode, Options, Preempt, Profile};
use crate::{
    AddressList, Family, Interval, Priority, VersionMode, Vrid,
    wire::{Authentication, virtual_mac},
};

/// Makes a [`Config`]. Nothing is checked before [`build`](Self::build), which reports all problems at once.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    version: VersionMode,
    vrid: Vrid,
    addresses: Vec<IpAddr>,
    priority: Priority,
    interval: Interval,
    preempt: Preempt,
    accept: bool,
    group: Option<IpAddr>,
    peers: Option<Vec<IpAddr>>,
    peer_ttls: Vec<(IpAddr, RangeInclusive<u8>)>,
    authentication: Authentication,
    auth_text: Option<Vec<u8>>,
    profile: Profile,
    checksum: Option<ChecksumPolicy>,
    first_link_local: Option<bool>,
    min_ttl: Option<Option<u8>>,
    strict_addresses: Option<bool>,
    accept_interval_mismatch: Option<bool>,
    reassert_v2: Option<bool>,
    resignation_of_active_only: Option<bool>,
    max_learned_interval: Option<Interval>,
    down_adverts: u8,
    step_down_when_late: bool,
    only_backup: Option<bool>,
    preempt_after_skew: bool,
    answer_lower: bool,
    advertise_when_yielding: bool,
    any_unicast_source: bool,
    owner_ignores_adverts: bool,
    without_addresses: bool,
    #[cfg(feature = "hmac")]
    keyring: Option<crate::wire::hmac::Keyring>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $field:ident = $value:expr;)+) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $name: $type) -> Self {
            self.$field = $value;
            self
        }
    )+};
}

impl ConfigBuilder {
    pub(super) fn new(version: VersionMode, vrid: Vrid, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            version,
            vrid,
            addresses: addresses.into_iter().collect(),
            priority: Priority::DEFAULT,
            interval: Interval::DEFAULT,
            preempt: Preempt::default(),
            accept: false,
            group: None,
            peers: None,
            peer_ttls: Vec::new(),
            authentication: Authentication::None,
            auth_text: None,
            profile: Profile::default(),
            checksum: None,
            first_link_local: None,
            min_ttl: None,
            strict_addresses: None,
            accept_interval_mismatch: None,
            reassert_v2: None,
            resignation_of_active_only: None,
            max_learned_interval: None,
            down_adverts: 3,
            step_down_when_late: false,
            only_backup: None,
            preempt_after_skew: false,
            answer_lower: true,
            advertise_when_yielding: false,
            any_unicast_source: false,
            owner_ignores_adverts: false,
            without_addresses: false,
            #[cfg(feature = "hmac")]
            keyring: None,
        }
    }

    setters! {
        /// Priority of this router, 100 by default; [`Priority::OWNER`] where it has the virtual addresses as its own.
        priority: Priority => priority = priority;
        /// Interval between advertisements, one second by default.
        interval: Interval => interval = interval;
        /// Whether to take over from lower priorities, [`Preempt::Yes`] by default.
        preempt: Preempt => preempt = preempt;
        /// Whether packets to the virtual addresses are accepted although this router does not own them; not by
        /// default.
        accept: bool => accept = accept;
        /// Whose rules hold, [`Profile::Compatible`] by default.
        profile: Profile => profile = profile;
        /// The multicast group, instead of the protocol's own: 224.0.0.18 or ff02::12. All routers of a virtual router
        /// need the same one; not in the strict profile.
        multicast_group: IpAddr => group = Some(multicast_group);
        /// Form of the checksum of VRRPv3 over IPv4. Default: [`ChecksumPolicy::MessageOnly`] in the strict profile,
        /// [`ChecksumPolicy::Auto`] in the compatible one.
        checksum: ChecksumPolicy => checksum = Some(checksum);
        /// IPv6: whether the list is made to start with a link-local address (RFC 9568 §5.2.9), by moving the first one
        /// to the front, or else by adding the one that belongs to the virtual Ethernet address. Default: in the strict
        /// profile only, since keepalived 2.2.7 drops what does not list the same addresses as itself.
        first_link_local: bool => first_link_local = Some(first_link_local);
        /// Least TTL or hop limit of what is received, 1 to 255, or `None` for any. Default: 255 (RFC 9568 §5.1.1.3), but
        /// any for unicast in the compatible profile, since peers may be routed, and keepalived 2.2.7 sends unicast
        /// IPv6 with 64.
        min_ttl: Option<u8> => min_ttl = Some(min_ttl);
        /// Whether to drop what lists other addresses than ours, instead of saying so in an event; not by default.
        /// RFC 9568 §7.1 forbids it, RFC 3768 §7.1 allows it.
        strict_addresses: bool => strict_addresses = Some(strict_addresses);
        /// VRRPv2: whether to take advertisements with another interval, which RFC 3768 §7.1 has dropped; not by
        /// default.
        accept_interval_mismatch: bool => accept_interval_mismatch = Some(accept_interval_mismatch);
        /// VRRPv2: whether an Active router answers a lower priority with an advertisement, as VRRPv3 does and keepalived
        /// does for both. Default: in the compatible profile only; RFC 3768 §6.4.3 just discards.
        reassert_v2: bool => reassert_v2 = Some(reassert_v2);
        /// Whether to ignore a resignation that comes from another router than the Active one, so that a stale or
        /// reordered one starts no election. Default: in the compatible profile only.
        resignation_of_active_only: bool => resignation_of_active_only = Some(resignation_of_active_only);
        /// Longest interval that is learned from an Active router; a longer one counts as this one. It bounds how long a
        /// forged advertisement can delay a takeover: 123 s without it. Not set by default.
        max_learned_interval: Interval => max_learned_interval = Some(max_learned_interval);
        /// How many intervals without an advertisement, and the skew time, until the Active router counts as down: 1 to
        /// 100, 3 by default (RFC 9568 §6.1), which the strict profile requires.
        down_adverts: u8 => down_adverts = down_adverts;
        /// Whether an Active router that was stalled for longer than its peers wait becomes Backup and listens first;
        /// not by default.
        step_down_when_late: bool => step_down_when_late = step_down_when_late;
        /// **Beyond the RFC**: this router is known to be the only one besides the Active one, so that it takes over on
        /// a resignation at once, without the skew time, which serves to order several Backups. Default: in the compatible
        /// profile, by unicast with exactly one peer; not in the strict profile.
        only_backup: bool => only_backup = Some(only_backup);
        /// **Beyond the RFC**: when a lower priority is preempted, wait for the skew time from when it is heard, instead of
        /// for the whole down interval, which serves to detect failure. Not by default, and not in the strict profile.
        preempt_after_skew: bool => preempt_after_skew = preempt_after_skew;
        /// Whether an Active router answers a lower priority with an advertisement at once, and not with its next one. By
        /// default it does, as RFC 9568 §6.4.3 and the strict profile require; VRRPv2 as
        /// [`reassert_v2`](Self::reassert_v2) says.
        answer_lower: bool => answer_lower = answer_lower;
        /// **Beyond the RFC**: whether an Active router that yields to another one sends one more advertisement first, so
        /// that the other notices that there were two, and announces its addresses again. Not by default, and not in the
        /// strict profile.
        advertise_when_yielding: bool => advertise_when_yielding = advertise_when_yielding;
        /// **Beyond the RFC**: whether to listen by unicast to senders that are no peers, too. Anybody who reaches this
        /// router can pass for a peer then. Not by default, and not in the strict profile.
        any_unicast_source: bool => any_unicast_source = any_unicast_source;
        /// **Beyond the RFC**: whether an Active owner, priority 255, does not heed what others send: it neither answers a
        /// lower priority nor yields to another owner. Not by default, and not in the strict profile.
        owner_ignores_adverts: bool => owner_ignores_adverts = owner_ignores_adverts;
        /// **Beyond the RFC**: whether a router of VRRPv2 over IPv4 may have no address, as with keepalived. It is elected
        /// like others, and advertises none. Not by default, and not in the strict profile.
        without_addresses: bool => without_addresses = without_addresses;
    }

    /// Sends to and receives from these peers only, by unicast, instead of by multicast.
    pub fn unicast(mut self, peers: impl IntoIterator<Item = IpAddr>) -> Self {
        self.peers = Some(peers.into_iter().collect());
        self
    }

    /// What comes from this unicast peer is dropped unless its TTL or hop limit is in this range, besides what
    /// [`min_ttl`](Self::min_ttl) says of all. Default: any.
    pub fn peer_ttl(mut self, peer: IpAddr, range: RangeInclusive<u8>) -> Self {
        self.peer_ttls.push((peer, range));
        self
    }

    /// VRRPv2: authenticates with a text of up to 8 bytes (RFC 2338 §5.3.6.2). It crosses the network in the clear: a
    /// guard against mistakes, not against an attacker.
    pub fn auth_text(mut self, text: impl AsRef<[u8]>) -> Self {
        self.auth_text = Some(text.as_ref().to_vec());
        self
    }

    /// VRRPv2: requires an IP authentication header (RFC 2338 §5.3.6.3), which the caller adds and verifies with
    /// [`ah`](crate::wire::ah).
    pub fn auth_header(mut self) -> Self {
        self.authentication = Authentication::Header;
        self
    }

    /// Authenticates with the HMAC trailer of [`hmac`](crate::wire::hmac), whatever the version. The router has to be told
    /// what time it is, by [`Input::WallClock`](crate::Input::WallClock), before it takes part.
    #[cfg(feature = "hmac")]
    pub fn hmac(mut self, keyring: crate::wire::hmac::Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// The configuration.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn build(mut self) -> Result<Config, ConfigErrors> {
        let mut errors = Vec::new();
        if self.first_link_local.unwrap_or(self.profile == Profile::Strict) {
            self.put_link_local_first();
        }
        self.check(&mut errors);
        let may_be_none =
            self.without_addresses && self.version == VersionMode::V2 && self.profile == Profile::Compatible;
        let addresses = match self.addresses.is_empty() && may_be_none {
            true => Ok(AddressList::none()),
            false => AddressList::new(self.addresses.iter().copied()),
        };
        let addresses = match addresses {
            Ok(addresses) if errors.is_empty() => addresses,
            Ok(_) => return Err(ConfigErrors::of(errors)),
            Err(error) => {
                errors.insert(0, error.into());
                return Err(ConfigErrors::of(errors));
            }
        };
        let family = addresses.family();
        let defaults = Options::of(self.profile, self.peers.as_deref());
        let mut authentication = self.authentication;
        if let Some(text) = &self.auth_text {
            let mut padded = [0; 8];
            padded[..text.len()].copy_from_slice(text);
            authentication = Authentication::Text(padded);
        }
        Ok(Config {
            version: self.version,
            vrid: self.vrid,
            addresses,
            priority: self.priority,
            interval: self.interval,
            preempt: self.preempt,
            accept: self.accept,
            mode: match self.peers {
                Some(peers) => Mode::Unicast(peers.into()),
                None => Mode::Multicast(self.group.unwrap_or(family.multicast_group())),
            },
            authentication,
            profile: self.profile,
            checksum: self.checksum.unwrap_or(match self.profile {
                Profile::Strict => ChecksumPolicy::MessageOnly,
                Profile::Compatible => ChecksumPolicy::Auto,
            }),
            options: Options {
                min_ttl: self.min_ttl.unwrap_or(defaults.min_ttl),
                strict_addresses: self.strict_addresses.unwrap_or(defaults.strict_addresses),
                require_link_local: defaults.require_link_local,
                accept_interval_mismatch: self
                    .accept_interval_mismatch
                    .unwrap_or(defaults.accept_interval_mismatch),
                reassert_v2: self.reassert_v2.unwrap_or(defaults.reassert_v2),
                resignation_of_active_only: self
                    .resignation_of_active_only
                    .unwrap_or(defaults.resignation_of_active_only),
                max_learned_interval: self.max_learned_interval,
                down_adverts: self.down_adverts,
                step_down_when_late: self.step_down_when_late,
                only_backup: self.only_backup.unwrap_or(defaults.only_backup),
                preempt_after_skew: self.preempt_after_skew,
                answer_lower: self.answer_lower,
                advertise_when_yielding: self.advertise_when_yielding,
                any_unicast_source: self.any_unicast_source,
                owner_ignores_adverts: self.owner_ignores_adverts,
            },
            peer_ttls: self.peer_ttls.into(),
            #[cfg(feature = "hmac")]
            keyring: self.keyring,
        })
    }

    fn put_link_local_first(&mut self) {
        let link_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !matches!(self.addresses.first(), Some(IpAddr::V6(_))) {
            return;
        }
        match self.addresses.iter().position(link_local) {
            Some(index) => self.addresses[..=index].rotate_right(1),
            None => self.addresses.insert(0, virtual_mac(Family::V6, self.vrid).link_local().into()),
        }
    }

    fn check(&self, errors: &mut Vec<ConfigError>) {
        let family = self.addresses.first().map(|address| Family::of(*address));
        let mut when = |wrong: bool, error: ConfigError| {
            if wrong {
                errors.push(error);
            }
        };
        let v3_only = self.version == VersionMode::V3;
        when(!v3_only && family == Some(Family::V6), ConfigError::VersionFamily(self.version));
        when(
            self.version == VersionMode::V2 && self.interval.whole_secs().is_none(),
            ConfigError::FractionalInterval(self.interval),
        );
        when(
            self.version != VersionMode::V2 && self.interval > Interval::MAX_V3,
            ConfigError::IntervalTooLong(self.interval),
        );
        let authenticated = self.auth_text.is_some() || self.authentication != Authentication::None;
        when(authenticated && self.version != VersionMode::V2, ConfigError::AuthVersion(self.version));
        when(
            self.auth_text.is_some() && self.authentication != Authentication::None,
            ConfigError::TwoAuthentications,
        );
        let text_len = self.auth_text.as_ref().map_or(1, Vec::len);
        when(!(1..=8).contains(&text_len), ConfigError::AuthTextLength(text_len));
        when(!(1..=100).contains(&self.down_adverts), ConfigError::DownAdverts(self.down_adverts));
        when(self.min_ttl == Some(Some(0)), ConfigError::ZeroTtl);
        when(self.priority.is_owner() && self.preempt != Preempt::Yes, ConfigError::OwnerPreempts);
        if self.profile == Profile::Strict {
            let beyond = [
                ("multicast_group", self.group.is_some()),
                ("first_link_local", self.first_link_local == Some(false) && family == Some(Family::V6)),
                ("min_ttl", self.min_ttl.is_some_and(|ttl| ttl != Some(255))),
                ("strict_addresses", self.strict_addresses == Some(true) && v3_only),
                ("accept_interval_mismatch", self.accept_interval_mismatch == Some(true)),
                ("reassert_v2", self.reassert_v2 == Some(true)),
                ("resignation_of_active_only", self.resignation_of_active_only == Some(true)),
                ("down_adverts", self.down_adverts != 3),
                ("only_backup", self.only_backup == Some(true)),
                ("preempt_after_skew", self.preempt_after_skew),
                ("answer_lower", !self.answer_lower),
                ("advertise_when_yielding", self.advertise_when_yielding),
                ("any_unicast_source", self.any_unicast_source),
                ("owner_ignores_adverts", self.owner_ignores_adverts),
                ("without_addresses", self.without_addresses),
            ];
            for (option, set) in beyond {
                when(set, ConfigError::NotStrict(option));
            }
        }
        if let Some(group) = self.group {
            when(!group.is_multicast(), ConfigError::NotAGroup(group));
            when(family.is_some_and(|family| family != Family::of(group)), ConfigError::GroupFamily(group));
            when(self.peers.is_some(), ConfigError::GroupAndPeers);
        }
        if let Some(peers) = &self.peers {
            when(peers.is_empty(), ConfigError::NoPeer);
            for (index, peer) in peers.iter().enumerate() {
                when(
                    family.is_some_and(|family| family != Family::of(*peer)),
                    ConfigError::PeerFamily(*peer),
                );
                when(peer.is_multicast() || peer.is_unspecified(), ConfigError::PeerNotAHost(*peer));
                when(peers[..index].contains(peer), ConfigError::PeerTwice(*peer));
            }
        }
    }
}
