//! `virtual_server_group`: addresses, ranges of them, and firewall marks.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::IpNet;
use lb_core::model::Family;

use super::{
    super::{
        faults::{Area, Faults, title},
        values::{IGNORED, number_in, only},
    },
    values::{self, first},
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, Word},
        model::VirtualGroup,
    },
};

/// Most addresses that the ranges of one file may name.
const ROOM: u128 = 1 << 16;

/// All groups by name. What was in force for one with an error takes its place.
pub(super) fn groups(
    root: &Block,
    before: &BTreeMap<String, VirtualGroup>,
    faults: &mut Faults,
    problems: &mut Problems,
) -> BTreeMap<String, VirtualGroup> {
    let mut groups: BTreeMap<String, VirtualGroup> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut room = ROOM;
    let blocks = root.directives.iter().filter(|directive| directive.keyword() == "virtual_server_group");
    for directive in blocks {
        let (read, errors) = problems.block(|problems| {
            let name = only(directive, "a name", problems)?;
            if groups.contains_key(&*name.text) {
                problems.push(Diagnostic::error(
                    name.span,
                    format!("the virtual_server_group `{}` is there twice", name.text),
                ));
            }
            let group = group(directive, &mut room, problems);
            Some((name, group))
        });
        match (read, errors) {
            (Some((name, group)), None) => {
                groups.insert(name.text.to_string(), group);
            }
            (_, errors) => wrong.push((directive, errors.unwrap_or_default())),
        }
    }
    for (directive, errors) in wrong {
        let name = directive.parameters().first().filter(|name| !groups.contains_key(&*name.text));
        let kept = name.and_then(|name| before.get_key_value(&*name.text));
        faults.push(title(directive), Area::VirtualServers, kept.is_some(), errors);
        groups.extend(kept.map(|(name, group)| (name.clone(), group.clone())));
    }
    groups
}

fn group(directive: &Directive, room: &mut u128, problems: &mut Problems) -> VirtualGroup {
    let mut group = VirtualGroup::default();
    for entry in directive.block.iter().flat_map(|block| &block.directives) {
        if entry.keyword() == "fwmark" {
            group.marks.extend(mark(entry, problems));
        } else {
            addresses(entry, &mut group, room, problems);
        }
    }
    group
}

fn mark(entry: &Directive, problems: &mut Problems) -> Option<(std::num::NonZeroU32, Option<Family>)> {
    let word = first(entry, "a number", problems)?;
    let mark = number_in("fwmark", word, 1..=u32::MAX, problems)?.try_into().ok()?;
    let family = match entry.parameters().get(1) {
        None => None,
        Some(word) => Some(family(word, problems)?),
    };
    Some((mark, family))
}

/// `inet` or `inet6`.
pub(super) fn family(word: &Word, problems: &mut Problems) -> Option<Family> {
    match word.text.as_str() {
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => {
            problems.push(
                Diagnostic::mistake(word.span, format!("`{}` is no address family", word.text))
                    .label("inet or inet6 expected")
                    .instead(IGNORED),
            );
            None
        }
    }
}

fn addresses(entry: &Directive, group: &mut VirtualGroup, room: &mut u128, problems: &mut Problems) {
    let Some(word) = entry.words.first() else { return };
    let Some(port) = values::port(entry.parameters().first(), problems) else { return };
    let Some(range) = Range::parse(&word.text) else {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no address or range", word.text))
                .label("such as 10.0.0.1, 10.0.0.1-20, 10.0.0.1-10.0.1.20 or 10.0.0.0/28")
                .instead(IGNORED),
        );
        return;
    };
    match range.count() {
        Some(count) if count <= *room => *room -= count,
        _ => {
            problems.push(
                Diagnostic::error(word.span, format!("`{}` has too many addresses", word.text))
                    .label(format!("all groups together may have {ROOM}"))
                    .help("mark the packets by a firewall rule, and balance by `fwmark`"),
            );
            return;
        }
    }
    group.addresses.extend(range.addresses().map(|address| SocketAddr::new(address, port)));
}

/// From the first to the last address, both included.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    /// `A`, `A-N` where N replaces the last part, `A-B`, or `A/LEN` with all addresses of that network.
    fn parse(text: &str) -> Option<Self> {
        if let Some((from, to)) = text.split_once('-') {
            let from: IpAddr = from.parse().ok()?;
            let to = match (from, to.parse::<IpAddr>()) {
                (_, Ok(to)) => to,
                (IpAddr::V4(from), Err(_)) => {
                    let [a, b, c, _] = from.octets();
                    IpAddr::V4(Ipv4Addr::new(a, b, c, to.parse().ok()?))
                }
                (IpAddr::V6(from), Err(_)) => {
                    let last = u16::from_str_radix(to, 16).ok()?;
                    IpAddr::V6(Ipv6Addr::from(u128::from(from) & !0xffff | u128::from(last)))
                }
            };
            return Self::between(from, to);
        }
        if text.contains('/') {
            let net: IpNet = text.parse().ok()?;
            return Self::between(net.network(), net.broadcast());
        }
        let address = text.parse().ok()?;
        Self::between(address, address)
    }

    fn between(from: IpAddr, to: IpAddr) -> Option<Self> {
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) if from <= to => Some(Self::V4(from.into(), to.into())),
            (IpAddr::V6(from), IpAddr::V6(to)) if from <= to => Some(Self::V6(from.into(), to.into())),
            _ => None,
        }
    }

    /// How many; `None`: more than a number can say.
    fn count(&self) -> Option<u128> {
        match self {
            Self::V4(from, to) => Some(u128::from(to - from) + 1),
            Self::V6(from, to) => (to - from).checked_add(1),
        }
    }

    fn addresses(&self) -> Box<dyn Iterator<Item = IpAddr>> {
        match *self {
            Self::V4(from, to) => Box::new((from..=to).map(|bits| Ipv4Addr::from(bits).into())),
            Self::V6(from, to) => Box::new((from..=to).map(|bits| Ipv6Addr::from(bits).into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_four_forms() {
        let range = |text: &str| -> Vec<String> {
            Range::parse(text).unwrap().addresses().map(|address| address.to_string()).collect()
        };
        assert_eq!(range("10.0.0.9"), ["10.0.0.9"]);
        assert_eq!(range("10.0.0.9-11"), ["10.0.0.9", "10.0.0.10", "10.0.0.11"]);
        assert_eq!(range("10.0.0.254-10.0.1.1"), ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]);
        assert_eq!(range("10.0.0.4/31"), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(range("fd00::fe-ff"), ["fd00::fe", "fd00::ff"]);
        assert_eq!(range("fd00::/127"), ["fd00::", "fd00::1"]);
        assert_eq!(Range::parse("::/0").unwrap().count(), None);
        for bad in ["", "10.0.0", "10.0.0.9-8", "10.0.0.9-300", "10.0.0.9-fd00::1", "10.0.0.0/33", "a-b"] {
            assert_eq!(Range::parse(bad), None, "{bad}");
        }
    }
}
