//! Options of keepalived that lb-failover accepts and does not act on, so that units and images need no change.

use std::path::PathBuf;

use clap::Args;

/// What a command line of keepalived may have beside what is acted on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accepted for the sake of keepalived's units, and without effect")]
pub(super) struct Ignored {
    /// There is no BFD
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// There is one process for all
    #[arg(long)]
    all: bool,
    /// Addresses are removed at the end in any case
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// Addresses are removed at the end in any case
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// `lbctl dump data` prints it
    #[arg(short = 'd', long)]
    dump_conf: bool,
    /// `ip monitor address` shows them
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// There is no BFD
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid: Option<PathBuf>,
    /// There is no SNMP
    #[arg(short = 'x', long)]
    snmp: bool,
    /// There is no SNMP
    #[arg(short = 'A', long, value_name = "FILE")]
    snmp_agent_socket: Option<PathBuf>,
    /// The unit's LimitCORE= allows core dumps
    #[arg(short = 'm', long)]
    core_dump: bool,
    /// The sysctl kernel.core_pattern sets it
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1)]
    core_dump_pattern: Option<Option<String>>,
    /// `includet` in the file demands that a file is there
    #[arg(short = 'e', long)]
    all_config: bool,
}

impl Ignored {
    /// A line for each option that asks for something that is not done.
    pub(super) fn warnings(&self) -> Vec<String> {
        let snmp = "there is no SNMP; `lbctl metrics` has the figures";
        let all = [
            (self.dont_release_vrrp, "-V", "addresses and routes are removed at the end"),
            (self.dump_conf, "-d", "`lbctl dump data` prints the configuration"),
            (self.address_monitoring, "-a", "`ip monitor address` shows changes of addresses"),
            (self.bfd_pid.is_some(), "-b", "there is no BFD"),
            (self.snmp, "-x", snmp),
            (self.snmp_agent_socket.is_some(), "-A", snmp),
            (self.core_dump, "-m", "allow core dumps by LimitCORE= of the unit"),
            (self.core_dump_pattern.is_some(), "-M", "set kernel.core_pattern by sysctl"),
            (self.all_config, "-e", "write `includet` where a file has to be there"),
        ];
        let given = all.into_iter().filter(|(given, ..)| *given);
        given.map(|(_, option, remedy)| format!("option {option} has no effect: {remedy}")).collect()
    }
}
