//! From what is wanted and what there is to what is to be done. Pure.

use std::net::{IpAddr, Ipv4Addr};

use lb_config::keepalived::model::{LvsSync, LvsTimeouts};
use lb_ipvs::{Command, Daemon, DaemonRole, Timeouts};
use serde::{Deserialize, Serialize};

/// What the kernel takes where a daemon says nothing.
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
const PORT: u16 = 8848;
const TTL: u8 = 1;
/// A backup makes room for messages of this length at least, whatever is asked for (measured with Linux 6.1).
const ROOM: u16 = 1024;

/// What is wanted of IPVS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `lvs_timeouts`.
    pub(super) timeouts: LvsTimeouts,
    /// `lvs_sync_daemon`.
    pub(super) sync: Option<LvsSync>,
    /// Whether its instance is MASTER.
    pub(super) master: bool,
    /// Nothing is wanted any longer.
    pub(super) ended: bool,
}

impl Wanted {
    /// Whether IPVS is needed for it.
    pub(super) fn is_empty(&self) -> bool {
        self.sync.is_none() && self.timeouts == LvsTimeouts::default()
    }

    /// That it can not be done, in the keywords that it comes from.
    pub(super) fn undone(&self, why: &str) -> String {
        let timeouts = (self.timeouts != LvsTimeouts::default()).then_some("lvs_timeouts");
        let sync = self.sync.as_ref().map(|_| "lvs_sync_daemon");
        match sync.into_iter().chain(timeouts).collect::<Vec<_>>()[..] {
            [] => format!("sync daemons and timeouts of IPVS can not be set back: {why}"),
            [one] => format!("{one} is not acted on: {why}"),
            ref all => format!("{} are not acted on: {why}", all.join(" and ")),
        }
    }

    /// The daemons that are to run.
    fn daemons(&self) -> Vec<Daemon> {
        let Some(sync) = &self.sync else { return Vec::new() };
        let roles: &[DaemonRole] = match (&sync.instance, self.master) {
            (None, _) => &[DaemonRole::Master, DaemonRole::Backup],
            (Some(_), true) => &[DaemonRole::Master],
            (Some(_), false) => &[DaemonRole::Backup],
        };
        roles.iter().map(|role| daemon(sync, *role)).collect()
    }
}

fn daemon(sync: &LvsSync, role: DaemonRole) -> Daemon {
    let mut daemon = Daemon::new(role, &sync.interface, sync.id);
    daemon.max_length = sync.max_length;
    daemon.port = sync.port;
    daemon.ttl = sync.ttl;
    daemon.group = sync.group;
    daemon
}

/// What of IPVS is ours to change, and to change back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ours {
    /// Whether the daemons are: what runs and is not wanted goes.
    daemons: bool,
    /// Timeouts as they were before.
    before: LvsTimeouts,
}

impl Ours {
    /// Whether there is nothing to change back.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes note of what is to be changed for the first time.
    pub(super) fn take(&mut self, wanted: &Wanted, timeouts: &Timeouts) {
        self.daemons |= wanted.sync.is_some();
        let Timeouts { tcp, tcp_fin, udp } = *timeouts;
        let before = &mut self.before;
        for (slot, wanted, found) in [
            (&mut before.tcp, wanted.timeouts.tcp, tcp),
            (&mut before.tcp_fin, wanted.timeouts.tcp_fin, tcp_fin),
            (&mut before.udp, wanted.timeouts.udp, udp),
        ] {
            if wanted.is_some() {
                slot.get_or_insert(found);
            }
        }
    }

    /// Forgets what was changed back.
    pub(super) fn release(&mut self, wanted: &Wanted) {
        self.daemons &= wanted.sync.is_some();
        let (before, wanted) = (&mut self.before, &wanted.timeouts);
        before.tcp = before.tcp.filter(|_| wanted.tcp.is_some());
        before.tcp_fin = before.tcp_fin.filter(|_| wanted.tcp_fin.is_some());
        before.udp = before.udp.filter(|_| wanted.udp.is_some());
    }

    /// What makes the one from the other; a daemon that has to change is stopped first.
    pub(super) fn steps(&self, wanted: &Wanted, daemons: &[Daemon], timeouts: &Timeouts) -> Vec<Command> {
        let mut steps = Vec::new();
        if self.daemons {
            let wanted = wanted.daemons();
            let is_there = |one: &Daemon, all: &[Daemon]| all.iter().any(|other| same(one, other));
            let wrong = daemons.iter().filter(|found| !wanted.iter().any(|one| same(one, found)));
            steps.extend(wrong.map(|found| Command::StopDaemon(found.role)));
            let missing = wanted.iter().filter(|one| !is_there(one, daemons)).cloned();
            steps.extend(missing.map(Command::StartDaemon));
        }
        let (before, asked) = (&self.before, &wanted.timeouts);
        // 0 leaves one as it is.
        let set = |asked: Option<u32>, before: Option<u32>, found: u32| {
            asked.or(before).filter(|seconds| *seconds != found).unwrap_or(0)
        };
        let set = Timeouts {
            tcp: set(asked.tcp, before.tcp, timeouts.tcp),
            tcp_fin: set(asked.tcp_fin, before.tcp_fin, timeouts.tcp_fin),
            udp: set(asked.udp, before.udp, timeouts.udp),
        };
        if set != Timeouts::default() {
            steps.push(Command::SetTimeouts(set));
        }
        steps
    }
}

/// Whether a daemon that runs is one that is wanted. Kernels before 4.3 have no more than role, interface and id.
fn same(wanted: &Daemon, found: &Daemon) -> bool {
    let length = wanted.max_length.map(|length| match wanted.role {
        DaemonRole::Backup => length.max(ROOM),
        DaemonRole::Master => length,
    });
    (wanted.role, &wanted.interface, wanted.sync_id) == (found.role, &found.interface, found.sync_id)
        && found.max_length.is_none_or(|found| length.is_none_or(|length| length == found))
        && found.group.is_none_or(|found| wanted.group.unwrap_or(GROUP) == found)
        && found.port.is_none_or(|found| wanted.port.unwrap_or(PORT) == found)
        && found.ttl.is_none_or(|found| wanted.ttl.unwrap_or(TTL) == found)
}
