//! `vrrp_track_process`: how many processes of a kind there are.
//!
//! The kernel tells when processes begin, become another program and end (the process connector), where it lets us listen:
//! root of the initial user namespace, in the initial network namespace. Elsewhere `/proc` is read once a second, and that
//! is said. With the connector it is read once a minute besides, should something have been lost.

mod connector;
mod pattern;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use connector::Connector;
use lb_config::keepalived::model::{Process, Weight};
use lb_control::{event::TrackerId, wording::tracker::NOTE};
use lb_vrrp::track::Status;
use table::Table;
use tokio::{
    sync::watch,
    task,
    time::{Instant, sleep_until},
};

use super::{Report, Reports, at, lasting::Lasting};

/// What is to be counted, by its name in the configuration; weights make no difference here.
pub(super) type Wanted = BTreeMap<String, Process>;

/// How often all processes are looked at without being told.
const POLL: Duration = Duration::from_secs(1);
/// How often when we are told.
const CHECK: Duration = Duration::from_secs(60);

/// A process without its weight.
pub(super) fn spec(process: &Process) -> Process {
    Process { weight: Weight::default(), ..process.clone() }
}

/// Watches for as long as there is somebody who wants something.
pub(super) async fn watch(wanted: watch::Receiver<Wanted>, reports: Reports) {
    // Before the first look, so that nothing happens in between.
    let connector = task::spawn_blocking(Connector::open).await.unwrap_or_else(|error| Err(error.into()));
    watch_by(connector, wanted, reports).await;
}

async fn watch_by(connector: io::Result<Connector>, mut wanted: watch::Receiver<Wanted>, reports: Reports) {
    let (mut connector, why_not) = match connector {
        Ok(connector) => (Some(connector), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let mut states: BTreeMap<String, State> = BTreeMap::new();
    let mut table = Table::default();
    let mut look = Instant::now();
    let mut said = false;
    loop {
        if wanted.has_changed().unwrap_or(false) || look <= Instant::now() {
            let patterns = Arc::new(wanted.borrow_and_update().clone());
            states.retain(|name, state| patterns.get(name).is_some_and(|process| *process == state.process));
            let Ok(read) = task::spawn_blocking(move || Table::read(patterns)).await else { return };
            table = read;
            look = Instant::now() + if connector.is_some() { CHECK } else { POLL };
        }
        let now = Instant::now();
        for process in table.patterns().values() {
            let state = states.entry(process.name.clone()).or_insert_with(|| State::new(process));
            if let Some((status, detail)) = state.see(table.count(&process.name), now) {
                let _ = reports.send(Report { id: TrackerId::Process(process.name.clone()), status, detail });
            }
        }
        if let Some(why_not) = &why_not
            && let Some((name, state)) = states.first_key_value()
            && !said
        {
            said = true;
            let detail = format!(
                "{NOTE}the kernel does not tell of processes here ({why_not}), so /proc is read every {} s",
                POLL.as_secs()
            );
            let id = TrackerId::Process(name.clone());
            let _ = reports.send(Report { id, status: state.status(), detail });
        }
        let due = states.values().filter_map(|state| state.number.due()).min();
        tokio::select! {
            changed = wanted.changed() => match changed {
                Ok(()) => wanted.mark_changed(),
                Err(_) => return,
            },
            () = sleep_until(look) => {}
            () = at(due) => {}
            events = Connector::read(&mut connector) => match events {
                Ok(events) => {
                    let Ok(read) = task::spawn_blocking(move || table.after(&events)).await else { return };
                    table = read;
                }
                // Something was lost.
                Err(_) => look = Instant::now(),
            },
        }
    }
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    TooFew,
    Enough,
    TooMany,
}

struct State {
    process: Process,
    number: Lasting<Number>,
    reported: Option<Status>,
}

impl State {
    fn new(process: &Process) -> Self {
        Self { process: process.clone(), number: Lasting::default(), reported: None }
    }

    fn status(&self) -> Status {
        self.reported.unwrap_or_default()
    }

    /// There are so many now. Returns what there is to report.
    fn see(&mut self, count: u32, now: Instant) -> Option<(Status, String)> {
        let process = &self.process;
        let number = if process.quorum_max.is_some_and(|most| count > most) {
            Number::TooMany
        } else if count < process.quorum && process.quorum_max != Some(0) {
            Number::TooFew
        } else {
            Number::Enough
        };
        let grows = self.number.settled().is_some_and(|settled| number > settled);
        let delay = if grows { process.fork_delay } else { process.terminate_delay };
        let (status, detail) = match self.number.see(number, now, delay) {
            Number::Enough => (Status::Up, format!("{count} running")),
            Number::TooFew => (Status::Down, format!("{count} running, quorum {}", process.quorum)),
            Number::TooMany => {
                let most = process.quorum_max.unwrap_or(u32::MAX);
                (Status::Down, format!("{count} running, at most {most} may"))
            }
        };
        let changed = self.reported.replace(status) != Some(status);
        changed.then_some((status, detail))
    }
}
