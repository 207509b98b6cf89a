//! Hosts, switches, and the cables between them.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;
use tempfile::TempDir;

use super::{
    error::{Error, Result},
    faults::Faults,
    host::Host,
    namespaces::{Anchor, Right, find, starting},
};

/// Longest name of an interface in Linux.
const LONGEST_NAME: usize = 15;

/// Hosts and switches that exist as long as this value does, and not longer than this process.
#[derive(Debug)]
pub struct Lab {
    // In this order they are dropped: hosts end with the keeper, their output is removed last.
    plan: Mutex<Plan>,
    /// Where the switches are.
    room: Host,
    right: Right,
    folder: TempDir,
}

#[derive(Debug, Default)]
struct Plan {
    hosts: BTreeMap<String, Host>,
    switches: Vec<String>,
    cables: Vec<Cable>,
    faults: Faults,
}

/// A cable from a host to a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// The host's name.
    pub host: String,
    /// The interface's name on the host.
    pub interface: String,
    /// The switch's name.
    pub switch: String,
    /// The interface's name at the switch.
    pub port: String,
    /// The addresses that the interface was given.
    pub addresses: Vec<IpNet>,
}

impl Lab {
    /// An empty lab, made by the right that this process has.
    ///
    /// # Errors
    /// When namespaces are not allowed, with what to do about it.
    pub fn new() -> Result<Self> {
        Self::by(Right::find()?)
    }

    /// An empty lab, made by this right.
    ///
    /// # Errors
    /// When namespaces can not be made by it.
    pub fn by(right: Right) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("lb-lab.")
            .tempdir()
            .map_err(|source| Error::File { path: std::env::temp_dir().display().to_string(), source })?;
        let room = Host::new("room", Anchor::keeper(right, folder.path())?, folder.path());
        Ok(Self { plan: Mutex::default(), room, right, folder })
    }

    /// By what right it was made.
    pub const fn right(&self) -> Right {
        self.right
    }

    /// The place where the switches are: what is listened to on an interface with a switch's name there, is everything that
    /// the switch gets.
    pub const fn room(&self) -> &Host {
        &self.room
    }

    /// A folder out here that ends with the lab.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new host without interfaces.
    ///
    /// # Errors
    /// When it can not be made, or the name is not free.
    pub fn host(&self, name: &str) -> Result<Host> {
        let mut plan = self.plan();
        let taken = name == self.room.name() || plan.hosts.contains_key(name);
        check_name("host", name, 63, taken)?;
        let anchor = Anchor::host(self.room.anchor(), name, self.folder(), &kept_in_tmp(self.folder()))?;
        let host = Host::new(name, anchor, self.folder.path());
        plan.hosts.insert(name.to_owned(), host.clone());
        Ok(host)
    }

    /// A host that was made before.
    ///
    /// # Errors
    /// When there is none with this name.
    pub fn find(&self, name: &str) -> Result<Host> {
        if name == self.room.name() {
            return Ok(self.room.clone());
        }
        let found = self.plan().hosts.get(name).cloned();
        found.ok_or_else(|| Error::Unknown { kind: "host", name: name.to_owned() })
    }

    /// All hosts, by name.
    pub fn hosts(&self) -> Vec<Host> {
        self.plan().hosts.values().cloned().collect()
    }

    /// A new switch.
    ///
    /// # Errors
    /// When it can not be made, or the name is not free.
    pub fn switch(&self, name: &str) -> Result<()> {
        let mut plan = self.plan();
        check_name("switch", name, LONGEST_NAME, plan.switches.iter().any(|other| other == name))?;
        self.ip(&self.room, &format!(
            "link add {name} type bridge stp_state 0 mcast_snooping 0\nlink set {name} addrgenmode none up\n"
        ))?;
        plan.switches.push(name.to_owned());
        Ok(())
    }

    /// Puts a cable between a host and a switch.
    ///
    /// # Errors
    /// When there is no such switch, or the host has such an interface already.
    pub fn link(&self, host: &Host, switch: &str, interface: &str, addresses: &[IpNet]) -> Result<()> {
        let mut plan = self.plan();
        if !plan.switches.iter().any(|other| other == switch) {
            return Err(Error::Unknown { kind: "switch", name: switch.to_owned() });
        }
        let taken = interface == "lo"
            || plan.cables.iter().any(|cable| cable.host == host.name() && cable.interface == interface);
        check_name("interface", interface, LONGEST_NAME, taken)?;
        let number = plan.cables.len() + 1;
        let (port, pid) = (format!("p{number}"), host.pid());
        let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
        self.ip(
            &self.room,
            &format!(
                "link add {port} type veth peer name {interface} netns {pid}\n\
             link set {port} master {switch} alias {}.{interface} addrgenmode none up\n",
                host.name()
            ),
        )?;
        let mut lines = format!("link set {interface} address 02:1b:00:00:{high:02x}:{low:02x} up\n");
        for net in addresses {
            let at_once = if net.addr().is_ipv6() { " nodad" } else { "" };
            lines += &format!("address add {net} dev {interface}{at_once}\n");
        }
        self.ip(host, &lines)?;
        plan.cables.push(Cable {
            host: host.name().to_owned(),
            interface: interface.to_owned(),
            switch: switch.to_owned(),
            port,
            addresses: addresses.to_vec(),
        });
        Ok(())
    }

    /// Joins two hosts by a cable of their own, without a switch. It is none of [`Self::cables`], and nothing happens to it.
    ///
    /// # Errors
    /// When one of them has such an interface already.
    pub fn join(&self, ends: [(&Host, &[IpNet]); 2], interface: &str) -> Result<()> {
        let [(one, _), (other, _)] = ends;
        check_name("interface", interface, LONGEST_NAME, interface == "lo")?;
        let pid = other.pid();
        self.ip(one, &format!("link add {interface} type veth peer name {interface} netns {pid}\n"))?;
        for (host, addresses) in ends {
            let address = |net: &IpNet| format!("address add {net} dev {interface}\n");
            let lines: String = addresses.iter().map(address).collect();
            self.ip(host, &format!("{lines}link set {interface} up\n"))?;
        }
        Ok(())
    }

    /// The cables.
    pub fn cables(&self) -> Vec<Cable> {
        self.plan().cables.clone()
    }

    /// Cuts the cable at the switch: the host sees that its interface has no carrier.
    ///
    /// # Errors
    /// When there is no such cable.
    pub fn cut(&self, host: &Host, interface: &str) -> Result<()> {
        self.set_port(host, interface, "down")
    }

    /// Mends the cable after [`Self::cut`].
    ///
    /// # Errors
    /// When there is no such cable.
    pub fn mend(&self, host: &Host, interface: &str) -> Result<()> {
        self.set_port(host, interface, "up")
    }

    fn set_port(&self, host: &Host, interface: &str, state: &str) -> Result<()> {
        let plan = self.plan();
        let cable =
            plan.cables.iter().find(|cable| cable.host == host.name() && cable.interface == interface);
        let cable = cable.ok_or_else(|| Error::Unknown {
            kind: "interface",
            name: format!("{}.{interface}", host.name()),
        })?;
        self.ip(&self.room, &format!("link set {} {state}\n", cable.port))
    }

    /// From now on the switches pass nothing from one host to another; nobody sees a carrier go. The other direction is not
    /// concerned.
    ///
    /// # Errors
    /// When the switches can not filter.
    pub fn partition(&self, from: &Host, to: &Host) -> Result<()> {
        self.lose(from, to, 100)
    }

    /// From now on the switches lose so many of a hundred packets from one host to another, picked at random.
    ///
    /// # Errors
    /// When the switches can not filter.
    pub fn lose(&self, from: &Host, to: &Host, percent: u8) -> Result<()> {
        self.filter(|plan| {
            let ports = |host: &Host| {
                let name = host.name().to_owned();
                plan.cables.iter().filter(move |cable| cable.host == name)
            };
            for out in ports(from) {
                for into in ports(to).filter(|into| into.switch == out.switch) {
                    plan.faults.set(&out.port, &into.port, percent);
                }
            }
        })
    }

    /// From now on the switches pass nothing among these hosts, in either direction; the others reach them as before. Nobody
    /// sees a carrier go. Unlike [`Self::partition`] it is a setting of the ports and needs no packet filter.
    ///
    /// # Errors
    /// When the switches can not do it.
    pub fn isolate(&self, hosts: &[&Host]) -> Result<()> {
        let concerned = |cable: &&Cable| hosts.iter().any(|host| host.name() == cable.host);
        let lines: String =
            self.plan().cables.iter().filter(concerned).map(|cable| isolated(cable, "on")).collect();
        self.ip(&self.room, &lines)
    }

    /// Mends everything that [`Self::cut`], [`Self::isolate`], [`Self::partition`] and [`Self::lose`] have done.
    ///
    /// # Errors
    /// When a tool fails.
    pub fn heal(&self) -> Result<()> {
        let mended = |cable: &Cable| format!("link set {} up\n{}", cable.port, isolated(cable, "off"));
        let (lines, filtered) = {
            let plan = self.plan();
            (plan.cables.iter().map(mended).collect::<String>(), plan.faults != Faults::default())
        };
        self.ip(&self.room, &lines)?;
        // The filter needs a program that may be missing where it was never used.
        if filtered { self.filter(|plan| plan.faults.clear()) } else { Ok(()) }
    }

    fn filter(&self, change: impl FnOnce(&mut Plan)) -> Result<()> {
        find("nft").ok_or(Error::Missing { program: "nft", package: "nftables" })?;
        let mut plan = self.plan();
        change(&mut plan);
        let mut command = self.room.anchor().enter_network();
        command.args(["nft", "-f", "-"]);
        feed(command, &plan.faults.rules())
    }

    /// Runs lines of `ip` on a host.
    fn ip(&self, host: &Host, lines: &str) -> Result<()> {
        let mut command = host.anchor().enter_network();
        command.args(["ip", "-batch", "-"]);
        feed(command, lines)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line of `ip` that makes the switch pass nothing between this cable and others that are isolated.
fn isolated(cable: &Cable, state: &str) -> String {
    format!("link set {} type bridge_slave isolated {state}\n", cable.port)
}

/// Runs a program with this as its input.
fn feed(mut command: Command, input: &str) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| starting(&command, source))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read to the end says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|source| starting(&command, source))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Failed { command: super::namespaces::wording(&command), status: output.status, said })
}

/// Names become names of files, interfaces and hosts, and words in the input of tools.
fn check_name(kind: &'static str, name: &str, longest: usize, taken: bool) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let problem = if taken {
        "the name is taken"
    } else if name.is_empty() || name.len() > longest {
        "the name is empty or too long"
    } else if !name.chars().all(legal) || name.starts_with('-') {
        "a name has letters, digits, `-` and `_`"
    } else {
        return Ok(());
    };
    Err(Error::Name { kind, name: name.to_owned(), problem })
}

/// What hosts, which have their own /tmp, are to see of ours: what this program, its working folder and the lab are in.
fn kept_in_tmp(folder: &Path) -> Vec<PathBuf> {
    let places = [std::env::current_exe().ok(), std::env::current_dir().ok(), Some(folder.to_owned())];
    let entry = |place: PathBuf| {
        let first = place.strip_prefix("/tmp").ok()?.components().next()?.as_os_str().to_owned();
        Some(Path::new("/tmp").join(first))
    };
    let mut kept: Vec<PathBuf> = places.into_iter().flatten().filter_map(entry).collect();
    kept.sort();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests;
