//! Connections, as the kernel's connection tracking lists them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, ErrorKind as IoErrorKind},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use lb_core::{
    dataplane::{Connection, DataPlaneError, ErrorKind},
    model::{Protocol, ServerKey, ServiceKey, ServiceTable},
};

/// Of this thread's network namespace; `/proc/net` would be that of the process's first thread.
const FILE: &str = "/proc/thread-self/net/nf_conntrack";

/// Calls `each` for every translated connection of a service in `table` until it returns `false`. Blocks.
pub(super) fn scan(
    table: &ServiceTable,
    mut each: impl FnMut(ServiceKey, ServerKey, Connection) -> bool,
) -> Result<(), DataPlaneError> {
    let file = File::open(FILE).map_err(|error| match error.kind() {
        IoErrorKind::PermissionDenied => {
            DataPlaneError::new(ErrorKind::Denied, format!("reading {FILE}: {error}; run as root"))
        }
        _ => DataPlaneError::new(
            ErrorKind::Unsupported,
            format!(
                "reading {FILE}: {error}; the kernel needs CONFIG_NF_CONNTRACK_PROCFS and module nf_conntrack"
            ),
        ),
    })?;
    let marked = servers_of_marks(table);
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut line = String::new();
    loop {
        line.clear();
        match file.read_line(&mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                return Err(DataPlaneError::new(ErrorKind::Unavailable, format!("reading {FILE}: {error}")));
            }
        }
        let Some(connection) = parse(&line) else { continue };
        let Some((service, server)) = owner(table, &marked, &connection) else { continue };
        if !each(service, server, connection) {
            return Ok(());
        }
    }
}

/// The mark of a packet is not kept with its connection, so connections by mark are told by their server.
fn servers_of_marks(table: &ServiceTable) -> BTreeMap<ServerKey, ServiceKey> {
    let marked = table.services.iter().filter(|(key, _)| matches!(key, ServiceKey::FwMark { .. }));
    marked.flat_map(|(key, service)| service.servers.keys().map(|server| (*server, *key))).collect()
}

fn owner(
    table: &ServiceTable,
    marked: &BTreeMap<ServerKey, ServiceKey>,
    connection: &Connection,
) -> Option<(ServiceKey, ServerKey)> {
    let (address, to) = (connection.virtual_address, connection.destination);
    let every_port = SocketAddr::new(address.ip(), 0);
    let service = [address, every_port]
        .map(|address| ServiceKey::new(connection.protocol, address))
        .into_iter()
        .find(|key| table.services.contains_key(key));
    if let Some(key) = service {
        let servers = &table.services.get(&key)?.servers;
        let same = [ServerKey::from(to), ServerKey::new(to.ip(), 0)];
        // A server that was removed still shows with the connections that it has left.
        let server = same.into_iter().find(|server| servers.contains_key(server)).unwrap_or(same[0]);
        return (address != to || servers.contains_key(&server)).then_some((key, server));
    }
    let same = [ServerKey::from(to), ServerKey::new(to.ip(), 0)];
    same.into_iter()
        .find_map(|server| Some((*marked.get(&server)?, server)))
        .filter(|_| address.ip() != to.ip())
}

/// One line of `nf_conntrack`: protocol names and numbers, the time left, the state if there are states, then the
/// addresses of the client's direction and those of the answers.
fn parse(line: &str) -> Option<Connection> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let protocol: Protocol = words.next()?.parse().ok()?;
    let expires = Duration::from_secs(words.nth(1)?.parse().ok()?);
    let mut state = protocol.name().to_ascii_uppercase();
    let mut ends: Vec<IpAddr> = Vec::with_capacity(4);
    let mut ports: Vec<u16> = Vec::with_capacity(4);
    for word in words {
        match word.split_once('=') {
            None if ends.is_empty() => state = word.to_owned(),
            Some(("src" | "dst", address)) => ends.push(address.parse().ok()?),
            Some(("sport" | "dport", port)) => ports.push(port.parse().ok()?),
            _ => {}
        }
    }
    let ([client, virtual_address, server, _], [client_port, virtual_port, server_port, _]) =
        (ends.as_slice(), ports.as_slice())
    else {
        return None;
    };
    Some(Connection {
        protocol,
        state,
        expires,
        source: SocketAddr::new(*client, *client_port),
        virtual_address: SocketAddr::new(*virtual_address, *virtual_port),
        destination: SocketAddr::new(*server, *server_port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_linux_6_18_are_read() {
        let tcp = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.0.0.1 sport=4000 dport=80 \
                   src=10.2.0.2 dst=10.1.0.2 sport=8080 dport=4000 [ASSURED] mark=0 zone=0 use=2";
        let connection = parse(tcp).unwrap();
        assert_eq!((connection.state.as_str(), connection.is_open()), ("ESTABLISHED", true));
        assert_eq!(connection.expires, Duration::from_secs(431_999));
        assert_eq!(connection.virtual_address.to_string(), "10.0.0.1:80");
        assert_eq!(connection.destination.to_string(), "10.2.0.2:8080");
        let udp = "ipv6     10 udp      17 29 src=fd00::2 dst=fd00::1 sport=4000 dport=53 [UNREPLIED] src=fd01::2 \
                   dst=fd00::2 sport=53 dport=4000 mark=0 zone=0 use=2";
        let connection = parse(udp).unwrap();
        assert_eq!((connection.state.as_str(), connection.is_open()), ("UDP", false));
        for odd in ["", "ipv4 2 icmp 1 29 src=10.0.0.1", "ipv4 2 tcp 6 x", &tcp[..tcp.len() / 2]] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
