//! What peers said, apart from changes of state.

use std::{net::IpAddr, time::Duration};

use lb_vrrp::{DropReason, Event, Interval, Priority};

use crate::event::Dropped;

/// The words for it, without the instance; `None` when it is no line of the log.
pub(super) fn line(event: &Event, ours: Option<u8>, detail: bool) -> Option<String> {
    Some(match event {
        Event::OtherActive { source, priority } => {
            let ours = ours.map_or_else(String::new, |ours| format!(", ours {ours}"));
            format!(
                "Received advert from {source} with lower priority {priority}{ours}, forcing new election"
            )
        }
        // Others go on while this one does not take part.
        Event::Dropped { reason: DropReason::NotRunning, .. } => return None,
        Event::Dropped { source, reason } => format!("dropped a message of {source}: {reason}"),
        Event::ActivePriority { source, from, to } => {
            format!("MASTER {source} has priority {to} now, {from} before")
        }
        Event::IntervalMismatch { source, theirs, ours } => {
            format!("advert interval of {source} is {} where ours is {}", seconds(*theirs), seconds(*ours))
        }
        Event::IntervalCapped { source, theirs, cap } => {
            format!(
                "advert interval {} of {source} is too long and counts as {}: give all nodes the same advert_int",
                seconds(*theirs),
                seconds(*cap)
            )
        }
        Event::AddressMismatch { source, count } => {
            format!(
                "{source} advertises {count} addresses that are not the configured ones, or in another order"
            )
        }
        Event::FirstAddressNotLinkLocal { source } => {
            format!("the first address that {source} advertises is not link-local")
        }
        Event::DuplicateOwner { source } => {
            format!("{source} too claims to own the addresses (priority 255)")
        }
        Event::OwnAddress { source } => {
            format!("a message came from our own address {source}: a loop, or an address that is used twice")
        }
        Event::ChecksumForm { source, form } => {
            format!("the checksum of adverts covers {form} from now on, as that of {source} does")
        }
        Event::OtherStaysActive { source, priority, lasts } => rival(*source, *priority, *lasts),
        Event::OneVersion { source, version } => format!("{source} sends {version} only"),
        Event::NoSuccessor => "nobody took over: this node stays MASTER".to_owned(),
        Event::Late { by } => super::late(*by),
        Event::Unstable { times } => {
            format!(
                "MASTER {times} times within ten down intervals: advert_int may be too short for this link"
            )
        }
        Event::Ready(Some(_)) if detail => "ready to be MASTER, waiting for the sync group".to_owned(),
        _ => return None,
    })
}

/// Another router that stays MASTER although this node is.
pub fn rival(source: IpAddr, priority: Priority, lasts: Duration) -> String {
    format!(
        "{source} (priority {priority}) stays MASTER although this node is, for {:.1} s: it does not receive our adverts, or \
         drops them. Compare version, advert_int, authentication and addresses on both nodes, and read its log",
        lasts.as_secs_f64()
    )
}

/// Adverts that were dropped: `14 adverts of 10.9.0.2 (priority 200) were dropped: the HMAC is wrong`.
pub fn dropped(dropped: &Dropped) -> String {
    let Dropped { source, priority, count, reason } = dropped;
    let priority = priority.map_or_else(String::new, |priority| format!(" (priority {priority})"));
    match count {
        1 => format!("1 advert of {source}{priority} was dropped: {reason}"),
        count => format!("{count} adverts of {source}{priority} were dropped: {reason}"),
    }
}

fn seconds(interval: Interval) -> String {
    format!("{} s", interval.duration().as_secs_f64())
}
