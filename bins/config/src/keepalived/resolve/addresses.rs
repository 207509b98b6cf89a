//! Entries of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, Word},
        model::{Scope, VirtualAddress},
    },
};

use super::values::{At, IGNORED, address_in, net, number_in};

/// What becomes of an address whose options cannot be used.
const ADDRESS_IGNORED: &str = "the address is ignored, as with keepalived";

/// Longest name of an interface, and of a label.
const NAME_MAX: usize = 15;

const OPTIONS: [&str; 16] = [
    "dev",
    "label",
    "scope",
    "brd",
    "broadcast",
    "peer",
    "home",
    "-nodad",
    "nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "track_group",
    "preferred_lft",
    "use_vmac",
];

/// All entries of a block that could be read, with their places.
pub(super) fn addresses(block: &Block, problems: &mut Problems) -> Vec<At<VirtualAddress>> {
    block.directives.iter().filter_map(|entry| address(entry, problems)).collect()
}

fn address(entry: &Directive, problems: &mut Problems) -> Option<At<VirtualAddress>> {
    let first = entry.words.first()?;
    let Some(net) = net(&first.text) else {
        problems.push(
            Diagnostic::mistake(first.span, format!("`{}` is no IP address", first.text))
                .label("expected an address, such as 192.0.2.1/24 or 2001:db8::1/64")
                .instead(IGNORED),
        );
        return None;
    };
    if net.addr().is_multicast() || net.addr().is_unspecified() {
        problems.push(
            Diagnostic::mistake(first.span, format!("{} is not the address of a host", net.addr()))
                .label("expected an address that an interface can have")
                .instead("ignored"),
        );
        return None;
    }
    let mut address = VirtualAddress::new(net);
    let mut words = Options { rest: entry.parameters(), last: first, usable: true, problems };
    while words.option(&mut address) {}
    let usable = words.usable && check(entry, &mut address, problems);
    usable.then(|| At::new(address, entry.span()))
}

/// What remains of an entry.
struct Options<'d, 'p> {
    rest: &'d [Word],
    last: &'d Word,
    /// Whether the address can be used; keepalived leaves out one whose options are wrong in some ways.
    usable: bool,
    problems: &'p mut Problems,
}

impl<'d> Options<'d, '_> {
    /// Takes one option; `false` at the end.
    fn option(&mut self, address: &mut VirtualAddress) -> bool {
        let Some(option) = self.next() else { return false };
        match option.text.as_str() {
            "dev" => {
                address.device = self.value("the name of an interface").map(|word| word.text.to_string())
            }
            "label" => {
                address.label = self.value("a label, such as eth0:1").map(|word| word.text.to_string())
            }
            "scope" => address.scope = self.value("a scope").and_then(|word| scope(word, self.problems)),
            "brd" | "broadcast" => {
                if let Some(word) = self.value("an address, + or -") {
                    address.broadcast = broadcast(word, address.net, self.problems);
                    self.usable &= address.broadcast.is_some();
                }
            }
            "peer" => {
                if let Some(word) = self.value("an address") {
                    address.peer = net(&word.text);
                    if address.peer.is_none() {
                        self.problems.push(
                            Diagnostic::mistake(
                                word.span,
                                format!("`{}` is no IP address for `peer`", word.text),
                            )
                            .instead(IGNORED),
                        );
                    }
                }
            }
            "home" => address.home = true,
            "-nodad" => address.duplicate_detection = true,
            // It is what an address has anyway.
            "nodad" => address.duplicate_detection = false,
            "mngtmpaddr" => address.manage_temporary = true,
            "noprefixroute" => address.no_prefix_route = true,
            "autojoin" => address.auto_join = true,
            "no_track" => address.tracked = false,
            "use_vmac" => address.use_vmac = true,
            "track_group" => {
                self.value("the name of a track_group");
                self.problems.push(
                    Diagnostic::warning(option.span, "`track_group` has no effect")
                        .note("static addresses, routes and rules do not count for any instance here"),
                );
            }
            "preferred_lft" => {
                if let Some(word) = self.value("seconds, or forever") {
                    address.preferred_lifetime = match word.text.as_str() {
                        "forever" => None,
                        _ => number_in("preferred_lft", word, 0..=u32::MAX, self.problems),
                    };
                }
            }
            other => self.problems.push(
                Diagnostic::mistake(option.span, format!("`{other}` is no option of an address"))
                    .instead(IGNORED)
                    .did_you_mean(other, OPTIONS),
            ),
        }
        true
    }

    fn next(&mut self) -> Option<&'d Word> {
        let (first, rest) = self.rest.split_first()?;
        (self.rest, self.last) = (rest, first);
        Some(first)
    }

    fn value(&mut self, expected: &str) -> Option<&'d Word> {
        let option = self.last;
        let value = self.next();
        if value.is_none() {
            self.problems.push(
                Diagnostic::mistake(option.span, format!("`{}` has no value", option.text))
                    .label(format!("expected {expected}"))
                    .instead(ADDRESS_IGNORED),
            );
            self.usable = false;
        }
        value
    }
}

/// rtnetlink(7): a name, or a number.
pub(super) fn scope(word: &Word, problems: &mut Problems) -> Option<Scope> {
    const NAMES: [(&str, u8); 6] =
        [("global", 0), ("nowhere", 255), ("host", 254), ("link", 253), ("site", 200), ("universe", 0)];
    let known = NAMES.iter().find(|(name, _)| *name == word.text).map(|&(_, number)| number);
    let scope = known.or_else(|| word.text.parse().ok()).map(Scope);
    if scope.is_none() {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no scope", word.text))
                .label("expected global, site, link, host, nowhere, or a number from 0 to 255")
                .instead(IGNORED)
                .did_you_mean(&word.text, NAMES.map(|(name, _)| name)),
        );
    }
    scope
}

fn broadcast(word: &Word, net: IpNet, problems: &mut Problems) -> Option<IpAddr> {
    let IpNet::V4(net) = net else {
        problems.push(
            Diagnostic::mistake(word.span, "an IPv6 address has no broadcast address")
                .instead(ADDRESS_IGNORED)
                .help("leave `brd` out"),
        );
        return None;
    };
    let host = u32::from(net.hostmask());
    match word.text.as_str() {
        "+" => Some(IpAddr::V4(Ipv4Net::broadcast(&net))),
        "-" => Some(IpAddr::V4(Ipv4Addr::from(u32::from(net.addr()) & !host))),
        _ => address_in("`brd`", word, problems).filter(IpAddr::is_ipv4),
    }
}

/// What does not fit together; `false` when the address cannot be used.
fn check(entry: &Directive, address: &mut VirtualAddress, problems: &mut Problems) -> bool {
    let span = entry.span();
    let mut usable = true;
    if let Some(label) = &address.label {
        if matches!(address.net, IpNet::V6(_)) {
            problems.push(
                Diagnostic::warning(
                    span,
                    format!("{} has a label, which only IPv4 addresses have", address.net.addr()),
                )
                .label("the label is ignored"),
            );
            address.label = None;
        } else if label.contains(|char: char| char.is_whitespace() || char.is_control()) {
            problems.push(
                Diagnostic::mistake(span, format!("label `{label}` has a blank"))
                    .label("the address is ignored"),
            );
            usable = false;
        } else if label.len() > NAME_MAX {
            problems.push(
                Diagnostic::mistake(span, format!("label `{label}` is longer than {NAME_MAX} bytes"))
                    .instead(ADDRESS_IGNORED)
                    .help("shorten it: the kernel takes no more"),
            );
            usable = false;
        }
    }
    if let Some(device) = address.device.as_deref().filter(|device| !is_interface_name(device)) {
        problems.push(no_interface_name(span, device));
    }
    let v4 = matches!(address.net, IpNet::V4(_));
    if v4 && (address.home || address.duplicate_detection || address.manage_temporary) {
        problems.push(
            Diagnostic::warning(span, "`home`, `-nodad` and `mngtmpaddr` are for IPv6 addresses")
                .label("ignored here"),
        );
        (address.home, address.duplicate_detection, address.manage_temporary) = (false, false, false);
    }
    if address.peer.is_some_and(|peer| matches!(peer, IpNet::V4(_)) != v4) {
        problems.push(
            Diagnostic::mistake(span, "the peer is not of the family of the address")
                .label("the peer is ignored, as with keepalived"),
        );
        address.peer = None;
    }
    usable
}

/// Whether the kernel takes this as the name of an interface.
pub(super) fn is_interface_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != "."
        && name != ".."
        && !name.contains(|char: char| char == '/' || char == ':' || char.is_whitespace())
}

/// What is said of the others.
pub(super) fn no_interface_name(span: crate::document::Span, name: &str) -> Diagnostic {
    Diagnostic::error(span, format!("`{name}` can not be the name of an interface"))
        .label(format!("expected up to {NAME_MAX} bytes without blank, slash or colon"))
}
