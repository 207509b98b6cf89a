use core::{fmt, net::IpAddr, time::Duration};

use serde::Serialize;

use crate::{
    Interval, Priority, Version, Vrid,
    watch::Key,
    wire::{ChecksumForm, DecodeError, Mac},
};

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It may be as intended.
    Note,
    /// It works now, and may not work when it is needed.
    Warning,
    /// Something does not work.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Why another router became Active, as far as it can be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeoverCause {
    /// The one before it resigned.
    Resignation,
    /// The one before it was not heard any more.
    Silence,
    /// The one before it was still heard: by a higher priority, a greater address, or an operator.
    Preemption,
}

/// Something that whoever runs the routers may want to know. Displayed with what to do about it.
///
/// Each is told when it begins, and again only when it had ended in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// A virtual router has its first Active router.
    Active {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// The Active router resigns.
    Resigned {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
    },
    /// Another router is Active now.
    TookOver {
        /// Which virtual router.
        router: Key,
        /// Who was Active.
        from: IpAddr,
        /// Who is.
        to: IpAddr,
        /// Time between the last advertisement of the one and the first of the other.
        gap: Duration,
        /// Why.
        cause: TakeoverCause,
    },
    /// The Active router is not heard any more, and none took over within the longest down interval.
    Silent {
        /// Which virtual router.
        router: Key,
        /// Who was Active.
        source: IpAddr,
    },
    /// A silent router is heard again, and none had taken over.
    Returned {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
        /// How long it was silent.
        gap: Duration,
    },
    /// Two routers are Active, and none of them yields.
    TwoActive {
        /// Which virtual router.
        router: Key,
        /// Address of one.
        source: IpAddr,
        /// Address of the other.
        other: IpAddr,
    },
    /// Two were Active, and this one alone remained.
    Settled {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
    },
    /// Two routers both claim to own the addresses, by priority 255.
    TwoOwners {
        /// Which virtual router.
        router: Key,
        /// Address of one.
        source: IpAddr,
        /// Address of the other.
        other: IpAddr,
    },
    /// Two routers have no address in common: two groups use one identifier.
    Clash {
        /// Which virtual router.
        router: Key,
        /// Address of one.
        source: IpAddr,
        /// Address of the other.
        other: IpAddr,
        /// An identifier that was not seen on the link.
        free: Option<Vrid>,
    },
    /// Two routers list other addresses, or in another order.
    AddressMismatch {
        /// Which virtual router.
        router: Key,
        /// Address of one.
        source: IpAddr,
        /// Address of the other.
        other: IpAddr,
    },
    /// Two routers have different intervals.
    IntervalMismatch {
        /// Which virtual router.
        router: Key,
        /// Version that both speak.
        version: Version,
        /// Address of one.
        source: IpAddr,
        /// Its interval.
        interval: Interval,
        /// Address of the other.
        other: IpAddr,
        /// Its interval.
        other_interval: Interval,
    },
    /// What the checksum of a router covers: VRRPv3 over IPv4 only, where there are two readings of the standard.
    ChecksumForm {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
        /// What it covers.
        form: ChecksumForm,
    },
    /// The checksums of two routers cover different things.
    ChecksumMismatch {
        /// Which virtual router.
        router: Key,
        /// Address of one.
        source: IpAddr,
        /// What its checksum covers.
        form: ChecksumForm,
        /// Address of the other.
        other: IpAddr,
        /// What its checksum covers.
        other_form: ChecksumForm,
    },
    /// One router speaks VRRPv2 only, the other VRRPv3 only.
    VersionMismatch {
        /// Which virtual router.
        router: Key,
        /// Address of one.
        source: IpAddr,
        /// Its version.
        version: Version,
        /// Address of the other.
        other: IpAddr,
    },
    /// A router speaks both versions.
    BothVersions {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
    },
    /// A TTL or hop limit other than 255.
    Ttl {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
        /// Where to.
        destination: IpAddr,
        /// TTL or hop limit.
        ttl: u8,
    },
    /// The frame comes from another Ethernet address than the virtual one.
    SourceMac {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
        /// Where the frame comes from.
        mac: Mac,
    },
    /// A password that everybody on the link can read.
    ClearText {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
    },
    /// An IPv6 list that does not start with a link-local address.
    FirstAddressNotLinkLocal {
        /// Which virtual router.
        router: Key,
        /// Address of the router.
        source: IpAddr,
    },
    /// Something with protocol 112 that is not an advertisement.
    Malformed {
        /// VLAN of the frame.
        vlan: Option<u16>,
        /// Who sent it.
        source: IpAddr,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// CARP, which is another protocol with the same number.
    Carp {
        /// VLAN of the frame.
        vlan: Option<u16>,
        /// Who sent it.
        source: IpAddr,
        /// Its virtual host id, which makes the Ethernet address.
        vrid: Vrid,
    },
    /// CARP with the Ethernet address of a virtual router.
    CarpClash {
        /// Which virtual router.
        router: Key,
        /// Who speaks CARP.
        carp: IpAddr,
        /// An identifier that was not seen on the link.
        free: Option<Vrid>,
    },
    /// There are more virtual routers than are looked at. Others are passed over from here on.
    TooMany {
        /// How many are looked at.
        limit: usize,
    },
}

impl Finding {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Active { .. }
            | Self::Resigned { .. }
            | Self::TookOver { .. }
            | Self::Returned { .. }
            | Self::Settled { .. }
            | Self::ChecksumForm { .. }
            | Self::BothVersions { .. }
            | Self::SourceMac { .. }
            | Self::Carp { .. } => Severity::Note,
            Self::IntervalMismatch { version: Version::V3, .. }
            | Self::AddressMismatch { .. }
            | Self::ClearText { .. }
            | Self::FirstAddressNotLinkLocal { .. }
            | Self::TooMany { .. } => Severity::Warning,
            // What goes by unicast is often let through.
            Self::Ttl { destination, .. } if !destination.is_multicast() => Severity::Warning,
            Self::Silent { .. }
            | Self::TwoActive { .. }
            | Self::TwoOwners { .. }
            | Self::Clash { .. }
            | Self::IntervalMismatch { .. }
            | Self::ChecksumMismatch { .. }
            | Self::VersionMismatch { .. }
            | Self::Ttl { .. }
            | Self::Malformed { .. }
            | Self::CarpClash { .. } => Severity::Error,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active { router, source, priority } => {
                write!(f, "{router}: {source} is Active with priority {priority}")
            }
            Self::Resigned { router, source } => write!(f, "{router}: {source} resigns"),
            Self::TookOver { router, from, to, gap, cause } => {
                let why = match cause {
                    TakeoverCause::Resignation => "which resigned",
                    TakeoverCause::Silence => "which fell silent",
                    TakeoverCause::Preemption => "which was still heard",
                };
                write!(
                    f,
                    "{router}: {to} took over from {from}, {why}, {gap:.3?} after its last advertisement"
                )
            }
            Self::Silent { router, source } => write!(
                f,
                "{router}: {source} is silent and no other took over: see whether it runs, and why there is no Backup"
            ),
            Self::Returned { router, source, gap } => write!(
                f,
                "{router}: {source} is heard again after {gap:.3?}: there is no Backup, or the link lost what it sent"
            ),
            Self::TwoActive { router, source, other } => write!(
                f,
                "{router}: {source} and {other} are both Active: they do not hear each other (firewall for protocol \
                 112, snooping switch), or drop what they hear: compare version, interval, authentication and checksum"
            ),
            Self::Settled { router, source } => write!(f, "{router}: {source} alone is Active again"),
            Self::TwoOwners { router, source, other } => write!(
                f,
                "{router}: {source} and {other} both have priority 255: leave it to the one whose own addresses they are"
            ),
            Self::Clash { router, source, other, free } => {
                write!(
                    f,
                    "{router}: {source} and {other} have no address in common: two groups use this identifier; "
                )?;
                give_another(f, *free)
            }
            Self::AddressMismatch { router, source, other } => write!(
                f,
                "{router}: {source} and {other} list different addresses, or in another order: configure the same list \
                 on both, since some routers drop what differs"
            ),
            Self::IntervalMismatch { router, version, source, interval, other, other_interval } => {
                let (ours, theirs) = (interval.duration(), other_interval.duration());
                write!(f, "{router}: {source} sends every {ours:?}, {other} every {theirs:?}: ")?;
                f.write_str(match version {
                    Version::V2 => {
                        "configure the same, since VRRPv2 routers drop what differs and both become Active"
                    }
                    Version::V3 => {
                        "configure the same, or know that a Backup waits for the interval of the Active"
                    }
                })
            }
            Self::ChecksumForm { router, source, form } => {
                write!(f, "{router}: the checksum of {source} covers {}", covered(*form))
            }
            Self::ChecksumMismatch { router, source, form, other, other_form } => write!(
                f,
                "{router}: the checksum of {source} covers {}, that of {other} {}: routers that know but one form drop \
                 the other; set the form on the one that can",
                covered(*form),
                covered(*other_form)
            ),
            Self::VersionMismatch { router, source, version, other } => write!(
                f,
                "{router}: {source} speaks {version} and {other} does not: they do not hear each other; configure the \
                 same version, or both versions for the time of a change"
            ),
            Self::BothVersions { router, source } => {
                write!(f, "{router}: {source} speaks both versions: to be ended once all speak VRRPv3")
            }
            Self::Ttl { router, source, destination, ttl } => write!(
                f,
                "{router}: {source} sends to {destination} with TTL {ttl} instead of 255: it came through a router, or \
                 was not sent by one; others drop it"
            ),
            Self::SourceMac { router, source, mac } => write!(
                f,
                "{router}: {source} sends from {mac}, not from the virtual Ethernet address: hosts learn another \
                 address at each takeover"
            ),
            Self::ClearText { router, source } => write!(
                f,
                "{router}: {source} sends a password that all on the link can read: it protects from mistakes only"
            ),
            Self::FirstAddressNotLinkLocal { router, source } => write!(
                f,
                "{router}: the first address of {source} is not link-local: put one first, since strict routers drop \
                 the others"
            ),
            Self::Malformed { vlan, source, error } => {
                on_vlan(f, *vlan)?;
                write!(f, "{source} sends what is not an advertisement: {error}")
            }
            Self::Carp { vlan, source, vrid } => {
                on_vlan(f, *vlan)?;
                write!(f, "{source} speaks CARP with id {vrid}: keep that identifier out of VRRP")
            }
            Self::CarpClash { router, carp, free } => {
                write!(f, "{router}: {carp} speaks CARP with the same Ethernet address; ")?;
                give_another(f, *free)
            }
            Self::TooMany { limit } => {
                write!(f, "more than {limit} virtual routers: the others are passed over")
            }
        }
    }
}

fn give_another(f: &mut fmt::Formatter<'_>, free: Option<Vrid>) -> fmt::Result {
    match free {
        Some(free) => write!(f, "give one of them another, such as {free}, which was not seen here"),
        None => f.write_str("give one of them another link: every identifier was seen here"),
    }
}

fn on_vlan(f: &mut fmt::Formatter<'_>, vlan: Option<u16>) -> fmt::Result {
    vlan.map_or(Ok(()), |vlan| write!(f, "VLAN {vlan}: "))
}

fn covered(form: ChecksumForm) -> &'static str {
    match form {
        ChecksumForm::MessageOnly => "the message alone (RFC 9568)",
        ChecksumForm::PseudoHeader => "the pseudo-header too (RFC 5798 as keepalived and FRR read it)",
        ChecksumForm::GroupPseudoHeader => {
            "a pseudo-header with the multicast group (keepalived before 1.3.7)"
        }
    }
}
