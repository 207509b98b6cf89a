//! `promote_secondaries`: when an address is removed, others of its network stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
};

/// Interfaces that were changed, and how each was before.
#[derive(Debug, Default)]
pub(super) struct Promoted(BTreeMap<String, String>);

impl Promoted {
    /// Sets it for these interfaces, and sets the others back. An interface that is not there is for the next time.
    pub(super) fn set(&mut self, wanted: &BTreeSet<String>, mut failed: impl FnMut(&str, io::Error)) {
        self.0.retain(|interface, before| {
            if wanted.contains(interface) {
                return true;
            }
            // With its interface, the setting is gone as well.
            let _ = fs::write(path(interface), &*before);
            false
        });
        for interface in wanted {
            match promote(interface) {
                Ok(Some(before)) => {
                    self.0.entry(interface.clone()).or_insert(before);
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => failed(interface, error),
            }
        }
    }
}

/// What it was, if it was anything else.
fn promote(interface: &str) -> io::Result<Option<String>> {
    let path = path(interface);
    let before = fs::read_to_string(&path)?;
    if before.trim() == "1" {
        return Ok(None);
    }
    fs::write(path, "1")?;
    Ok(Some(before))
}

fn path(interface: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net/ipv4/conf").join(interface).join("promote_secondaries")
}
