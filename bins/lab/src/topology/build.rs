//! Makes a lab of a topology.

use std::{fs, path::Path, process::Command};

use thiserror::Error;

use super::{Topology, programs};
use crate::{Error, Host, Lab, Process};

/// What a topology has become.
#[derive(Debug)]
pub struct Built {
    /// What was started, with the line that did it.
    pub running: Vec<(Host, String, Process)>,
    /// Its hosts, switches and cables.
    pub lab: Lab,
}

/// Why a topology could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The lab can not do it.
    #[error(transparent)]
    Lab(#[from] Error),
    /// It failed for one host.
    #[error("host {host}: {source}")]
    Host {
        /// Which one.
        host: String,
        /// Why.
        source: Error,
    },
}

/// Builds it. Its files are found from `folder`, and programs also in the folder of this one. Where lb-failover, lb-director
/// or ipvsadm is installed nowhere, `lbctl` stands in for it.
///
/// # Errors
/// When something can not be made or run; what was made until then is gone again.
pub fn build(topology: &Topology, folder: &Path, lbctl: &Path) -> Result<Built, BuildError> {
    let lab = Lab::new()?;
    for switch in &topology.switches {
        lab.switch(switch.get_ref())?;
    }
    let mut hosts = Vec::new();
    for (name, plan) in &topology.hosts {
        let host = lab.host(name.get_ref())?;
        for (interface, link) in &plan.links {
            lab.link(&host, link.switch.get_ref(), interface.get_ref(), &link.nets())?;
        }
        hosts.push((host, plan));
    }
    programs::install_stand_ins(&lab, lbctl)?;
    let path = programs::path(lab.folder());
    let names = known_hosts(&lab);
    let failed = |host: &Host| {
        let host = host.name().to_owned();
        move |source| BuildError::Host { host, source }
    };
    for (host, plan) in &hosts {
        host.write("/etc/hosts", &names).map_err(failed(host))?;
        for (inside, outside) in &plan.files {
            let outside = folder.join(outside.get_ref());
            let text = fs::read(&outside)
                .map_err(|source| Error::File { path: outside.display().to_string(), source })?;
            host.write(inside, text).map_err(failed(host))?;
        }
        for line in &plan.setup {
            host.run(&shell(line.get_ref(), &path)).map_err(failed(host))?;
        }
    }
    let mut running = Vec::new();
    for (host, plan) in &hosts {
        for line in &plan.run {
            let process =
                host.spawn(&shell(&format!("exec {}", line.get_ref()), &path)).map_err(failed(host))?;
            running.push((host.clone(), line.get_ref().clone(), process));
        }
    }
    Ok(Built { running, lab })
}

/// A line of shell, which finds programs in this path.
fn shell(line: &str, path: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", line]).env("PATH", path);
    command
}

/// The hosts by name: a text for /etc/hosts.
fn known_hosts(lab: &Lab) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for cable in lab.cables() {
        for net in &cable.addresses {
            text += &format!("{} {} {}-{}\n", net.addr(), cable.host, cable.host, cable.interface);
        }
    }
    text
}
