//! The operator's orders as a file.

use lb_core::Time;
use lb_runtime::{
    clock::rfc3339,
    state_dir::{StateDir, StateDirError},
};
use serde::{Deserialize, Serialize};

use super::super::protocol::{Maintenance, ServerOrder};

const FILE: &str = "orders.json";
/// Changes with each change that an older version would misunderstand.
const FORMAT: u32 = 1;

/// What an operator has ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The whole node is out of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// Real servers that are.
    #[serde(default)]
    pub servers: Vec<ServerOrder>,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    format: u32,
    #[serde(flatten)]
    orders: Orders,
}

impl Orders {
    pub(super) fn write(&self, folder: &StateDir) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(&Contents { format: FORMAT, orders: self.clone() })?;
        folder.replace(FILE, &(text + "\n"))
    }

    /// Reads the file, and says what is not in force of it. A file that cannot be used is kept aside.
    pub(super) fn read(folder: &StateDir, wall: Time) -> Result<(Self, Vec<String>), StateDirError> {
        let failed = |source| StateDirError::Unusable { path: folder.path().join(FILE), source };
        let read = match folder.read(FILE) {
            Ok(None) => return Ok((Self::default(), Vec::new())),
            Ok(Some(text)) => parse(&text),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(mut orders) => {
                let notes = orders.expire(wall);
                Ok((orders, notes))
            }
            Err(why) => {
                let aside = folder.set_aside(FILE).map_err(failed)?;
                let path = aside.display();
                let note =
                    format!("The orders of an earlier process cannot be used, and are kept in {path}: {why}");
                Ok((Self::default(), vec![note]))
            }
        }
    }

    /// Drops what has run out meanwhile; says what.
    fn expire(&mut self, wall: Time) -> Vec<String> {
        let over = |until: Option<Time>| until.filter(|until| *until <= wall);
        let words = |what: &str, reason: &str, until: Time| {
            format!("Ran out at {}, while no daemon was running: {what}: {reason}", rfc3339(until))
        };
        let mut notes = Vec::new();
        if let Some(maintenance) = &self.maintenance
            && let Some(until) = over(maintenance.until)
        {
            notes.push(words("maintenance", &maintenance.words(), until));
            self.maintenance = None;
        }
        self.servers.retain(|order| {
            let over = over(order.until);
            notes.extend(over.map(|until| words(&what(order), &order.reason, until)));
            over.is_none()
        });
        notes
    }

    /// What is in force, for the log.
    pub(super) fn describe(&self) -> Vec<String> {
        let end = |until: Option<Time>| {
            until.map_or_else(String::new, |until| format!(", until {}", rfc3339(until)))
        };
        let line = |what: &str, reason: &str, until| {
            format!("Still in force from before the restart: {what}: {reason}{}", end(until))
        };
        let maintenance =
            self.maintenance.iter().map(|order| line("maintenance", &order.words(), order.until));
        let servers = self.servers.iter().map(|order| line(&what(order), &words_of(order), order.until));
        maintenance.chain(servers).collect()
    }
}

fn what(order: &ServerOrder) -> String {
    let service = order.service.map_or_else(String::new, |service| format!(" in {service}"));
    format!("{} of {}{service}", order.action, order.server)
}

fn words_of(order: &ServerOrder) -> String {
    order.clone().into_override().2.words()
}

fn parse(text: &str) -> Result<Orders, String> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!("its format {format} is not {FORMAT}, which this version reads"));
    }
    serde_json::from_str::<Contents>(text).map(|contents| contents.orders).map_err(|error| error.to_string())
}
