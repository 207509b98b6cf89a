//! How advertisements travel: to whom, from where, with what proof.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use lb_vrrp::{Family, Interval};

use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::{
        model::{Authentication, Peer, Sending, Version, Vmac},
        resolve::{
            authentication::PassKind,
            globals::Defaults,
            instance::Draft,
            values::{At, IGNORED},
        },
    },
};

pub(super) fn sending(
    draft: &mut Draft<'_>,
    family: Family,
    defaults: &Defaults,
    problems: &mut Problems,
) -> Sending {
    let Some(unicast) = draft.unicast else { return multicast(draft, family, defaults, problems) };
    if let Some(At { span, .. }) = draft.group {
        problems
            .push(Diagnostic::warning(span, "`mcast_dst_ip` has no effect beside unicast").label("ignored"));
    }
    let mut peers: Vec<Peer> = Vec::with_capacity(draft.peers.len());
    let mut seen: HashMap<IpAddr, Span> = HashMap::new();
    for At { value: peer, span } in std::mem::take(&mut draft.peers) {
        let address = peer.address;
        if Family::of(address) != family {
            problems.push(
                Diagnostic::mistake(span, format!("{address} is not of the family of the virtual addresses"))
                    .instead(IGNORED)
                    .help("give an address of the peer of the same family"),
            );
        } else if address.is_multicast() || address.is_unspecified() {
            problems.push(
                Diagnostic::error(span, format!("{address} is not the address of a host"))
                    .help("name a router, or leave `unicast_peer` out for multicast"),
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
        let message = format!("instance `{}` is unicast and has no peer", draft.name.text);
        let problem = match draft.needs_peer {
            true => Diagnostic::error(unicast, message),
            false => Diagnostic::mistake(unicast, message)
                .instead("it is multicast, as with keepalived")
                .note("where unicast is needed there are two MASTERs"),
        };
        problems.push(
            problem.help(
                "name the other routers in `unicast_peer { … }`, or write `mcast_src_ip` for multicast",
            ),
        );
        return multicast(draft, family, defaults, problems);
    }
    let ttl = draft.unicast_ttl.max(1);
    Sending::Unicast { peers, ttl }
}

fn multicast(draft: &Draft<'_>, family: Family, defaults: &Defaults, problems: &mut Problems) -> Sending {
    let default = match family {
        Family::V4 => defaults.group4,
        Family::V6 => defaults.group6,
    };
    let Some(At { value: group, span }) = draft.group else { return Sending::Multicast(default) };
    let wrong = if !group.is_multicast() {
        format!("{group} is no multicast group")
    } else if Family::of(group) != family {
        format!("{group} is not of the family of the virtual addresses")
    } else if matches!(group, IpAddr::V6(group) if group.octets()[1] & 0xf != 2) {
        format!("{group} is not a group of the link")
    } else {
        return Sending::Multicast(Some(group));
    };
    problems.push(
        Diagnostic::mistake(span, wrong)
            .label(format!("expected an {family} multicast address"))
            .instead(IGNORED),
    );
    Sending::Multicast(default)
}

pub(super) fn check_source(
    draft: &mut Draft<'_>,
    family: Family,
    sending: &Sending,
    problems: &mut Problems,
) {
    let Some(At { value: source, span }) = draft.source else { return };
    if Family::of(source) != family {
        problems.push(
            Diagnostic::mistake(span, format!("{source} is not of the family of the virtual addresses"))
                .label(format!("expected an {family} address of this router"))
                .instead(IGNORED),
        );
        draft.source = None;
    } else if source.is_multicast() || source.is_unspecified() {
        problems.push(
            Diagnostic::mistake(span, format!("{source} is not the address of a host")).label("ignored"),
        );
        draft.source = None;
    } else if let IpAddr::V6(address) = source
        && matches!(sending, Sending::Multicast(_))
        && !address.is_unicast_link_local()
    {
        problems.push(
            Diagnostic::warning(span, format!("{source} is not a link-local address"))
                .label("advertisements come from it, as with keepalived")
                .note("RFC 9568 5.1.2.1 wants a link-local source: routers other than keepalived and this one drop them"),
        );
    }
}

pub(super) fn authentication(
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
                    Diagnostic::mistake(span, format!("the authentication of `{name}` has no password"))
                        .label("it runs without authentication, as with keepalived")
                        .help("add `auth_pass PASSWORD`, or leave the block out"),
                );
                return Some(Authentication::None);
            };
            Some(match kind.value {
                PassKind::Pass => Authentication::Pass(secret),
                PassKind::Ah => Authentication::Ah(secret),
            })
        }
    }
}

/// As `lb_vrrp::wire::hmac` has it: three intervals, 5 s at least and 300 s at most.
fn default_window(interval: Interval) -> Duration {
    Duration::from_secs((3 * u64::from(interval.centiseconds())).div_ceil(100).clamp(5, 300))
}

pub(super) fn vmac(draft: &mut Draft<'_>, sending: &Sending, problems: &mut Problems) -> Option<Vmac> {
    let Some(At { value, span }) = draft.vmac.take() else {
        if let Some(span) = draft.vmac_xmit_base {
            problems.push(Diagnostic::warning(span, "`vmac_xmit_base` has no effect without `use_vmac`"));
        }
        return None;
    };
    let mut vmac = value.vmac;
    if let (Some(mac), Some(vrid), true) = (&mut vmac.mac, draft.vrid, value.mac_lacks_vrid) {
        mac[5] = vrid.value.get();
    }
    vmac.xmit_base = draft.vmac_xmit_base.is_some();
    if matches!(sending, Sending::Unicast { .. }) && !vmac.xmit_base {
        problems.push(
            Diagnostic::warning(span, "unicast with `use_vmac` needs `vmac_xmit_base`")
                .label("taken as given, as with keepalived"),
        );
        vmac.xmit_base = true;
    }
    Some(vmac)
}
