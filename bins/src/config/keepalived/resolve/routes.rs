//! Entries of `virtual_routes`, `virtual_rules`, `static_routes` and `static_rules`: the words of `ip route` and
//! `ip rule`, and few that only keepalived has.

use std::net::IpAddr;

use crate::config::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive},
        model::{Entry, Family, Route, Rule},
    },
};

use super::values::net;

/// All routes of a block that could be read.
pub(super) fn routes(block: &Block, problems: &mut Problems) -> Vec<Route> {
    block.directives.iter().filter_map(|entry| read(entry, true, problems)).collect()
}

/// All rules of a block that could be read.
pub(super) fn rules(block: &Block, problems: &mut Problems) -> Vec<Rule> {
    block.directives.iter().filter_map(|entry| read(entry, false, problems)).collect()
}

fn read(entry: &Directive, is_route: bool, problems: &mut Problems) -> Option<Entry> {
    let mut words: Vec<String> = Vec::with_capacity(entry.words.len());
    let mut family = None;
    let mut tracked = true;
    let mut given = entry.words.iter();
    while let Some(word) = given.next() {
        match word.text.as_str() {
            "no_track" => tracked = false,
            "track_group" => {
                given.next();
                problems.push(
                    Diagnostic::warning(word.span, "`track_group` has no effect")
                        .note("static addresses, routes and rules do not count for any instance here"),
                );
            }
            "inet" => family = Some(Family::V4),
            "inet6" => family = Some(Family::V6),
            "gw" if is_route => words.push("via".to_owned()),
            text => {
                if family.is_none() {
                    family = net(text).map(|net| Family::of(net.addr()));
                }
                words.push(text.to_owned());
            }
        }
    }
    if is_route {
        words = alternatives(words);
    }
    if words.is_empty() {
        let what = if is_route { "route" } else { "rule" };
        problems.push(Diagnostic::error(entry.span(), format!("an empty {what}")));
        return None;
    }
    Some(Entry { family: family.unwrap_or(Family::V4), words, tracked })
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
