//! What is wrong with a command line, in ipvsadm's words.

use thiserror::Error;

use super::scan::Misfit;

/// Why a command line is not acted on, and which of its words is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Number of the word; `None` when something is missing.
    pub(super) at: Option<usize>,
    pub(super) fault: Fault,
}

/// What is wrong with a command line, in ipvsadm's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("Try `ipvsadm -h' or 'ipvsadm --help' for more information.")]
    NoCommand,
    #[error("{0}: {1}")]
    Misfit(String, Misfit),
    #[error("invalid option `{0}'")]
    SecondCommand(String),
    #[error("multiple '{0}' options specified")]
    Multiple(&'static str),
    #[error("unexpected argument {0}")]
    Unexpected(String),
    #[error("You need to supply the '{option}' option for the '{command}' command")]
    Needed { option: &'static str, command: &'static str },
    #[error("Illegal '{option}' option with the '{command}' command")]
    Illegal { option: &'static str, command: &'static str },
    #[error("The option '{0}' conflicts with the '{1}' option in the 'list' command")]
    ListConflict(&'static str, &'static str),
    #[error("options conflicts in the list command")]
    ListColumns,
    /// The value of an option is not what it should be.
    #[error("illegal {0} specified")]
    IllegalValue(&'static str),
    /// The same where ipvsadm shows the value.
    #[error("invalid {0} value `{1}' specified")]
    InvalidValue(&'static str, String),
    #[error("--set option requires 3 timeout values")]
    ThreeTimeouts,
    // ipvsadm ends this one with two line feeds.
    #[error("-6 used before -f\n")]
    Ipv6BeforeMark,
    #[error("invalid scheduler flag `{0}'")]
    UnknownFlag(String),
    #[error("incompatible scheduler flag `{0}'")]
    ForeignFlag(String),
    #[error("invalid {family} mcast-group `{text}'")]
    Group { family: &'static str, text: String },
    #[error("Scheduler or persistence engine not found")]
    NoEngine,
    #[error("Zero port specified for non-persistent service")]
    ZeroPort,
    #[error("One-Packet Scheduling is only for UDP virtual services")]
    OnePacket,
    #[error("Different address family is allowed only for tunneling servers")]
    OtherFamily,
    #[error("Tunnel options conflict with forward method")]
    TunnelWithout,
    #[error("You need to supply the '{option}' option for the '{kind}' tunnel type")]
    TunnelNeeded { option: &'static str, kind: &'static str },
    #[error("Illegal '{option}' option with the '{kind}' tunnel type")]
    TunnelIllegal { option: &'static str, kind: &'static str },
    #[error("The option '{0}' conflicts with the '{1}' option in the '{2}' tunnel type")]
    TunnelConflict(&'static str, &'static str, &'static str),
}

impl Fault {
    /// The exit status: ipvsadm's own checks give 2, those of the library that reads its command line 255.
    pub(super) const fn status(&self) -> u8 {
        match self {
            Self::NoCommand | Self::Misfit(..) | Self::NoEngine => 255,
            _ => 2,
        }
    }
}
