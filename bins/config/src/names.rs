//! Host and service names.

use std::{
    collections::HashMap,
    fs,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs},
};

use lb_core::model::{Family, Protocol};

/// Turns names into numbers while a configuration is resolved.
pub trait Resolver {
    /// The first address of this family that a host name stands for.
    fn address(&self, name: &str, family: Family) -> Option<IpAddr>;

    /// The port of a service by name or alias, as `getservbyname(3)`; names are case-sensitive.
    fn port(&self, service: &str, protocol: Protocol) -> Option<u16>;
}

/// Names as the system knows them: the C library's resolver for hosts, `/etc/services` for services.
///
/// Looking up a host may wait for the name servers; use it where waiting is allowed.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    services: Services,
}

impl SystemResolver {
    /// Reads `/etc/services`; without it, or for what it lacks, the services that load balancers serve are known.
    pub fn new() -> Self {
        Self { services: Services::system() }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver for SystemResolver {
    fn address(&self, name: &str, family: Family) -> Option<IpAddr> {
        (name, 0).to_socket_addrs().ok()?.map(|address| address.ip()).find(|ip| Family::of(*ip) == family)
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        self.services.port(service, protocol)
    }
}

/// A table of services in the format of `services(5)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services(HashMap<(String, &'static str), u16>);

impl Services {
    /// Reads `name port/protocol alias…` lines with `#` comments; lines that are none are skipped. As with
    /// `getservbyname(3)` the first line for a name counts.
    pub fn parse(text: &str) -> Self {
        let mut table = HashMap::new();
        for (names, port, protocol) in service_lines(text) {
            for name in names {
                table.entry((name.to_owned(), protocol.name())).or_insert(port);
            }
        }
        Self(table)
    }

    /// `/etc/services`, and for what it lacks the services that load balancers serve.
    pub fn system() -> Self {
        let mut services = Self::parse(USUAL);
        services.extend(Self::of_system());
        services
    }

    /// `/etc/services` and nothing else.
    pub fn of_system() -> Self {
        let text = fs::read("/etc/services").unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// The port of a name or alias.
    pub fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        self.0.get(&(service.to_owned(), protocol.name())).copied()
    }

    /// Names that are known, of any protocol, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|(name, _)| name.as_str())
    }

    /// Takes over the entries of another table; they go before those that are here.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Ports and the names that listings show for them, as `getservbyport(3)`: the first name on the first line for a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortNames(HashMap<(u16, &'static str), String>);

impl PortNames {
    /// Those of `/etc/services`, and of the services that load balancers serve.
    pub fn system() -> Self {
        let mut names = Self::of_system();
        names.add(USUAL);
        names
    }

    /// Those of `/etc/services` and no others.
    pub fn of_system() -> Self {
        let text = fs::read("/etc/services").unwrap_or_default();
        let mut names = Self::default();
        names.add(&String::from_utf8_lossy(&text));
        names
    }

    /// Those that are there already stay.
    fn add(&mut self, text: &str) {
        for (names, port, protocol) in service_lines(text) {
            self.0.entry((port, protocol.name())).or_insert_with(|| names[0].to_owned());
        }
    }

    /// The name of a port.
    pub fn name(&self, port: u16, protocol: Protocol) -> Option<&str> {
        self.0.get(&(port, protocol.name())).map(String::as_str)
    }
}

/// Lines in the format of `services(5)`: name and aliases, port, protocol. Others are skipped.
fn service_lines(text: &str) -> impl Iterator<Item = (Vec<&str>, u16, Protocol)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let (name, port) = (words.next()?, words.next()?);
        let (port, protocol) = port.split_once('/')?;
        let names = std::iter::once(name).chain(words).collect();
        Some((names, port.parse().ok()?, protocol.parse().ok()?))
    })
}

/// An IPv4 address in any of the forms of `inet_aton(3)`: `10.0.0.1`, `10.1`, `0x0a000001`, `012.0.0.1` (octal).
pub fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').take(5).map(number).collect::<Option<_>>()?;
    let (last, bytes) = parts.split_last()?;
    if bytes.len() > 3 || bytes.iter().any(|&byte| byte > 255) {
        return None;
    }
    let room = 32 - 8 * bytes.len() as u32;
    if room < 32 && *last >= 1 << room {
        return None;
    }
    let high = bytes.iter().enumerate().fold(0, |sum, (at, byte)| sum | byte << (24 - 8 * at as u32));
    Some(Ipv4Addr::from(high | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

const USUAL: &str = "
ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp mail
domain 53/tcp
domain 53/udp
http 80/tcp www
pop3 110/tcp pop-3
nntp 119/tcp readnews untp
ntp 123/udp
imap2 143/tcp imap
ldap 389/tcp
ldap 389/udp
https 443/tcp
https 443/udp
syslog 514/udp
submission 587/tcp
ldaps 636/tcp
imaps 993/tcp
pop3s 995/tcp
radius 1812/udp
radius 1812/tcp
mysql 3306/tcp
postgresql 5432/tcp postgres
sip 5060/tcp
sip 5060/udp
http-alt 8080/tcp webcache
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_forms_of_inet_aton() {
        let parse = |text| parse_ipv4(text).map(|ip| ip.to_string());
        for (text, ip) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.1", "10.0.0.1"),
            ("10.0.1", "10.0.0.1"),
            ("5", "0.0.0.5"),
            ("0", "0.0.0.0"),
            ("010.0.0.1", "8.0.0.1"),
            ("0x0a.1", "10.0.0.1"),
            ("4294967295", "255.255.255.255"),
            ("10.16777215", "10.255.255.255"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(ip), "{text}");
        }
        for text in [
            "",
            ".",
            "256.0.0.1",
            "08.1.1.1",
            "1.2.3.4.5",
            "1.2.3.",
            "4294967296",
            "10.16777216",
            "1.2.3.256",
            "+1",
            "0x",
            "a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn services_are_found_by_name_and_alias_in_their_protocol() {
        let table = Services::parse(
            "# x\nshell 514/tcp cmd syslog # y\nsyslog 514/udp\nntp 123/udp\nbroken\nbad x/tcp\nbad 1/icmp\n",
        );
        assert_eq!(table.port("syslog", Protocol::Tcp), Some(514));
        assert_eq!(table.port("ntp", Protocol::Tcp), None);
        assert_eq!(table.port("ntp", Protocol::Udp), Some(123));
        assert_eq!(table.port("NTP", Protocol::Udp), None);
        assert_eq!(table.port("bad", Protocol::Tcp), None);
    }

    #[test]
    fn the_usual_services_are_known_without_a_file() {
        let table = Services::parse(USUAL);
        assert_eq!(table.port("http", Protocol::Tcp), Some(80));
        assert!(table.names().any(|name| name == "sip"));
    }
}
