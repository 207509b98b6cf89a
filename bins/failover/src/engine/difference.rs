//! What differs between two configurations: pure.

use std::collections::{HashMap, HashSet};

use lb_config::keepalived::model::{Config, Instance};
use lb_vrrp::{Family, Vrid};

/// What has to be done to the instances of one configuration to make them those of another.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Difference<'a> {
    /// From one name to another. It is the same virtual router on the same interface.
    pub(crate) renamed: Vec<(&'a str, &'a str)>,
    /// What they are to be.
    pub(crate) changed: Vec<&'a Instance>,
    /// What is new.
    pub(crate) added: Vec<&'a Instance>,
    /// Who is gone.
    pub(crate) removed: Vec<&'a str>,
}

impl<'a> Difference<'a> {
    pub(crate) fn between(before: &'a Config, after: &'a Config) -> Self {
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
