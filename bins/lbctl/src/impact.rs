//! How many connections end when this node gives addresses up, before it is ordered to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use lb_control::{
    event::Condition,
    protocol::{InstanceStatus, Status},
};
use lb_core::model::{Protocol, ServiceKey};

/// What an order would end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Impact {
    /// Addresses that leave this node.
    addresses: BTreeSet<IpAddr>,
    /// Connections by virtual servers on them.
    by_service: BTreeMap<ServiceKey, u64>,
    /// TCP connections of other programs on this node; `None` = they cannot be counted.
    of_programs: Option<u64>,
    /// IPVS carries the virtual servers: its connections may be known to the peer.
    ipvs: bool,
}

impl Impact {
    /// Of handing over what an instance or group (`None`: the node) has.
    pub(super) fn of_handover(status: &Status, of: Option<&str>) -> Self {
        let group = of.and_then(|name| {
            let instance = status.instances.iter().find(|one| one.name == name);
            instance.map_or(Some(name), |instance| instance.group.as_deref())
        });
        let is_concerned = |one: &&InstanceStatus| {
            let named = of.is_none_or(|name| one.name == name);
            (named || group.is_some() && one.group.as_deref() == group) && one.state == Condition::Master
        };
        let concerned = status.instances.iter().filter(is_concerned);
        let addresses = concerned.flat_map(|one| one.addresses.iter().map(|net| net.addr())).collect();
        Self::of_addresses(status, addresses)
    }

    fn of_addresses(status: &Status, addresses: BTreeSet<IpAddr>) -> Self {
        let plane = status.data_plane.as_ref().map_or("none", |plane| plane.name.as_str());
        let is_there =
            |service: &ServiceKey| service.address().is_some_and(|address| addresses.contains(&address.ip()));
        let services = status.services.iter().filter(|entry| is_there(&entry.service));
        let by_service: BTreeMap<ServiceKey, u64> = services
            .map(|entry| {
                let counters = entry.servers.iter().map(|server| server.counters);
                let count = counters.map(|one| u64::from(one.active) + u64::from(one.inactive)).sum();
                (entry.service, count)
            })
            .collect();
        // The relay's own sockets are counted with its services.
        let relayed: BTreeSet<SocketAddr> = by_service
            .keys()
            .filter(|service| plane == "relay" && service.protocol() == Some(Protocol::Tcp))
            .filter_map(ServiceKey::address)
            .collect();
        let of_programs = open_sockets(status.pid, |local| {
            let every_port = SocketAddr::new(local.ip(), 0);
            addresses.contains(&local.ip()) && !relayed.contains(&local) && !relayed.contains(&every_port)
        });
        Self { by_service, of_programs: of_programs.ok(), ipvs: plane == "ipvs", addresses }
    }

    /// The sentence about it.
    pub(super) fn sentence(&self) -> String {
        if self.addresses.is_empty() {
            return "this node has none of these addresses, so no connection ends".to_owned();
        }
        let by_services: u64 = self.by_service.values().sum();
        let total = by_services + self.of_programs.unwrap_or(0);
        let mut parts: Vec<String> = self
            .by_service
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(service, count)| format!("{count} by {service}"))
            .collect();
        match self.of_programs {
            Some(0) => {}
            Some(count) => parts.push(format!("{count} to programs on this node")),
            None => parts.push("those to programs on this node cannot be counted".to_owned()),
        }
        let mut sentence = match total {
            0 => "no connection ends".to_owned(),
            1 => "1 connection ends".to_owned(),
            count => format!("{count} connections end"),
        };
        if !parts.is_empty() {
            sentence += &format!(": {}", parts.join(", "));
        }
        if self.ipvs && by_services > 0 {
            sentence +=
                "; of those by virtual servers, the ones go on that lvs_sync_daemon has copied to the peer";
        }
        sentence
    }
}

/// Open TCP connections with such a local end in the network namespace of a process.
fn open_sockets(pid: u32, is_counted: impl Fn(SocketAddr) -> bool) -> io::Result<u64> {
    let mut count = 0;
    for table in ["tcp", "tcp6"] {
        let file = match File::open(format!("/proc/{pid}/net/{table}")) {
            // A host without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && table == "tcp6" => continue,
            file => file?,
        };
        for line in BufReader::new(file).lines() {
            count += u64::from(open_socket(&line?).is_some_and(&is_counted));
        }
    }
    Ok(count)
}

/// The local end of a line of `/proc/net/tcp` or `tcp6`, if both ends can still send or only the other one has closed.
fn open_socket(line: &str) -> Option<SocketAddr> {
    const ESTABLISHED: &str = "01";
    const CLOSE_WAIT: &str = "08";
    let mut words = line.split_ascii_whitespace();
    let (local, state) = (words.nth(1)?, words.nth(1)?);
    if state != ESTABLISHED && state != CLOSE_WAIT {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    // Words of 32 bits, each as this machine has it in memory.
    let words: Vec<u8> = (0..address.len() / 8)
        .map(|word| u32::from_str_radix(address.get(word * 8..word * 8 + 8)?, 16).ok())
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    let address = match words.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(words).ok()?)),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_of_this_process_are_counted_once_for_their_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(local).unwrap()).collect();
        let accepted: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        assert_eq!(open_sockets(std::process::id(), |end| end == local).unwrap(), 3);
        drop((clients, accepted));
    }

    #[test]
    fn lines_of_both_families_are_read() {
        let v6 = "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A1B2 01 0:0 ";
        let v4 = "   0: 0100007F:1F90 0100007F:A1B2 08 00000000:00000000";
        if cfg!(target_endian = "little") {
            assert_eq!(open_socket(v6), Some("127.0.0.1:8080".parse().unwrap()));
            assert_eq!(open_socket(v4), Some("127.0.0.1:8080".parse().unwrap()));
        }
        for other in [v4.replace(" 08 ", " 0A "), "  sl  local_address rem_address   st".into(), "x".into()] {
            assert_eq!(open_socket(&other), None, "{other}");
        }
    }

    #[test]
    fn the_sentence_names_where_connections_go() {
        let service = |port: u16| format!("tcp:10.0.0.100:{port}").parse().unwrap();
        let mut impact = Impact {
            addresses: ["10.0.0.100".parse().unwrap()].into(),
            by_service: [(service(80), 2), (service(443), 0)].into(),
            of_programs: Some(1),
            ipvs: false,
        };
        assert_eq!(
            impact.sentence(),
            "3 connections end: 2 by tcp:10.0.0.100:80, 1 to programs on this node"
        );
        impact.ipvs = true;
        assert!(impact.sentence().ends_with("lvs_sync_daemon has copied to the peer"));
        impact.by_service.clear();
        assert_eq!(impact.sentence(), "1 connection ends: 1 to programs on this node");
        impact.of_programs = Some(0);
        assert_eq!(impact.sentence(), "no connection ends");
        impact.of_programs = None;
        assert!(impact.sentence().contains("cannot be counted"));
        assert!(Impact::default().sentence().contains("has none of these addresses"));
    }
}
