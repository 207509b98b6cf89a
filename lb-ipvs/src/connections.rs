//! The kernel's connection table, which it shows as text: `/proc/net/ip_vs_conn`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use lb_core::{dataplane::Connection, model::Protocol};

use crate::Namespace;

/// One connection that the kernel balances, or a persistence template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionEntry {
    /// `TCP`, `UDP`, `SCTP`; `IP` for the template of a firewall mark.
    pub protocol: String,
    /// Client; port 0 in a template.
    pub source: SocketAddr,
    /// Virtual address and port; in the template of a firewall mark the address is the mark.
    pub virtual_address: SocketAddr,
    /// Real server.
    pub destination: SocketAddr,
    /// `ESTABLISHED`, `TIME_WAIT`, …; `NONE` or, once a connection was established under it, `ASSURED` for a template.
    pub state: String,
    /// Time until it is forgotten if nothing happens, in whole seconds.
    pub expires: Duration,
    /// Persistence engine and what it goes by, such as `sip` and a call's identifier.
    pub engine: Option<(String, String)>,
}

/// Up to `limit` connections of a network namespace, in the kernel's order, which is none. Needs no privilege in the
/// process's own namespace.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] when ip_vs is not loaded, [`io::ErrorKind::InvalidData`] for a line that is not
/// understood, and what the system says.
pub fn connections(namespace: &Namespace, limit: usize) -> io::Result<Vec<ConnectionEntry>> {
    namespace.within(|| {
        // Of the thread, not of the process, whose first thread may be elsewhere.
        let file = File::open("/proc/thread-self/net/ip_vs_conn")?;
        read(BufReader::new(file), limit)
    })
}

/// Longer lines than the kernel writes are not read to their end.
const LINE: u64 = 4096;

fn read(mut from: impl BufRead, limit: usize) -> io::Result<Vec<ConnectionEntry>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    // The first line has the names of the columns.
    let mut header = true;
    while header || found.len() < limit {
        line.clear();
        if from.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if !std::mem::take(&mut header) {
            let text = String::from_utf8_lossy(&line);
            let entry = parse(&text).ok_or_else(|| {
                let message =
                    format!("/proc/net/ip_vs_conn has a line that is not understood: {}", text.trim_end());
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?;
            found.push(entry);
        }
    }
    Ok(found)
}

/// `TCP 0A000002 A666 0A000064 0050 C0A80002 0050 TIME_WAIT       101`, with addresses and ports in hexadecimal.
fn parse(line: &str) -> Option<ConnectionEntry> {
    let mut words = line.split_whitespace();
    let protocol = words.next()?.to_owned();
    let mut socket =
        || Some(SocketAddr::new(address(words.next()?)?, u16::from_str_radix(words.next()?, 16).ok()?));
    let (source, virtual_address, destination) = (socket()?, socket()?, socket()?);
    let state = words.next()?.to_owned();
    let expires = Duration::from_secs(words.next()?.parse().ok()?);
    let engine = words.next().map(|name| (name.to_owned(), words.next().unwrap_or_default().to_owned()));
    Some(ConnectionEntry { protocol, source, virtual_address, destination, state, expires, engine })
}

fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    u32::from_str_radix(text, 16).ok().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

impl ConnectionEntry {
    /// As the model has it; `None` for the template of a firewall mark, which has no virtual address.
    pub fn to_model(&self) -> Option<Connection> {
        let protocol = self.protocol.to_ascii_lowercase().parse::<Protocol>().ok()?;
        Some(Connection {
            protocol,
            state: self.state.clone(),
            expires: self.expires,
            source: self.source,
            virtual_address: self.virtual_address,
            destination: self.destination,
        })
    }
}

#[cfg(test)]
mod tests;
