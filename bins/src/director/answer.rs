//! What a running director says over its control socket.

use lb_core::{
    Time,
    model::{ServerKey, ServiceKey},
    overrides::Override,
};

use super::engine::{Director, Options};
use crate::{
    control::{
        protocol::{Answer, CheckStatus, Request, Status, Table},
        server::Call,
    },
    services::{
        orders,
        state::Place,
        status::{self, seconds},
    },
};

impl Director {
    /// Answers a request, if need be when what it asks for is done.
    pub(super) async fn serve(&mut self, (request, reply): Call) {
        let answer = match request {
            Request::Status => Answer::Status(Box::new(self.status().await)),
            Request::Table => self.table().await,
            Request::Connections(limit) => match self.upkeep.plane().connections(limit).await {
                Ok(connections) => Answer::Connections(connections),
                Err(error) => Answer::Error(error.to_string()),
            },
            Request::Events(count) => Answer::Events(self.journal.newest(count)),
            Request::Order { server, service, action, reason, lasting } => {
                let until = lasting.map(|lasting| self.clock.now() + lasting);
                let order = action.map(|action| Override { action, reason, until });
                let answer = self.order(server, service, order);
                self.sync().await;
                answer
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
            | Request::Explain(_)
            | Request::Failover { .. }
            | Request::Maintenance { .. }
            | Request::Dump(_) => Answer::Error(NO_INSTANCES.to_owned()),
        };
        // A client that has gone away needs no answer.
        let _ = reply.send(answer);
    }

    /// Puts a server under an order, or ends those that it is under.
    fn order(&mut self, server: ServerKey, service: Option<ServiceKey>, order: Option<Override>) -> Answer {
        match orders::order(&mut self.state, server, service, order, self.clock.now()) {
            Ok((events, done)) => {
                self.tell(events);
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
            now: seconds(now, Time::ZERO),
            uptime: seconds(now, self.clock.started()),
            config: self.options.config.clone(),
            config_id: None,
            config_error: self.config_error.clone(),
            data_plane: Some(self.upkeep.status()),
            services,
            foreign: self.upkeep.foreign().clone(),
            maintenance: None,
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
