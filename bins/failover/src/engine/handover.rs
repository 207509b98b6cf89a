//! Handing over to another node. Whoever asked is answered when the outcome is known.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lb_control::protocol::{Answer, MAX_HAND_OVER, Maintenance};
use lb_core::Time;
use lb_vrrp::{Event as Heard, State as Protocol, driver::Happening};
use tokio::sync::oneshot;

use super::Engine;
use crate::{
    handover::{Ended, Outcome, describe},
    state::{Order, Step},
};

/// For messages and threads that are late, beyond what the protocol takes.
const MARGIN: Duration = Duration::from_secs(5);

/// An order to take the node out of service.
#[derive(Debug)]
pub(crate) struct NewMaintenance {
    /// Why.
    pub(crate) reason: String,
    /// Which user says so.
    pub(crate) by: String,
    /// For how long; `None` = until it is taken off.
    pub(crate) lasting: Option<Duration>,
}

/// Who waits for a hand-over, and what comes after it.
#[derive(Debug)]
pub(super) struct Ticket {
    reply: oneshot::Sender<Answer>,
    maintenance: Option<NewMaintenance>,
}

impl Engine {
    /// Hands over what an instance or group (`None`: this node) has.
    pub(crate) async fn hand_over(
        &mut self,
        of: Option<String>,
        reason: &str,
        reply: oneshot::Sender<Answer>,
    ) {
        match self.state.hand_over(of.as_deref(), reason, self.clock.now()) {
            Ok(steps) => self.await_successors(steps, Ticket { reply, maintenance: None }).await,
            // Whoever asked may be gone.
            Err(why) => drop(reply.send(Answer::Error(why))),
        }
    }

    /// Puts the node under maintenance as soon as other nodes have taken over all that it has.
    pub(crate) async fn enter_maintenance(&mut self, order: NewMaintenance, reply: oneshot::Sender<Answer>) {
        let words = format!("maintenance: {}", order.reason);
        match self.state.hand_over(None, &words, self.clock.now()) {
            Ok(steps) => self.await_successors(steps, Ticket { reply, maintenance: Some(order) }).await,
            Err(_nothing_to_hand_over) => {
                self.maintain(order).await;
                self.confirm(Answer::Done("in maintenance".to_owned()), reply);
            }
        }
    }

    /// Takes the node out of service, whoever has its addresses.
    pub(crate) async fn maintain(&mut self, order: NewMaintenance) {
        let NewMaintenance { reason, by, lasting } = order;
        let since = self.clock.wall();
        let until = lasting.map(|lasting| since + lasting);
        let order = Maintenance { reason, by: Some(by), since, until };
        let steps = self.state.maintain(Some(order), self.clock.now());
        self.take(steps).await;
    }

    async fn await_successors(&mut self, steps: Vec<Step>, ticket: Ticket) {
        let handed = |step: &Step| match step {
            Step::Order(name, Order::HandOver) => Some(name.clone()),
            _ => None,
        };
        let names: Vec<Arc<str>> = steps.iter().filter_map(handed).collect();
        let longest = names.iter().filter_map(|name| self.model(name)).map(|model| match model.strict {
            // Its addresses go at once, and it listens for a down interval.
            true => model.advert_int.duration() * 4,
            // A peer of priority 1 waits for nearly one interval; with VRRPv2 for a second.
            false => model.advert_int.duration().max(Duration::from_secs(1)) * 2,
        });
        let limit = (longest.max().unwrap_or_default() + MARGIN).min(MAX_HAND_OVER);
        self.hand_overs.begin(ticket, names, self.clock.now() + limit);
        self.take(steps).await;
    }

    /// The protocol tells something that may be the outcome of a hand-over.
    pub(super) async fn note_outcome(&mut self, instance: &str, what: &Happening) {
        let Happening::Router(event) = what else { return };
        let outcome = match event {
            Heard::State { cause: lb_vrrp::Cause::HandedOver(by), .. }
            | Heard::NewActive { source: by, .. } => Outcome::TakenOver(*by),
            Heard::NoSuccessor | Heard::State { to: Protocol::Active, .. } => Outcome::Stayed,
            Heard::State { to: Protocol::Initialize, .. } => Outcome::Unknown,
            _ => return,
        };
        self.hand_overs.handle_input(instance, outcome);
        self.answer_hand_overs().await;
    }

    pub(super) async fn time_out_hand_overs(&mut self, now: Time) {
        self.hand_overs.handle_timeout(now);
        self.answer_hand_overs().await;
    }

    async fn answer_hand_overs(&mut self) {
        while let Some(Ended { ticket, outcomes }) = self.hand_overs.poll_output() {
            let Ticket { reply, maintenance } = ticket;
            let answer = self.conclude(maintenance, &outcomes).await;
            self.confirm(answer, reply);
        }
    }

    async fn take_back(&mut self, outcomes: &BTreeMap<Arc<str>, Outcome>) {
        for name in outcomes.keys() {
            let steps = self.state.take_back(name, self.clock.now());
            self.take(steps).await;
        }
    }

    async fn conclude(
        &mut self,
        maintenance: Option<NewMaintenance>,
        outcomes: &BTreeMap<Arc<str>, Outcome>,
    ) -> Answer {
        let text = describe(outcomes);
        let all_taken = outcomes.values().all(|outcome| matches!(outcome, Outcome::TakenOver(_)));
        match maintenance {
            None if all_taken => Answer::Done(text),
            None => Answer::Error(text),
            Some(order) if all_taken => {
                self.maintain(order).await;
                // After the maintenance the priorities decide, as if nothing had been handed over.
                self.take_back(outcomes).await;
                Answer::Done(format!("in maintenance; {text}"))
            }
            Some(_) => {
                self.take_back(outcomes).await;
                Answer::Error(format!(
                    "{text}; the node is not in maintenance, and nothing is recorded; `lbctl maintenance on --force` \
                     removes its addresses nevertheless"
                ))
            }
        }
    }
}
