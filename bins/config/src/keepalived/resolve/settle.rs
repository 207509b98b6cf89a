//! What follows from the lines of an instance together.

mod transport;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use lb_vrrp::{Family, Interval, Priority};

use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::model::{Garp, InitialState, Instance, Preempt, Version, VirtualAddress},
};

use super::{globals::Defaults, instance::Draft, values::At};
use transport::{authentication, check_source, sending, vmac};

/// An instance, and the places of what others must not have too.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) instance: Instance,
    pub(super) name: Span,
    pub(super) vrid: Span,
    /// `use_vmac`.
    pub(super) vmac: Option<Span>,
    /// Those of its addresses, then those of the excluded ones.
    pub(super) addresses: Vec<Span>,
}

/// Intervals between two frames, by interface.
pub(super) type GarpGroups = BTreeMap<String, [Duration; 2]>;

/// The instance that a draft describes; `None` when it lacks what nothing can stand for.
pub(super) fn settle(
    mut draft: Draft<'_>,
    defaults: &Defaults,
    garp_groups: &GarpGroups,
    problems: &mut Problems,
) -> Option<Settled> {
    let family = draft.addresses.first().map(|address| Family::of(address.value.net.addr()));
    let family = family.unwrap_or(Family::V4);
    arrange_addresses(&mut draft, family, problems);
    let version = version(&draft, family, defaults, problems);
    is_complete(&draft, version, problems);
    let state = draft.state.map_or(InitialState::default(), |at| at.value);
    let priority = priority(&draft, state, problems);
    let state = strict_state(&draft, state, priority, problems);
    let advert_int = advert_int(&draft, version, problems);
    let preempt = preempt(&draft, state, priority, problems);
    let sending = sending(&mut draft, family, defaults, problems);
    check_source(&mut draft, family, &sending, problems);
    let authentication = authentication(&mut draft, family, version, advert_int, problems);
    let vmac_span = draft.vmac.as_ref().map(|at| at.span);
    let vmac = vmac(&mut draft, &sending, problems);
    let down_timer_adverts = down_timer_adverts(&draft, defaults, problems);
    let accept = accept(&draft, version, problems);
    let lower_prio_no_advert = lower_prio_no_advert(&draft, problems);
    own_interface(&draft, problems);
    let (Some(interface), Some(vrid)) = (draft.interface.clone(), draft.vrid) else { return None };
    let interval = garp_interval(&interface.value, family, defaults, garp_groups);
    let garp = garp(&draft, vmac.is_some(), interval, problems);
    let places = draft.addresses.iter().chain(&draft.excluded).map(|address| address.span).collect();
    let instance = Instance {
        name: draft.name.text.to_string(),
        state,
        interface: interface.value,
        vrid: vrid.value,
        family,
        version,
        priority,
        advert_int,
        addresses: plain(draft.addresses),
        excluded: plain(draft.excluded),
        routes: draft.routes,
        rules: draft.rules,
        sending,
        source: draft.source.map(|at| at.value),
        track_source: draft.track_source,
        authentication: authentication?,
        vmac,
        accept,
        strict: draft.strict,
        preempt,
        down_timer_adverts,
        garp: garp.into(),
        lower_prio_no_advert,
        higher_prio_send_advert: draft.higher_prio_send_advert,
        check_unicast_src: draft.check_unicast_src,
        skip_check_adv_addr: draft.skip_check_adv_addr,
        owner_ignore_adverts: draft.owner_ignore_adverts,
        step_down_when_late: draft.step_down_when_late,
        v3_checksum_as_v2: draft.v3_checksum_as_v2,
        promote_secondaries: draft.promote_secondaries,
        dont_track_primary: draft.dont_track_primary,
        tracks: draft.tracks.into(),
        notify: draft.notify.into(),
    };
    Some(Settled { instance, name: draft.name.span, vrid: vrid.span, vmac: vmac_span, addresses: places })
}

/// Without their places, and without the room that those took.
fn plain(addresses: Vec<At<VirtualAddress>>) -> Vec<VirtualAddress> {
    let mut addresses: Vec<VirtualAddress> = addresses.into_iter().map(|at| at.value).collect();
    addresses.shrink_to_fit();
    addresses
}

/// Says what an instance lacks.
fn is_complete(draft: &Draft<'_>, version: Version, problems: &mut Problems) {
    let (name, span) = (&draft.name.text, draft.name.span);
    if draft.interface.is_none() {
        problems.push(
            Diagnostic::error(span, format!("instance `{name}` has no `interface`"))
                .help("add `interface NAME`, the interface that it runs on"),
        );
    }
    if draft.vrid.is_none() && !draft.refused {
        problems.push(
            Diagnostic::error(span, format!("instance `{name}` has no `virtual_router_id`"))
                .help("add `virtual_router_id N`, 1 to 255, the same on all its routers"),
        );
    }
    if !draft.addresses.is_empty() {
        return;
    }
    let message = format!("instance `{name}` has no virtual address");
    if version == Version::V3 || draft.strict {
        problems.push(
            Diagnostic::error(draft.no_addresses.unwrap_or(span), message)
                .note("an advertisement of VRRPv3 carries at least one, and so does one in strict mode")
                .help("add one to `virtual_ipaddress`"),
        );
    } else if draft.no_addresses.is_none() {
        problems.push(
            Diagnostic::mistake(span, message)
                .instead("it is MASTER or BACKUP without any, as with keepalived")
                .help("add one to `virtual_ipaddress`, or write `no_virtual_ipaddress`"),
        );
    }
}

/// Keeps what can be advertised together. An address that is given twice is advertised twice, as keepalived does: it drops
/// what lists fewer addresses than its own file.
fn arrange_addresses(draft: &mut Draft<'_>, family: Family, problems: &mut Problems) {
    let mut seen: HashMap<(IpAddr, Option<String>), Span> = HashMap::new();
    let mut first_time = |address: &At<VirtualAddress>, label: &str| {
        let place = (address.value.net.addr(), address.value.device.clone());
        let first = *seen.entry(place).or_insert(address.span);
        if first != address.span {
            problems.push(
                Diagnostic::warning(address.span, format!("{} is given twice", address.value.net.addr()))
                    .label(label)
                    .related(first, "given here first"),
            );
        }
        first == address.span
    };
    for address in &draft.addresses {
        first_time(address, "advertised once more, as with keepalived, and installed once");
    }
    draft.excluded.retain(|address| first_time(address, "ignored here"));
    let (own, other): (Vec<_>, Vec<_>) = std::mem::take(&mut draft.addresses)
        .into_iter()
        .partition(|address| Family::of(address.value.net.addr()) == family);
    draft.addresses = own;
    if let Some(first) = other.first() {
        problems.push(
            Diagnostic::warning(
                first.span,
                format!("{} is not of the family of the first address", first.value.net.addr()),
            )
            .label("not advertised, as if it were in `virtual_ipaddress_excluded`")
            .note(format!("advertisements of `{}` carry {family} addresses only", draft.name.text))
            .note("keepalived leaves such an address out altogether")
            .help("move it to `virtual_ipaddress_excluded`"),
        );
    }
    let max = Family::MAX_ADDRESSES;
    let excess = draft.addresses.split_off(draft.addresses.len().min(max));
    if let Some(first) = excess.first() {
        problems.push(
            Diagnostic::warning(
                first.span,
                format!("an advertisement carries {max} {family} addresses, and {} are left", excess.len()),
            )
            .label("from here on they are not advertised, as if they were in `virtual_ipaddress_excluded`"),
        );
    }
    draft.excluded.splice(0..0, excess.into_iter().chain(other));
}

fn version(draft: &Draft<'_>, family: Family, defaults: &Defaults, problems: &mut Problems) -> Version {
    let asked = draft.version.map_or(defaults.version, |at| at.value);
    if family == Family::V4 {
        return asked;
    }
    if let Some(At { value: Version::V2, span }) = draft.version {
        problems.push(
            Diagnostic::warning(span, "VRRPv2 has no IPv6 addresses")
                .label("version 3 is used")
                .help("write `version 3`"),
        );
    }
    Version::V3
}

fn priority(draft: &Draft<'_>, state: InitialState, problems: &mut Problems) -> Priority {
    match (draft.priority, state) {
        (Some(at), _) => at.value,
        (None, InitialState::Backup) => Priority::DEFAULT,
        (None, InitialState::Master) => {
            problems.push(
                Diagnostic::warning(
                    draft.state.map_or(draft.name.span, |at| at.span),
                    format!("instance `{}` is to be MASTER and has no `priority`", draft.name.text),
                )
                .label("it gets 255, that of the owner of the addresses, as with keepalived")
                .help("write the priority that is meant"),
            );
            Priority::OWNER
        }
    }
}

/// Strictly, who owns the addresses is MASTER, and nobody else begins as it.
fn strict_state(
    draft: &Draft<'_>,
    state: InitialState,
    priority: Priority,
    problems: &mut Problems,
) -> InitialState {
    if draft.strict && state == InitialState::Master && !priority.is_owner() {
        problems.push(
            Diagnostic::warning(
                draft.state.map_or(draft.name.span, |at| at.span),
                "strict mode: only the owner, priority 255, begins as MASTER",
            )
            .label("it begins as BACKUP"),
        );
        return InitialState::Backup;
    }
    state
}

fn advert_int(draft: &Draft<'_>, version: Version, problems: &mut Problems) -> Interval {
    let Some(At { value, span }) = draft.advert_int else { return Interval::DEFAULT };
    const STEP: Duration = Duration::from_millis(10);
    let (rounded, unit) = match version {
        // keepalived rounds halves up, and to 1 s at least.
        Version::V2 => (
            Duration::from_secs((value.as_millis() as u64 + 500) / 1000).max(Duration::from_secs(1)),
            "whole seconds",
        ),
        Version::V3 => (STEP * ((value.as_micros() as u32 + 5000) / 10_000).max(1), "steps of 10 ms"),
    };
    let longest = match version {
        Version::V2 => Interval::MAX_V2.duration(),
        Version::V3 => Interval::MAX_V3.duration(),
    };
    if rounded > longest {
        problems.push(
            Diagnostic::warning(span, format!("VRRPv3 has no interval of {} s", value.as_secs_f64()))
                .label(format!("{} s is used", longest.as_secs_f64())),
        );
    } else if rounded != value {
        let (number, used) = (version_number(version), rounded.as_secs_f64());
        problems.push(
            Diagnostic::warning(span, format!("VRRPv{number} has intervals in {unit}"))
                .label(format!("{used} s is used"))
                .help(match version {
                    Version::V2 => "write a whole number, or `version 3` on all routers",
                    Version::V3 => "write a multiple of 0.01",
                }),
        );
    }
    let centiseconds = u16::try_from(rounded.min(longest).as_millis() / 10).unwrap_or(u16::MAX);
    Interval::try_from(centiseconds).unwrap_or_default()
}

fn version_number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

fn preempt(draft: &Draft<'_>, state: InitialState, priority: Priority, problems: &mut Problems) -> Preempt {
    let mut cleared = |span: Span, keyword: &str, why: &str| {
        problems.push(
            Diagnostic::warning(span, format!("`{keyword}` does not work with {why}"))
                .label("ignored, as with keepalived"),
        );
    };
    let hindrance = if priority.is_owner() {
        Some("priority 255")
    } else {
        (state == InitialState::Master).then_some("state MASTER: write `state BACKUP`")
    };
    match (draft.nopreempt, draft.preempt_delay, hindrance) {
        (Some(span), _, Some(why)) => {
            cleared(span, "nopreempt", why);
            if let Some(delay) = draft.preempt_delay {
                cleared(delay.span, "preempt_delay", why);
            }
            Preempt::Yes
        }
        (Some(_), delay, None) => {
            if let Some(delay) = delay.filter(|delay| !delay.value.is_zero()) {
                cleared(delay.span, "preempt_delay", "`nopreempt`");
            }
            Preempt::No
        }
        (None, Some(At { value, .. }), _) if value.is_zero() => Preempt::Yes,
        (None, Some(At { span, .. }), Some(why)) => {
            cleared(span, "preempt_delay", why);
            Preempt::Yes
        }
        (None, Some(At { span, .. }), None) if draft.strict => {
            cleared(span, "preempt_delay", "strict mode");
            Preempt::Yes
        }
        (None, Some(At { value, .. }), None) => Preempt::After(value),
        (None, None, _) => Preempt::Yes,
    }
}

fn down_timer_adverts(draft: &Draft<'_>, defaults: &Defaults, problems: &mut Problems) -> u8 {
    const STRICT: u8 = 3;
    let asked = draft.down_timer_adverts.map_or(defaults.down_timer_adverts, |at| at.value);
    if draft.strict && asked != STRICT {
        let span = draft.down_timer_adverts.map_or(draft.name.span, |at| at.span);
        problems.push(
            Diagnostic::warning(span, "strict mode: a MASTER counts as down after 3 intervals")
                .label("3 is used"),
        );
        return STRICT;
    }
    asked
}

fn accept(draft: &Draft<'_>, version: Version, problems: &mut Problems) -> bool {
    match draft.accept {
        Some(At { value: true, span }) if draft.strict && version == Version::V2 => {
            resets(span, "VRRPv2 accepts nothing for addresses that are not its own", problems);
            false
        }
        Some(At { value, .. }) => value,
        None => !draft.strict,
    }
}

fn lower_prio_no_advert(draft: &Draft<'_>, problems: &mut Problems) -> bool {
    if draft.strict && draft.lower_prio_no_advert == Some(false) {
        resets(draft.name.span, "a lower priority gets no answer", problems);
    }
    draft.strict || draft.lower_prio_no_advert.unwrap_or(false)
}

/// Strictly, a lower priority is no reason to announce anything.
fn garp(draft: &Draft<'_>, has_vmac: bool, interval: Duration, problems: &mut Problems) -> Garp {
    let mut garp = Garp { interval, ..draft.garp.resolve() };
    if let Some((all, period)) = draft.garp.extra
        && (all || has_vmac)
    {
        garp.extra = period;
    }
    if draft.strict {
        if draft.garp.lower_prio_repeat.is_some_and(|repeat| repeat > 0) {
            resets(draft.name.span, "nothing is announced because of a lower priority", problems);
        }
        (garp.lower_prio_repeat, garp.lower_prio_delay) = (0, Duration::ZERO);
    }
    garp
}

fn resets(span: Span, what: &str, problems: &mut Problems) {
    problems.push(
        Diagnostic::warning(span, format!("strict mode: {what}"))
            .label("what is set otherwise has no effect"),
    );
}

/// An instance watches its own interface anyway.
fn own_interface(draft: &Draft<'_>, problems: &mut Problems) {
    let Some(interface) = &draft.interface else { return };
    if draft.tracks.interfaces.iter().any(|tracked| tracked.name == interface.value)
        && !draft.dont_track_primary
    {
        problems.push(
            Diagnostic::warning(
                interface.span,
                format!("`{}` tracks its own interface `{}`", draft.name.text, interface.value),
            )
            .label("it watches it in any case")
            .help("leave it out of `track_interface`"),
        );
    }
}

fn garp_interval(interface: &str, family: Family, defaults: &Defaults, groups: &GarpGroups) -> Duration {
    let index = usize::from(family == Family::V6);
    let default = [defaults.garp.interval4, defaults.garp.interval6];
    groups.get(interface).unwrap_or(&default)[index]
}
