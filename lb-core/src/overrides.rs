//! What the operator has said, beside configuration and checks: each with a reason, some with an end.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Time,
    model::{ServerKey, ServiceKey},
};

/// The operator's word on one real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What is to happen.
    pub action: Action,
    /// Why, in the operator's words.
    pub reason: String,
    /// The operator; `None` = the program itself gave it, and gives it again after a restart if it still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it ends by itself, by the clock that [`Overrides::expire`] is given; `None` = when the operator says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl Override {
    /// The reason with the operator's name: `new disk (by root)`.
    pub fn words(&self) -> String {
        match &self.by {
            Some(by) => format!("{} (by {by})", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Drain => "drain",
            Self::Maintenance => "maintenance",
        })
    }
}

/// What the operator wants of a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// No new connections; established ones go on. Weight 0, whatever the checks say.
    Drain,
    /// As if its checks failed: removed or quiesced, as the service does with failed servers.
    Maintenance,
}

/// All overrides in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    by_server: BTreeMap<(ServerKey, Option<ServiceKey>), Override>,
}

impl Overrides {
    /// None.
    pub const fn new() -> Self {
        Self { by_server: BTreeMap::new() }
    }

    /// Puts a server under an override, in one service or (`None`) in all; returns the one that it replaces.
    pub fn set(
        &mut self,
        server: ServerKey,
        service: Option<ServiceKey>,
        entry: Override,
    ) -> Option<Override> {
        self.by_server.insert((server, service), entry)
    }

    /// Ends an override.
    pub fn clear(&mut self, server: &ServerKey, service: Option<&ServiceKey>) -> Option<Override> {
        self.by_server.remove(&(*server, service.copied()))
    }

    /// Ends what has run out by `now`; returns what ended.
    pub fn expire(&mut self, now: Time) -> Vec<(ServerKey, Option<ServiceKey>, Override)> {
        self.by_server
            .extract_if(.., |_, entry| entry.until.is_some_and(|until| until <= now))
            .map(|((server, service), entry)| (server, service, entry))
            .collect()
    }

    /// When the next one runs out.
    pub fn next_expiry(&self) -> Option<Time> {
        self.by_server.values().filter_map(|entry| entry.until).min()
    }

    /// The override of a server in a service; one for this service goes before one for all.
    pub fn of(&self, service: &ServiceKey, server: &ServerKey) -> Option<&Override> {
        self.by_server.get(&(*server, Some(*service))).or_else(|| self.by_server.get(&(*server, None)))
    }

    /// All in force.
    pub fn iter(&self) -> impl Iterator<Item = (&ServerKey, Option<&ServiceKey>, &Override)> {
        self.by_server.iter().map(|((server, service), entry)| (server, service.as_ref(), entry))
    }
}
