//! Where daemons and operators meet: sockets and pid files; and where daemons keep what outlives them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// The folder of the control sockets: `/run/lb-director` for root, else below `XDG_RUNTIME_DIR`, else below the
/// folder for temporary files, apart for each user.
pub fn socket_folder() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/run/lb-director".into();
    }
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join("lb-director"),
        None => env::temp_dir().join(format!("lb-director-{}", nix::unistd::geteuid())),
    }
}

/// The control socket of the instance with this configuration.
pub fn socket(config: &Path) -> PathBuf {
    socket_folder().join(format!("{}.sock", instance(config)))
}

/// The pid file of the instance with this configuration, where ldirectord has it.
pub fn pid_file(config: &Path) -> PathBuf {
    let folder = if nix::unistd::geteuid().is_root() { "/var/run".into() } else { socket_folder() };
    folder.join(format!("ldirectord.{}.pid", instance(config)))
}

/// The last part of the configuration's path.
fn instance(config: &Path) -> String {
    config.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where the control socket of lb-failover is if it runs as a user of its own, as by the example unit.
const FAILOVER_FOLDER: &str = "/run/lb-failover";

/// Finds the socket of the only daemon that there is.
///
/// # Errors
/// When there is none, or more than one, which are named then.
pub fn only_socket() -> io::Result<PathBuf> {
    let folder = socket_folder();
    let folders = [&*folder, Path::new(FAILOVER_FOLDER)];
    let mut sockets: Vec<PathBuf> = folders
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sock"))
        .collect();
    sockets.sort();
    match sockets.len() {
        1 => Ok(sockets.remove(0)),
        0 => Err(io::Error::other(format!(
            "no daemon has a socket in {}; name it with --socket if it is elsewhere",
            folder.display()
        ))),
        _ => {
            let names: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
            Err(io::Error::other(format!(
                "several daemons are there; choose with --socket: {}",
                names.join(", ")
            )))
        }
    }
}

/// The folder for the state of a daemon: `$STATE_DIRECTORY` (systemd's `StateDirectory=`), else [`default_state_folder`].
///
/// # Errors
/// There is none for a user without a home, in words.
pub fn state_folder(program: &str, config: &Path, ids: &[&str]) -> Result<PathBuf, String> {
    let given = env::var_os("STATE_DIRECTORY").unwrap_or_default();
    // There may be several, separated by colons.
    match given.as_bytes().split(|byte| *byte == b':').next() {
        Some(first) if first.starts_with(b"/") => Ok(OsStr::from_bytes(first).into()),
        _ => default_state_folder(program, config, ids),
    }
}

/// The folder for the state of a daemon where nobody says another one: `/var/lib/lb/NAME` for root, else
/// `$XDG_STATE_HOME/lb/NAME`. NAME stands for the program, the configuration file and what else tells two daemons apart.
///
/// # Errors
/// There is none for a user without a home, in words.
pub fn default_state_folder(program: &str, config: &Path, ids: &[&str]) -> Result<PathBuf, String> {
    let base = if nix::unistd::geteuid().is_root() {
        "/var/lib".into()
    } else {
        user_state_home(env::var_os("XDG_STATE_HOME"), env::var_os("HOME"))
            .ok_or("neither XDG_STATE_HOME nor HOME is set; name a folder with --state-dir")?
    };
    Ok(base.join("lb").join(state_name(program, config, ids)))
}

/// As the XDG Base Directory Specification has it: relative paths do not count.
fn user_state_home(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(state).or_else(|| Some(absolute(home)?.join(".local/state")))
}

/// Different daemons have different names: `lb-director@etc-ha.d-web.cf`. A file name has 255 bytes at most; a longer name
/// goes on in a folder below.
pub fn state_name(program: &str, config: &Path, ids: &[&str]) -> PathBuf {
    const CHUNK: usize = 200;
    let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let config = config.as_os_str().as_bytes();
    let mut name = format!("{program}@{}", escape(config.strip_prefix(b"/").unwrap_or(config)));
    for id in ids {
        name.push('@');
        name += &escape(id.as_bytes());
    }
    // All of it is ASCII.
    name.as_bytes().chunks(CHUNK).map(OsStr::from_bytes).collect()
}

/// `/` becomes `-`, and what is neither a letter nor a digit nor one of `._:` becomes `%` with its number.
fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        match byte {
            b'/' => out.push('-'),
            b'.' | b'_' | b':' => out.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(*byte)),
            // Writing to a string cannot fail.
            byte => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_that_differ_have_different_names() {
        let name = |config: &str, ids: &[&str]| state_name("lb-failover", Path::new(config), ids);
        let known: [(PathBuf, &str); 2] = [
            (name("/etc/keepalived/keepalived.conf", &[]), "lb-failover@etc-keepalived-keepalived.conf"),
            (name("/a/b", &["left", ""]), "lb-failover@a-b@left@"),
        ];
        for (found, expected) in known {
            assert_eq!(found, Path::new(expected));
        }
        let long = "x".repeat(300);
        let mut names = vec![
            name("/a/b", &[]),
            name("/a-b", &[]),
            name("/a%2Db", &[]),
            name("/a/b@c", &[]),
            name("/a/b", &["c"]),
            name("/a/b", &["c", ""]),
            name("/a/b", &["", "c"]),
            name("/a/ b", &[]),
            name(&format!("/{long}"), &[]),
            name(&format!("/{long}x"), &[]),
        ];
        assert!(names.iter().all(|name| name.iter().all(|part| part.len() < 255)));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn users_keep_state_at_home() {
        let home = |state: &str, home: &str| user_state_home(Some(state.into()), Some(home.into()));
        assert_eq!(home("/s", "/h"), Some("/s".into()));
        assert_eq!(home("", "/h"), Some("/h/.local/state".into()));
        assert_eq!(home("relative", ""), None);
    }
}
