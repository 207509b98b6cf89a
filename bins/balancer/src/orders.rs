//! What the operator says of real servers.

use lb_core::{
    Event, Time,
    event::{Cause, Subject, What},
    model::{ServerKey, ServiceKey},
    overrides::{Action, Override},
};

use super::state::State;

/// An order about a real server.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which server.
    pub server: ServerKey,
    /// In which service; `None` = in all.
    pub service: Option<ServiceKey>,
    /// What is to happen; `None` = the order that is in force ends.
    pub action: Option<Action>,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub by: Option<String>,
    /// Until when, by the wall clock.
    pub until: Option<Time>,
}

/// Puts a server under an order, or ends those that it is under: without a service, every one of them. Returns what
/// happened, and a sentence about it.
///
/// # Errors
/// In words: no such server.
pub fn apply(state: &mut State, order: Order, now: Time) -> Result<(Vec<Event>, String), String> {
    let Order { server, service, action, reason, by, until } = order;
    let concerned: Vec<ServiceKey> = state
        .policy()
        .iter()
        .filter(|(key, entry)| {
            service.is_none_or(|service| service == **key) && entry.servers.contains_key(&server)
        })
        .map(|(key, _)| *key)
        .collect();
    let under: Vec<Option<ServiceKey>> = state
        .overrides()
        .iter()
        .filter(|(of, place, _)| **of == server && (service.is_none() || place.copied() == service))
        .map(|(_, place, _)| place.copied())
        .collect();
    // The order about a server that is no longer configured can still be ended.
    if concerned.is_empty() && (action.is_some() || under.is_empty()) {
        return Err(unknown(&server, service.as_ref()));
    }
    // Of what is to end, only the words count.
    let order = Override { action: action.unwrap_or(Action::Drain), reason, by, until };
    let places = if action.is_some() { vec![service] } else { under };
    if places.is_empty() {
        return Ok((Vec::new(), format!("{server}: no such order was in force")));
    }
    let ordered = concerned.iter().map(|service| Event {
        at: now,
        subject: Subject::Server(*service, server),
        what: What::Ordered(action),
        cause: Cause::Operator(order.words()),
    });
    let mut events: Vec<Event> = ordered.collect();
    let before = events.len();
    for place in places {
        events.append(&mut state.order(server, place, action.map(|_| order.clone()), now));
    }
    let count = events.len() - before;
    let changes = if count == 1 { "change" } else { "changes" };
    Ok((events, format!("{server}: {count} {changes} in the data plane")))
}

fn unknown(server: &ServerKey, service: Option<&ServiceKey>) -> String {
    match service {
        None => format!("no service of the configuration has the real server {server}; see `lbctl status`"),
        Some(service) => format!("the service {service} has no real server {server}; see `lbctl status`"),
    }
}
