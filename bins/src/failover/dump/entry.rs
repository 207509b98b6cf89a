//! Addresses and commands as keepalived shows them.

use crate::config::keepalived::model::{Instance, ScriptCommand, VirtualAddress};

/// `10.9.0.100/24 dev eth0 scope global label eth0:1 set`.
pub(super) fn address(address: &VirtualAddress, instance: &Instance, set: bool) -> String {
    let net = address.net;
    let mut out = match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    };
    out += &format!(" dev {}", address.device.as_ref().unwrap_or(&instance.interface));
    out += match address.scope.map(|scope| scope.0) {
        Some(253) => " scope link",
        Some(254) => " scope host",
        Some(200) => " scope site",
        _ => " scope global",
    };
    if let Some(broadcast) = address.broadcast {
        out += &format!(" brd {broadcast}");
    }
    if let Some(peer) = address.peer {
        out += &format!(" peer {peer}");
    }
    if let Some(label) = &address.label {
        out += &format!(" label {label}");
    }
    if net.addr().is_ipv6() {
        out += match address.preferred_lifetime {
            Some(0) => " deprecated".to_owned(),
            Some(seconds) => format!(" preferred_lft {seconds}"),
            None => " preferred_lft forever".to_owned(),
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
