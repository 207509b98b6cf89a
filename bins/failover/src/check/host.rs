//! What a configuration needs of the host that it is to run on.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use lb_config::{
    diagnostic::Severity,
    keepalived::model::{Authentication, Config, Instance, Notify, ScriptCommand, Sending, VirtualAddress},
    sources::Sources,
};
use nix::{ifaddrs::getifaddrs, sys::socket::SockaddrStorage, unistd};

use super::super::{
    keys::{self, KeyError},
    program::{NotRun, Policy, Program},
    vmac,
};

/// What is not as the configuration needs it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// An error is what can not be done here; a warning is what waits, or is dangerous.
    pub(super) severity: Severity,
    /// What, and what to do about it.
    pub(super) text: String,
}

/// Looks for all of it, changing nothing.
pub(super) fn examine(config: &Config, path: &Path, sources: &Sources) -> Vec<Finding> {
    let keys: Vec<_> = keys::files(config, path.parent().unwrap_or(Path::new(""))).collect();
    let mut findings = interfaces(config);
    findings.extend(virtual_interfaces(config));
    findings.extend(sources_of_adverts(config));
    findings.extend(programs(config));
    findings.extend(unreadable(&keys));
    findings.extend(secrets(config, sources, &keys));
    findings
}

fn interfaces(config: &Config) -> Vec<Finding> {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut ours: BTreeSet<String> = BTreeSet::new();
    for instance in &config.instances {
        wanted.insert(&instance.interface);
        wanted.extend(instance.tracks.interfaces.iter().map(|tracked| tracked.name.as_str()));
        wanted.extend(instance.addresses.iter().chain(&instance.excluded).filter_map(device));
        ours.extend(instance.vmac.iter().filter_map(|vmac| vmac.name.clone()));
    }
    for group in &config.groups {
        wanted.extend(group.tracks.interfaces.iter().map(|tracked| tracked.name.as_str()));
    }
    wanted.extend(config.statics.addresses.iter().filter_map(device));
    let Ok(addresses) = getifaddrs() else { return Vec::new() };
    let there: BTreeSet<String> = addresses.map(|address| address.interface_name).collect();
    let missing = wanted.into_iter().filter(|name| !there.contains(*name) && !ours.contains(*name));
    missing
        .map(|name| Finding {
            severity: Severity::Warning,
            text: format!("there is no interface {name}; what needs it waits until it appears"),
        })
        .collect()
}

fn virtual_interfaces(config: &Config) -> Vec<Finding> {
    let warning = |text| Finding { severity: Severity::Warning, text };
    vmac::assign(&mut config.clone()).into_iter().map(warning).collect()
}

/// Addresses that advertisements are to come from, and that this host lacks.
fn sources_of_adverts(config: &Config) -> Vec<Finding> {
    let Ok(addresses) = getifaddrs() else { return Vec::new() };
    let here: BTreeSet<IpAddr> = addresses.filter_map(|entry| ip(&entry.address?)).collect();
    let lacks = |instance: &Instance| {
        let source = instance.source.filter(|source| !here.contains(source))?;
        let unicast = matches!(instance.sending, Sending::Unicast { .. });
        let (keyword, what) = match (unicast, instance.track_source) {
            (true, _) => ("unicast_src_ip", "it is in FAULT until the address is here"),
            (false, true) => ("mcast_src_ip", "it is in FAULT until the address is here"),
            (false, false) => ("mcast_src_ip", "its advertisements come from it all the same"),
        };
        let name = &instance.name;
        let text = format!("({name}) `{keyword} {source}` is not an address of this host: {what}");
        Some(Finding { severity: Severity::Warning, text })
    };
    config.instances.iter().filter_map(lacks).collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = || address.as_sockaddr_in().map(|address| address.ip().into());
    address.as_sockaddr_in6().map(|address| address.ip().into()).or_else(v4)
}

fn device(address: &VirtualAddress) -> Option<&str> {
    address.device.as_deref()
}

fn programs(config: &Config) -> Vec<Finding> {
    let globals = &config.globals;
    let policy = Policy::of(globals);
    let mut commands: Vec<&ScriptCommand> = config.scripts.values().map(|script| &script.command).collect();
    commands.extend(globals.startup.iter().chain(&globals.shutdown).map(|(command, _)| command));
    let fifos = [&globals.fifo, &globals.vrrp_fifo, &globals.lvs_fifo];
    commands.extend(fifos.into_iter().flatten().filter_map(|fifo| fifo.script.as_ref()));
    commands.extend(config.instances.iter().flat_map(|instance| notified(&instance.notify)));
    commands.extend(config.groups.iter().flat_map(|group| notified(&group.notify)));
    let mut findings: Vec<Finding> = Vec::new();
    for command in commands {
        let program = Program::new(command, &policy, &[]);
        let finding = match program.examine() {
            // Whether root could do it is for root to say.
            Ok(None) | Err(NotRun::NotRoot { .. }) => continue,
            Ok(Some(place)) => Finding {
                severity: Severity::Warning,
                text: format!(
                    "{} is run as root, and others than root can change {}: chown root and chmod go-w that, or set \
                     script_user",
                    program.name(),
                    place.display()
                ),
            },
            Err(why) => Finding { severity: Severity::Error, text: why.to_string() },
        };
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn notified(notify: &Notify) -> impl Iterator<Item = &ScriptCommand> {
    let Notify { master, backup, fault, stop, deleted, lower_priority, any, .. } = notify;
    [master, backup, fault, stop, deleted, lower_priority, any].into_iter().flatten()
}

fn unreadable(keys: &[(&str, PathBuf)]) -> Vec<Finding> {
    let trouble = |(instance, path): &(&str, PathBuf)| {
        let trouble = keys::read_one(path).err()?;
        let (instance, path) = ((*instance).to_owned(), path.clone());
        let text = KeyError { instance, path, trouble }.to_string();
        Some(Finding { severity: Severity::Error, text })
    };
    keys.iter().filter_map(trouble).collect()
}

fn secrets(config: &Config, sources: &Sources, keys: &[(&str, PathBuf)]) -> Vec<Finding> {
    let secret = |authentication: &Authentication| !matches!(authentication, Authentication::None);
    if !config.instances.iter().any(|instance| secret(&instance.authentication)) {
        return Vec::new();
    }
    let files = sources.iter().map(|(_, source)| PathBuf::from(source.name()));
    let files: BTreeSet<PathBuf> = files.chain(keys.iter().map(|(_, path)| path.clone())).collect();
    files.into_iter().filter(|file| readable_by_others(file)).map(exposed).collect()
}

fn readable_by_others(file: &Path) -> bool {
    // A file of root's group is for those who are root anyway.
    let root = unistd::Gid::from_raw(0);
    file.metadata().is_ok_and(|file| {
        file.mode() & 0o004 != 0 || (file.mode() & 0o040 != 0 && file.gid() != root.as_raw())
    })
}

fn exposed(file: PathBuf) -> Finding {
    let file = file.display();
    Finding {
        severity: Severity::Warning,
        text: format!(
            "there are secrets in the configuration, and others can read {file}: chmod go-r {file}"
        ),
    }
}
