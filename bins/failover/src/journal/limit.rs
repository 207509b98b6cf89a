//! How often a line of one kind about one subject is written.

use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    time::Duration,
};

use lb_control::event::{Event, Subject, What};
use lb_core::Time;
use lb_vrrp::DropReason;

/// Within this time, a kind has its share of lines.
const WINDOW: Duration = Duration::from_secs(1);
/// Within this time, what peers can cause again and again has its share of records on disk, which would otherwise have
/// no room for anything else.
const DISK_WINDOW: Duration = Duration::from_secs(60);

/// So many kinds there is always room for.
const ROOM: usize = 64;

/// Counts lines. It holds what happened within a second and no more, after [`expire`](Self::expire).
#[derive(Debug)]
pub(super) struct Limits {
    window: Duration,
    counted: HashMap<(Subject, Kind), Count>,
}

/// Lines of the same kind are counted together; messages that are dropped for another reason are another kind.
type Kind = (Discriminant<What>, Option<Discriminant<lb_vrrp::Event>>, Option<Discriminant<DropReason>>);

#[derive(Debug)]
struct Count {
    start: Time,
    written: u32,
    left_out: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: WINDOW, counted: HashMap::new() }
    }
}

impl Limits {
    /// For records on disk.
    pub(super) fn of_disk() -> Self {
        Self { window: DISK_WINDOW, ..Self::default() }
    }

    /// Whether this event is to be written: `None` = no, else how many were left out before it.
    pub(super) fn take(&mut self, now: Time, event: &Event) -> Option<u64> {
        let Some(share) = share(&event.what) else { return Some(0) };
        let count = self.counted.entry((event.subject.clone(), kind(&event.what))).or_insert(Count {
            start: now,
            written: 0,
            left_out: 0,
        });
        if now.since(count.start) >= self.window {
            count.start = now;
            count.written = 0;
        }
        if count.written == share {
            count.left_out += 1;
            return None;
        }
        count.written += 1;
        Some(std::mem::take(&mut count.left_out))
    }

    /// How many kinds are counted.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counted.len()
    }

    /// Forgets what is over; returns of what so many were left out that nobody heard of.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(Subject, u64)> {
        let window = self.window;
        let over = |count: &Count| now.since(count.start) >= window;
        let left_out = self
            .counted
            .extract_if(|_, count| over(count))
            .filter(|(_, count)| count.left_out > 0)
            .map(|((subject, _), count)| (subject, count.left_out))
            .collect();
        // Thousands of instances that all change at once are rare.
        self.counted.shrink_to(ROOM);
        left_out
    }
}

/// Whether a peer, or a busy machine, can cause it without end.
pub(super) fn is_noise(what: &What) -> bool {
    share(what) == Some(1)
}

/// Lines within a second; `None` = all of them.
fn share(what: &What) -> Option<u32> {
    match what {
        What::State { .. } | What::Priority { .. } | What::Tracked { .. } => Some(10),
        What::Trouble(_) | What::Note(_) => Some(5),
        What::Router(_) | What::NewMaster { .. } | What::PutBack(_) | What::Late(_) => Some(1),
        What::Installed(_) | What::Removed(_) => Some(10),
        // Told once a second at most.
        What::Basis { .. } | What::Untold(_) => None,
        // They are not written.
        What::Notified { .. } => None,
        What::Started
        | What::Crashed(_)
        | What::Stopping
        | What::Stopped
        | What::Configured { .. }
        | What::Rejected(_)
        | What::Ordered(_) => None,
    }
}

fn kind(what: &What) -> Kind {
    let (event, reason) = match what {
        What::Router(event @ lb_vrrp::Event::Dropped { reason, .. }) => (Some(event), Some(reason)),
        What::Router(event) => (Some(event), None),
        _ => (None, None),
    };
    (discriminant(what), event.map(discriminant), reason.map(discriminant))
}
