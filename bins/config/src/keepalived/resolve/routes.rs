//! Entries of `virtual_routes`, `virtual_rules`, `static_routes` and `static_rules`: the words of `ip route` and
//! `ip rule`, and few that only keepalived has.

use std::{net::IpAddr, slice};

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, Word},
        model::{Entry, Family, Route, Rule},
    },
};

use super::values::{IGNORED, net};

/// Words of routes that a value follows.
const ROUTE_VALUES: &[&str] = &[
    "to",
    "dst",
    "from",
    "src",
    "via",
    "gw",
    "or",
    "dev",
    "oif",
    "table",
    "vrf",
    "metric",
    "preference",
    "priority",
    "scope",
    "protocol",
    "proto",
    "tos",
    "dsfield",
    "tc",
    "pref",
    "mtu",
    "advmss",
    "cwnd",
    "congctl",
    "expires",
    "features",
    "flags",
    "hoplimit",
    "ttl",
    "initcwnd",
    "initrwnd",
    "lock",
    "quickack",
    "realm",
    "realms",
    "reordering",
    "rto_min",
    "rtt",
    "rttvar",
    "ssthresh",
    "ttl-propagate",
    "weight",
    "window",
    "fastopen_no_cookie",
    "nhid",
    "track_group",
];
/// Words of routes whose value may have `lock` before it.
const LOCKABLE: &[&str] =
    &["mtu", "advmss", "cwnd", "congctl", "reordering", "rto_min", "rtt", "rttvar", "ssthresh"];
const ROUTE_WORDS: &[&str] = &[
    "nexthop",
    "onlink",
    "pervasive",
    "inet",
    "inet6",
    "no_track",
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "throw",
    "unreachable",
    "prohibit",
    "blackhole",
    "default",
    "all",
    "any",
];
const RULE_VALUES: &[&str] = &[
    "from",
    "to",
    "dev",
    "iif",
    "oif",
    "dport",
    "sport",
    "dsfield",
    "tos",
    "fwmark",
    "goto",
    "ipproto",
    "ip_proto",
    "lookup",
    "table",
    "order",
    "pref",
    "preference",
    "priority",
    "protocol",
    "realms",
    "suppress_ifgroup",
    "sup_group",
    "suppress_prefixlength",
    "sup_pl",
    "tunnel-id",
    "tun_id",
    "uidrange",
    "type",
    "track_group",
];
const RULE_WORDS: &[&str] =
    &["not", "nop", "inet", "inet6", "l3mdev", "no_track", "blackhole", "prohibit", "unreachable"];
/// One of these says what a rule is for.
const ACTIONS: &[&str] =
    &["table", "lookup", "goto", "nop", "l3mdev", "blackhole", "prohibit", "unreachable", "realms", "type"];
const PREFERENCES: &[&str] = &["pref", "preference", "priority", "order"];

/// What rules get that have no preference, as keepalived gives it: one less each time.
#[derive(Debug)]
pub(super) struct Preferences(u32);

impl Default for Preferences {
    fn default() -> Self {
        Self(16384)
    }
}

/// All routes of a block that could be read.
pub(super) fn routes(block: &Block, problems: &mut Problems) -> Vec<Route> {
    let read = |entry: &Directive, problems: &mut Problems| {
        let mut route = read(entry, "route", (ROUTE_VALUES, ROUTE_WORDS), problems)?;
        route.words = alternatives(std::mem::take(&mut route.words));
        Some(route)
    };
    block.directives.iter().filter_map(|entry| read(entry, problems)).collect()
}

/// All rules of a block that could be read.
pub(super) fn rules(block: &Block, preferences: &mut Preferences, problems: &mut Problems) -> Vec<Rule> {
    block.directives.iter().filter_map(|entry| rule(entry, preferences, problems)).collect()
}

fn rule(entry: &Directive, preferences: &mut Preferences, problems: &mut Problems) -> Option<Rule> {
    let mut rule = read(entry, "rule", (RULE_VALUES, RULE_WORDS), problems)?;
    let has = |known: &[&str]| rule.words.iter().any(|word| known.contains(&word.as_str()));
    if !has(ACTIONS) {
        problems.push(
            Diagnostic::mistake(entry.span(), "the rule says nothing of what is to be done")
                .instead(IGNORED)
                .help("add `table TABLE`, or another action of ip-rule(8)"),
        );
        return None;
    }
    if !has(PREFERENCES) {
        let preference = preferences.0;
        preferences.0 = preference.saturating_sub(1).max(1);
        problems.push(
            Diagnostic::warning(entry.span(), "the rule has no preference")
                .label(format!("it gets {preference}, as with keepalived"))
                .help("add `preference N`: rules are tried by their preferences, the least first"),
        );
        rule.words.extend(["preference".to_owned(), preference.to_string()]);
    }
    Some(rule)
}

/// The words for `ip`, if all of them are known.
fn read(
    entry: &Directive,
    what: &str,
    (values, words): (&[&str], &[&str]),
    problems: &mut Problems,
) -> Option<Entry> {
    let mut read = Entry { family: Family::V4, words: Vec::with_capacity(entry.words.len()), tracked: true };
    let mut family = None;
    let mut given = entry.words.iter();
    while let Some(word) = given.next() {
        let text = word.text.as_str();
        if !is_plain(text) {
            problems.push(unfit(word, what));
            return None;
        }
        match text {
            "no_track" => read.tracked = false,
            "inet" => family = Some(Family::V4),
            "inet6" => family = Some(Family::V6),
            "track_group" => {
                given.next();
                problems.push(
                    Diagnostic::warning(word.span, "`track_group` has no effect")
                        .note("static addresses, routes and rules do not count for any instance here"),
                );
            }
            // What follows is of many forms, and for `ip` to judge.
            "encap" => {
                let rest = slice::from_ref(word).iter().chain(given.by_ref());
                read.words.extend(rest.map(|word| word.text.to_string()).filter(|text| is_plain(text)));
            }
            _ if words.contains(&text) => read.words.push(text.to_owned()),
            _ if values.contains(&text) => {
                let value = value(word, &mut given, problems)?;
                family = family.or_else(|| family_of(&value.text));
                read.words.extend([named_by_ip(what, text).to_owned(), value.text.to_string()]);
                // `mtu lock 1400`: the kernel leaves the metric as it is.
                if value.text == "lock" && LOCKABLE.contains(&text) {
                    read.words.push(self::value(value, &mut given, problems)?.text.to_string());
                }
                // `via inet6 ADDRESS`
                if matches!(value.text.as_str(), "inet" | "inet6") {
                    read.words.extend(given.next().map(|word| word.text.to_string()));
                }
            }
            _ if what == "route" && family_of(text).is_some() => {
                family = family.or_else(|| family_of(text));
                read.words.push(text.to_owned());
            }
            _ => {
                problems.push(
                    Diagnostic::mistake(word.span, format!("`{text}` is no word of a {what}"))
                        .label(format!("expected what ip-{what}(8) knows"))
                        .instead(format!("the {what} is ignored, as with keepalived"))
                        .did_you_mean(text, values.iter().chain(words).copied()),
                );
                return None;
            }
        }
    }
    if read.words.is_empty() {
        problems.push(Diagnostic::mistake(entry.span(), format!("an empty {what}")).instead(IGNORED));
        return None;
    }
    read.family = family.unwrap_or(Family::V4);
    Some(read)
}

fn value<'d>(word: &Word, given: &mut slice::Iter<'d, Word>, problems: &mut Problems) -> Option<&'d Word> {
    let value = given.next();
    match value {
        None => problems.push(Diagnostic::error(word.span, format!("`{}` has no value", word.text))),
        Some(value) if !is_plain(&value.text) => problems.push(unfit(value, &word.text)),
        Some(_) => return value,
    }
    None
}

/// Whether `ip` reads it as one word.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|char: char| char.is_whitespace() || char.is_control() || "'\"\\#".contains(char))
}

fn unfit(word: &Word, what: &str) -> Diagnostic {
    Diagnostic::mistake(word.span, format!("`{}` can not be part of a {what}", word.text.escape_debug()))
        .label("expected a word without blanks and quotes")
        .instead("the line is ignored")
}

fn family_of(text: &str) -> Option<Family> {
    net(text).map(|net| Family::of(net.addr()))
}

/// What `ip` calls it.
fn named_by_ip<'a>(what: &str, word: &'a str) -> &'a str {
    match (what, word) {
        ("route", "gw") => "via",
        ("route", "oif") => "dev",
        ("route", "dst") => "to",
        ("route", "ttl") => "hoplimit",
        (_, "ip_proto") => "ipproto",
        (_, "sup_group") => "suppress_ifgroup",
        (_, "sup_pl") => "suppress_prefixlength",
        (_, same) => same,
    }
}

/// `via A or B [dev D]` is a route with two next hops.
fn alternatives(words: Vec<String>) -> Vec<String> {
    let Some(or) = words.iter().position(|word| word == "or") else { return words };
    let Some(via) = words[..or].iter().position(|word| word == "via") else { return words };
    let is_address = |at: usize| words.get(at).is_some_and(|word| word.parse::<IpAddr>().is_ok());
    if or != via + 2 || !is_address(via + 1) || !is_address(or + 1) {
        return words;
    }
    let (first, second) = (words[via + 1].clone(), words[or + 1].clone());
    let mut rest: Vec<String> = words[..via].iter().chain(&words[or + 2..]).cloned().collect();
    let device = rest.iter().position(|word| word == "dev").map(|at| {
        let end = (at + 2).min(rest.len());
        rest.drain(at..end).collect::<Vec<_>>()
    });
    for gateway in [first, second] {
        rest.extend(["nexthop".to_owned(), "via".to_owned(), gateway]);
        rest.extend(device.iter().flatten().cloned());
    }
    rest
}
