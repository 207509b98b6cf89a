//! What happens to the node that has the address.

use std::{process::Command, time::Duration};

use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};

use crate::{
    Result,
    nodes::{Daemon, Kind},
};

/// What happens to the node that has the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Failure {
    /// Nothing: what the machine that measures does to a client.
    Nothing,
    /// Its cable is cut.
    Link,
    /// All its processes are killed, and its cable is cut: a machine that dies.
    Death,
    /// The process that speaks VRRP is killed; what watches over it lives.
    Crash,
    /// All its processes are killed; the address stays where it is, and answers.
    Killed,
    /// It is stopped by SIGTERM.
    Stop,
    /// The operator moves the address: by `lbctl failover`, or a tracked file for keepalived.
    Switch,
    /// A tracked script fails.
    Script,
}

impl Failure {
    pub(crate) const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Link,
        Self::Death,
        Self::Crash,
        Self::Killed,
        Self::Stop,
        Self::Switch,
        Self::Script,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing happens",
            Self::Link => "link cut",
            Self::Death => "killed, link cut",
            Self::Crash => "daemon crashes",
            Self::Killed => "all of it killed",
            Self::Stop => "graceful stop",
            Self::Switch => "planned switch",
            Self::Script => "script fails",
        }
    }

    /// Whether the node that gives up the address can still answer on it.
    pub(crate) const fn is_orderly(self) -> bool {
        matches!(self, Self::Stop | Self::Switch | Self::Script)
    }

    /// Whether the other node must have the address in the end.
    pub(crate) const fn moves(self) -> bool {
        // A daemon that is started again at once may have kept it, or taken it back.
        !matches!(self, Self::Nothing | Self::Crash)
    }

    /// The time after which everything has happened.
    pub(crate) fn settled_after(self, advert: Duration) -> Duration {
        match self {
            Self::Crash => advert * 10 + Duration::from_secs(3),
            Self::Script => advert * 4 + Duration::from_secs(2),
            _ => advert * 4 + Duration::from_millis(700),
        }
    }

    /// Lets it happen.
    pub(crate) fn happen(self, bed: &crate::nodes::Bed, daemon: &mut Daemon) -> Result<()> {
        match self {
            Self::Nothing => {}
            Self::Link => bed.cut()?,
            Self::Death => {
                daemon.process.kill_family()?;
                bed.cut()?;
            }
            Self::Crash => {
                let daemon = daemon.process.descendants().first().copied().ok_or("it has no child")?;
                kill(daemon, Signal::SIGKILL)?;
            }
            Self::Killed => daemon.process.kill_family()?,
            Self::Stop => daemon.process.signal(Signal::SIGTERM)?,
            Self::Switch if daemon.kind == Kind::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
                drop(daemon.host.run(command.args(["failover", "web"]))?);
            }
            Self::Switch => daemon.host.write("/etc/weight", "-100\n")?,
            Self::Script => daemon.host.write("/etc/bad", "")?,
        }
        Ok(())
    }
}
