//! What is known of the real servers' health.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::model::{ServerKey, ServiceKey};

/// Health of one real server in one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not checked to an end yet. Gets no traffic, and is no reason to put the fallback in.
    #[default]
    Unknown,
    /// As it should be.
    Up,
    /// Failed its checks.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Health of all servers; who is not in it is [`Health::Unknown`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthView {
    known: BTreeMap<(ServiceKey, ServerKey), Health>,
}

impl HealthView {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self { known: BTreeMap::new() }
    }

    /// Notes what was found; returns what was known before.
    pub fn set(&mut self, service: ServiceKey, server: ServerKey, health: Health) -> Health {
        self.known.insert((service, server), health).unwrap_or_default()
    }

    /// What is known of a server.
    pub fn of(&self, service: &ServiceKey, server: &ServerKey) -> Health {
        self.known.get(&(*service, *server)).copied().unwrap_or_default()
    }

    /// Forgets every server for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&ServiceKey, &ServerKey) -> bool) {
        self.known.retain(|(service, server), _| keep(service, server));
    }
}
