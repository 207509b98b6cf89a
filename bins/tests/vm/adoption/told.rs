//! What the daemon says: of what it would do, and of what it has done.

use std::{collections::BTreeSet, path::PathBuf};

use lb_control::{
    client::Client,
    protocol::{Answer, Entry, EventQuery, Plan, Record, Records, Request, Step},
};
use lb_core::{
    Event,
    change::Change,
    event::{Subject, What},
    model::ServiceTable,
};

use super::crowd::Place;
use crate::{site::patiently, support::Lab};

/// What a daemon tells.
pub(super) struct Told {
    socket: PathBuf,
    /// The last event that was read.
    last: Option<Event>,
}

impl Told {
    pub(super) fn by(lab: &Lab) -> Self {
        Self { socket: lab.socket(), last: None }
    }

    pub(super) fn order(&self, request: &Request) {
        self.ask(request);
    }

    fn ask(&self, request: &Request) -> Answer {
        Client::connect(&self.socket).unwrap().ask(request).unwrap()
    }

    /// What a reload would do.
    pub(super) fn plan(&self) -> Plan {
        match self.ask(&Request::Plan(None)) {
            Answer::Plan(plan) => plan,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until there is nothing left to be done.
    pub(super) fn settled(&self) {
        patiently("a daemon that is content", || {
            let plan = self.plan();
            (plan.steps.is_empty() && plan.later.is_empty()).then_some(()).ok_or_else(|| format!("{plan:?}"))
        });
    }

    /// What has happened since this was asked last, which nobody else and no refusal has a part in.
    pub(super) fn news(&mut self) -> Vec<Event> {
        let mut count = 32;
        loop {
            let query = EventQuery { count, ..EventQuery::default() };
            let Answer::Events(Records { records, .. }) = self.ask(&Request::Events(query)) else { panic!() };
            let event = |record: Record| match record.entry {
                Entry::Balance(event) => event,
                other => panic!("{other:?}"),
            };
            let mut events: Vec<Event> = records.into_iter().map(event).collect();
            let known = self.last.as_ref().map(|last| events.iter().rposition(|event| event == last));
            let from = match known {
                Some(Some(at)) => at + 1,
                None | Some(None) if events.len() < count => 0,
                _ => {
                    count *= 4;
                    continue;
                }
            };
            self.last = events.last().cloned();
            events.drain(..from);
            let odd = |event: &&Event| matches!(event.what, What::Rejected | What::Repaired | What::Refused);
            assert_eq!(events.iter().find(odd), None, "{events:#?}");
            return events;
        }
    }
}

/// Who leaves `table` by what has happened.
pub(super) fn announced(events: &[Event], table: &ServiceTable) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for event in events {
        match (&event.what, event.subject) {
            (What::ServiceRemoved, Subject::Service(service)) => {
                let servers = table.services.get(&service).map(|service| service.servers.keys());
                places.extend(servers.into_iter().flatten().map(|server| (service, *server)));
            }
            (
                What::Server { before: Some(_), after: None, .. },
                Subject::Server(service, server) | Subject::Fallback(service, server),
            ) => {
                places.insert((service, server));
            }
            _ => {}
        }
    }
    places
}

/// Who leaves `table` by a plan, and how many connections it says that this ends.
pub(super) fn planned(plan: &Plan, table: &ServiceTable) -> (BTreeSet<Place>, u32) {
    let (mut places, mut count) = (BTreeSet::new(), 0);
    for Step { change, connected } in plan.steps.iter().chain(&plan.later) {
        match change {
            Change::RemoveServer { service, server } => {
                places.insert((*service, *server));
            }
            Change::RemoveService { service } => {
                places.extend(table.services[service].servers.keys().map(|server| (*service, *server)));
            }
            _ => {}
        }
        count += connected.map_or(0, |connected| connected.active);
    }
    (places, count)
}

/// The table when a plan has been carried out.
pub(super) fn carried_out(plan: &Plan, table: &ServiceTable) -> ServiceTable {
    let mut table = table.clone();
    for step in plan.steps.iter().chain(&plan.later) {
        step.change.apply(&mut table).unwrap();
    }
    table
}
