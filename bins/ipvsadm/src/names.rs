//! Names of hosts and services as the system knows them, looked up when they are wanted and once each.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use dns_lookup::{AddrFamily, AddrInfoHints, getaddrinfo, getnameinfo};
use lb_config::names::{PortNames, Resolver, Services};
use lb_core::model::{Family, Protocol};
use lb_ipvs::format::Known;
use nix::libc;

/// The C library's resolver for hosts, `/etc/services` for ports.
#[derive(Default)]
pub(super) struct SystemNames {
    ports: OnceCell<PortNames>,
    services: OnceCell<Services>,
    hosts: RefCell<HashMap<IpAddr, Option<String>>>,
}

impl Resolver for SystemNames {
    fn address(&self, name: &str, family: Family) -> Option<IpAddr> {
        let address = match family {
            Family::V4 => AddrFamily::Inet,
            Family::V6 => AddrFamily::Inet6,
        };
        let hints = AddrInfoHints { address: address.into(), ..AddrInfoHints::default() };
        let found = getaddrinfo(Some(name), None, Some(hints)).ok()?;
        found.filter_map(Result::ok).map(|found| found.sockaddr.ip()).find(|ip| Family::of(*ip) == family)
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        self.services.get_or_init(Services::of_system).port(service, protocol)
    }
}

impl Known for SystemNames {
    fn host(&self, address: IpAddr) -> Option<String> {
        let ask = || Some(getnameinfo(&SocketAddr::new(address, 0), libc::NI_NAMEREQD).ok()?.0);
        self.hosts.borrow_mut().entry(address).or_insert_with(ask).clone()
    }

    fn port(&self, port: u16, protocol: Protocol) -> Option<String> {
        self.ports.get_or_init(PortNames::of_system).name(port, protocol).map(str::to_owned)
    }
}
