//! What a running director says over its control socket.

use lb_balancer::{
    orders::{self, Order},
    state::Place,
    status::{self, seconds},
};
use lb_control::{
    protocol::{Answer, CheckStatus, Request, ServerOrder, Status, Table},
    server::Call,
};
use lb_core::Time;

use super::engine::{Director, Options};

impl Director {
    /// Answers a request, if need be when what it asks for is done.
    pub(super) async fn serve(&mut self, Call { request, user, reply }: Call) {
        let answer = match request {
            Request::Status => Answer::Status(Box::new(self.status().await)),
            Request::Table => self.table().await,
            Request::Connections(limit) => match self.upkeep.plane().connections(limit).await {
                Ok(connections) => Answer::Connections(connections),
                Err(error) => Answer::Error(error.to_string()),
            },
            Request::Events(query) => return self.journal.history().answer(query, reply),
            Request::Order { server, service, action, reason, lasting } => {
                let until = lasting.map(|lasting| self.clock.wall() + lasting);
                let order = Order { server, service, action, reason, by: Some(user), until };
                let answer = self.order(order);
                self.sync().await;
                let store = self.store.clone();
                // The disk may be slow.
                tokio::spawn(async move {
                    let _ = reply.send(store.confirm(answer).await);
                });
                return;
            }
            Request::Reload => {
                self.awaiting.push(reply);
                return self.reload();
            }
            Request::Plan(proposed) => {
                let Options { config, strict, .. } = &self.options;
                return self.planning.begin(proposed, config, *strict, reply);
            }
            Request::StatusOf(_)
            | Request::Explain { .. }
            | Request::Failover { .. }
            | Request::Maintenance { .. }
            | Request::Dump(_) => Answer::Error(NO_INSTANCES.to_owned()),
        };
        // A client that has gone away needs no answer.
        let _ = reply.send(answer);
    }

    /// Puts a server under an order, or ends those that it is under.
    fn order(&mut self, order: Order) -> Answer {
        match orders::apply(&mut self.state, order, self.clock.now()) {
            Ok((events, done)) => {
                self.tell(events);
                self.keep_orders();
                Answer::Done(done)
            }
            Err(why) => Answer::Error(why),
        }
    }

    async fn status(&self) -> Status {
        let now = self.clock.now();
        let counters = status::counters(self.upkeep.plane(), &self.state).await;
        let services = status::services(&self.state, &counters, now, |place| self.check(place, now));
        Status {
            program: "lb-director".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: seconds(self.clock.wall(), Time::ZERO),
            uptime: seconds(now, self.clock.started()),
            config: self.options.config.clone(),
            config_id: None,
            config_error: self.config_error.clone(),
            data_plane: Some(self.upkeep.status()),
            services,
            foreign: self.upkeep.foreign().clone(),
            faults: Vec::new(),
            problems: [self.store.problems(), self.unusable_checks.clone()].concat(),
            maintenance: None,
            orders: ServerOrder::all(self.state.overrides()),
            instances: Vec::new(),
            groups: Vec::new(),
            trackers: Vec::new(),
        }
    }

    fn check(&self, place: &Place, now: Time) -> CheckStatus {
        let known = self.check_of.get(place).and_then(|id| self.runner.status_of(*id));
        status::check(self.state.health().of(&place.0, &place.1), known, &self.clock, now)
    }

    async fn table(&self) -> Answer {
        let plane = self.upkeep.plane();
        let (table, counters) = match (plane.snapshot().await, plane.counters().await) {
            (Ok(table), Ok(counters)) => (table, counters),
            (Err(error), _) | (_, Err(error)) => return Answer::Error(error.to_string()),
        };
        let header = format!("lb-director {} {}", env!("CARGO_PKG_VERSION"), plane.name());
        Answer::Table(Table { header, table, counters, rates: self.upkeep.rates().rates().clone() })
    }
}

const NO_INSTANCES: &str =
    "this is lb-director, which has no VRRP instances; name the socket of lb-failover with --socket";
