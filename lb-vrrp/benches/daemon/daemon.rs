//! The daemons that are compared.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::{Result, keepalived, lan::Namespace, measure, ours, plan::Plan, role::Running};

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ours,
    Keepalived,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Ours, Self::Keepalived];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "lb-vrrp",
            Self::Keepalived => "keepalived",
        }
    }

    /// Whether the machine has it; says so when not.
    pub(crate) fn is_there(self) -> bool {
        let found = self == Self::Ours || Path::new(keepalived::PROGRAM).exists();
        if !found {
            println!("skipped: keepalived: needs keepalived (apt-get install keepalived)");
        }
        found
    }
}

/// A daemon that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    running: Running,
    _files: Option<keepalived::Files>,
}

impl Daemon {
    /// Starts one in a namespace. Its routers take their time to become Active.
    pub(crate) fn start(kind: Kind, plan: Plan, on: &Namespace) -> Result<Self> {
        Ok(match kind {
            Kind::Ours => Self { running: ours::start(plan, on)?, _files: None },
            Kind::Keepalived => {
                let (running, files) = keepalived::start(plan, on)?;
                Self { running, _files: Some(files) }
            }
        })
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        measure::cpu_seconds(self.running.pid())
    }

    pub(crate) fn resident_megabytes(&self) -> f64 {
        measure::resident_megabytes(self.running.pid())
    }

    /// Asks it to end, and does not wait.
    pub(crate) fn terminate(&self) -> Result<()> {
        self.running.signal(Signal::SIGTERM)
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        self.running.end();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}
