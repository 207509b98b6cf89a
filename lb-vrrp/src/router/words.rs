//! Causes and events in words, for logs.

use core::fmt;

use super::{Cause, Event};

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Startup => f.write_str("it was started"),
            Self::Shutdown => f.write_str("it was shut down"),
            Self::Owner => f.write_str("it owns the addresses"),
            Self::Silence => f.write_str("no Active router was heard"),
            Self::Resigned(source) => write!(f, "{source} resigned"),
            Self::Preempts(source) => write!(f, "{source} has a lower priority"),
            Self::PeerDown(source) => write!(f, "{source} was found down"),
            Self::HigherPriority(source, priority) => write!(f, "{source} has priority {priority}"),
            Self::GreaterAddress(source) => {
                write!(f, "{source} has the same priority and a greater address")
            }
            Self::Requested => f.write_str("it was told to"),
            Self::HandedOver(source) => write!(f, "it was handed over to {source}"),
            Self::Stalled => f.write_str("it was stalled for longer than others wait"),
            Self::NothingSent => f.write_str("none of its advertisements could be sent"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { from, to, cause } => write!(f, "{from} -> {to}: {cause}"),
            Self::Ready(Some(cause)) => write!(f, "could become Active: {cause}"),
            Self::Ready(None) => f.write_str("can not become Active any more"),
            Self::Dropped { source, reason } => write!(f, "dropped a message of {source}: {reason}"),
            Self::Priority { from, to } => write!(f, "priority {from} -> {to}"),
            Self::NewActive { source, priority } => write!(f, "{source} is Active, with priority {priority}"),
            Self::ActivePriority { source, from, to } => {
                write!(f, "the priority of {source} is {to}, and was {from}")
            }
            Self::IntervalMismatch { source, theirs, ours } => {
                write!(f, "the interval of {source} is {theirs} cs, and ours is {ours} cs")
            }
            Self::IntervalCapped { source, theirs, cap } => {
                write!(f, "the interval of {source} is {theirs} cs, and counts as {cap} cs")
            }
            Self::AddressMismatch { source, count } => {
                write!(f, "{source} lists {count} addresses that are not ours, or in another order")
            }
            Self::FirstAddressNotLinkLocal { source } => {
                write!(f, "the first address that {source} lists is not link-local")
            }
            Self::DuplicateOwner { source } => write!(f, "{source} claims to own the addresses, too"),
            Self::OwnAddress { source } => write!(f, "a message came from our own address {source}"),
            Self::OtherActive { source, priority } => {
                write!(f, "{source} is Active as well, with priority {priority}")
            }
            Self::OtherStaysActive { source, priority, lasts } => {
                let lasts = lasts.as_secs_f64();
                write!(f, "{source} has been Active as well for {lasts:.1} s, with priority {priority}")
            }
            Self::ChecksumForm { source, form } => {
                write!(f, "the checksum covers {form} from now on, as that of {source}")
            }
            Self::OneVersion { source, version } => write!(f, "{source} sends {version} only"),
            Self::NoSuccessor => f.write_str("no other router took over"),
            Self::Late { by } => write!(f, "a timer was late by {:.3} s", by.as_secs_f64()),
            Self::Unstable { times } => write!(f, "Active {times} times within ten down intervals"),
        }
    }
}
