//! `lbctl drain --wait`: until a real server has no connections left.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use lb_control::{
    client::Client,
    protocol::{Answer, Request, ServerStatus, Status},
};
use lb_core::{
    desired::ServerState,
    model::{Protocol, ServerKey, ServiceKey},
    overrides::Action,
};
use lb_runtime::span::span;

use super::{CONNECTIONS, Failure, OrderArguments, connect, give, put, unexpected};

#[derive(Debug, Args)]
pub(super) struct DrainArguments {
    #[command(flatten)]
    order: OrderArguments,
    /// Return when its connections have ended: 0, or 1 when some are left after the time of --for
    #[arg(long)]
    wait: bool,
}

/// How often connections are counted.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The daemon and lbctl may disagree by so much about when an order runs out.
const CLOCK_MARGIN: Duration = Duration::from_secs(1);

/// Gives the order, and waits if that is wanted.
pub(super) fn drain(socket: Option<PathBuf>, arguments: DrainArguments) -> Result<(), Failure> {
    let DrainArguments { order, wait } = arguments;
    let (server, service, lasting) = (order.server, order.service, order.lasting);
    let start = Instant::now();
    give(socket.clone(), order, Some(Action::Drain))?;
    if !wait {
        return Ok(());
    }
    let mut last = 0;
    loop {
        let mut client = connect(socket.clone())?;
        let Answer::Status(status) = client.ask(&Request::Status)? else { return Err(unexpected()) };
        let places = places(&status, server, service);
        let (elapsed, limit) = (start.elapsed(), lasting.unwrap_or(Duration::MAX));
        if places.is_empty() || places.iter().any(|(_, place)| is_in_use(place.state)) {
            if elapsed.saturating_add(CLOCK_MARGIN) >= limit {
                return Err(left(server, last, limit).into());
            }
            return Err(format!("{server} is no longer drained; see `lbctl events`").into());
        }
        last = remaining(&status, &places, server, &mut client)?;
        if last == 0 {
            let bound: u32 = places.iter().map(|(_, place)| place.counters.persistent).sum();
            put(&format!("{server}: no connection is left\n"))?;
            if bound > 0 {
                put(&format!("{server}: persistence binds {bound} clients to it, which may come back\n"))?;
            }
            return Ok(());
        }
        if elapsed >= limit {
            return Err(left(server, last, limit).into());
        }
        thread::sleep(POLL_INTERVAL.min(limit - elapsed));
    }
}

fn left(server: ServerKey, count: u64, limit: Duration) -> String {
    let connections = if count == 1 { "1 connection is" } else { &format!("{count} connections are") };
    format!("{server}: {connections} left after {}, and it is in use again", span(limit))
}

const fn is_in_use(state: ServerState) -> bool {
    matches!(state, ServerState::Active | ServerState::Unchecked)
}

/// Where the server is drained.
fn places(
    status: &Status,
    server: ServerKey,
    service: Option<ServiceKey>,
) -> Vec<(ServiceKey, &ServerStatus)> {
    let wanted = status.services.iter().filter(|entry| service.is_none_or(|only| only == entry.service));
    wanted
        .flat_map(|entry| entry.servers.iter().map(|place| (entry.service, place)))
        .filter(|(_, place)| place.server == server)
        .collect()
}

/// Its connections that have not ended. The kernel's data planes count for minutes what both ends have closed: once no
/// connection is open, these are told apart by their states.
fn remaining(
    status: &Status,
    places: &[(ServiceKey, &ServerStatus)],
    server: ServerKey,
    client: &mut Client,
) -> Result<u64, Failure> {
    let sum = |count: fn(&ServerStatus) -> u32| -> u64 {
        places.iter().map(|(_, place)| u64::from(count(place))).sum()
    };
    let (active, inactive) = (sum(|place| place.counters.active), sum(|place| place.counters.inactive));
    let by_relay = status.data_plane.as_ref().is_some_and(|plane| plane.name == "relay");
    let has_states = |service: &ServiceKey| service.protocol() != Some(Protocol::Udp);
    if active > 0 || inactive == 0 || by_relay || !places.iter().all(|(service, _)| has_states(service)) {
        return Ok(active + inactive);
    }
    let Answer::Connections(connections) = client.ask_raw(&Request::Connections(CONNECTIONS))? else {
        return Err(unexpected());
    };
    let is_left = |state: &str| !matches!(state, "TIME_WAIT" | "CLOSE" | "NONE");
    let to_server = connections.iter().filter(|one| {
        one.destination.ip() == server.address && (server.port == 0 || one.destination.port() == server.port)
    });
    let left = to_server.filter(|one| is_left(&one.state)).count() as u64;
    Ok(left.min(inactive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_with_its_number() {
        let server: ServerKey = "10.0.0.1:80".parse().unwrap();
        let text = left(server, 1, Duration::from_secs(90));
        assert_eq!(text, "10.0.0.1:80: 1 connection is left after 1m30s, and it is in use again");
        assert!(left(server, 3, Duration::from_secs(2)).contains("3 connections are left after 2.0s"));
    }
}
