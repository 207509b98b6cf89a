//! The keyword that was meant by one that a block does not have, where letters alone do not say so.

use super::{Within, find};

/// Names of earlier versions and of other programs, and names that are made in the manner of others, with what stands for them:
/// the first one that the block has.
const MEANT: [(&str, &[&str]); 18] = [
    ("HTTP_CHECK", &["HTTP_GET"]),
    ("HTTPS_CHECK", &["SSL_GET"]),
    ("HTTPS_GET", &["SSL_GET"]),
    ("SSL_CHECK", &["SSL_GET"]),
    ("PING", &["PING_CHECK"]),
    ("lvs_id", &["router_id"]),
    ("nb_get_retry", &["retry"]),
    ("nb_retry", &["retry"]),
    ("port", &["connect_port"]),
    ("ip", &["connect_ip"]),
    ("host", &["connect_ip", "virtualhost"]),
    ("timeout", &["connect_timeout", "misc_timeout"]),
    ("connect_timeout", &["misc_timeout"]),
    ("virtual_host", &["virtualhost"]),
    ("vrid", &["virtual_router_id"]),
    ("lb_method", &["lb_kind"]),
    ("peers", &["unicast_peer"]),
    ("unicast_peers", &["unicast_peer"]),
];

/// Keywords that keepalived has no longer, and what to do without them.
const OBSOLETE: [(&str, &str); 2] = [
    ("nat_mask", "leave it out: the kernel needs no mask for NAT"),
    ("mcast_grp", "write `vrrp_mcast_group4` in `global_defs`, or `mcast_dst_ip` in the instance"),
];

/// What to do about a keyword that is not needed any more.
pub(super) fn obsolete(word: &str) -> Option<&'static str> {
    OBSOLETE.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, why)| *why)
}

/// The keyword of this block that was meant.
pub(super) fn meant(word: &str, within: Within) -> Option<&'static str> {
    let known = |name: &str| find(within, name).map(|keyword| keyword.name);
    let listed = MEANT.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    listed
        .and_then(|(_, names)| names.iter().find_map(|name| known(name)))
        // `global_defs` has the settings of instances with this prefix, but `vrrp_priority` is that of the process.
        .or_else(|| known(&format!("vrrp_{word}")).filter(|name| *name != "vrrp_priority"))
        .or_else(|| known(word.strip_prefix("vrrp_")?))
        .or_else(|| with_the_same_parts(word, within))
}

/// The one keyword that has all parts of this word, in this order, and more; or only more letters: `garp_delay`,
/// `script_security`, `lb_algorithm`.
fn with_the_same_parts(word: &str, within: Within) -> Option<&'static str> {
    const FEWEST_LETTERS: usize = 6;
    if word.len() < FEWEST_LETTERS || !word.contains('_') {
        return None;
    }
    let has_all = |name: &str| {
        let mut parts = name.split('_');
        word.split('_').all(|part| parts.any(|other| other == part))
    };
    let is_shorter =
        |name: &str| name.contains('_') && name.len() >= FEWEST_LETTERS && word.starts_with(name);
    let names = within.keywords().iter().map(|keyword| keyword.name);
    let mut found = names.filter(|name| has_all(name) || is_shorter(name));
    let first = found.next()?;
    let more = found.next().is_some();
    // Of several, those with the fewest parts: `garp_master_delay` before `garp_lower_prio_delay`.
    let parts = |name: &str| name.split('_').count();
    let names = within.keywords().iter().map(|keyword| keyword.name).filter(|name| has_all(name));
    if more { names.min_by_key(|name| parts(name)) } else { Some(first) }
}
