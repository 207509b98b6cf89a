//! Why a state changed.

use std::net::IpAddr;

use lb_core::Time;
use lb_vrrp::Cause;

use crate::failover::{event::Why, track::TrackerId};

/// Why an instance or group is what it is, as part of a sentence.
pub fn why(why: &Why) -> String {
    match why {
        Why::Protocol(cause) => protocol(cause),
        Why::Interface(text) | Why::Refused(text) => text.clone(),
        Why::Tracker(id) => tracker(id),
        Why::Recovered => "what kept it from taking part is over".to_owned(),
        Why::Group(name) => format!("sync group {name}"),
        Why::Operator(reason) => format!("operator: {reason}"),
        Why::Lifecycle => "start, stop or reload of the daemon".to_owned(),
    }
}

/// The line that keepalived writes before it says that the state changed.
pub(super) fn known_line(why: &Why, detail: bool) -> Option<String> {
    match why {
        Why::Protocol(Cause::Silence) if detail => Some("Receive advertisement timeout".to_owned()),
        Why::Protocol(Cause::Resigned(_)) if detail => {
            Some("Backup received priority 0 advertisement".to_owned())
        }
        Why::Interface(text) => Some(format!("entering FAULT state ({text})")),
        Why::Tracker(TrackerId::Script(name)) => Some(format!("entering FAULT state due to script {name}")),
        _ => None,
    }
}

/// What is said behind the new state: `heard nothing from 10.9.0.2 for 3.4 s`.
pub(super) fn behind(of: &Why, heard: Option<(Time, IpAddr)>, at: Time) -> Option<String> {
    match (of, heard) {
        (Why::Protocol(Cause::Silence), Some((last, source))) => {
            Some(format!("heard nothing from {source} for {:.1} s", at.since(last).as_secs_f64()))
        }
        (Why::Protocol(Cause::Startup | Cause::Shutdown) | Why::Lifecycle, _) => None,
        // The line before says it.
        (Why::Interface(_) | Why::Tracker(TrackerId::Script(_)), _) => None,
        (of, _) => Some(why(of)),
    }
}

fn protocol(cause: &Cause) -> String {
    match cause {
        Cause::Startup => "it was started".to_owned(),
        Cause::Shutdown => "it was shut down".to_owned(),
        Cause::Owner => "it owns the addresses".to_owned(),
        Cause::Silence => "no MASTER was heard".to_owned(),
        Cause::Resigned(source) => format!("{source} resigned"),
        Cause::Preempts(source) => format!("{source} has a lower priority"),
        Cause::PeerDown(source) => format!("{source} was found down"),
        Cause::HigherPriority(source, priority) => format!("{source} has priority {priority}"),
        Cause::GreaterAddress(source) => format!("{source} has the same priority and a higher address"),
        Cause::Requested => "it was told to".to_owned(),
        Cause::Stalled => "this process was stalled for so long that others must have taken over".to_owned(),
        other => format!("{other:?}"),
    }
}

fn tracker(id: &TrackerId) -> String {
    match id {
        TrackerId::Interface(name) => format!("interface {name} is down"),
        TrackerId::Script(name) => format!("script {name} failed or has not returned yet"),
        TrackerId::Process(name) => format!("process {name} has no quorum"),
        TrackerId::File(name) => format!("what stands in file {name}"),
    }
}
