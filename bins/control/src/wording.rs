//! Events in the words of keepalived's log, which people read and scripts match. Where keepalived gives no cause, ours
//! stands in brackets behind its words.
//!
//! Held against keepalived 2.2.7. What that writes with `-D` only is written with `-D` only.

mod cause;
mod heard;
pub mod services;
pub mod tracker;

use std::time::Duration;

pub use cause::{LastAdvert, reason, why};
pub use heard::{dropped, rival};
use lb_vrrp::track::Status;

use super::event::{Event, Subject, What};
use crate::event::TrackerId;

/// What was known of a subject before an event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// What happened since its last change of state, oldest first.
    pub since: &'a [Event],
    /// The priority that an instance runs with.
    pub priority: Option<u8>,
}

/// The lines that the log gets for an event: none, one, or several. `detail` is `-D`.
pub fn lines(event: &Event, known: Known<'_>, detail: bool) -> Vec<String> {
    let name = match &event.subject {
        Subject::Daemon => return of_daemon(&event.what).into_iter().collect(),
        Subject::Tracker(id) => return of_tracker(id, &event.what).into_iter().collect(),
        Subject::Group(group) => return of_group(group, &event.what).into_iter().collect(),
        Subject::Instance(name) => name,
    };
    let text = match &event.what {
        What::State { .. } => {
            let texts = cause::of_state(event, known, detail);
            return texts.iter().map(|text| format!("({name}) {text}")).collect();
        }
        What::Priority { from, to } => format!("Changing effective priority from {from} to {to}"),
        What::NewMaster { source, .. } if detail => {
            let before = known.since.iter().rev().find_map(|event| match &event.what {
                What::NewMaster { source, .. } => Some(*source),
                _ => None,
            });
            match before {
                Some(before) if before != *source => format!("master changed from {before} to {source}"),
                _ => format!("master set to {source}"),
            }
        }
        What::Router(event) => match heard::line(event, known.priority, detail) {
            Some(text) => text,
            None => return Vec::new(),
        },
        What::Installed(count) if detail => format!("{} installed and announced", addresses(*count)),
        What::Removed(count) if detail => format!("removing VIPs. ({})", addresses(*count)),
        What::PutBack(address) => {
            format!("address {address} was removed by somebody else; it is put back and announced")
        }
        What::Ordered(text) => format!("ordered by the operator: {text}"),
        What::Trouble(text) | What::Note(text) => text.clone(),
        What::Rejected(text) => format!("the new configuration is not taken: {text}"),
        What::Late(by) => late(*by),
        What::Untold(count) => format!("dropped {count} more messages since then"),
        // One that fails is in the log already.
        What::NewMaster { .. }
        | What::Installed(_)
        | What::Removed(_)
        | What::Basis { .. }
        | What::Notified { .. } => {
            return Vec::new();
        }
        What::Started
        | What::Crashed(_)
        | What::Stopping
        | What::Stopped
        | What::Configured { .. }
        | What::Tracked { .. } => return Vec::new(),
    };
    vec![format!("({name}) {text}")]
}

/// ` (12 more left out)`: behind a line, when others of its kind were not written before it.
pub fn left_out(count: u64) -> String {
    format!(" ({count} more left out)")
}

/// What is said when nothing follows those that were left out.
pub fn left_out_of(subject: &Subject, count: u64) -> String {
    format!("({subject}) {count} more lines like those before left out")
}

fn of_group(name: &str, what: &What) -> Option<String> {
    match what {
        What::State { to, .. } => Some(format!("VRRP_Group({name}) Syncing instances to {to} state")),
        What::Ordered(text) | What::Trouble(text) | What::Note(text) => {
            Some(format!("VRRP_Group({name}) {text}"))
        }
        _ => None,
    }
}

fn of_tracker(id: &TrackerId, what: &What) -> Option<String> {
    match what {
        What::Tracked { status: Status::Unknown, detail } if detail.is_empty() => None,
        What::Tracked { status, detail } => Some(id.wording(*status, detail)),
        What::Trouble(text) | What::Note(text) => Some(format!("{id}: {text}")),
        _ => None,
    }
}

fn of_daemon(what: &What) -> Option<String> {
    Some(match what {
        What::Started => format!("Starting lb-failover {}", env!("CARGO_PKG_VERSION")),
        What::Crashed(how) => format!("The daemon before this one did not stop by itself: {how}"),
        What::Stopping => "Stopping".to_owned(),
        What::Stopped => format!("Stopped lb-failover {}", env!("CARGO_PKG_VERSION")),
        What::Configured { added, changed, removed } => {
            format!("Reload complete: {added} instances new, {changed} changed, {removed} gone")
        }
        What::Rejected(text) => format!("Configuration refused, the old one stays in force: {text}"),
        What::Late(by) => late(*by),
        What::Ordered(text) | What::Trouble(text) | What::Note(text) => text.clone(),
        _ => return None,
    })
}

/// In keepalived's words.
fn late(by: Duration) -> String {
    format!("A thread timer expired {}.{:06} seconds ago", by.as_secs(), by.subsec_micros())
}

fn addresses(count: usize) -> String {
    match count {
        1 => "1 address".to_owned(),
        count => format!("{count} addresses"),
    }
}

#[cfg(test)]
mod tests;
