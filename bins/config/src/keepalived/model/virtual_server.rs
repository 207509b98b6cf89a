use std::{fmt, num::NonZeroU32};

use lb_core::model::{Family, Protocol, ServerKey, ServerSpec, ServiceKey, ServiceSpec};

use super::{checker::Checker, notify::ScriptCommand};

/// `virtual_server`: a service, or with a group many of them, and the servers behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualServer {
    /// How the file names it.
    pub name: VirtualName,
    /// What it is to the data plane: one service, or all those of its `virtual_server_group`. Never empty, and none
    /// of them belongs to another virtual server.
    pub services: Vec<ServiceKey>,
    /// `lvs_sched`, its flags, `persistence_…`, `ops`. Default: wlc.
    pub spec: ServiceSpec,
    /// `real_server`, in the order of the file. Keys are unique.
    pub reals: Vec<RealServer>,
    /// `sorry_server`.
    pub sorry: Option<SorryServer>,
    /// `quorum`: the sum of weights that is enough; at least 1, and no more than all real servers have. Default 1.
    pub quorum: u32,
    /// `hysteresis`: how far the sum has to go past the quorum before anything changes; less than the quorum.
    /// Default 0.
    pub hysteresis: u32,
    /// `quorum_up`: the quorum is gained.
    pub quorum_up: Option<ScriptCommand>,
    /// `quorum_down`: the quorum is lost.
    pub quorum_down: Option<ScriptCommand>,
    /// `omega`: at the end of the daemon, or of this virtual server by a reload, everybody is told that servers and quorum
    /// are down.
    pub omega: bool,
    /// `ha_suspend`: servers are only checked while one of its addresses is on this host.
    pub ha_suspend: bool,
    /// `smtp_alert`: mail when the quorum is gained or lost. Default: `smtp_alert_checker`, `smtp_alert`, else no.
    pub mail: bool,
}

/// How the file names a virtual server. Shown as keepalived writes it: `[10.0.0.1]:tcp:80`, `FWM 7`, `[web]:0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VirtualName {
    /// By address and port, or by a firewall mark.
    Service(ServiceKey),
    /// By the name of its group.
    Group {
        /// The name.
        name: String,
        /// What it carries; a group may be used once for each protocol.
        protocol: Protocol,
        /// How many virtual servers of this group stand before it.
        place: usize,
    },
}

/// `real_server`.
#[derive(Clone, Debug, PartialEq)]
pub struct RealServer {
    /// Address and port; port 0 is that which the client asked for.
    pub key: ServerKey,
    /// `weight` (default that of the virtual server, else 1), `lvs_method`, `uthreshold` and `lthreshold`.
    pub spec: ServerSpec,
    /// `inhibit_on_failure`: when it fails it stays with weight 0. Default: that of the virtual server, else no.
    pub inhibit_on_failure: bool,
    /// `notify_up`.
    pub notify_up: Option<ScriptCommand>,
    /// `notify_down`.
    pub notify_down: Option<ScriptCommand>,
    /// `smtp_alert`: mail when it goes up or down. Default: `smtp_alert_checker`, `smtp_alert`, else yes.
    pub mail: bool,
    /// Its checks, which all have to pass. Without any it is always up.
    pub checkers: Vec<Checker>,
}

/// `sorry_server`: answers when the quorum is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SorryServer {
    /// Address and port.
    pub key: ServerKey,
    /// Weight 1, and `sorry_server_lvs_method`. Default: the `lvs_method` of the virtual server.
    pub spec: ServerSpec,
    /// `sorry_server_inhibit`: while it is not needed it stays with weight 0.
    pub inhibit: bool,
}

impl VirtualServer {
    /// The address family of its clients.
    pub fn family(&self) -> Option<Family> {
        self.services.first().map(ServiceKey::family)
    }
}

impl VirtualName {
    /// What it carries; `None` for a firewall mark.
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Service(key) => key.protocol(),
            Self::Group { protocol, .. } => Some(*protocol),
        }
    }
}

impl fmt::Display for VirtualName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(ServiceKey::Address { protocol, address, port, .. }) => {
                write!(f, "[{address}]:{protocol}:{port}")
            }
            Self::Service(ServiceKey::FwMark { mark, .. }) => write!(f, "FWM {mark}"),
            Self::Group { name, place, .. } => write!(f, "[{name}]:{place}"),
        }
    }
}

/// A firewall mark, or addresses with a port, that several virtual servers may use: `virtual_server_group`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualGroup {
    /// Addresses, ranges spread out.
    pub addresses: Vec<std::net::SocketAddr>,
    /// Marks, and the family where the file names one.
    pub marks: Vec<(NonZeroU32, Option<Family>)>,
}
