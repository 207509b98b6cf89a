//! What follows from the lines of an instance together.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use lb_vrrp::{Family, Interval, Priority};

use crate::config::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::model::{
        Authentication, Garp, InitialState, Instance, Peer, Preempt, Sending, Version, VirtualAddress, Vmac,
    },
};

use super::{authentication::PassKind, globals::Defaults, instance::Draft, values::At};

/// An instance, and the places of what others must not have too.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) instance: Instance,
    pub(super) name: Span,
    pub(super) vrid: Span,
    /// Those of its addresses, then those of the excluded ones.
    pub(super) addresses: Vec<Span>,
}

/// Intervals between two frames, by interface.
pub(super) type GarpGroups = HashMap<String, [Duration; 2]>;

/// The instance that a draft describes; `None` when it lacks what nothing can stand for.
pub(super) fn settle(
    mut draft: Draft<'_>,
    defaults: &Defaults,
    garp_groups: &GarpGroups,
    problems: &mut Problems,
) -> Option<Settled> {
    let complete = is_complete(&draft, problems);
    let family = draft.addresses.first().map(|address| Family::of(address.value.net.addr()));
    let family = family.unwrap_or(Family::V4);
    arrange_addresses(&mut draft, family, problems);
    let version = version(&draft, family, defaults, problems);
    let state = draft.state.map_or(InitialState::default(), |at| at.value);
    let priority = priority(&draft, state, problems);
    let state = strict_state(&draft, state, priority, problems);
    let advert_int = advert_int(&draft, version, problems);
    let preempt = preempt(&draft, state, priority, problems);
    let sending = sending(&mut draft, family, defaults, problems);
    check_source(&draft, family, &sending, problems);
    let authentication = authentication(&mut draft, family, version, advert_int, problems);
    let vmac = vmac(&mut draft, &sending, problems);
    let down_timer_adverts = down_timer_adverts(&draft, defaults, problems);
    let accept = accept(&draft);
    let (Some(interface), Some(vrid), true) = (draft.interface, draft.vrid, complete) else { return None };
    let garp = garp(
        draft.garp.resolve(),
        draft.strict,
        garp_interval(&interface.value, family, defaults, garp_groups),
    );
    let places = draft.addresses.iter().chain(&draft.excluded).map(|address| address.span).collect();
    let plain = |addresses: Vec<At<VirtualAddress>>| addresses.into_iter().map(|at| at.value).collect();
    let instance = Instance {
        name: draft.name.text.clone(),
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
        sending: sending?,
        source: draft.source.map(|at| at.value),
        track_source: draft.track_source,
        authentication: authentication?,
        vmac,
        accept,
        strict: draft.strict,
        preempt,
        down_timer_adverts,
        garp,
        lower_prio_no_advert: draft.lower_prio_no_advert.unwrap_or(draft.strict),
        higher_prio_send_advert: draft.higher_prio_send_advert,
        check_unicast_src: draft.check_unicast_src,
        skip_check_adv_addr: draft.skip_check_adv_addr,
        owner_ignore_adverts: draft.owner_ignore_adverts,
        step_down_when_late: draft.step_down_when_late,
        v3_checksum_as_v2: draft.v3_checksum_as_v2,
        promote_secondaries: draft.promote_secondaries,
        dont_track_primary: draft.dont_track_primary,
        tracks: draft.tracks,
        notify: draft.notify,
    };
    Some(Settled { instance, name: draft.name.span, vrid: vrid.span, addresses: places })
}

fn is_complete(draft: &Draft<'_>, problems: &mut Problems) -> bool {
    let name = &draft.name.text;
    let mut lacks = |what: String, help: &str| {
        if !draft.broken {
            problems.push(Diagnostic::error(draft.name.span, what).help(help));
        }
    };
    if draft.interface.is_none() {
        lacks(
            format!("instance `{name}` has no `interface`"),
            "add `interface NAME`, the interface that it runs on",
        );
    }
    if draft.vrid.is_none() {
        lacks(
            format!("instance `{name}` has no `virtual_router_id`"),
            "add `virtual_router_id N`, 1 to 255, the same on all its routers",
        );
    }
    if draft.addresses.is_empty() {
        match draft.no_addresses {
            Some(_) => lacks(
                format!(
                    "instance `{name}` has no virtual address, and `no_virtual_ipaddress` is not supported"
                ),
                "add an address to `virtual_ipaddress`: an advertisement carries at least one",
            ),
            None => lacks(
                format!("instance `{name}` has no virtual address"),
                "add one to `virtual_ipaddress`: an advertisement carries at least one",
            ),
        }
    }
    draft.interface.is_some() && draft.vrid.is_some() && !draft.addresses.is_empty()
}

/// Keeps what can be advertised together, and none twice.
fn arrange_addresses(draft: &mut Draft<'_>, family: Family, problems: &mut Problems) {
    let mut seen: HashMap<(IpAddr, Option<String>), Span> = HashMap::new();
    let mut first_time = |address: &At<VirtualAddress>| {
        let place = (address.value.net.addr(), address.value.device.clone());
        let first = *seen.entry(place).or_insert(address.span);
        if first != address.span {
            problems.push(
                Diagnostic::warning(address.span, format!("{} is given twice", address.value.net.addr()))
                    .label("ignored here")
                    .related(first, "given here first"),
            );
        }
        first == address.span
    };
    draft.addresses.retain(&mut first_time);
    draft.excluded.retain(&mut first_time);
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
    let max = family.max_addresses();
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
        Version::V2 => Duration::from_secs(40),
        Version::V3 => Duration::from_millis(40_950),
    };
    if rounded > longest && version == Version::V2 {
        // What does not agree is dropped by the others, so there is nothing near enough.
        problems.push(
            Diagnostic::error(span, format!("an interval of {} s is not supported", rounded.as_secs()))
                .label(format!("expected {} s at most", longest.as_secs())),
        );
    } else if rounded > longest {
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
    Interval::from_centiseconds(centiseconds).unwrap_or_default()
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

fn sending(
    draft: &mut Draft<'_>,
    family: Family,
    defaults: &Defaults,
    problems: &mut Problems,
) -> Option<Sending> {
    let Some(unicast) = draft.unicast else { return multicast(draft, family, defaults, problems) };
    if let Some(At { span, .. }) = draft.group {
        problems
            .push(Diagnostic::warning(span, "`mcast_dst_ip` has no effect beside unicast").label("ignored"));
    }
    let mut peers: Vec<Peer> = Vec::with_capacity(draft.peers.len());
    let mut seen: HashMap<IpAddr, Span> = HashMap::new();
    let mut wrong = false;
    for At { value: peer, span } in std::mem::take(&mut draft.peers) {
        let address = peer.address;
        let mut refuse = |what: &str, help: &str| {
            problems.push(Diagnostic::error(span, format!("{address} {what}")).help(help));
            wrong = true;
        };
        if Family::of(address) != family && !draft.addresses.is_empty() {
            refuse(
                "is not of the family of the virtual addresses",
                "give an address of the peer of the same family",
            );
        } else if address.is_multicast() || address.is_unspecified() {
            refuse(
                "is not the address of a host",
                "name a router, or leave `unicast_peer` out for multicast",
            );
        } else if draft.source.is_some_and(|source| source.value == address) {
            problems.push(
                Diagnostic::warning(span, format!("{address} is this router's own address")).label("ignored"),
            );
        } else if let Some(first) = seen.insert(address, span) {
            problems.push(
                Diagnostic::warning(span, format!("peer {address} is given twice"))
                    .label("ignored here")
                    .related(first, "given here first"),
            );
        } else {
            peers.push(peer);
        }
    }
    if peers.is_empty() {
        if !wrong && !draft.broken {
            problems.push(
                Diagnostic::error(unicast, format!("instance `{}` is unicast and has no peer", draft.name.text))
                    .note("keepalived falls back to multicast here, which where unicast is needed makes two MASTERs")
                    .help("name the other routers in `unicast_peer { … }`, or write `mcast_src_ip` for multicast"),
            );
        }
        return None;
    }
    let ttl = draft.unicast_ttl.max(1);
    Some(Sending::Unicast { peers, ttl })
}

fn multicast(
    draft: &Draft<'_>,
    family: Family,
    defaults: &Defaults,
    problems: &mut Problems,
) -> Option<Sending> {
    let default = match family {
        Family::V4 => defaults.group4,
        Family::V6 => defaults.group6,
    };
    let Some(At { value: group, span }) = draft.group else { return Some(Sending::Multicast(default)) };
    let wrong = if !group.is_multicast() {
        format!("{group} is no multicast group")
    } else if Family::of(group) != family {
        format!("{group} is not of the family of the virtual addresses")
    } else {
        return Some(Sending::Multicast(Some(group)));
    };
    problems.push(Diagnostic::error(span, wrong).label(format!("expected an {family} multicast address")));
    None
}

fn check_source(draft: &Draft<'_>, family: Family, sending: &Option<Sending>, problems: &mut Problems) {
    let Some(At { value: source, span }) = draft.source else { return };
    if draft.addresses.is_empty() {
        return;
    }
    if Family::of(source) != family {
        problems.push(
            Diagnostic::error(span, format!("{source} is not of the family of the virtual addresses"))
                .label(format!("expected an {family} address of this router")),
        );
    } else if source.is_multicast() || source.is_unspecified() {
        problems.push(Diagnostic::error(span, format!("{source} is not the address of a host")));
    } else if let IpAddr::V6(address) = source
        && matches!(sending, Some(Sending::Multicast(_)))
        && !address.is_unicast_link_local()
    {
        problems.push(
            Diagnostic::error(
                span,
                format!("{source} can not be the source of IPv6 advertisements to a group"),
            )
            .label("expected a link-local address, fe80::…")
            .note("RFC 9568 5.1.2.1: other routers drop everything else"),
        );
    }
}

fn authentication(
    draft: &mut Draft<'_>,
    family: Family,
    version: Version,
    interval: Interval,
    problems: &mut Problems,
) -> Option<Authentication> {
    let name = &draft.name.text;
    match (draft.pass.take(), draft.hmac.take()) {
        (None, None) => Some(Authentication::None),
        (Some(pass), Some(hmac)) => {
            problems.push(
                Diagnostic::error(hmac.span, "`authentication` and `auth_hmac` exclude each other")
                    .related(pass.span, "this one is for VRRPv2 only, and sent in clear text")
                    .help("leave one out"),
            );
            None
        }
        (None, Some(At { value: hmac, .. })) => Some(Authentication::Hmac {
            window: hmac.window.unwrap_or_else(|| default_window(interval)),
            keys: hmac.keys,
            active: hmac.active,
            mode: hmac.mode,
            monotonic: hmac.monotonic,
        }),
        (Some(At { value: pass, span }), None) => {
            let Some(kind) = pass.kind else {
                problems.push(
                    Diagnostic::warning(
                        span,
                        format!("the password of `{name}` is not used without `auth_type`"),
                    )
                    .label("ignored, as with keepalived")
                    .help("add `auth_type PASS` on all routers, or leave the block out"),
                );
                return Some(Authentication::None);
            };
            let ignored = if draft.strict {
                Some("strict mode has no authentication")
            } else if version == Version::V3 || family == Family::V6 {
                Some("VRRPv3 has no such authentication")
            } else {
                None
            };
            if let Some(why) = ignored {
                problems.push(
                    Diagnostic::warning(span, why)
                        .label("ignored, as with keepalived")
                        .help("leave it out, or use `auth_hmac`"),
                );
                return Some(Authentication::None);
            }
            let Some(secret) = pass.pass.filter(|secret| !secret.expose().is_empty()) else {
                problems.push(
                    Diagnostic::error(span, format!("the authentication of `{name}` has no password"))
                        .note("keepalived would run without authentication")
                        .help("add `auth_pass PASSWORD`, or leave the block out"),
                );
                return None;
            };
            Some(match kind.value {
                PassKind::Pass => Authentication::Pass(secret),
                PassKind::Ah => Authentication::Ah(secret),
            })
        }
    }
}

/// As `lb_vrrp::wire::hmac` has it: three intervals, 5 s at least.
fn default_window(interval: Interval) -> Duration {
    Duration::from_secs((3 * u64::from(interval.centiseconds())).div_ceil(100).max(5))
}

fn vmac(draft: &mut Draft<'_>, sending: &Option<Sending>, problems: &mut Problems) -> Option<Vmac> {
    let At { value, span } = draft.vmac.take()?;
    let mut vmac = value.vmac;
    if let (Some(mac), Some(vrid), true) = (&mut vmac.mac, draft.vrid, value.mac_lacks_vrid) {
        mac[5] = vrid.value.get();
    }
    vmac.xmit_base = draft.vmac_xmit_base;
    if matches!(sending, Some(Sending::Unicast { .. })) && !vmac.xmit_base {
        problems.push(
            Diagnostic::warning(span, "unicast with `use_vmac` needs `vmac_xmit_base`")
                .label("taken as given, as with keepalived"),
        );
        vmac.xmit_base = true;
    }
    Some(vmac)
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

fn accept(draft: &Draft<'_>) -> bool {
    draft.accept.map_or(!draft.strict, |at| at.value)
}

/// Strictly, a lower priority is no reason to announce anything.
fn garp(mut garp: Garp, strict: bool, interval: Duration) -> Garp {
    garp.interval = interval;
    if strict {
        (garp.lower_prio_repeat, garp.lower_prio_delay) = (0, Duration::ZERO);
    }
    garp
}

fn garp_interval(interface: &str, family: Family, defaults: &Defaults, groups: &GarpGroups) -> Duration {
    let index = usize::from(family == Family::V6);
    let default = [defaults.garp.interval4, defaults.garp.interval6];
    groups.get(interface).unwrap_or(&default)[index]
}
