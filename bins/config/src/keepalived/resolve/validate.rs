//! What is wrong between instances.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::model::{Group, Instance, InterfaceDelays, Sending, Tracked, Tracks, Weight},
};

use super::settle::Settled;

/// Looks at all instances together.
pub(super) fn instances(
    instances: &[Settled],
    delays: &BTreeMap<String, InterfaceDelays>,
    problems: &mut Problems,
) {
    shared_addresses(instances, problems);
    for settled in instances {
        patient_interfaces(settled, delays, problems);
    }
}

/// A name that `use_vmac` gives to an interface is ignored when an instance runs on an interface of that name, or another
/// instance has given it, as keepalived does.
pub(super) fn virtual_interfaces(instances: &mut [Settled], problems: &mut Problems) {
    let interfaces: HashMap<String, String> = instances
        .iter()
        .map(|settled| (settled.instance.interface.clone(), settled.instance.name.clone()))
        .collect();
    let mut given: HashMap<String, (String, Span)> = HashMap::new();
    for settled in instances {
        let instance = &mut settled.instance;
        let (Some(vmac), Some(span)) = (&mut instance.vmac, settled.vmac) else { continue };
        let Some(name) = vmac.name.clone() else { continue };
        let problem = if let Some(other) = interfaces.get(&name) {
            Diagnostic::warning(span, format!("`{name}` is the interface that instance `{other}` runs on"))
        } else if let Some((other, first)) = given.get(&name) {
            Diagnostic::warning(span, format!("instance `{other}` has a VMAC with the name `{name}` already"))
                .related(*first, "first given here")
        } else {
            given.insert(name, (instance.name.clone(), span));
            continue;
        };
        vmac.name = None;
        problems.push(
            problem
                .label("the name is ignored")
                .note("the interface with the virtual Ethernet address gets a name of its own, such as `vrrp.51`")
                .help("give `use_vmac` a name that no other interface has, or none"),
        );
    }
}

/// The priority of the owner of addresses, 255, is changed by nothing: what would change it is ignored. In the group of an
/// owner, what has a weight counts without it, as with keepalived: the group fails with it.
pub(super) fn weights_of_owners(instances: &mut [Settled], groups: &mut [Group], problems: &mut Problems) {
    let mut owners: HashMap<String, Span> = HashMap::new();
    for settled in instances.iter_mut().filter(|settled| settled.instance.priority.is_owner()) {
        let instance = &mut settled.instance;
        owners.insert(instance.name.clone(), settled.name);
        let mut tracks = Tracks::clone(&instance.tracks);
        let mut ignored = Vec::new();
        for list in lists(&mut tracks) {
            list.retain(|tracked| {
                let has_weight = tracked.weight.value != 0;
                ignored.extend(has_weight.then(|| tracked.name.clone()));
                !has_weight
            });
        }
        if ignored.is_empty() {
            continue;
        }
        instance.tracks = tracks.into();
        problems.push(
            Diagnostic::warning(
                settled.name,
                format!("the priority of `{}` is 255, which no weight changes", instance.name),
            )
            .label(format!("ignored: {}", ignored.join(", ")))
            .help("track it without weight, so that the instance fails with it, or lower the priority"),
        );
    }
    for group in groups {
        let Some((owner, span)) = group.members.iter().find_map(|member| owners.get_key_value(member)) else {
            continue;
        };
        let mut cleared = Vec::new();
        let tracked = lists(&mut group.tracks).into_iter().flatten();
        for tracked in tracked.filter(|tracked| tracked.weight.value != 0) {
            tracked.weight = Weight::default();
            cleared.push(tracked.name.as_str());
        }
        if cleared.is_empty() {
            continue;
        }
        problems.push(
            Diagnostic::warning(*span, format!("`{owner}` of group `{}` has priority 255", group.name))
                .label(format!("tracked without weight by the group: {}", cleared.join(", ")))
                .note("the group fails with what it tracks, as with keepalived")
                .help("lower the priority, or track it without weight"),
        );
    }
}

fn lists(tracks: &mut Tracks) -> [&mut Vec<Tracked>; 4] {
    let Tracks { interfaces, scripts, processes, files } = tracks;
    [interfaces, scripts, processes, files]
}

/// What is said of two instances that are the same virtual router.
pub(super) fn same_router(first: &Settled, second: &Settled) -> Diagnostic {
    let instance = &second.instance;
    let note = if overlap(&first.instance, instance) {
        "each would take the advertisements of the other for its peer's"
    } else {
        "keepalived keeps them apart by their groups or peers, which is not supported here"
    };
    Diagnostic::error(
        second.vrid,
        format!(
            "instances `{}` and `{}` both have virtual router id {} with {} on {}",
            first.instance.name, instance.name, instance.vrid, instance.family, instance.interface
        ),
    )
    .label("the second time")
    .related(first.vrid, "first used here")
    .note(note)
    .help("give one of them another `virtual_router_id`, on all its routers")
}

/// Whether the one hears what is for the other.
fn overlap(one: &Instance, other: &Instance) -> bool {
    let group =
        |group: Option<IpAddr>, instance: &Instance| group.unwrap_or(instance.family.multicast_group());
    match (&one.sending, &other.sending) {
        (Sending::Multicast(a), Sending::Multicast(b)) => group(*a, one) == group(*b, other),
        (Sending::Unicast { peers: a, .. }, Sending::Unicast { peers: b, .. }) => {
            let known: HashSet<IpAddr> = a.iter().map(|peer| peer.address).collect();
            b.iter().any(|peer| known.contains(&peer.address))
        }
        _ => false,
    }
}

fn shared_addresses(instances: &[Settled], problems: &mut Problems) {
    let mut seen: HashMap<(IpAddr, &str), (&str, Span)> = HashMap::new();
    for settled in instances {
        let instance = &settled.instance;
        let addresses = instance.addresses.iter().chain(&instance.excluded);
        for (address, &span) in addresses.zip(&settled.addresses) {
            let device = address.device.as_deref().unwrap_or(&instance.interface);
            let place = (address.net.addr(), device);
            let Some((other, first)) = seen.insert(place, (&instance.name, span)) else { continue };
            if other == instance.name {
                continue;
            }
            problems.push(
                Diagnostic::warning(
                    span,
                    format!("instances `{other}` and `{}` both have {} on {device}", instance.name, place.0),
                )
                .label("the second time")
                .related(first, "first given here")
                .note(
                    "when one of them is no longer MASTER, the address goes, although the other may need it",
                )
                .help("leave it with one of them"),
            );
        }
    }
}

/// An interface that may be down for longer than the others wait makes two MASTERs.
fn patient_interfaces(
    settled: &Settled,
    delays: &BTreeMap<String, InterfaceDelays>,
    problems: &mut Problems,
) {
    let instance = &settled.instance;
    let Some(delay) = delays.get(&instance.interface) else { return };
    let bearable = instance.advert_int.duration() * u32::from(instance.down_timer_adverts.saturating_sub(1));
    if delay.down >= bearable {
        problems.push(
            Diagnostic::warning(
                settled.name,
                format!(
                    "`{}` is believed to be up for {} s after it went down",
                    instance.interface,
                    delay.down.as_secs_f64()
                ),
            )
            .label(format!("the others take over from `{}` before that", instance.name))
            .help(format!(
                "give {} a delay below {} s in `interface_up_down_delays`",
                instance.interface,
                bearable.as_secs_f64()
            )),
        );
    }
}
