//! What another configuration would change, before anything does.

use std::collections::BTreeMap;

use lb_control::protocol::{Answer, Connected, Plan, Step};
use lb_core::{
    Health, Time,
    change::Change,
    dataplane::{DataPlaneError, ServiceCounters},
    desired::ServerState,
    diff,
    model::{ServiceKey, ServiceTable},
};

use super::{state::State, upkeep::Upkeep};

/// What a sync would change if things were as in `next`, in addition to what is in `plan` already. Without `upkeep` there
/// is no data plane yet, and everything is new.
pub async fn plan(upkeep: Option<&Upkeep>, next: State, plan: Plan) -> Answer {
    let data_plane = upkeep.map_or("none", |upkeep| upkeep.plane().name()).to_owned();
    let table = &next.desired().table;
    let later = diff(table, &when_checked(next.clone()).desired().table);
    let now = match upkeep {
        Some(upkeep) => upkeep.plan(table).await,
        None => Ok(diff(&ServiceTable::new(), table)),
    };
    let steps = async {
        let now = now?;
        // Counting may cost more than all the rest.
        let counters = match upkeep.filter(|_| now.iter().chain(&later).any(removes)) {
            Some(upkeep) => upkeep.plane().counters().await?,
            None => BTreeMap::new(),
        };
        let step = |change| step(change, upkeep, &counters);
        Ok::<_, DataPlaneError>((now.into_iter().map(step).collect(), later.into_iter().map(step).collect()))
    };
    match steps.await {
        Ok((steps, later)) => Answer::Plan(Plan { data_plane, steps, later, ..plan }),
        Err(error) => Answer::Error(error.to_string()),
    }
}

/// The same when all servers of which nothing is known are up.
fn when_checked(mut state: State) -> State {
    let mut unchecked = Vec::new();
    for (service, decision) in &state.desired().decisions {
        let servers = decision.servers.iter().filter(|(_, state)| **state == ServerState::Unchecked);
        unchecked.extend(servers.map(|(server, _)| ((*service, *server), Health::Up)));
    }
    state.learn(unchecked, "", Time::ZERO);
    state
}

const fn removes(change: &Change) -> bool {
    matches!(change, Change::RemoveService { .. } | Change::RemoveServer { .. })
}

fn step(change: Change, upkeep: Option<&Upkeep>, counters: &BTreeMap<ServiceKey, ServiceCounters>) -> Step {
    let connected = upkeep.filter(|_| removes(&change)).map(|upkeep| Connected {
        ends: upkeep.plane().removal_ends_connections(change.service()),
        ..connected(&change, counters)
    });
    Step { change, connected }
}

/// What is connected to the server, or to all servers of the service, that a change is about.
fn connected(change: &Change, counters: &BTreeMap<ServiceKey, ServiceCounters>) -> Connected {
    let servers = counters.get(change.service()).map(|service| &service.servers).into_iter().flatten();
    let concerned = servers.filter(|(server, _)| change.server().is_none_or(|only| only == *server));
    concerned.fold(Connected::default(), |sum, (_, server)| Connected {
        active: sum.active.saturating_add(server.active),
        inactive: sum.inactive.saturating_add(server.inactive),
        ..sum
    })
}

#[cfg(test)]
mod tests;
