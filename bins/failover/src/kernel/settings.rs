//! `promote_secondaries`: when an address is removed, others of its network stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
};

use crate::inventory::{Entry, Inventory, Recorder};

/// Interfaces that were changed, and how each was before.
#[derive(Debug, Default)]
pub(super) struct Promoted(BTreeMap<String, String>);

impl Promoted {
    /// Those that a predecessor has changed.
    pub(super) fn of(inventory: &Inventory) -> Self {
        let changed = inventory.iter().filter_map(|entry| match entry {
            Entry::PromoteSecondaries { interface, before } => Some((interface.clone(), before.clone())),
            _ => None,
        });
        Self(changed.collect())
    }

    /// Sets it for these interfaces, and sets the others back. An interface that is not there is for the next time.
    pub(super) async fn set(
        &mut self,
        wanted: &BTreeSet<String>,
        recorder: &Recorder,
        mut failed: impl FnMut(&str, io::Error),
    ) {
        self.0.retain(|interface, before| {
            if wanted.contains(interface) {
                return true;
            }
            if write(interface, before).is_ok() {
                recorder.remove([entry(interface, before)]);
            }
            false
        });
        for interface in wanted {
            match before(interface) {
                Ok(None) => {}
                Ok(Some(before)) => {
                    let before = self.0.entry(interface.clone()).or_insert(before);
                    recorder.add([entry(interface, before)]).await;
                    if let Err(error) = write(interface, "1") {
                        failed(interface, error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed(interface, error),
            }
        }
    }
}

fn entry(interface: &str, before: &str) -> Entry {
    Entry::PromoteSecondaries { interface: interface.to_owned(), before: before.to_owned() }
}

/// What it is, if it is anything else.
fn before(interface: &str) -> io::Result<Option<String>> {
    let before = fs::read_to_string(path(interface))?;
    Ok((before.trim() != "1").then_some(before))
}

/// With its interface, the setting is gone as well.
pub(super) fn write(interface: &str, value: &str) -> io::Result<()> {
    match fs::write(path(interface), value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}

fn path(interface: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net/ipv4/conf").join(interface).join("promote_secondaries")
}
