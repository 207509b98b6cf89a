//! What is to be in the kernel.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::Arc,
};

use lb_config::keepalived::model::{Config, Family, Instance, Route, Rule, VirtualAddress};
use serde::{Deserialize, Serialize};

use super::filter::Filter;

/// keepalived's number among the protocols that routes and rules come from (rtnetlink(7)).
pub(super) const PROTOCOL_NUMBER: u8 = 18;
/// The same for `ip`.
pub(super) const PROTOCOL: &str = "18";

/// Everything that is wanted at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    statics: Vec<Item>,
    /// Instances that have routes or rules.
    extras: HashMap<Arc<str>, Arc<[Item]>>,
    active: BTreeSet<Arc<str>>,
    pub(super) filter: Option<Filter>,
    /// Interfaces with `promote_secondaries`.
    pub(super) promoted: BTreeSet<String>,
    pub(super) ended: bool,
}

impl Wanted {
    /// Whether anything differs by this configuration.
    pub(super) fn configure(&mut self, config: &Config) -> bool {
        let with_extras = config.instances.iter().filter(|instance| has_extras(instance));
        let extras: HashMap<Arc<str>, Arc<[Item]>> =
            with_extras.map(|instance| (instance.name.as_str().into(), extras(instance))).collect();
        let promoted = config.instances.iter().filter(|instance| instance.promote_secondaries);
        let new = Self {
            statics: statics(config),
            active: self.active.iter().filter(|name| extras.contains_key(*name)).cloned().collect(),
            extras,
            filter: Filter::of(config),
            promoted: promoted.map(|instance| instance.interface.clone()).collect(),
            ended: self.ended,
        };
        let differs = new != *self;
        *self = new;
        differs
    }

    /// Whether anything differs by what this instance is.
    pub(super) fn active(&mut self, instance: &Instance, active: bool) -> bool {
        if !active {
            return self.active.remove(instance.name.as_str());
        }
        if !has_extras(instance) {
            return false;
        }
        let name: Arc<str> = instance.name.as_str().into();
        let extras = extras(instance);
        let same = self.extras.get(&name) == Some(&extras);
        self.extras.insert(name.clone(), extras);
        self.active.insert(name) || !same
    }

    /// Nothing is wanted any longer.
    pub(super) fn end(&mut self) {
        *self = Self { ended: true, ..Self::default() };
    }

    /// In the order in which they are to be added, none twice.
    pub(super) fn items(&self) -> Vec<&Item> {
        let mut seen = HashSet::new();
        let active =
            self.active.iter().filter_map(|name| self.extras.get(name)).flat_map(|extras| extras.iter());
        self.statics.iter().chain(active).filter(|item| seen.insert(*item)).collect()
    }
}

/// An address, route or rule, as `ip` has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Item {
    pub(super) kind: Kind,
    pub(super) family: Family,
    pub(super) words: Vec<String>,
    /// Whether it is put back when somebody removes it.
    pub(super) tracked: bool,
}

/// What `ip` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Address,
    Route,
    Rule,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::Route => "route",
            Self::Rule => "rule",
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.words.join(" "))
    }
}

impl Item {
    fn address(address: &VirtualAddress) -> Self {
        let family = Family::of(address.net.addr());
        let (v4, mut words) = (family == Family::V4, vec![]);
        let mut push = |more: &[&str]| words.extend(more.iter().map(|&word| word.to_owned()));
        match &address.peer {
            Some(peer) => push(&[&address.net.addr().to_string(), "peer", &peer.to_string()]),
            None => push(&[&address.net.to_string()]),
        }
        if let Some(broadcast) = address.broadcast {
            push(&["broadcast", &broadcast.to_string()]);
        }
        if let Some(scope) = address.scope {
            push(&["scope", &scope.0.to_string()]);
        }
        if let Some(device) = &address.device {
            push(&["dev", device]);
        }
        if let Some(label) = &address.label {
            push(&["label", label]);
        }
        let flags = [
            ("home", address.home),
            ("nodad", !v4 && !address.duplicate_detection),
            ("mngtmpaddr", address.manage_temporary),
            ("noprefixroute", address.no_prefix_route),
            ("autojoin", address.auto_join),
        ];
        flags.iter().filter(|(_, set)| *set).for_each(|(flag, _)| push(&[flag]));
        if let Some(lifetime) = address.preferred_lifetime {
            push(&["preferred_lft", &lifetime.to_string()]);
        }
        Self { kind: Kind::Address, family, words, tracked: address.tracked }
    }

    fn route(route: &Route) -> Self {
        let mut words = route.words.clone();
        if !names_protocol(&words) {
            // In front of what belongs to a single next hop.
            let at = words.iter().position(|word| word == "nexthop").unwrap_or(words.len());
            words.splice(at..at, ["proto".to_owned(), PROTOCOL.to_owned()]);
        }
        Self { kind: Kind::Route, family: route.family, words, tracked: route.tracked }
    }

    fn rule(rule: &Rule) -> Self {
        let mut words = rule.words.clone();
        if !names_protocol(&words) {
            words.extend([RULE_PROTOCOL.to_owned(), PROTOCOL.to_owned()]);
        }
        Self { kind: Kind::Rule, family: rule.family, words, tracked: rule.tracked }
    }
}

/// What `ip rule` calls the protocol; the short form means that of the packets.
pub(super) const RULE_PROTOCOL: &str = "protocol";

fn names_protocol(words: &[String]) -> bool {
    words.iter().any(|word| matches!(word.as_str(), "proto" | "protocol"))
}

fn statics(config: &Config) -> Vec<Item> {
    let statics = &config.statics;
    let addresses = statics.addresses.iter().map(Item::address);
    addresses
        .chain(statics.routes.iter().map(Item::route))
        .chain(statics.rules.iter().map(Item::rule))
        .collect()
}

fn has_extras(instance: &Instance) -> bool {
    !instance.routes.is_empty() || !instance.rules.is_empty()
}

/// Routes come first: a rule that leads to an empty table would send packets elsewhere.
fn extras(instance: &Instance) -> Arc<[Item]> {
    instance.routes.iter().map(Item::route).chain(instance.rules.iter().map(Item::rule)).collect()
}
