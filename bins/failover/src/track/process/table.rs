//! Which processes there are of each kind.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::Arc,
};

use super::{
    Wanted,
    connector::Event,
    pattern::{Seen, matches, needs_command},
};

/// The processes that are of some kind, with the names of the kinds.
#[derive(Debug, Default)]
pub(super) struct Table {
    patterns: Arc<Wanted>,
    found: HashMap<u32, BTreeSet<String>>,
}

impl Table {
    /// Looks at all processes.
    pub(super) fn read(patterns: Arc<Wanted>) -> Self {
        let mut table = Self { patterns, found: HashMap::new() };
        if table.patterns.is_empty() {
            return table;
        }
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            table.look(pid);
        }
        table
    }

    /// Follows what has happened.
    pub(super) fn after(mut self, events: &[Event]) -> Self {
        for event in events {
            match event {
                // It is what its parent is, until it becomes another program.
                Event::Fork { parent, child } => {
                    if let Some(kinds) = self.found.get(parent).cloned() {
                        self.found.insert(*child, kinds);
                    }
                }
                Event::Changed(pid) => self.look(*pid),
                Event::Exit(pid) => {
                    self.found.remove(pid);
                }
            }
        }
        self
    }

    pub(super) fn patterns(&self) -> &Wanted {
        &self.patterns
    }

    /// How many processes are of this kind.
    pub(super) fn count(&self, name: &str) -> u32 {
        let count = self.found.values().filter(|kinds| kinds.contains(name)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn look(&mut self, pid: u32) {
        let command = self.patterns.values().any(needs_command);
        let kinds: BTreeSet<String> = match see(pid, command) {
            None => BTreeSet::new(),
            Some(seen) => {
                let kinds = self.patterns.values().filter(|process| matches(process, &seen));
                kinds.map(|process| process.name.clone()).collect()
            }
        };
        if kinds.is_empty() {
            self.found.remove(&pid);
        } else {
            self.found.insert(pid, kinds);
        }
    }
}

/// A process, unless it has ended.
fn see(pid: u32, command: bool) -> Option<Seen> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // `17 (name) S …`, where the name may hold anything.
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let state = stat.get(end + 1..)?.trim_start().chars().next()?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    let name = stat.get(start + 1..end)?.to_owned();
    let line =
        if command { fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default() } else { Vec::new() };
    let line = String::from_utf8_lossy(&line);
    let words = line.strip_suffix('\0').unwrap_or(&line);
    let command = if words.is_empty() { Vec::new() } else { words.split('\0').map(str::to_owned).collect() };
    Some(Seen { name, command })
}

#[cfg(test)]
mod tests {
    use super::{super::pattern::tests::process, *};
    use lb_config::keepalived::model::Process;

    #[test]
    fn what_happens_is_followed() {
        let wanted = Wanted::from([("P".to_owned(), process("nothing-is-called-so", None))]);
        let mut table = Table { patterns: Arc::new(wanted), found: HashMap::new() };
        table.found.insert(70_000_001, BTreeSet::from(["P".to_owned()]));
        let fork = |parent, child| Event::Fork { parent, child };
        table = table.after(&[fork(70_000_001, 70_000_002), fork(70_000_009, 70_000_003)]);
        assert_eq!(table.count("P"), 2);
        table = table.after(&[Event::Changed(70_000_002)]);
        assert_eq!(table.count("P"), 1);
        table = table.after(&[Event::Exit(70_000_001)]);
        assert_eq!((table.count("P"), table.found.len()), (0, 0));
    }

    #[test]
    fn we_are_found_by_what_we_are_called() {
        let own: Vec<String> = std::env::args().collect();
        let seen = see(std::process::id(), true).unwrap();
        assert_eq!(seen.command, own);
        let by_name = Process { command: vec![seen.name], ..process("", None) };
        let by_line = Process { name: "L".into(), command: vec![own[0].clone()], ..process("", None) };
        let patterns = Wanted::from([("P".to_owned(), by_name), ("L".to_owned(), by_line)]);
        let table = Table::read(Arc::new(patterns));
        assert!(table.count("P") >= 1 && table.count("L") >= 1);
        assert_eq!(table.count("other"), 0);
        assert_eq!(see(u32::MAX, true), None);
    }

    #[test]
    fn who_has_ended_does_not_count() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let is_zombie = || see(child.id(), false).is_none();
        for _ in 0..2000 {
            if is_zombie() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(is_zombie() && std::path::Path::new(&format!("/proc/{}/stat", child.id())).exists());
        child.wait().unwrap();
    }
}
