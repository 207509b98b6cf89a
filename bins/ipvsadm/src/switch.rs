//! The switches of ipvsadm's command line, and how they are spelt.

use std::collections::BTreeMap;

/// A switch of ipvsadm's command line. The first ones are commands, of which a line has exactly one; the order of
/// the others is that in which ipvsadm looks for what is missing or out of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Switch {
    AddService,
    EditService,
    DeleteService,
    Clear,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Set,
    StartDaemon,
    StopDaemon,
    Help,
    Version,

    Numeric,
    Connection,
    Tcp,
    Udp,
    Sctp,
    FwMark,
    Scheduler,
    Persistent,
    Netmask,
    RealServer,
    Gate,
    Ipip,
    Masq,
    Weight,
    Upper,
    Lower,
    Interface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    Sort,
    SyncId,
    Exact,
    Ipv6,
    OnePacket,
    Engine,
    Flags,
    Group,
    Port,
    Ttl,
    MaxLength,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    NoChecksum,
    Checksum,
    RemoteChecksum,
}

/// Whether a switch has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// It has none.
    None,
    /// The rest of its word, or the next word.
    Required,
    /// The rest of its word, or the next word unless that is another switch.
    Optional,
}

impl Switch {
    pub(super) const fn is_command(self) -> bool {
        (self as u8) <= Self::Version as u8
    }

    pub(super) fn by_letter(letter: char) -> Option<(Self, Value)> {
        SPELLINGS.iter().find(|row| row.1 == Some(letter)).map(|row| (row.0, row.3))
    }

    pub(super) fn by_name(name: &str) -> Option<(Self, Value)> {
        SPELLINGS.iter().find(|row| row.2 == name).map(|row| (row.0, row.3))
    }

    /// Switches that say the same thing in several ways are one to whoever counts them.
    pub(super) const fn slot(self) -> Self {
        match self {
            Self::Udp | Self::Sctp | Self::FwMark => Self::Tcp,
            Self::Ipip | Self::Masq => Self::Gate,
            other => other,
        }
    }

    /// The name in messages: the long one, but for a few.
    pub(super) fn name(self) -> &'static str {
        match self.slot() {
            Self::Tcp => "service-address",
            Self::Gate => "forwarding-method",
            Self::Clear => "flush",
            slot => SPELLINGS.iter().find(|row| row.0 == slot).map_or("", |row| row.2),
        }
    }
}

/// Which switches a line has, and in which words.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(BTreeMap<Switch, Option<usize>>);

impl Seen {
    /// Says whether it is the first of its kind.
    pub(super) fn add(&mut self, switch: Switch, word: Option<usize>) -> bool {
        self.0.insert(switch.slot(), word).is_none()
    }

    pub(super) fn has(&self, switch: Switch) -> bool {
        self.0.contains_key(&switch.slot())
    }

    pub(super) fn word(&self, switch: Switch) -> Option<usize> {
        self.0.get(&switch.slot()).copied().flatten()
    }

    /// All of them, each kind once.
    pub(super) fn all(&self) -> impl Iterator<Item = Switch> {
        self.0.keys().copied()
    }
}

type Row = (Switch, Option<char>, &'static str, Value);

const SPELLINGS: &[Row] = &{
    use Switch::*;
    use Value::{None as No, Optional, Required};
    [
        (AddService, Some('A'), "add-service", No),
        (EditService, Some('E'), "edit-service", No),
        (DeleteService, Some('D'), "delete-service", No),
        (Clear, Some('C'), "clear", No),
        (Restore, Some('R'), "restore", No),
        (Save, Some('S'), "save", No),
        (AddServer, Some('a'), "add-server", No),
        (EditServer, Some('e'), "edit-server", No),
        (DeleteServer, Some('d'), "delete-server", No),
        (List, Some('L'), "list", No),
        (List, Some('l'), "list", No),
        (Zero, Some('Z'), "zero", No),
        (Set, None, "set", No),
        (StartDaemon, None, "start-daemon", Required),
        (StopDaemon, None, "stop-daemon", Required),
        (Help, Some('h'), "help", No),
        (Version, Some('v'), "version", No),
        (Numeric, Some('n'), "numeric", No),
        (Connection, Some('c'), "connection", No),
        (Tcp, Some('t'), "tcp-service", Required),
        (Udp, Some('u'), "udp-service", Required),
        (Sctp, None, "sctp-service", Required),
        (FwMark, Some('f'), "fwmark-service", Required),
        (Scheduler, Some('s'), "scheduler", Required),
        (Engine, None, "pe", Required),
        (Persistent, Some('p'), "persistent", Optional),
        (Netmask, Some('M'), "netmask", Required),
        (RealServer, Some('r'), "real-server", Required),
        (Gate, Some('g'), "gatewaying", No),
        (Ipip, Some('i'), "ipip", No),
        (Masq, Some('m'), "masquerading", No),
        (Weight, Some('w'), "weight", Required),
        (Upper, Some('x'), "u-threshold", Required),
        (Lower, Some('y'), "l-threshold", Required),
        (Interface, None, "mcast-interface", Required),
        (Timeout, None, "timeout", No),
        (Daemon, None, "daemon", No),
        (Stats, None, "stats", No),
        (Rate, None, "rate", No),
        (Thresholds, None, "thresholds", No),
        (PersistentConn, None, "persistent-conn", No),
        (NoSort, None, "nosort", No),
        (Sort, None, "sort", No),
        (SyncId, None, "syncid", Required),
        (Exact, None, "exact", No),
        (Ipv6, Some('6'), "ipv6", No),
        (OnePacket, Some('o'), "ops", No),
        (Flags, Some('b'), "sched-flags", Required),
        (TunnelInfo, None, "tun-info", No),
        (TunnelType, None, "tun-type", Required),
        (TunnelPort, None, "tun-port", Required),
        (NoChecksum, None, "tun-nocsum", No),
        (Checksum, None, "tun-csum", No),
        (RemoteChecksum, None, "tun-remcsum", No),
        (MaxLength, None, "sync-maxlen", Required),
        (Group, None, "mcast-group", Required),
        (Port, None, "mcast-port", Required),
        (Ttl, None, "mcast-ttl", Required),
    ]
};
