//! A host of the lab.

use std::{
    fmt, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ipnet::IpNet;
use nix::unistd::Pid;
use serde::Deserialize;

use super::{
    error::{Error, Result},
    namespaces::{Anchor, starting, wording},
    process::Process,
};

/// A machine of its own, as far as its programs can tell: name, interfaces, processes, and what they write to /etc, /var,
/// /run and /tmp. Everything else it shares with this machine. Clones are the same host.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    anchor: Anchor,
    /// Where the output of its programs goes.
    folder: PathBuf,
    started: AtomicUsize,
}

impl Host {
    pub(super) fn new(name: &str, anchor: Anchor, folder: &Path) -> Self {
        let inner =
            Inner { name: name.to_owned(), anchor, folder: folder.to_owned(), started: AtomicUsize::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The first process inside, as it is called out here: `nsenter --target` takes it.
    pub fn pid(&self) -> Pid {
        self.inner.anchor.pid()
    }

    pub(super) fn anchor(&self) -> &Anchor {
        &self.inner.anchor
    }

    /// Where a file of the host is found out here. It can be read and written, and sockets can be connected to.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        Path::new(&format!("/proc/{}/root", self.pid())).join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// Puts a file on the host; folders on the way are made.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn write(&self, inside: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path(&inside);
        let written =
            path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text.as_ref()));
        written.map_err(|source| self.file(inside.as_ref(), source))
    }

    /// Puts a program on the host: a shell script.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn script(&self, inside: impl AsRef<Path>, text: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(&inside, format!("#!/bin/sh\n{text}\n"))?;
        fs::set_permissions(self.path(&inside), fs::Permissions::from_mode(0o755))
            .map_err(|source| self.file(inside.as_ref(), source))
    }

    /// Reads a file of the host.
    ///
    /// # Errors
    /// When it can not be read.
    pub fn read(&self, inside: impl AsRef<Path>) -> Result<String> {
        fs::read_to_string(self.path(&inside)).map_err(|source| self.file(inside.as_ref(), source))
    }

    fn file(&self, inside: &Path, source: std::io::Error) -> Error {
        Error::File { path: format!("{}:{}", self.name(), inside.display()), source }
    }

    /// The command as one that runs inside. Program, arguments, environment and folder are taken over; where its input and
    /// output go is for the caller to say again. What is started by it is an usher, whose child is the program, and which
    /// ends as the program does.
    pub fn enter(&self, command: &Command) -> Command {
        let mut entering = self.inner.anchor.enter();
        if let Some(folder) = command.get_current_dir() {
            entering.arg("env").arg("-C").arg(folder);
        }
        entering.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entering.env(name, value),
                None => entering.env_remove(name),
            };
        }
        entering
    }

    /// Starts a program that goes on, such as a daemon in the foreground.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn spawn(&self, command: &Command) -> Result<Process> {
        let number = self.inner.started.fetch_add(1, Ordering::Relaxed);
        Process::start(self.enter(command), self.inner.folder.join(format!("{}.{number}.log", self.name())))
    }

    /// Runs a program to its end, whatever that is.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn output(&self, command: &Command) -> Result<Output> {
        let mut entering = self.enter(command);
        entering.output().map_err(|source| starting(&entering, source))
    }

    /// Runs a program to its end, for what it prints.
    ///
    /// # Errors
    /// When it can not be started, or fails.
    pub fn run(&self, command: &Command) -> Result<String> {
        complete(self.enter(command))
    }

    /// Runs words as a command, as in `host.sh("ip route add default via 10.0.0.1")`, by the host's shell.
    ///
    /// # Errors
    /// When it fails.
    pub fn sh(&self, words: &str) -> Result<String> {
        self.run(Command::new("sh").args(["-ec", words]))
    }

    /// The addresses on its interfaces.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn addresses(&self) -> Result<Vec<Assigned>> {
        let text = self.run(Command::new("ip").args(["-json", "address", "show"]))?;
        Ok(assigned(&text))
    }

    /// Whether one of its interfaces has the address.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn has(&self, address: IpAddr) -> Result<bool> {
        Ok(self.addresses()?.iter().any(|assigned| assigned.net.addr() == address))
    }

    /// Takes an interface up or down, as `ip link set` on the host does.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_link(&self, interface: &str, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.run(Command::new("ip").args(["link", "set", interface, state])).map(drop)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.name()).field("pid", &self.pid()).finish()
    }
}

/// An address on an interface of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The interface.
    pub interface: String,
    /// The address, with the length of its prefix.
    pub net: IpNet,
    /// Its label, if it has one of its own.
    pub label: Option<String>,
}

/// What `ip -json address show` prints.
fn assigned(text: &str) -> Vec<Assigned> {
    #[derive(Deserialize)]
    struct Interface {
        ifname: String,
        #[serde(default)]
        addr_info: Vec<Info>,
    }
    #[derive(Deserialize)]
    struct Info {
        local: Option<IpAddr>,
        prefixlen: u8,
        label: Option<String>,
    }
    let interfaces: Vec<Interface> = serde_json::from_str(text).unwrap_or_default();
    let on = |Interface { ifname, addr_info }| {
        addr_info.into_iter().filter_map(move |Info { local, prefixlen, label }| {
            let net = IpNet::new(local?, prefixlen).ok()?;
            let label = label.filter(|label| *label != ifname);
            Some(Assigned { interface: String::clone(&ifname), net, label })
        })
    };
    interfaces.into_iter().flat_map(on).collect()
}

/// Runs a program to its end, for what it prints.
pub(super) fn complete(mut command: Command) -> Result<String> {
    let output = command.output().map_err(|source| starting(&command, source))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Failed { command: wording(&command), status: output.status, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_labels() {
        // `ip -json address show` of iproute2 6.1.0, shortened.
        let text = r#"[{"ifindex":1,"ifname":"lo","operstate":"UNKNOWN","addr_info":[{"family":"inet","local":"127.0.0.1",
            "prefixlen":8,"scope":"host","label":"lo"}]},{"ifindex":2,"link":"p1","ifname":"eth0","addr_info":[
            {"family":"inet","local":"192.168.2.101","prefixlen":24,"label":"eth0:1"},
            {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]}]"#;
        let found: Vec<(String, String, Option<String>)> = assigned(text)
            .into_iter()
            .map(|Assigned { interface, net, label }| (interface, net.to_string(), label))
            .collect();
        let expected = [
            ("lo", "127.0.0.1/8", None),
            ("eth0", "192.168.2.101/24", Some("eth0:1")),
            ("eth0", "fe80::1/64", None),
        ];
        let expected: Vec<_> = expected
            .map(|(interface, net, label)| (interface.to_owned(), net.to_owned(), label.map(str::to_owned)))
            .into();
        assert_eq!(found, expected);
    }
}
