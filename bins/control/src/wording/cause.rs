//! Why a state changed.

use std::{net::IpAddr, time::Duration};

use lb_core::Time;
use lb_vrrp::{Cause, Priority};

use super::{Known, heard};
use crate::event::{Condition, Dropped, Event, TrackerId, What, Why};

/// Why an instance or group is in this state, as part of a sentence.
pub fn why(state: Condition, why: &Why) -> String {
    match why {
        Why::Protocol(cause) => protocol(cause),
        Why::Interface(text) => format!("interface {text}"),
        Why::Refused(text) => text.clone(),
        Why::Tracker(id) if state == Condition::Init => format!("nothing is known of {id} yet"),
        Why::Tracker(id) => tracker(id),
        Why::Recovered => "what kept it from taking part is over".to_owned(),
        Why::Group(name) => format!("sync group {name}"),
        Why::Operator(reason) => format!("operator: {reason}"),
        Why::Members => "all its members are".to_owned(),
        Why::Lifecycle => "start, stop or reload of the daemon".to_owned(),
    }
}

/// The last advertisement of another router before a change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAdvert {
    /// Who sent it.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// How long before the change it was heard.
    pub age: Duration,
}

/// Why an instance is what it is, for those who look at it later.
pub fn reason(
    state: Condition,
    why: &Why,
    ours: Priority,
    last: Option<LastAdvert>,
    dropped: Option<Dropped>,
) -> String {
    let Why::Protocol(cause) = why else { return self::why(state, why) };
    let text = match (state, cause) {
        (Condition::Master, Cause::Startup) => "it had the addresses when the daemon was started".to_owned(),
        (Condition::Master, Cause::Silence) => match last {
            Some(LastAdvert { source, age, .. }) => {
                format!("nothing heard from {source} for {:.1} s", age.as_secs_f64())
            }
            None => "no other router was heard since the start".to_owned(),
        },
        (Condition::Master, Cause::Resigned(source)) => format!("the MASTER {source} resigned"),
        (Condition::Master, Cause::Preempts(source)) => match last {
            Some(LastAdvert { priority, .. }) if priority < ours => {
                format!("higher priority ({ours} over {priority} of {source})")
            }
            _ => format!("higher priority than {source}"),
        },
        (Condition::Master, Cause::Requested) => "its sync group or the operator asked for it".to_owned(),
        (Condition::Backup, Cause::Startup) => "it listens since it was started".to_owned(),
        (Condition::Backup, Cause::Requested) => "it gave the addresses up on request".to_owned(),
        _ => protocol(cause),
    };
    with_dropped(text, cause, dropped)
}

/// Silence is none when adverts were dropped.
fn with_dropped(text: String, cause: &Cause, dropped: Option<Dropped>) -> String {
    match dropped.filter(|_| *cause == Cause::Silence) {
        Some(dropped) => format!("{text}; {}", heard::dropped(&dropped)),
        None => text,
    }
}

/// A change of state of an instance: what keepalived says before it, the change itself with our cause, and what it says
/// after it.
pub(super) fn of_state(event: &Event, known: Known<'_>, detail: bool) -> Vec<String> {
    let What::State { from, to, why, priority } = &event.what else { return Vec::new() };
    let basis = known.since.iter().rev().find_map(|event| match &event.what {
        What::Basis { heard, dropped, .. } => Some((*heard, *dropped)),
        _ => None,
    });
    let (heard, dropped) = basis.unwrap_or_default();
    let mut lines = before(*from, *to, why, *priority, detail);
    let init = if (*from, *to) == (Condition::Init, Condition::Backup) { " (init)" } else { "" };
    let cause = behind(*to, why, heard, dropped, event.at);
    let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
    lines.push(format!("Entering {to} STATE{init}{cause}"));
    if detail && *to == Condition::Master {
        lines.push("setting VIPs.".to_owned());
    }
    lines
}

/// The lines that keepalived writes before a change.
fn before(from: Condition, to: Condition, why: &Why, ours: u8, detail: bool) -> Vec<String> {
    let timeout = || "Receive advertisement timeout".to_owned();
    match why {
        Why::Protocol(Cause::Silence | Cause::Preempts(_)) if detail => vec![timeout()],
        Why::Protocol(Cause::Resigned(_)) if detail => {
            vec!["Backup received priority 0 advertisement".to_owned(), timeout()]
        }
        Why::Protocol(Cause::HigherPriority(source, theirs)) => {
            vec![format!("Master received advert from {source} with higher priority {theirs}, ours {ours}")]
        }
        Why::Protocol(Cause::GreaterAddress(source)) => vec![format!(
            "Master received advert from {source} with same priority {ours} but higher IP address than ours"
        )],
        Why::Tracker(TrackerId::Script(name)) if starts_with_fault(from, to) => {
            vec![format!("entering FAULT state due to script {name}")]
        }
        Why::Tracker(TrackerId::File(name)) if to == Condition::Fault => {
            vec![format!("tracked file {name} now FAULT state")]
        }
        _ => Vec::new(),
    }
}

fn starts_with_fault(from: Condition, to: Condition) -> bool {
    (from, to) == (Condition::Init, Condition::Fault)
}

/// What is said behind the new state: `heard nothing from 10.9.0.2 for 3.4 s`.
fn behind(
    to: Condition,
    of: &Why,
    heard: Option<(Time, IpAddr)>,
    dropped: Option<Dropped>,
    at: Time,
) -> Option<String> {
    match (of, heard) {
        (Why::Protocol(cause @ Cause::Silence), Some((last, source))) => {
            let text = format!("heard nothing from {source} for {:.1} s", at.since(last).as_secs_f64());
            Some(with_dropped(text, cause, dropped))
        }
        (Why::Protocol(cause @ Cause::Silence), None) => Some(with_dropped(why(to, of), cause, dropped)),
        (Why::Protocol(Cause::Startup | Cause::Shutdown) | Why::Members | Why::Lifecycle, _) => None,
        // The line before says it.
        (Why::Protocol(Cause::HigherPriority(..) | Cause::GreaterAddress(_)), _) => None,
        (of, _) => Some(why(to, of)),
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
        Cause::HandedOver(source) => format!("handed over to {source}"),
        Cause::Requested => "it was told to".to_owned(),
        Cause::Stalled => "this process was stalled for so long that others must have taken over".to_owned(),
        Cause::NothingSent => "none of its adverts could be sent".to_owned(),
        other => other.to_string(),
    }
}

fn tracker(id: &TrackerId) -> String {
    match id {
        TrackerId::Interface(name) => format!("interface {name} is down"),
        TrackerId::Script(name) => format!("script {name} failed"),
        TrackerId::Process(name) => format!("process {name} has no quorum"),
        TrackerId::File(name) => format!("the number in file {name}"),
    }
}
