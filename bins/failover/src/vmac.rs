//! Names of the interfaces of `use_vmac`: unique on this host, as keepalived makes them.

use std::collections::BTreeSet;

use lb_config::keepalived::model::{Config, Instance};
use lb_vrrp::{
    Family,
    driver::linux::{ExistingLink, existing_links},
    wire::{Mac, virtual_mac},
};

/// Assigns names by the interfaces that this host has now. Returns what the operator has to know.
pub(super) fn assign(config: &mut Config) -> Vec<String> {
    if config.instances.iter().all(|instance| instance.vmac.is_none()) {
        return Vec::new();
    }
    match existing_links() {
        Ok(links) => assign_names(config, &links),
        Err(error) => {
            let mut warnings = assign_names(config, &[]);
            warnings.push(format!("the interfaces of this host cannot be read: {error}"));
            warnings
        }
    }
}

/// Gives the interface of each instance with `use_vmac` a name that no other interface has. The name that the file gives is
/// taken unless another interface of this host has it. Without one it is the first of `vrrp.VRID`, `vrrp6.VRID` (IPv6),
/// `vrrp1.VRID`, `vrrp2.VRID` and so on that is free. An interface that an earlier process has made for the instance keeps
/// its name. Returns what the operator has to know.
fn assign_names(config: &mut Config, links: &[ExistingLink]) -> Vec<String> {
    let mut taken: BTreeSet<String> =
        config.instances.iter().filter_map(|instance| instance.vmac.as_ref()?.name.clone()).collect();
    taken.extend(config.instances.iter().map(|instance| instance.interface.clone()));
    let mut warnings = Vec::new();
    for instance in &mut config.instances {
        let Some(vmac) = &instance.vmac else { continue };
        let parent = links.iter().find(|link| link.name == instance.interface).map(|link| link.index);
        let mac = vmac.mac.map_or_else(|| virtual_mac(instance.family, instance.vrid), Mac);
        let is_own = |link: &ExistingLink| parent.is_some_and(|parent| link.is_virtual(parent, mac));
        let is_free = |name: &str| links.iter().all(|link| link.name != name || is_own(link));
        let wanted = vmac.name.clone();
        if wanted.as_deref().is_some_and(is_free) {
            continue;
        }
        let is_left = |link: &&ExistingLink| {
            is_own(link) && is_default_name(instance, &link.name) && !taken.contains(&link.name)
        };
        let left = links.iter().find(is_left).map(|link| link.name.clone());
        let free = || default_names(instance).find(|name| !taken.contains(name) && is_free(name));
        let Some(name) = left.or_else(free) else { continue };
        if let Some(wanted) = wanted {
            warnings.push(format!(
                "({}) interface {wanted} already exists and is not the VMAC of this instance; it is left alone, and {name} \
                 is used: give `use_vmac` another name",
                instance.name
            ));
        }
        taken.insert(name.clone());
        if let Some(vmac) = &mut instance.vmac {
            vmac.name = Some(name);
        }
    }
    warnings
}

/// The names that keepalived takes, in its order.
fn default_names(instance: &Instance) -> impl Iterator<Item = String> + use<> {
    let vrid = instance.vrid;
    let of_family = (instance.family == Family::V6).then(|| format!("vrrp6.{vrid}"));
    let numbered = (1..).map(move |number: u32| format!("vrrp{number}.{vrid}"));
    std::iter::once(format!("vrrp.{vrid}")).chain(of_family).chain(numbered)
}

/// Whether it is one of them.
fn is_default_name(instance: &Instance, name: &str) -> bool {
    let number = name.strip_prefix("vrrp").and_then(|rest| rest.strip_suffix(&format!(".{}", instance.vrid)));
    number.is_some_and(|number| number.is_empty() || number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests;
