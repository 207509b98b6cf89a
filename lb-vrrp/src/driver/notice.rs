//! What a driver tells.

mod queue;

use std::{fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;

use self::queue::{Audience, Unheard};
use crate::{Event, State, Time, router::Basis, wire::ah::AhError};

/// Something that happened to an instance.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When, on the clock of the platform.
    pub at: Time,
    /// Name of the instance.
    pub instance: Arc<str>,
    /// What.
    pub what: Happening,
    /// With [`Event::State`], what the change was based on.
    pub basis: Option<Arc<Basis>>,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// Something in the protocol. Dropped messages are told once a second per instance at most; its counters have them
    /// all.
    Router(Event),
    /// A packet with an IP authentication header was refused, and dropped with
    /// [`DropReason::AuthHeader`](crate::DropReason::AuthHeader). Told as often as other dropped messages.
    Refused {
        /// Who sent it, or so it says.
        source: IpAddr,
        /// Why.
        error: AhError,
    },
    /// So many messages were dropped after the last one that was told, and were not told. Told before the next one that is,
    /// or, by an Active router, when no more come for a second.
    Untold {
        /// How many.
        count: u64,
    },
    /// All addresses are installed, and announced for the first time.
    Installed {
        /// How many.
        addresses: usize,
    },
    /// None of the addresses can be installed, and trying again will not help: nobody answers for them as long as this router
    /// is Active. It is for those who listen to shut it down.
    InstallFailed {
        /// Why the first one could not.
        error: Arc<str>,
    },
    /// All addresses are removed that were there.
    Removed {
        /// How many.
        addresses: usize,
    },
    /// Somebody else had removed addresses while the router was Active. They were put back and announced: at once, but
    /// once a second after the tenth time within ten seconds.
    PutBack {
        /// The first of them.
        address: IpAddr,
        /// How many more there were.
        more: usize,
        /// How often the first one was put back within ten seconds, or since that goes on more often.
        times: u32,
        /// Who may have removed it, and what to do about it.
        suspect: Option<Arc<str>>,
    },
    /// An address could not be installed or removed.
    AddressFailed {
        /// Which one.
        address: IpNet,
        /// Why.
        error: Arc<str>,
    },
    /// An address is on an interface that is not there. It is installed as soon as that is.
    AddressWaits {
        /// Which one.
        address: IpNet,
        /// The interface.
        interface: Arc<str>,
    },
    /// The interface can be used, or can not.
    Link(LinkState),
    /// The instance has a fault, so that it takes no part, or has none any more; see
    /// [`Control::fault`](super::Control::fault).
    Fault(bool),
    /// A sync group changed its state: it is its name that stands for the instance's.
    Group {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
    },
    /// An advertisement was heard for a virtual router that is not here; it is the interface's name that stands for the
    /// instance's. Told once for each identifier and family.
    Stranger {
        /// Its identifier.
        vrid: u8,
        /// Who sent it.
        source: IpAddr,
    },
    /// Something else failed: advertisements or announcements could not be sent, or the virtual interface not be made.
    Failed {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        error: Arc<str>,
    },
}

/// Whether an instance can take part on its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// It can.
    Ready,
    /// There is no such interface.
    Gone,
    /// It is down or has no carrier.
    Down,
    /// It has no address that advertisements can come from.
    NoAddress,
    /// The configured source of the instance is not an address of this host.
    NoSource,
    /// It can not be listened on.
    Failed,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSource => "can not be used: the configured source is not an address of this host",
            Self::Ready => "is ready",
            Self::Gone => "is gone",
            Self::Down => "is down or has no carrier",
            Self::NoAddress => "has no address that advertisements can come from",
            Self::Failed => "can not be listened on",
        })
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(event) => event.fmt(f),
            Self::Refused { source, error } => write!(f, "refused a packet of {source}: {error}"),
            Self::Untold { count } => write!(f, "dropped {count} more messages since then"),
            Self::Installed { addresses } => write!(f, "{addresses} addresses installed"),
            Self::InstallFailed { error } => write!(f, "no address can be installed: {error}"),
            Self::Removed { addresses } => write!(f, "{addresses} addresses removed"),
            Self::PutBack { address, more, times, suspect } => {
                match more {
                    0 => write!(f, "{address} was removed by somebody else, and put back")?,
                    more => {
                        write!(f, "{address} and {more} more were removed by somebody else, and put back")?
                    }
                }
                if *times > 1 {
                    write!(f, " ({times} times within ten seconds or since that goes on)")?;
                }
                suspect.as_ref().map_or(Ok(()), |suspect| write!(f, "; {suspect}"))
            }
            Self::AddressFailed { address, error } => write!(f, "address {address}: {error}"),
            Self::AddressWaits { address, interface } => {
                write!(f, "address {address} waits for interface {interface}, which is not there")
            }
            Self::Link(state) => write!(f, "the interface {state}"),
            Self::Fault(true) => f.write_str("takes no part: it has a fault"),
            Self::Fault(false) => f.write_str("its fault is over"),
            Self::Group { from, to } => write!(f, "the group: {from} -> {to}"),
            Self::Stranger { vrid, source } => {
                write!(f, "{source} advertises virtual router {vrid}, which is not here")
            }
            Self::Failed { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.at, self.instance, self.what)
    }
}

/// Receives what a driver tells, from when it was made. Who is slow misses the oldest, and is told how many.
#[derive(Debug)]
pub struct Notices(Arc<Unheard>);

/// What a [`Notices`] gives.
#[derive(Clone, Debug)]
pub enum Told {
    /// A notice.
    Notice(Notice),
    /// So many were missed here.
    Missed(u64),
}

impl Notices {
    /// The next one; `None` when the driver has ended. It is safe to cancel.
    pub async fn next(&mut self) -> Option<Told> {
        self.0.next().await
    }
}

/// Where notices go.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    audience: Arc<Audience>,
    log: bool,
}

impl Teller {
    /// So many are kept for who is slow, unless more are asked for.
    const KEPT: usize = 1024;

    pub(super) fn new() -> Self {
        Self { audience: Arc::new(Audience::new(Self::KEPT)), log: true }
    }

    /// Keeps so many. Who listened before hears nothing more.
    pub(super) fn keep(&mut self, notices: usize) {
        self.audience = Arc::new(Audience::new(notices));
    }

    pub(super) fn set_log(&mut self, log: bool) {
        self.log = log;
    }

    pub(super) fn subscribe(&self) -> Notices {
        Notices(self.audience.join())
    }

    /// One line in the log, and a notice. Nobody listening is no error.
    pub(super) fn tell(&self, at: Time, instance: &Arc<str>, what: Happening) {
        self.tell_why(at, instance, what, None);
    }

    pub(super) fn tell_why(&self, at: Time, instance: &Arc<str>, what: Happening, basis: Option<Basis>) {
        if self.log {
            log(instance, &what);
        }
        self.audience.tell(Notice { at, instance: instance.clone(), what, basis: basis.map(Arc::new) });
    }
}

fn log(instance: &Arc<str>, what: &Happening) {
    match what {
        Happening::Router(Event::Dropped { .. }) | Happening::Refused { .. } | Happening::Untold { .. } => {
            tracing::debug!(%instance, "{what}")
        }
        Happening::Router(
            Event::State { .. }
            | Event::Priority { .. }
            | Event::NewActive { .. }
            | Event::ActivePriority { .. },
        )
        | Happening::Installed { .. }
        | Happening::Removed { .. }
        | Happening::Fault(false)
        | Happening::Group { .. }
        | Happening::Stranger { .. }
        | Happening::Link(LinkState::Ready) => tracing::info!(%instance, "{what}"),
        _ => tracing::warn!(%instance, "{what}"),
    }
}

#[cfg(test)]
mod tests;
