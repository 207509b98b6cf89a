//! How a virtual service is to be: scheduler, flags, persistence.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

use super::names::{ParseError, serde_as_text};

/// How a virtual service is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Which algorithm chooses the server of a new connection.
    pub scheduler: SchedulerKind,
    /// Options of the algorithm.
    #[serde(default, skip_serializing_if = "SchedulerFlags::is_empty")]
    pub flags: SchedulerFlags,
    /// Whether a client keeps its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// UDP only: every datagram is scheduled by itself, no connection is kept (`ipvsadm -o`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_packet: bool,
}

impl ServiceSpec {
    /// A service with this scheduler and nothing else.
    pub const fn new(scheduler: SchedulerKind) -> Self {
        Self { scheduler, flags: SchedulerFlags::EMPTY, persistence: None, one_packet: false }
    }

    /// The same with persistence.
    #[must_use]
    pub fn persistent(mut self, persistence: Persistence) -> Self {
        self.persistence = Some(persistence);
        self
    }
}

/// A client keeps the server that it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// Seconds after the client's last connection until it is forgotten. `ipvsadm`'s default is 360.
    pub timeout: NonZeroU32,
    /// Prefix length by which clients are grouped; `None` = each address by itself (32 or 128 bits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u8>,
    /// Persistence engine, such as `sip`; `None` = by client address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
}

impl Persistence {
    /// By client address, for so many seconds.
    pub const fn seconds(timeout: NonZeroU32) -> Self {
        Self { timeout, prefix: None, engine: None }
    }
}

/// Name of a persistence engine: 1 to 15 bytes, no blanks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineName(String);

impl EngineName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for EngineName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if is_module_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(text, "the name of a persistence engine, such as sip"))
        }
    }
}

/// Algorithm that chooses the server of a new connection, by the names that the kernel and `ipvsadm` use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SchedulerKind {
    /// `rr`: round robin.
    RoundRobin,
    /// `wrr`: weighted round robin.
    WeightedRoundRobin,
    /// `lc`: least connections.
    LeastConnection,
    /// `wlc`: weighted least connections.
    WeightedLeastConnection,
    /// `lblc`: locality-based least connections.
    LocalityLeastConnection,
    /// `lblcr`: locality-based least connections with replication.
    LocalityReplicated,
    /// `dh`: destination hashing.
    DestinationHash,
    /// `sh`: source hashing.
    SourceHash,
    /// `sed`: shortest expected delay.
    ShortestExpectedDelay,
    /// `nq`: never queue.
    NeverQueue,
    /// `fo`: weighted failover.
    Failover,
    /// `ovf`: weighted overflow.
    Overflow,
    /// `mh`: Maglev hashing.
    Maglev,
    /// `twos`: power of two choices.
    TwoChoices,
    /// A scheduler that this version does not know: kept, and passed on to the kernel. At most 15 bytes.
    Other(String),
}

impl SchedulerKind {
    /// Every algorithm that this crate implements.
    pub const KNOWN: [Self; 14] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnection,
        Self::WeightedLeastConnection,
        Self::LocalityLeastConnection,
        Self::LocalityReplicated,
        Self::DestinationHash,
        Self::SourceHash,
        Self::ShortestExpectedDelay,
        Self::NeverQueue,
        Self::Failover,
        Self::Overflow,
        Self::Maglev,
        Self::TwoChoices,
    ];

    /// The kernel's name.
    pub fn name(&self) -> &str {
        match self {
            Self::RoundRobin => "rr",
            Self::WeightedRoundRobin => "wrr",
            Self::LeastConnection => "lc",
            Self::WeightedLeastConnection => "wlc",
            Self::LocalityLeastConnection => "lblc",
            Self::LocalityReplicated => "lblcr",
            Self::DestinationHash => "dh",
            Self::SourceHash => "sh",
            Self::ShortestExpectedDelay => "sed",
            Self::NeverQueue => "nq",
            Self::Failover => "fo",
            Self::Overflow => "ovf",
            Self::Maglev => "mh",
            Self::TwoChoices => "twos",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for SchedulerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SchedulerKind {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Some(known) = Self::KNOWN.into_iter().find(|kind| kind.name() == text) {
            return Ok(known);
        }
        if is_module_name(text) {
            Ok(Self::Other(text.to_owned()))
        } else {
            Err(ParseError::new(text, "the name of a scheduler, such as wlc"))
        }
    }
}

/// Names of kernel modules' parts: `IP_VS_SCHEDNAME_MAXLEN` is 16 with the terminating NUL.
fn is_module_name(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The three options that a scheduler may have. What they mean depends on the scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchedulerFlags(u8);

impl SchedulerFlags {
    /// No option.
    pub const EMPTY: Self = Self(0);
    /// `sh-fallback`, `mh-fallback`: when the hashed server cannot be used, look for another one (`flag-1`).
    pub const FALLBACK: Self = Self(1);
    /// `sh-port`, `mh-port`: the client's port is hashed too (`flag-2`).
    pub const PORT: Self = Self(2);
    /// `flag-3`: no scheduler uses it yet.
    pub const THIRD: Self = Self(4);

    /// The options in the low three bits; others are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    /// The options as bits 0 to 2.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether no option is set.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether all options of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// One option by the name that `ipvsadm -b` takes: `sh-fallback`, `mh-port`, `flag-3`, …
    pub fn parse_one(text: &str) -> Result<Self, ParseError> {
        match text {
            "sh-fallback" | "mh-fallback" | "flag-1" => Ok(Self::FALLBACK),
            "sh-port" | "mh-port" | "flag-2" => Ok(Self::PORT),
            "flag-3" => Ok(Self::THIRD),
            _ => Err(ParseError::new(
                text,
                "a scheduler flag: sh-fallback, sh-port, mh-fallback, mh-port or flag-1 to flag-3",
            )),
        }
    }

    /// The names that `ipvsadm` prints for this scheduler, in its order.
    pub fn names(self, scheduler: &SchedulerKind) -> impl Iterator<Item = &'static str> {
        let names = match scheduler {
            SchedulerKind::SourceHash => ["sh-fallback", "sh-port", "flag-3"],
            SchedulerKind::Maglev => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        names.into_iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| name)
    }
}

serde_as_text!(SchedulerKind, EngineName);
