//! What a keepalived.conf means: every default filled in, every number with its unit and range, every name looked up.
//!
//! Names are those of the file, so that whoever reads the one understands the other. Nothing here depends on the machine:
//! whether an interface or a script exists is asked when it is needed.

mod address;
mod checker;
mod globals;
mod instance;
mod ipvs;
mod notify;
mod secret;
mod seldom;
mod tracker;
mod virtual_server;

use std::collections::BTreeMap;

pub use address::{Entry, Family, Route, Rule, Scope, VirtualAddress};
pub use checker::{BodyPattern, Checker, CheckerKind, HttpVersion, Pace, Sni, Url};
pub use globals::{Dumps, Fifo, Globals, Mail, RealTime};

use super::language::Directive;
pub use instance::{
    Authentication, Garp, HmacKey, HmacMode, InitialState, Instance, Peer, Preempt, Sending, Version, Vmac,
};
pub use ipvs::{LvsSync, LvsTimeouts};
pub use lb_runtime::mail::Relay;
pub use notify::{Notify, ScriptCommand, User};
pub use secret::Secret;
pub use seldom::{Seldom, Usual};
pub use tracker::{FileInit, ParamMatch, Process, Script, TrackFile, Tracked, Tracks, Weight};
pub use virtual_server::{RealServer, SorryServer, VirtualGroup, VirtualName, VirtualServer};

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `global_defs`, and what stands outside of all blocks.
    pub globals: Globals,
    /// `vrrp_script`, by name.
    pub scripts: BTreeMap<String, Script>,
    /// `vrrp_track_process`, by name.
    pub processes: BTreeMap<String, Process>,
    /// `track_file`, by name.
    pub files: BTreeMap<String, TrackFile>,
    /// `vrrp_instance`, in the order of the file. Names are unique.
    pub instances: Vec<Instance>,
    /// `vrrp_sync_group`, in the order of the file. Names are unique.
    pub groups: Vec<Group>,
    /// `virtual_server`, in the order of the file.
    pub virtual_servers: Vec<VirtualServer>,
    /// `static_ipaddress`, `static_routes` and `static_rules`: there as long as the daemon runs.
    pub statics: Statics,
    /// `interface_up_down_delays`, by interface.
    pub interface_delays: BTreeMap<String, InterfaceDelays>,
    /// `garp_group`: seconds between two frames for IPv4 and for IPv6, by interface. They are in the instances already.
    pub garp_intervals: BTreeMap<String, [std::time::Duration; 2]>,
    /// `virtual_server_group`, by name. Its entries are in the virtual servers already.
    pub virtual_groups: BTreeMap<String, VirtualGroup>,
    /// The statements of `global_defs` as they stand in the file. One that has an error at a reload is replaced by these.
    pub global_lines: Vec<Directive>,
}

/// `vrrp_sync_group`: instances that are MASTER together, or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Names of its instances, in the order of the file. They exist, and each is in one group only.
    pub members: Vec<String>,
    /// Names of further instances of it, which have an error in the file and are left out. As long as there are any, the
    /// others stay in FAULT.
    pub missing: Vec<String>,
    /// What is tracked for all of them.
    pub tracks: Tracks,
    /// Who is told when the group changes.
    pub notify: Notify,
}

/// Addresses, routes and rules that are there whatever the instances do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statics {
    /// `static_ipaddress`.
    pub addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
}

/// For how long an interface has to be down, or up, until that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceDelays {
    /// Down, 0 to 255 s.
    pub down: std::time::Duration,
    /// Up, 0 to 255 s. Default: as `down`.
    pub up: std::time::Duration,
}
