//! `ha_suspend`: servers are checked where the virtual address is, and nowhere else.

use std::{collections::BTreeSet, io, net::IpAddr};

use lb_config::keepalived::model::VirtualServer;
use nix::ifaddrs::getifaddrs;

/// Which virtual servers are not to be checked, in their order: those with `ha_suspend` that have no address here.
pub(super) fn suspended(servers: &[VirtualServer], here: &BTreeSet<IpAddr>) -> Vec<bool> {
    let is_here = |server: &VirtualServer| {
        server
            .services
            .iter()
            .any(|service| service.address().is_some_and(|address| here.contains(&address.ip())))
    };
    servers.iter().map(|server| server.ha_suspend && !is_here(server)).collect()
}

/// The addresses of all interfaces.
pub(super) fn addresses_here() -> io::Result<BTreeSet<IpAddr>> {
    let mut here = BTreeSet::new();
    for interface in getifaddrs()? {
        let Some(address) = interface.address else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            here.insert(v4.ip().into());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            here.insert(v6.ip().into());
        }
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_its_loopback_address() {
        assert!(addresses_here().unwrap().contains(&IpAddr::from([127, 0, 0, 1])));
    }
}
