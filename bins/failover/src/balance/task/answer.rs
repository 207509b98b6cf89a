//! What is said to those who ask.

use std::collections::BTreeMap;

use lb_balancer::{
    orders::{self, Order},
    plan::plan,
    state::Place,
    status,
};
use lb_control::{
    protocol::{Answer, CheckStatus, DataPlaneStatus, Request, ServerOrder, Table},
    wording::services as wording,
};
use lb_core::{Event, Health, event::What};

use super::{
    super::{Proposal, Status, policy::places, vitals},
    Task,
};

impl Task {
    pub(super) async fn status(&self) -> Status {
        let Some(upkeep) = &self.upkeep else {
            let data_plane = self.closed.as_ref().map(|why| DataPlaneStatus {
                name: "none".to_owned(),
                why: why.clone(),
                errors: vec![why.clone()],
                advice: Vec::new(),
            });
            let orders = ServerOrder::all(self.state.overrides());
            return Status { data_plane, orders, ..Status::default() };
        };
        let now = self.clock.now();
        let counters = status::counters(upkeep.plane(), &self.state).await;
        let checks = self.checks();
        let check = |place: &Place| {
            checks.get(place).cloned().unwrap_or_else(|| {
                status::check(self.state.health().of(&place.0, &place.1), None, &self.clock, now)
            })
        };
        Status {
            data_plane: Some(upkeep.status()),
            services: status::services(&self.state, &counters, now, check),
            foreign: upkeep.foreign().clone(),
            orders: ServerOrder::all(self.state.overrides()),
        }
    }

    /// What is known of the checks of each server: of several, the worst one.
    fn checks(&self) -> BTreeMap<Place, CheckStatus> {
        let now = self.clock.now();
        let mut checks = BTreeMap::new();
        for (index, server) in self.servers.iter().enumerate() {
            for (real, entry) in server.reals.iter().enumerate() {
                let worst = self.watch.status(index, real).max_by_key(|check| match check.health {
                    Health::Up => 0,
                    Health::Unknown => 1,
                    Health::Down => 2,
                });
                let Some(worst) = worst else { continue };
                for place in places(server, entry) {
                    let health = self.state.health().of(&place.0, &place.1);
                    let known = status::check(health, Some(worst.clone()), &self.clock, now);
                    checks.insert(place, known);
                }
            }
        }
        checks
    }

    /// What these virtual servers would change: with the weights that checks ask for now, and what is new as it begins.
    pub(super) async fn plan(&self, proposal: Proposal) -> Answer {
        let Proposal { servers, plan: planned } = proposal;
        let (now, mut next) = (self.clock.now(), self.state.clone());
        next.configure(self.wanted(&servers), now, "");
        let mut known: Vec<(Place, Health)> = Vec::new();
        for (server, real) in
            servers.iter().flat_map(|server| server.reals.iter().map(move |real| (server, real)))
        {
            let begin = vitals::at_first(&real.checkers);
            let new = |(service, key): &Place| next.health().of(service, key) == Health::Unknown;
            known.extend(places(server, real).into_iter().filter(new).map(|place| (place, begin)));
        }
        next.learn(known, "", now);
        plan(self.upkeep.as_ref(), next, planned).await
    }

    /// What an operator has ordered outlives this process.
    pub(super) fn keep_orders(&self) {
        self.store.set_servers(ServerOrder::lasting(self.state.overrides()));
    }

    pub(super) async fn answer(&mut self, request: Request, by: Option<String>) -> Answer {
        let Some(upkeep) = &self.upkeep else {
            return Answer::Error(match &self.closed {
                Some(why) => format!("no virtual server works: {why}"),
                None => "there are no virtual servers here".to_owned(),
            });
        };
        match request {
            Request::Table => {
                let (table, counters) =
                    match (upkeep.plane().snapshot().await, upkeep.plane().counters().await) {
                        (Ok(table), Ok(counters)) => (table, counters),
                        (Err(error), _) | (_, Err(error)) => return Answer::Error(error.to_string()),
                    };
                let header = format!("lb-failover {} {}", env!("CARGO_PKG_VERSION"), upkeep.plane().name());
                Answer::Table(Table { header, table, counters, rates: upkeep.rates().rates().clone() })
            }
            Request::Connections(limit) => match upkeep.plane().connections(limit).await {
                Ok(connections) => Answer::Connections(connections),
                Err(error) => Answer::Error(error.to_string()),
            },
            Request::Order { server, service, action, reason, lasting } => {
                let until = lasting.map(|lasting| self.clock.wall() + lasting);
                let order = Order { server, service, action, reason: reason.clone(), by, until };
                match orders::apply(&mut self.state, order, self.clock.now()) {
                    Ok((events, done)) => {
                        let ordered = |event: &&Event| matches!(event.what, What::Ordered(_));
                        for event in events.iter().filter(ordered) {
                            self.log.line(&wording::line(event));
                        }
                        self.keep_orders();
                        self.keep(events);
                        self.announce_all(&reason);
                        self.sync().await;
                        Answer::Done(done)
                    }
                    Err(why) => Answer::Error(why),
                }
            }
            _ => Answer::Error("this is nothing that virtual servers know of".to_owned()),
        }
    }
}
