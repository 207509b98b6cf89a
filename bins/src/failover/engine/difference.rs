//! What differs between two configurations: pure.

use std::collections::{HashMap, HashSet};

use lb_vrrp::{Family, Vrid};

use crate::config::keepalived::model::{Config, Instance};

/// What has to be done to the instances of one configuration to make them those of another.
#[derive(Debug, Default, PartialEq)]
pub(in crate::failover) struct Difference<'a> {
    /// From one name to another. It is the same virtual router on the same interface.
    pub(in crate::failover) renamed: Vec<(&'a str, &'a str)>,
    /// What they are to be.
    pub(in crate::failover) changed: Vec<&'a Instance>,
    /// What is new.
    pub(in crate::failover) added: Vec<&'a Instance>,
    /// Who is gone.
    pub(in crate::failover) removed: Vec<&'a str>,
}

impl<'a> Difference<'a> {
    pub(in crate::failover) fn between(before: &'a Config, after: &'a Config) -> Self {
        let old: HashMap<&str, &Instance> = named(before).collect();
        let new: HashSet<&str> = named(after).map(|(name, _)| name).collect();
        let mut gone: HashMap<Place<'_>, &Instance> =
            named(before).filter(|(name, _)| !new.contains(name)).map(|(_, one)| (place(one), one)).collect();
        let mut difference = Self::default();
        for instance in &after.instances {
            match old.get(instance.name.as_str()) {
                Some(old) if *old == instance => {}
                Some(_) => difference.changed.push(instance),
                None => match gone.remove(&place(instance)) {
                    Some(old) => {
                        difference.renamed.push((&old.name, &instance.name));
                        if *old != (Instance { name: old.name.clone(), ..instance.clone() }) {
                            difference.changed.push(instance);
                        }
                    }
                    None => difference.added.push(instance),
                },
            }
        }
        difference.removed = gone.into_values().map(|instance| instance.name.as_str()).collect();
        difference.removed.sort_unstable();
        difference
    }
}

fn named(config: &Config) -> impl Iterator<Item = (&str, &Instance)> {
    config.instances.iter().map(|instance| (instance.name.as_str(), instance))
}

/// What a virtual router is to its peers.
type Place<'a> = (&'a str, Family, Vrid);

fn place(instance: &Instance) -> Place<'_> {
    (&instance.interface, instance.family, instance.vrid)
}

#[cfg(test)]
mod tests;
