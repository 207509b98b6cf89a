//! Addresses and commands as keepalived shows them.

use lb_config::keepalived::model::{Instance, ScriptCommand, VirtualAddress};

/// `10.9.0.100/24 brd 10.9.0.255 dev eth0 scope global label eth0:1 set`.
pub(super) fn address(address: &VirtualAddress, instance: &Instance, set: bool) -> String {
    let (net, ip) = (address.net, address.net.addr());
    let mut out = match net.prefix_len() == net.max_prefix_len() {
        true => ip.to_string(),
        false => net.to_string(),
    };
    if let Some(broadcast) = address.broadcast.filter(|_| ip.is_ipv4()) {
        out += &format!(" brd {broadcast}");
    }
    let vmac = instance.vmac.as_ref().and_then(|vmac| vmac.name.as_ref());
    out += &match (&address.device, vmac) {
        (Some(device), _) => format!(" dev {device}"),
        (None, Some(vmac)) => format!(" dev {vmac}@{}", instance.interface),
        (None, None) => format!(" dev {}", instance.interface),
    };
    out += match address.scope.map(|scope| scope.0) {
        Some(253) => " scope link",
        Some(254) => " scope host",
        Some(200) => " scope site",
        _ => " scope global",
    };
    if let Some(label) = address.label.as_ref().filter(|_| ip.is_ipv4()) {
        out += &format!(" label {label}");
    }
    if let Some(peer) = address.peer.filter(|_| ip.is_ipv4()) {
        out += &format!(" peer {peer}");
    }
    let flags = [
        (address.home, " home"),
        (address.duplicate_detection, " -nodad"),
        (address.manage_temporary, " mngtmpaddr"),
        (address.no_prefix_route, " noprefixroute"),
        (address.auto_join, " autojoin"),
        (!address.tracked, " no_track"),
    ];
    flags.into_iter().filter(|(given, _)| *given).for_each(|(_, word)| out += word);
    if ip.is_ipv6() {
        out += match address.preferred_lifetime {
            Some(0) => " deprecated".to_owned(),
            Some(seconds) if seconds < u32::MAX => format!(" preferred_lft {seconds}"),
            _ => " preferred_lft forever".to_owned(),
        }
        .as_str();
    }
    if set {
        out += " set";
    }
    out
}

/// `'/usr/bin/test' '!' '-e' '/tmp/x'`.
pub(super) fn command(command: &ScriptCommand) -> String {
    let words: Vec<String> = command.argv.iter().map(|word| format!("'{word}'")).collect();
    words.join(" ")
}
