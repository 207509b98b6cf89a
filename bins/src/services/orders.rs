//! What the operator says of real servers.

use lb_core::{
    Event, Time,
    model::{ServerKey, ServiceKey},
    overrides::Override,
};

use super::state::State;

/// Puts a server under an order, or (`None`) ends those that it is under: without a service, every one of them. Returns
/// what happened, and a sentence about it.
///
/// # Errors
/// In words: no such server.
pub fn order(
    state: &mut State,
    server: ServerKey,
    service: Option<ServiceKey>,
    order: Option<Override>,
    now: Time,
) -> Result<(Vec<Event>, String), String> {
    let known = state.policy().iter().any(|(key, entry)| {
        service.is_none_or(|service| service == *key) && entry.servers.contains_key(&server)
    });
    if !known {
        return Err(unknown(&server, service.as_ref()));
    }
    let places: Vec<Option<ServiceKey>> = match order {
        Some(_) => vec![service],
        None => {
            let orders = state.overrides().iter().filter(|(of, ..)| **of == server);
            let places = orders.map(|(_, place, _)| place.copied());
            places.filter(|place| service.is_none() || *place == service).collect()
        }
    };
    if places.is_empty() {
        return Ok((Vec::new(), format!("{server}: no such order was in force")));
    }
    let mut events = Vec::new();
    for place in places {
        events.append(&mut state.order(server, place, order.clone(), now));
    }
    let count = events.len();
    let changes = if count == 1 { "change" } else { "changes" };
    Ok((events, format!("{server}: {count} {changes} in the data plane")))
}

fn unknown(server: &ServerKey, service: Option<&ServiceKey>) -> String {
    match service {
        None => format!("no service of the configuration has the real server {server}; see `lbctl status`"),
        Some(service) => format!("the service {service} has no real server {server}; see `lbctl status`"),
    }
}
