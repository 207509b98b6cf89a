//! From one table to another in an order that makes before it breaks.

use std::{cmp::Reverse, collections::BTreeMap, iter::Peekable};

use crate::{
    change::Change,
    model::{ServerKey, ServerSpec, Service, ServiceKey, ServiceTable},
};

/// The changes that turn `from` into `to`: `apply(diff(from, to), from) == to`.
///
/// Within a service: the service itself, new servers, servers that gain weight, servers that lose weight, and only
/// then those that go. Services that go come last of all. Equal tables make no change; the order of the
/// changes depends on the tables alone. Linear in the size of both tables.
pub fn diff(from: &ServiceTable, to: &ServiceTable) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut removals = Vec::new();
    for (key, pair) in union(&from.services, &to.services) {
        match pair {
            Pair::Left => removals.push(Change::RemoveService { service: *key }),
            Pair::Right(new) => {
                changes.push(Change::AddService { service: *key, spec: new.spec.clone() });
                diff_servers(key, &BTreeMap::new(), &new.servers, &mut changes);
            }
            Pair::Both(old, new) => diff_service(key, old, new, &mut changes),
        }
    }
    changes.append(&mut removals);
    changes
}

fn diff_service(key: &ServiceKey, old: &Service, new: &Service, changes: &mut Vec<Change>) {
    if old.spec != new.spec {
        changes.push(Change::EditService { service: *key, spec: new.spec.clone() });
    }
    diff_servers(key, &old.servers, &new.servers, changes);
}

fn diff_servers(
    service: &ServiceKey,
    old: &BTreeMap<ServerKey, ServerSpec>,
    new: &BTreeMap<ServerKey, ServerSpec>,
    changes: &mut Vec<Change>,
) {
    let mut edits = Vec::new();
    let mut removals = Vec::new();
    for (&server, pair) in union(old, new) {
        let service = *service;
        match pair {
            Pair::Left => removals.push(Change::RemoveServer { service, server }),
            Pair::Right(&spec) => changes.push(Change::AddServer { service, server, spec }),
            Pair::Both(old, &spec) if *old != spec => {
                let gain = i32::from(spec.weight.get()) - i32::from(old.weight.get());
                edits.push((Reverse(gain), Change::EditServer { service, server, spec }));
            }
            Pair::Both(..) => {}
        }
    }
    edits.sort_by_key(|(gain, _)| *gain);
    changes.extend(edits.into_iter().map(|(_, change)| change));
    changes.append(&mut removals);
}

/// What two maps have under one key.
enum Pair<'a, V> {
    Left,
    Right(&'a V),
    Both(&'a V, &'a V),
}

/// All keys of two maps in order, each with what the maps have under it.
fn union<'a, K: Ord, V>(
    left: &'a BTreeMap<K, V>,
    right: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Pair<'a, V>)> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    std::iter::from_fn(move || next_pair(&mut left, &mut right))
}

fn next_pair<'a, K: Ord, V>(
    left: &mut Peekable<impl Iterator<Item = (&'a K, &'a V)>>,
    right: &mut Peekable<impl Iterator<Item = (&'a K, &'a V)>>,
) -> Option<(&'a K, Pair<'a, V>)> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (left.peek(), right.peek()) {
        (Some((l, _)), Some((r, _))) => l.cmp(r),
        (Some(_), None) => Less,
        (None, _) => Greater,
    };
    match order {
        Less => left.next().map(|(key, _)| (key, Pair::Left)),
        Greater => right.next().map(|(key, value)| (key, Pair::Right(value))),
        Equal => left.next().zip(right.next()).map(|((key, old), (_, new))| (key, Pair::Both(old, new))),
    }
}

#[cfg(test)]
mod tests;
