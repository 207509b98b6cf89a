use std::{net::IpAddr, path::PathBuf, time::Duration};

use lb_vrrp::{Family, Interval, Priority, Vrid};

use super::{
    address::{Route, Rule, VirtualAddress},
    notify::Notify,
    secret::Secret,
    seldom::{Seldom, Usual},
    tracker::Tracks,
};

/// `vrrp_instance`.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// `state`.
    pub state: InitialState,
    /// `interface`. It may be absent, to come later.
    pub interface: String,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// The family of its first address.
    pub family: Family,
    /// `version`: that of the instance, else `vrrp_version`, else 2; IPv6 is always 3.
    pub version: Version,
    /// `priority`. Default: 100.
    pub priority: Priority,
    /// `advert_int`. Default: 1 s.
    pub advert_int: Interval,
    /// `virtual_ipaddress`: advertised, installed and announced. Those of another family than the first are among the
    /// excluded.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: not advertised.
    pub excluded: Vec<VirtualAddress>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// Where advertisements go.
    pub sending: Sending,
    /// `mcast_src_ip` or `unicast_src_ip`. Default: the primary address of the interface.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: it is a FAULT when the interface does not have that address.
    pub track_source: bool,
    /// `authentication` or `auth_hmac`.
    pub authentication: Authentication,
    /// `use_vmac`.
    pub vmac: Option<Vmac>,
    /// `accept`: whether packets to the virtual addresses are accepted. Default: they are, unless strict.
    pub accept: bool,
    /// `strict_mode`, else `vrrp_strict`.
    pub strict: bool,
    /// `nopreempt` and `preempt_delay`.
    pub preempt: Preempt,
    /// `down_timer_adverts`, 1 to 100. Default: 3.
    pub down_timer_adverts: u8,
    /// How the addresses are announced.
    pub garp: Seldom<Garp>,
    /// `lower_prio_no_advert`: a MASTER that hears a lower priority keeps quiet about it. VRRPv3 has it answer.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: whether a MASTER that yields sends one more advertisement; `None` when the file does not
    /// say, where keepalived does not.
    pub higher_prio_send_advert: Option<bool>,
    /// `check_unicast_src`: what does not come from a peer is dropped.
    pub check_unicast_src: bool,
    /// `skip_check_adv_addr`: the addresses of an advertisement are not compared when the one before came from the same
    /// router. Comparing costs nothing here, and advertisements with other addresses are taken either way (RFC 9568 §7.1).
    pub skip_check_adv_addr: bool,
    /// `owner_ignore_adverts`: the owner, priority 255, does not heed what others send.
    pub owner_ignore_adverts: bool,
    /// `timer_expired_backup`: a MASTER that was stalled for longer than its peers wait becomes BACKUP. It does so without
    /// this as well.
    pub step_down_when_late: bool,
    /// `v3_checksum_as_v2`: VRRPv3 over IPv4 without the pseudo-header (RFC 9568).
    pub v3_checksum_as_v2: bool,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// `dont_track_primary`: the state of its own interface does not count.
    pub dont_track_primary: bool,
    /// What it tracks besides.
    pub tracks: Seldom<Tracks>,
    /// Who is told.
    pub notify: Seldom<Notify>,
}

/// `state`: what the instance is to be at first. It matters for the owner only: everybody else listens first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialState {
    /// MASTER.
    Master,
    /// BACKUP.
    #[default]
    Backup,
}

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

/// Where advertisements go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// To a group; `None` = that of the protocol.
    Multicast(Option<IpAddr>),
    /// To these, at least one.
    Unicast {
        /// `unicast_peer`.
        peers: Vec<Peer>,
        /// `unicast_ttl`, 1 to 255. Default: 255.
        ttl: u8,
    },
}

/// An entry of `unicast_peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// `min_ttl`. Default: any.
    pub min_ttl: Option<u8>,
    /// `max_ttl`. Default: any.
    pub max_ttl: Option<u8>,
}

/// How messages are authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    #[default]
    None,
    /// `auth_type PASS`: up to 8 bytes in clear text. VRRPv2 only.
    Pass(Secret),
    /// `auth_type AH`: an IP authentication header. VRRPv2 over IPv4 only.
    Ah(Secret),
    /// `auth_hmac`.
    Hmac {
        /// The keys, by number.
        keys: Vec<HmacKey>,
        /// The number of the one that messages are made with. It is among the keys.
        active: u8,
        /// `time_window`, 1 to 300 s.
        window: Duration,
        /// `mode`.
        mode: HmacMode,
        /// `anti_replay monotonic`: no clock counts, only that numbers grow.
        monotonic: bool,
    },
}

/// A key of `auth_hmac`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacKey {
    /// Its number.
    pub id: u8,
    /// Its bytes; none as long as they are in a file that was not read.
    pub key: Secret,
    /// `file:…`: where the key is to be read. Not while a configuration is only tested.
    pub file: Option<PathBuf>,
}

/// What `auth_hmac` does with messages that carry no proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacMode {
    /// They are dropped.
    #[default]
    Enforce,
    /// They are taken, and what is sent carries a proof.
    Permissive,
    /// They are taken, and what is sent carries none.
    ReceiveOnly,
}

/// `use_vmac`: an interface with the virtual Ethernet address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vmac {
    /// Its name. Default: the first that is free of `vrrp.VRID`, `vrrp6.VRID` (IPv6), `vrrp1.VRID`, `vrrp2.VRID` and so on.
    pub name: Option<String>,
    /// Another Ethernet address than the protocol's.
    pub mac: Option<[u8; 6]>,
    /// `vmac_xmit_base`: advertisements leave by the interface itself.
    pub xmit_base: bool,
}

/// Whether a higher priority takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preempt {
    /// At once.
    #[default]
    Yes,
    /// `nopreempt`.
    No,
    /// `preempt_delay`, up to 1000 s.
    After(Duration),
}

/// How the addresses are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garp {
    /// `garp_master_repeat`: rounds when it became MASTER. Default: 5.
    pub repeat: u8,
    /// `garp_master_delay`: until the second burst; zero = there is none. Default: 5 s.
    pub delay: Duration,
    /// `garp_master_refresh`: from one refresh to the next; zero = there is none. Default: zero.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`. Default: 1.
    pub refresh_repeat: u8,
    /// `garp_lower_prio_delay`. Default: `vrrp_garp_master_delay`.
    pub lower_prio_delay: Duration,
    /// `garp_lower_prio_repeat`: rounds when a lower priority was heard. Default: `vrrp_garp_master_repeat`.
    pub lower_prio_repeat: u8,
    /// `garp_extra_if`: from one refresh to the next for the sake of switches that forget; zero = there is none. Without
    /// `all` it is for VMACs only.
    pub extra: Duration,
    /// `vrrp_garp_interval` or that of its `garp_group`: between two frames. Default: zero.
    pub interval: Duration,
}

impl Usual for Garp {
    const USUAL: &'static Self = &Self {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::ZERO,
        refresh_repeat: 1,
        lower_prio_delay: Duration::from_secs(5),
        lower_prio_repeat: 5,
        extra: Duration::ZERO,
        interval: Duration::ZERO,
    };
}

impl Default for Garp {
    fn default() -> Self {
        *Self::USUAL
    }
}

impl Instance {
    /// Whether advertisements go to one other router only.
    pub fn has_one_peer(&self) -> bool {
        matches!(&self.sending, Sending::Unicast { peers, .. } if peers.len() == 1)
    }
}
