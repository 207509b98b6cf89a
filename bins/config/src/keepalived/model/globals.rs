use std::{path::PathBuf, time::Duration};

use super::{
    ipvs::{LvsSync, LvsTimeouts},
    notify::{ScriptCommand, User},
};

/// `global_defs`, and what stands outside of all blocks. Defaults of instances are in the instances already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Globals {
    /// `router_id`. Default: the host's name, found out when it is needed.
    pub router_id: Option<String>,
    /// `instance`: part of the names of files and sockets, so that several daemons run on one host.
    pub instance: Option<String>,
    /// `net_namespace`: the network namespace to work in.
    pub net_namespace: Option<String>,
    /// Mails.
    pub mail: Mail,
    /// `script_user`.
    pub script_user: Option<User>,
    /// `enable_script_security`: scripts that others than root could change are not run as root.
    pub script_security: bool,
    /// `startup_script`, and how long it may take (default 10 s).
    pub startup: Option<(ScriptCommand, Duration)>,
    /// `shutdown_script`, and how long it may take (default 10 s).
    pub shutdown: Option<(ScriptCommand, Duration)>,
    /// `notify_fifo`: everything.
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`: what happens to instances and groups.
    pub vrrp_fifo: Option<Fifo>,
    /// `lvs_notify_fifo`: what happens to virtual and real servers.
    pub lvs_fifo: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// `vrrp_startup_delay`: instances take part so long after the start.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: instances take part so long after the boot of the machine, at the earliest.
    pub delay_after_boot: Duration,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `nftables` or `vrrp_iptables`: whether packets are filtered for `no_accept`, and the name of the table. Default:
    /// `keepalived`.
    pub nftables: Option<String>,
    /// How punctual the process is to be.
    pub real_time: RealTime,
    /// Files that dumps are written to.
    pub dumps: Dumps,
    /// `json_version` 2: an object in place of an array.
    pub json_version_2: bool,
    /// `lvs_flush`: the data plane is emptied at the start.
    pub lvs_flush: bool,
    /// `lvs_flush_on_stop`, but with `VS`: the data plane is emptied at the end.
    pub lvs_flush_on_stop: bool,
    /// `lvs_timeouts`.
    pub lvs_timeouts: LvsTimeouts,
    /// `lvs_sync_daemon`, or `lvs_sync_daemon_interface` of an instance.
    pub lvs_sync: Option<LvsSync>,
    /// `checker_log_all_failures`.
    pub log_all_failures: bool,
}

/// Mails and where they go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mail {
    /// `notification_email`.
    pub to: Vec<String>,
    /// `notification_email_from`. Default: `keepalived@` and the host's name.
    pub from: Option<String>,
    /// `smtp_server`: a relay. Default: the mail server of this host, by SMTP or `sendmail`.
    pub relay: Option<lb_runtime::mail::Relay>,
    /// `smtp_helo_name`. Default: the host's name.
    pub helo: Option<String>,
    /// `smtp_connect_timeout`. Default: 30 s.
    pub timeout: Option<Duration>,
    /// `no_email_faults`: no mail about FAULT.
    pub no_faults: bool,
}

/// A named pipe that events are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fifo {
    /// Where it is. It is made if it is not there.
    pub path: PathBuf,
    /// Whose it becomes.
    pub owner: Option<User>,
    /// `notify_fifo_script`: it is started with the path as its last argument.
    pub script: Option<ScriptCommand>,
}

/// How punctual the process is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RealTime {
    /// `vrrp_rt_priority`: SCHED_RR with this priority, 1 to 99, for the thread of adverts and elections.
    pub priority: Option<u8>,
    /// `vrrp_priority`: the nice value, -20 to 19.
    pub nice: Option<i8>,
    /// `vrrp_no_swap`: memory is locked.
    pub no_swap: bool,
}

/// Files that dumps are written to when a signal asks for one. `None`: no file; the control socket has it always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dumps {
    /// `state_dump_file`.
    pub state: Option<PathBuf>,
    /// `stats_dump_file`.
    pub stats: Option<PathBuf>,
    /// `json_dump_file`.
    pub json: Option<PathBuf>,
}

impl RealTime {
    /// The real-time priority where the file says nothing: the least there is, which goes before everything that is not
    /// real-time.
    pub const DEFAULT_PRIORITY: u8 = 1;
}
