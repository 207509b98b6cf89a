//! What a table consists of, and the shortest transaction from one state of it to another.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::config::TableName;

/// Chains, sets, counters and elements of a table, or of the part that belongs to one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Objects {
    /// By name.
    pub(super) chains: BTreeMap<String, Chain>,
    /// Sets and maps, by name.
    pub(super) sets: BTreeMap<String, Set>,
    /// Names of counters.
    pub(super) counters: BTreeSet<String>,
    /// Set and key to the chain that a map sends to; `None` in a plain set. Only sets that persistence does not fill.
    pub(super) elements: BTreeMap<(String, String), Option<String>>,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// `type nat hook prerouting priority -100`, or empty in a chain that others jump to.
    pub(super) hook: String,
    /// In order.
    pub(super) rules: Vec<Rule>,
}

/// A rule in nft's own wording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    /// Without the comment.
    pub(super) text: String,
    /// What rules alone do not tell.
    pub(super) comment: Option<String>,
}

impl From<String> for Rule {
    fn from(text: String) -> Self {
        Self { text, comment: None }
    }
}

impl Rule {
    /// With a comment.
    pub(super) fn with_comment(text: impl Into<String>, comment: String) -> Self {
        Self { text: text.into(), comment: Some(comment) }
    }
}

/// A declaration of a set or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    /// `set` or `map`.
    pub(super) kind: &'static str,
    /// `type ipv4_addr; flags dynamic,timeout; size 65536;`
    pub(super) body: String,
}

impl Objects {
    /// The objects called `name` or `name/…`, and the elements with these set names and keys.
    pub(super) fn part<'a>(
        &self,
        name: &str,
        elements: impl IntoIterator<Item = &'a (String, String)>,
    ) -> Self {
        let below = format!("{name}/")..format!("{name}0");
        let own = |map: &BTreeMap<String, Chain>| -> BTreeMap<String, Chain> {
            let below = map.range(below.clone()).chain(map.get_key_value(name));
            below.map(|(name, chain)| (name.clone(), chain.clone())).collect()
        };
        let sets = self.sets.range(below.clone()).chain(self.sets.get_key_value(name));
        let counters = self.counters.range(below.clone()).chain(self.counters.get(name));
        let elements = elements.into_iter().filter_map(|place| self.elements.get_key_value(place));
        Self {
            chains: own(&self.chains),
            sets: sets.map(|(name, set)| (name.clone(), set.clone())).collect(),
            counters: counters.cloned().collect(),
            elements: elements.map(|(place, target)| (place.clone(), target.clone())).collect(),
        }
    }

    /// Takes `old` out and puts `new` in.
    pub(super) fn replace(&mut self, old: &Self, new: &Self) {
        old.chains.keys().for_each(|name| drop(self.chains.remove(name)));
        old.sets.keys().for_each(|name| drop(self.sets.remove(name)));
        old.counters.iter().for_each(|name| drop(self.counters.take(name)));
        old.elements.keys().for_each(|place| drop(self.elements.remove(place)));
        self.extend(new);
    }

    /// Puts `new` in.
    pub(super) fn extend(&mut self, new: &Self) {
        self.chains.extend(new.chains.clone());
        self.sets.extend(new.sets.clone());
        self.counters.extend(new.counters.clone());
        self.elements.extend(new.elements.clone());
    }
}

/// Steps between two states. Several may be merged into one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transition {
    elements_out: BTreeMap<String, Vec<String>>,
    flushed: Vec<String>,
    deleted: Vec<String>,
    declared: String,
    elements_in: BTreeMap<String, Vec<String>>,
}

impl Transition {
    /// From one state to another. What is equal in both is not touched: its counters and clients stay.
    pub(super) fn between(from: &Objects, to: &Objects) -> Self {
        let mut steps = Self::default();
        for ((set, key), target) in &from.elements {
            if to.elements.get(&(set.clone(), key.clone())) != Some(target) {
                steps.elements_out.entry(set.clone()).or_default().push(key.clone());
            }
        }
        for (name, chain) in &from.chains {
            let new = to.chains.get(name);
            if new != Some(chain) {
                steps.flushed.push(name.clone());
            }
            if new.is_none_or(|new| new.hook != chain.hook) {
                steps.deleted.push(format!("chain {name}"));
            }
        }
        for (name, set) in &from.sets {
            if to.sets.get(name) != Some(set) {
                steps.deleted.push(format!("{} {name}", set.kind));
            }
        }
        for name in from.counters.difference(&to.counters) {
            steps.deleted.push(format!("counter {name}"));
        }
        // Sets go only after the chains that look them up, counters likewise.
        steps.deleted.sort_by_key(|object| !object.starts_with("chain "));
        steps.declare(from, to);
        for ((set, key), target) in &to.elements {
            if from.elements.get(&(set.clone(), key.clone())) != Some(target) {
                let element = target.as_ref().map_or(key.clone(), |chain| format!("{key} : goto {chain}"));
                steps.elements_in.entry(set.clone()).or_default().push(element);
            }
        }
        steps
    }

    fn declare(&mut self, from: &Objects, to: &Objects) {
        let text = &mut self.declared;
        for name in to.counters.difference(&from.counters) {
            let _ = writeln!(text, "  counter {name} {{ }}");
        }
        for (name, set) in to.sets.iter().filter(|(name, set)| from.sets.get(*name) != Some(*set)) {
            let _ = writeln!(text, "  {} {name} {{ {} }}", set.kind, set.body);
        }
        for (name, chain) in to.chains.iter().filter(|(name, chain)| from.chains.get(*name) != Some(*chain)) {
            let _ = writeln!(text, "  chain {name} {{");
            if !chain.hook.is_empty() {
                let _ = writeln!(text, "    {}; policy accept;", chain.hook);
            }
            for rule in &chain.rules {
                let _ = match &rule.comment {
                    Some(comment) => writeln!(text, "    {} comment \"{comment}\"", rule.text),
                    None => writeln!(text, "    {}", rule.text),
                };
            }
            text.push_str("  }\n");
        }
    }

    /// Adds the steps of another transition over other objects.
    pub(super) fn merge(&mut self, other: Self) {
        for (set, keys) in other.elements_out {
            self.elements_out.entry(set).or_default().extend(keys);
        }
        self.flushed.extend(other.flushed);
        self.deleted.extend(other.deleted);
        self.declared.push_str(&other.declared);
        for (set, elements) in other.elements_in {
            self.elements_in.entry(set).or_default().extend(elements);
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Roughly how long [`render`](Self::render)'s text is.
    pub(super) fn len(&self) -> usize {
        let elements = self.elements_out.values().chain(self.elements_in.values()).flatten();
        let names = self.flushed.iter().chain(&self.deleted);
        self.declared.len()
            + elements.map(|text| text.len() + 2).sum::<usize>()
            + names.map(|n| n.len() + 20).sum::<usize>()
    }

    /// The transaction, as `nft -f -` reads it. The table must exist.
    pub(super) fn render(&self, table: &TableName) -> String {
        let mut text = String::with_capacity(self.len() + 256);
        for (set, keys) in &self.elements_out {
            let _ = writeln!(text, "delete element inet {table} {set} {{ {} }}", keys.join(", "));
        }
        for chain in &self.flushed {
            let _ = writeln!(text, "flush chain inet {table} {chain}");
        }
        for object in &self.deleted {
            let (kind, name) = object.split_once(' ').unwrap_or_default();
            let _ = writeln!(text, "delete {kind} inet {table} {name}");
        }
        if !self.declared.is_empty() {
            let _ = write!(text, "table inet {table} {{\n{}}}\n", self.declared);
        }
        for (set, elements) in &self.elements_in {
            let _ = writeln!(text, "add element inet {table} {set} {{ {} }}", elements.join(", "));
        }
        text
    }
}
