//! Hosts, ports and fallbacks.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use lb_core::model::{Family, Forwarding, Protocol, ServerKey, ServerSpec, Thresholds, Weight};

use crate::{
    diagnostic::{Diagnostic, Problems},
    ldirectord::{
        model::Fallback,
        raw::{Entry, Mode, RawFallback, RawValue, Word},
    },
    names::{Resolver, parse_ipv4},
};

/// A resolver that asks for each name once.
pub(super) struct Names<'a, R> {
    resolver: &'a R,
    addresses: HashMap<(String, Family), Option<IpAddr>>,
    /// How many addresses the ranges of the file may still name.
    pub(super) room: u32,
}

impl<'a, R: Resolver> Names<'a, R> {
    pub(super) fn new(resolver: &'a R) -> Self {
        Self { resolver, addresses: HashMap::new(), room: 1 << 20 }
    }

    /// The address of a literal or a name.
    pub(super) fn host(&mut self, host: &str, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => {
                if let Some(address) = parse_ipv4(host) {
                    return Some(IpAddr::V4(address));
                }
            }
            Family::V6 => {
                if let Ok(address) = host.parse::<Ipv6Addr>() {
                    return Some(IpAddr::V6(address));
                }
            }
        }
        // Only what can be a name is asked for: the C library would take more, such as `[::1]`.
        let name = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let number = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !name || number || host.len() > 253 {
            return None;
        }
        let resolver = self.resolver;
        *self.addresses.entry((host.to_owned(), family)).or_insert_with(|| resolver.address(host, family))
    }

    /// A number of at most 65,535, or a service of one of the protocols.
    pub(super) fn port(&self, port: &str, protocols: &[Protocol]) -> Option<u16> {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            return port.parse().ok();
        }
        protocols.iter().find_map(|protocol| self.resolver.port(port, *protocol))
    }
}

/// The first address, or the reason why there is none.
pub(super) fn unknown_host(host: &Word, family: Family) -> Diagnostic {
    let number = host.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let error = Diagnostic::error(host.span, format!("cannot resolve `{}`", host.text));
    match family {
        Family::V4 if host.text.starts_with('[') || host.text.contains(':') => {
            error.label("expected an IPv4 address or a host name")
        }
        Family::V4 if number => error.label("not an IPv4 address"),
        Family::V4 => error.label("expected an IPv4 address or a host name that has one"),
        Family::V6 => error.label("expected an IPv6 address in brackets"),
    }
}

pub(super) fn unknown_port(port: &Word, protocols: &[Protocol]) -> Diagnostic {
    let error = Diagnostic::error(port.span, format!("`{}` is no port", port.text));
    if port.text.bytes().all(|byte| byte.is_ascii_digit()) {
        return error.label("expected a number from 0 to 65535");
    }
    match protocols {
        [] => error.label("expected a number").note("a service name has no meaning for a firewall mark"),
        [protocol] => {
            error.label(format!("expected a number, or the name of a {protocol} service in /etc/services"))
        }
        _ => error.label("expected a number, or the name of a service in /etc/services"),
    }
}

/// A global fallback: a host, and a port that may depend on the protocol of the service.
#[derive(Clone, Copy)]
pub(super) struct SharedFallback {
    address: IpAddr,
    /// For TCP and for UDP.
    ports: Option<[u16; 2]>,
    spec: ServerSpec,
}

impl SharedFallback {
    pub(super) fn of(self, protocol: Option<Protocol>, virtual_port: u16) -> Fallback {
        let port = match (self.ports, protocol) {
            (Some([_, udp]), Some(Protocol::Udp)) => udp,
            (Some([tcp, _]), _) => tcp,
            (None, _) => virtual_port,
        };
        Fallback { key: ServerKey::new(self.address, port), spec: self.spec }
    }
}

/// A service name in a global fallback has to exist for TCP and for UDP.
pub(super) fn shared_fallback<R: Resolver>(
    entry: &Entry,
    mode: Mode,
    names: &mut Names<'_, R>,
    problems: &mut Problems,
) -> Option<SharedFallback> {
    let RawValue::Fallback(Some(raw)) = &entry.value else { return None };
    let family = super::section::family(entry.directive);
    let address = fallback_host(raw, family, mode, names, problems)?;
    let ports = match &raw.port {
        None => None,
        Some(port) => {
            let both = [Protocol::Tcp, Protocol::Udp].map(|protocol| names.port(&port.text, &[protocol]));
            let [Some(tcp), Some(udp)] = both else {
                let error = unknown_port(port, &[Protocol::Tcp, Protocol::Udp]);
                problems.push(if both == [None, None] {
                    error
                } else {
                    error
                        .note("the service of a global fallback has to exist for tcp and for udp")
                        .help("write the number of the port")
                });
                return None;
            };
            Some([tcp, udp])
        }
    };
    Some(SharedFallback { address, ports, spec: fallback_spec(raw) })
}

pub(super) fn own_fallback<R: Resolver>(
    raw: &RawFallback,
    family: Family,
    mode: Mode,
    (protocols, virtual_port): (&[Protocol], u16),
    names: &mut Names<'_, R>,
    problems: &mut Problems,
) -> Option<Fallback> {
    let address = fallback_host(raw, family, mode, names, problems)?;
    let port = match &raw.port {
        None => virtual_port,
        Some(port) => match names.port(&port.text, protocols) {
            Some(port) => port,
            None => {
                problems.push(unknown_port(port, protocols));
                return None;
            }
        },
    };
    Some(Fallback { key: ServerKey::new(address, port), spec: fallback_spec(raw) })
}

fn fallback_host<R: Resolver>(
    raw: &RawFallback,
    family: Family,
    mode: Mode,
    names: &mut Names<'_, R>,
    problems: &mut Problems,
) -> Option<IpAddr> {
    if raw.host.text.is_empty() && family == Family::V4 {
        let what = "a fallback without an address";
        problems.push(match mode {
            Mode::Lenient => Diagnostic::error(raw.host.span, what).label("expected address[:port]"),
            Mode::Strict => Diagnostic::warning(raw.host.span, what).label("ignored"),
        });
        return None;
    }
    let address = names.host(&raw.host.text, family);
    if address.is_none() {
        problems.push(unknown_host(&raw.host, family));
    }
    address
}

fn fallback_spec(raw: &RawFallback) -> ServerSpec {
    let forwarding = raw.method.as_ref().and_then(|method| Forwarding::parse(&method.text).ok());
    ServerSpec {
        weight: Weight::ONE,
        forwarding: forwarding.unwrap_or(Forwarding::Direct),
        thresholds: Thresholds::NONE,
    }
}

/// More addresses in one range are refused: a slip of the pen would otherwise fill the memory.
pub(super) const LARGEST_RANGE: u32 = 65_536;

/// First to last of a range, both included.
pub(super) fn range(first: Ipv4Addr, last: Ipv4Addr) -> impl Iterator<Item = IpAddr> {
    (first.to_bits()..=last.to_bits()).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))
}
