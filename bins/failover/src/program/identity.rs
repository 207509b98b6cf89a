//! As whom a program runs.

use std::{ffi::OsString, fmt, sync::OnceLock};

use lb_config::keepalived::model;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use tokio::process::Command;

use super::NotRun;

/// Who runs programs by default, if there is such a user and this process is run by root.
const DEFAULT: &str = "keepalived_script";

/// A user and group by name, which are looked up once they are needed, and no more when they were found.
#[derive(Debug)]
pub(super) struct Identity {
    wanted: Option<model::User>,
    found: OnceLock<Who>,
    environment: OnceLock<Vec<(String, OsString)>>,
}

/// A user and group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    uid: Uid,
    gid: Gid,
}

impl Identity {
    pub(super) fn new(wanted: Option<model::User>) -> Self {
        Self { wanted, found: OnceLock::new(), environment: OnceLock::new() }
    }

    /// Asks the database of users, which may take its time.
    pub(super) fn find(&self, program: &str) -> Result<Who, NotRun> {
        if let Some(who) = self.found.get() {
            return Ok(*who);
        }
        let ours = Who { uid: geteuid(), gid: getegid() };
        let who = match &self.wanted {
            Some(wanted) => look_up(wanted, &format!("to run {program} as"))?,
            None if ours.is_root() => match User::from_name(DEFAULT) {
                Ok(Some(user)) => Who { uid: user.uid, gid: user.gid },
                _ => ours,
            },
            None => ours,
        };
        if who != ours && !ours.is_root() {
            return Err(NotRun::NotRoot { program: program.to_owned(), name: who.to_string() });
        }
        Ok(*self.found.get_or_init(|| who))
    }

    /// The whole environment of a program that runs as another user; `None` if it runs as ours, and gets ours. What this
    /// process has from its unit may be secret, and its `HOME` is not the other user's. Asks the database of users.
    pub(super) fn environment(&self, who: Who) -> Option<&[(String, OsString)]> {
        if who.uid == geteuid() {
            return None;
        }
        Some(self.environment.get_or_init(|| environment(who.uid)))
    }
}

impl Who {
    pub(super) fn is_root(self) -> bool {
        self.uid.is_root()
    }

    /// Nothing to do means that the program can be started without a `fork`. Supplementary groups are given up with the
    /// user.
    pub(super) fn apply(self, command: &mut Command) {
        if self.gid != getegid() {
            command.gid(self.gid.as_raw());
        }
        if self.uid != geteuid() {
            command.uid(self.uid.as_raw());
        }
    }
}

/// What is not about a user, besides `LC_*`.
const SHARED: [&str; 4] = ["PATH", "LANG", "LANGUAGE", "TZ"];

fn environment(uid: Uid) -> Vec<(String, OsString)> {
    let shared = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut environment: Vec<(String, OsString)> =
        shared.filter(|(name, _)| SHARED.contains(&name.as_str()) || name.starts_with("LC_")).collect();
    if !environment.iter().any(|(name, _)| name == "PATH") {
        environment.push(("PATH".to_owned(), super::PATH.into()));
    }
    // As login(1) sets them. A number that nobody bears has no home.
    let user = User::from_uid(uid).ok().flatten();
    let name = user.as_ref().map_or_else(|| uid.to_string(), |user| user.name.clone());
    let home = user.as_ref().map_or_else(|| "/".into(), |user| user.dir.clone());
    let shell = user.map(|user| user.shell).filter(|shell| !shell.as_os_str().is_empty());
    let shell = shell.unwrap_or_else(|| "/bin/sh".into());
    let own: [(&str, OsString); 4] = [
        ("HOME", home.into()),
        ("USER", name.clone().into()),
        ("LOGNAME", name.into()),
        ("SHELL", shell.into()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    environment
}

/// A user and a group as numbers; for the owners of pipes, too.
pub(super) fn numbers(wanted: &model::User, purpose: &str) -> Result<(Uid, Gid), NotRun> {
    look_up(wanted, purpose).map(|who| (who.uid, who.gid))
}

fn look_up(wanted: &model::User, purpose: &str) -> Result<Who, NotRun> {
    let nobody =
        |kind, name: &str| NotRun::Nobody { kind, name: name.to_owned(), purpose: purpose.to_owned() };
    let number = wanted.name.parse().ok().map(Uid::from_raw);
    let user = match number {
        Some(uid) => User::from_uid(uid),
        None => User::from_name(&wanted.name),
    };
    let user = user.ok().flatten();
    let Some(uid) = user.as_ref().map(|user| user.uid).or(number) else {
        return Err(nobody("user", &wanted.name));
    };
    let gid = match (&wanted.group, user) {
        (Some(group), _) => match group.parse().ok() {
            Some(gid) => Gid::from_raw(gid),
            None => match Group::from_name(group) {
                Ok(Some(group)) => group.gid,
                _ => return Err(nobody("group", group)),
            },
        },
        (None, Some(user)) => user.gid,
        // A number that nobody bears has a group of the same number.
        (None, None) => Gid::from_raw(uid.as_raw()),
    };
    Ok(Who { uid, gid })
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match User::from_uid(self.uid) {
            Ok(Some(user)) => f.write_str(&user.name),
            _ => write!(f, "user {}", self.uid),
        }
    }
}
