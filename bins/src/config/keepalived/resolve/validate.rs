//! What is wrong between instances.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use crate::config::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::model::{Instance, InterfaceDelays, Sending},
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
