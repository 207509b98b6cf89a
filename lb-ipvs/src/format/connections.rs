//! `ipvsadm -L -c`.

use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use lb_core::model::Protocol;

use super::Names;

/// A connection, or a persistence template, as a listing shows it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// In capital letters; that of the template of a firewall mark is `IP`.
    pub protocol: &'a str,
    /// Time until it is forgotten if nothing happens; whole seconds are shown.
    pub expires: Duration,
    /// State by the kernel's names.
    pub state: &'a str,
    /// Client.
    pub source: SocketAddr,
    /// Virtual address and port.
    pub virtual_address: SocketAddr,
    /// Real server.
    pub destination: SocketAddr,
    /// Persistence engine and what it goes by.
    pub engine: Option<(&'a str, &'a str)>,
}

/// Connections as `ipvsadm -L -c` lists them; with `engines` as with `--persistent-conn`.
pub fn connections<'a>(rows: impl IntoIterator<Item = Row<'a>>, names: Names<'_>, engines: bool) -> String {
    let mut out = String::from("IPVS connection entries\n");
    out.push_str("pro expire state       source             virtual            destination");
    out.push_str(if engines { "        pe name          pe_data\n" } else { "\n" });
    for row in rows {
        let seconds = row.expires.as_secs();
        let protocol = row.protocol.to_ascii_lowercase().parse::<Protocol>().ok();
        let _ = write!(
            out,
            "{:<3} {:<6} {:<11} {:<18} {:<18} ",
            row.protocol,
            format!("{:02}:{:02}", seconds / 60, seconds % 60),
            row.state,
            names.socket(row.source, protocol),
            names.socket(row.virtual_address, protocol),
        );
        let destination = names.socket(row.destination, protocol);
        let _ = match row.engine.filter(|_| engines) {
            Some((name, data)) => writeln!(out, "{destination} {name:<18} {data}"),
            None => writeln!(out, "{destination}"),
        };
    }
    out
}
