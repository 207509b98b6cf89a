//! What a command line orders.

use lb_core::model::ServiceKey;
use lb_ipvs::format::View;

/// One order of ipvsadm's command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// Something changes: `-A`, `-E`, `-D`, `-C`, `-a`, `-e`, `-d`, `-Z`, `--set`, `--start-daemon`, `--stop-daemon`.
    Change(lb_ipvs::Command),
    /// `-L`.
    List(List),
    /// `-S`, with `-n` without names.
    Save { numeric: bool },
    /// `-R`.
    Restore,
    /// `-h`.
    Help,
    /// `-v`.
    Version,
}

/// What is listed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) what: Listed,
    /// `-n`: without names.
    pub(super) numeric: bool,
}

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// All services, or one.
    Services {
        view: View,
        only: Option<ServiceKey>,
        /// `--exact`: large numbers in full.
        exact: bool,
        /// `--nosort`: in the kernel's order.
        unsorted: bool,
    },
    /// `-c`, with `--persistent-conn` and what persistence engines have noted.
    Connections { engines: bool },
    /// `--timeout`.
    Timeouts,
    /// `--daemon`.
    Daemons,
}

impl List {
    /// What ipvsadm does without arguments.
    pub(super) const TABLE: Self = Self {
        what: Listed::Services { view: View::Table, only: None, exact: false, unsorted: false },
        numeric: false,
    };
}
