//! What another configuration would change, before anything does.

use std::{collections::BTreeMap, path::PathBuf};

use lb_core::{
    change::Change,
    dataplane::{DataPlaneError, ServiceCounters},
    desired::{Desired, ServerState},
    diff,
    model::{ServerKey, ServiceKey, ServiceTable},
};

use super::upkeep::Upkeep;
use crate::control::protocol::{Answer, Connected, Plan, Step};

/// What a sync would change if `next` were decided; `config` is where that comes from, `warnings` what is odd about it.
/// Without `upkeep` there is no data plane yet, and everything is new.
pub async fn plan(upkeep: Option<&Upkeep>, next: &Desired, config: PathBuf, warnings: Vec<String>) -> Answer {
    let data_plane = upkeep.map_or("none", |upkeep| upkeep.plane().name()).to_owned();
    match steps(upkeep, &next.table).await {
        Ok(steps) => Answer::Plan(Plan { config, warnings, data_plane, steps, awaited: awaited(next) }),
        Err(error) => Answer::Error(error.to_string()),
    }
}

fn awaited(next: &Desired) -> Vec<(ServiceKey, ServerKey)> {
    let mut awaited = Vec::new();
    for (service, decision) in &next.decisions {
        let unchecked = decision.servers.iter().filter(|(_, state)| **state == ServerState::Unchecked);
        awaited.extend(unchecked.map(|(server, _)| (*service, *server)));
    }
    awaited
}

async fn steps(upkeep: Option<&Upkeep>, next: &ServiceTable) -> Result<Vec<Step>, DataPlaneError> {
    let alone = |change| Step { change, connected: None };
    let Some(upkeep) = upkeep else {
        return Ok(diff(&ServiceTable::new(), next).into_iter().map(alone).collect());
    };
    let changes = upkeep.plan(next).await?;
    // Counting may cost more than all the rest.
    let removes =
        |change: &Change| matches!(change, Change::RemoveService { .. } | Change::RemoveServer { .. });
    if !changes.iter().any(removes) {
        return Ok(changes.into_iter().map(alone).collect());
    }
    let counters = upkeep.plane().counters().await?;
    let step = |change: Change| {
        let connected = removes(&change).then(|| Connected {
            ends: upkeep.plane().removal_ends_connections(change.service()),
            ..connected(&change, &counters)
        });
        Step { change, connected }
    };
    Ok(changes.into_iter().map(step).collect())
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
