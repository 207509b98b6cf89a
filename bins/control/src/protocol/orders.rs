//! Orders about real servers, as `status` shows them and as they are kept on disk.

use lb_core::{
    Time,
    model::{ServerKey, ServiceKey},
    overrides::{Action, Override, Overrides},
};
use lb_runtime::clock::wall_time;
use serde::{Deserialize, Serialize};

/// An operator's order about a real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerOrder {
    /// Which server.
    pub server: ServerKey,
    /// In which service; `None` = in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// What was ordered.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Who ordered it: a user of this host; `None` = the program itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Until when, by the wall clock; `None` = until `lbctl resume`.
    #[serde(default, with = "wall_time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl ServerOrder {
    /// All orders in force.
    pub fn all(overrides: &Overrides) -> Vec<Self> {
        let order = |(server, service, order): (&ServerKey, Option<&ServiceKey>, &Override)| Self {
            server: *server,
            service: service.copied(),
            action: order.action,
            reason: order.reason.clone(),
            by: order.by.clone(),
            until: order.until,
        };
        overrides.iter().map(order).collect()
    }

    /// Those that an operator gave, and that therefore outlive the daemon.
    pub fn lasting(overrides: &Overrides) -> Vec<Self> {
        let mut orders = Self::all(overrides);
        orders.retain(|order| order.by.is_some());
        orders
    }

    /// What is to be put in force.
    pub fn into_override(self) -> (ServerKey, Option<ServiceKey>, Override) {
        let Self { server, service, action, reason, by, until } = self;
        (server, service, Override { action, reason, by, until })
    }
}
