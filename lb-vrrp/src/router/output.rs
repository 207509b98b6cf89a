//! What goes into a virtual router and what comes out of it.

use core::{fmt, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Envelope, Interval, Priority, Time, Version, accept::DropReason, wire::ChecksumForm};

/// What happens to a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The interface is up and has its address: take part. Nothing happens when it already does.
    Startup,
    /// The virtual addresses are on the interface although this router is not Active: a predecessor that was killed left
    /// them. Give it before [`Startup`](Self::Startup), or after [`VirtualRouter::restore`](super::VirtualRouter::restore).
    /// The router leaves them there until it hears an Active router, or becomes Active itself, or for two down intervals;
    /// so that a killed process that is started again is no outage. Without it, they are removed at the start. Nothing
    /// happens in the strict profile.
    Found,
    /// Take part no longer.
    Shutdown(Farewell),
    /// A message came.
    Datagram(Datagram<'a>),
    /// Run with another priority from now on. An Active router says so at once. Nothing happens when it is the same.
    Priority(Priority),
    /// The interface has another primary address from now on, which advertisements come from. One that
    /// [`VirtualRouter::new`](super::VirtualRouter::new) would refuse is ignored.
    Source(IpAddr),
    /// Another detector (BFD, a cluster's membership) found that this router is down. When it is the Active one, a Backup
    /// waits for the skew time only.
    PeerDown(IpAddr),
    /// Whether to wait for [`TakeOver`](Self::TakeOver) from now on instead of becoming Active, even as the owner: the
    /// router is in a sync group, whose members become Active together. It says when it could by [`Event::Ready`]. Not
    /// so at first, nor after [`VirtualRouter::restore`](super::VirtualRouter::restore).
    Hold(bool),
    /// Become Active at once if Backup: the sync group, or the operator, says so. The cause is [`Cause::Requested`], or
    /// that for which the router was ready if it was held.
    TakeOver,
    /// Become Backup at once if Active: the sync group, or the operator, says so.
    StepDown(Farewell),
    /// **Beyond the RFC**, a planned switch: if Active, tell the others by an advertisement of priority 0, and leave only when
    /// one of them takes over. Until an advertisement of another router is heard, this one is Active, answers for its
    /// addresses and advertises nothing; then it becomes Backup with [`Cause::HandedOver`], whatever the priorities are. When
    /// none is heard for [`linger_time`](super::VirtualRouter::linger_time), or for this long if that is longer, it
    /// advertises again and tells [`Event::NoSuccessor`]; no address was removed. In the strict profile it is the same as
    /// [`StepDown`](Self::StepDown) with [`Farewell::Resign`].
    ///
    /// Lower the [priority](Self::Priority) before it, or this router preempts its successor.
    HandOver(Duration),
    /// It is so long since 1970 now: for the HMAC trailer, whose messages carry the time. Tell it when a clock was set, and
    /// every few minutes, since clocks drift. Nothing happens without the feature `hmac`.
    WallClock(Duration),
    /// Announce the addresses again, if Active: someone may have a stale neighbour entry.
    Announce,
    /// So many of the messages given out just now could not be sent. A router none of whose advertisements leaves steps down
    /// after as many intervals as others wait for, and becomes Active again only when one has left. Give it after the
    /// outputs are drained, and drain them again.
    Unsent {
        /// How many, one for each destination.
        copies: u32,
        /// Whether that were all of them.
        all: bool,
    },
    /// The messages given out just now have left, after [`Unsent`](Self::Unsent). Nothing happens otherwise.
    Sent,
}

/// How a router stops being Active when it is told to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Farewell {
    /// Nothing is sent and the addresses are removed at once, as when the carrier is lost.
    Silent,
    /// The others are told by an advertisement of priority 0, and the addresses are removed at once (RFC 9568 §6.4.3).
    /// Nobody has them until another router has waited for its skew time.
    #[default]
    Resign,
    /// **Beyond the RFC**, make before break: the others are told at once, and the addresses stay until an advertisement
    /// of another router is heard, or for [`linger_time`](super::VirtualRouter::linger_time). A router that is shut down
    /// listens for nothing else meanwhile. If it becomes Active again, they have never gone. In the strict profile it is
    /// the same as [`Resign`](Self::Resign).
    Linger,
}

/// A message as it was received: the payload of an IP packet with protocol 112.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// When the kernel received it, on the same base as `now`. It may be long ago after a stall. Use `now` where the
    /// platform can not tell.
    pub received: Time,
    /// What its IP packet says.
    pub envelope: Envelope,
    /// The VRRP message.
    pub payload: &'a [u8],
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output<'a> {
    /// Send this message.
    Send(Transmit<'a>),
    /// Put all virtual addresses on the interface, and answer for the virtual Ethernet address.
    Install,
    /// Tell the link where the addresses are, by gratuitous ARP or unsolicited neighbour advertisements, once they are
    /// installed.
    Announce(AnnounceReason),
    /// Take all virtual addresses off the interface.
    Remove,
    /// Something that someone may want to know. There is nothing to be done.
    Event(Event),
}

/// A message to send as the payload of an IP packet with protocol 112 and TTL or hop limit 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Source address, which the checksum may cover.
    pub source: IpAddr,
    /// Destination address: the multicast group, or a peer.
    pub destination: IpAddr,
    /// The message.
    pub payload: &'a [u8],
}

/// Why the addresses are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnnounceReason {
    /// This router became Active.
    BecameActive,
    /// Another router was Active too, until now: the link may have learned its Ethernet address.
    OtherActive,
    /// The caller asked for it.
    Requested,
    /// This router carries on as Active after a restart, or after a stall that was long enough for another one to take
    /// over meanwhile.
    Restored,
}

/// State of a virtual router (RFC 9568 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// It takes no part.
    #[default]
    Initialize,
    /// It listens, to take over.
    Backup,
    /// It has the addresses.
    Active,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialize => "Initialize",
            Self::Backup => "Backup",
            Self::Active => "Active",
        })
    }
}

/// Why a virtual router changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Cause {
    /// It was started.
    Startup,
    /// It was shut down.
    Shutdown,
    /// It owns the addresses.
    Owner,
    /// No Active router was heard for the down interval.
    Silence,
    /// The Active router resigned.
    Resigned(IpAddr),
    /// The Active router has a lower priority, and is preempted.
    Preempts(IpAddr),
    /// Another detector found the Active router down.
    PeerDown(IpAddr),
    /// A router of higher priority is Active.
    HigherPriority(IpAddr, Priority),
    /// A router of the same priority and with a greater address is Active.
    GreaterAddress(IpAddr),
    /// The caller said so: a sync group, or the operator.
    Requested,
    /// It was told to hand over, and this router took over.
    HandedOver(IpAddr),
    /// It was stalled for so long that the others had taken over.
    Stalled,
    /// None of its advertisements could be sent for so long that the others take over.
    NothingSent,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The state changed.
    State {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// A held Backup has this reason to become Active, or another one than before, or (`None`) has none any more, since
    /// another Active router was heard. A change of state takes it back without this event.
    Ready(Option<Cause>),
    /// A message was dropped.
    Dropped {
        /// Who sent it.
        source: IpAddr,
        /// Why.
        reason: DropReason,
    },
    /// The priority that this router runs with changed.
    Priority {
        /// What it was.
        from: Priority,
        /// What it is.
        to: Priority,
    },
    /// Another router is Active now, as seen by a Backup.
    NewActive {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// The Active router has another priority than before, as seen by a Backup.
    ActivePriority {
        /// Its address.
        source: IpAddr,
        /// What its priority was.
        from: Priority,
        /// What it is.
        to: Priority,
    },
    /// The interval of another router differs from ours. Told when it begins and when it changes.
    IntervalMismatch {
        /// Who sends with it.
        source: IpAddr,
        /// Its interval.
        theirs: Interval,
        /// Ours.
        ours: Interval,
    },
    /// An interval longer than the cap was heard and counts as the cap.
    IntervalCapped {
        /// Who sends with it.
        source: IpAddr,
        /// Its interval.
        theirs: Interval,
        /// The cap.
        cap: Interval,
    },
    /// Another router lists other addresses, or in another order. Told when it begins.
    AddressMismatch {
        /// Who lists them.
        source: IpAddr,
        /// How many it lists.
        count: u8,
    },
    /// An IPv6 list does not start with a link-local address (RFC 9568 §5.2.9). Told when it begins.
    FirstAddressNotLinkLocal {
        /// Who lists it.
        source: IpAddr,
    },
    /// Another router claims to own the addresses that this router owns.
    DuplicateOwner {
        /// Which one.
        source: IpAddr,
    },
    /// A message came with our own source address: it was looped back, or another router has our address.
    OwnAddress {
        /// The address.
        source: IpAddr,
    },
    /// Another router is Active besides this one, with a lower priority.
    OtherActive {
        /// Which one.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// Another router of lower priority has been Active besides this one for longer than a down interval: it does not hear
    /// this one, or drops what it hears. Told once, as long as it goes on.
    OtherStaysActive {
        /// Which one.
        source: IpAddr,
        /// Its priority.
        priority: Priority,
        /// For how long.
        lasts: Duration,
    },
    /// The form of the checksum of VRRPv3 over IPv4 follows that of a peer from now on.
    ChecksumForm {
        /// The peer.
        source: IpAddr,
        /// The form.
        form: ChecksumForm,
    },
    /// VRRPv2 and VRRPv3 at once: this router sends VRRPv3 only (RFC 9568 §8.4.2).
    OneVersion {
        /// Which one.
        source: IpAddr,
        /// The version that it sends.
        version: Version,
    },
    /// It was told to hand over, and no other router took over: it stays Active.
    NoSuccessor,
    /// `handle_timeout` came later than others wait: the process was stalled, or the machine asleep.
    Late {
        /// By how much.
        by: Duration,
    },
    /// The state went to and fro: so many times Active within ten down intervals. The interval may be too short for
    /// this machine or link.
    Unstable {
        /// How many times.
        times: u8,
    },
}
