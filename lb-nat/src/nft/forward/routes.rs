//! By which interface packets leave, from the kernel's main routing tables in `/proc/net`.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

/// Destinations, metrics and interfaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes(Vec<(IpNet, u32, String)>);

impl Routes {
    /// As they are now; what cannot be read is not there.
    pub(super) fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/net/route"), &read("/proc/net/ipv6_route"))
    }

    pub(super) fn parse(four: &str, six: &str) -> Self {
        let routes = four.lines().skip(1).filter_map(route).chain(six.lines().filter_map(route6));
        Self(routes.collect())
    }

    /// The interface by which packets to an address leave.
    pub(super) fn interface(&self, address: IpAddr) -> Option<String> {
        let matching = self.0.iter().filter(|(net, _, _)| net.contains(&address));
        let best = matching.min_by_key(|(net, metric, _)| (u8::MAX - net.prefix_len(), *metric));
        best.map(|(_, _, interface)| interface.clone())
    }
}

/// `eth0 0000000A 00000000 0001 0 0 0 000000FF …`
fn route(line: &str) -> Option<(IpNet, u32, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [interface, destination, _, flags, _, _, metric, mask, ..] = words[..] else { return None };
    let address = |text: &str| Some(Ipv4Addr::from(u32::from_str_radix(text, 16).ok()?.to_ne_bytes()));
    is_usable(flags)?;
    let net = IpNet::with_netmask(address(destination)?.into(), address(mask)?.into()).ok()?;
    Some((net, metric.parse().ok()?, interface.to_owned()))
}

/// `fd00…00 40 00…00 00 00…00 00000100 00000001 00000000 00000001 eth0`
fn route6(line: &str) -> Option<(IpNet, u32, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [destination, length, _, _, _, metric, _, _, flags, interface] = words[..] else { return None };
    is_usable(flags)?;
    let address = Ipv6Addr::from(u128::from_str_radix(destination, 16).ok()?);
    let net = IpNet::new(address.into(), u8::from_str_radix(length, 16).ok()?).ok()?;
    Some((net, u32::from_str_radix(metric, 16).ok()?, interface.to_owned()))
        .filter(|(_, _, name)| name != "lo")
}

/// Up, and no route that refuses.
fn is_usable(flags: &str) -> Option<()> {
    const UP: u32 = 1;
    const REJECT: u32 = 0x200;
    let flags = u32::from_str_radix(flags, 16).ok()?;
    (flags & (UP | REJECT) == UP).then_some(())
}
