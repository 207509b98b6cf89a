//! Names of chains, sets and counters, and the comments that carry what rules alone do not tell.

use std::{fmt::Write, net::IpAddr, str::SplitAsciiWhitespace};

use lb_core::model::{
    Family, Forwarding, Persistence, Protocol, SchedulerFlags, SchedulerKind, ServerKey, ServerSpec,
    ServiceKey, ServiceSpec, Thresholds, Weight,
};

/// Empty chain that says whose table this is; the number is that of the layout.
pub(super) const MARKER: &str = "lb-nat-format-1";
/// What every marker begins with, whatever the layout.
pub(super) const ANY_MARKER: &str = "lb-nat-format-";

/// Chain and counter of a service: `tcp-10.0.0.1-80`, `udp-2001_db8__1-53`, `mark-7-ipv4`.
pub(super) fn service(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address, port, .. } => {
            format!("{protocol}-{}-{port}", host(*address))
        }
        ServiceKey::FwMark { mark, family } => format!("mark-{mark}-{family}"),
    }
}

/// Chain, counter and persistence set of a server: `tcp-10.0.0.1-80/192.168.0.1-8080`.
pub(super) fn server(service: &str, key: &ServerKey) -> String {
    format!("{service}/{}-{}", host(key.address), key.port)
}

/// Counter of new connections for which a service had no server.
pub(super) fn refused(service: &str) -> String {
    format!("{service}/refused")
}

/// nft knows no colon in names.
fn host(address: IpAddr) -> String {
    address.to_string().replace(':', "_")
}

/// Where a service is looked up: the name of the map, and the key in it.
pub(super) fn element(key: &ServiceKey) -> (String, String) {
    let (map, text) = match key {
        ServiceKey::Address { protocol, address, port: 0, .. } => {
            ("address", format!("{address} . {protocol}"))
        }
        ServiceKey::Address { protocol, address, port, .. } => {
            ("service", format!("{address} . {protocol} . {port}"))
        }
        ServiceKey::FwMark { mark, .. } => ("mark", mark.to_string()),
    };
    (format!("{map}{}", digit(key.family())), text)
}

/// The set that says which connections get the balancer's own address.
pub(super) fn snat_set(map: &str) -> String {
    format!("snat-{map}")
}

/// 4 or 6.
pub(super) const fn digit(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

/// The service that an element of a map stands for; the reverse of [`element`].
pub(super) fn service_of_element(map: &str, key: &str) -> Option<ServiceKey> {
    let family = if map.ends_with('6') { Family::V6 } else { Family::V4 };
    let parts: Vec<&str> = key.split(" . ").collect();
    let found = match *parts.as_slice() {
        [mark] => ServiceKey::FwMark { mark: mark.parse().ok()?, family },
        [address, protocol] => {
            ServiceKey::new(transport(protocol)?, (address.parse::<IpAddr>().ok()?, 0).into())
        }
        [address, protocol, port] => {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            ServiceKey::new(transport(protocol)?, (address.parse::<IpAddr>().ok()?, port).into())
        }
        _ => return None,
    };
    (found.family() == family).then_some(found)
}

/// By name, or by number where `/etc/protocols` is missing.
fn transport(text: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| protocol.name() == text || protocol.number().to_string() == text)
}

/// `service tcp:10.0.0.1:80 wrr flags 2 persistent 360/24`
pub(super) fn service_comment(key: &ServiceKey, spec: &ServiceSpec) -> String {
    let mut text = format!("service {key} {}", spec.scheduler);
    if !spec.flags.is_empty() {
        let _ = write!(text, " flags {}", spec.flags.bits());
    }
    if let Some(persistence) = &spec.persistence {
        let _ = write!(text, " persistent {}", persistence.timeout);
        if let Some(prefix) = persistence.prefix {
            let _ = write!(text, "/{prefix}");
        }
    }
    text
}

/// `server 192.168.0.1:80 masq 5`
pub(super) fn server_comment(key: &ServerKey, spec: &ServerSpec) -> String {
    format!("server {key} {} {}", spec.forwarding, spec.weight)
}

/// What [`service_comment`] wrote; `None` for anything else.
pub(super) fn parse_service(comment: &str) -> Option<(ServiceKey, ServiceSpec)> {
    let mut words = words_after(comment, "service")?;
    let key = words.next()?.parse().ok()?;
    let mut spec = ServiceSpec::new(words.next()?.parse::<SchedulerKind>().ok()?);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word {
            "flags" => spec.flags = SchedulerFlags::from_bits(value.parse().ok()?),
            "persistent" => spec.persistence = Some(parse_persistence(value)?),
            _ => return None,
        }
    }
    Some((key, spec))
}

fn parse_persistence(text: &str) -> Option<Persistence> {
    let (timeout, prefix) = match text.split_once('/') {
        Some((timeout, prefix)) => (timeout, Some(prefix.parse().ok()?)),
        None => (text, None),
    };
    Some(Persistence { prefix, ..Persistence::seconds(timeout.parse().ok()?) })
}

/// What [`server_comment`] wrote; `None` for anything else.
pub(super) fn parse_server(comment: &str) -> Option<(ServerKey, ServerSpec)> {
    let mut words = words_after(comment, "server")?;
    let key = words.next()?.parse().ok()?;
    let forwarding = match words.next()? {
        "masq" => Forwarding::Masquerade,
        "local" => Forwarding::Local,
        _ => return None,
    };
    let weight = Weight::new(words.next()?.parse().ok()?);
    words.next().is_none().then_some((key, ServerSpec { weight, forwarding, thresholds: Thresholds::NONE }))
}

fn words_after<'a>(comment: &'a str, first: &str) -> Option<SplitAsciiWhitespace<'a>> {
    let mut words = comment.split_ascii_whitespace();
    (words.next()? == first).then_some(words)
}
