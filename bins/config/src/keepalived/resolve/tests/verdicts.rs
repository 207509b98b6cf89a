//! What keepalived 2.2.7 accepts loads here without an error, and can be run; the exceptions are listed with their reasons.

use super::*;

const VERDICTS: &str = include_str!("../../../../../tests/corpus/keepalived/verdicts.tsv");

/// keepalived accepts these, and they are refused here.
const STRICTER: &[(&str, &str)] = &[
    ("    unicast_fault_no_peer\n}", "keepalived begins, and its instance stays in FAULT"),
    ("    224.0.0.1\n", "no interface can have it"),
    ("    0.0.0.0\n", "no interface can have it"),
    ("10.0.0.2\n    }\n    mcast_dst_ip", "one virtual router id on an interface is one virtual router here"),
    ("10.0.0.2\n    }\n    unicast_peer", "the same"),
    (
        "vrrp_script s {\n    script /bin/true\n}\nvrrp_script s",
        "one of two scripts of a name is never run, which nobody sees",
    ),
];

/// keepalived complains about these, and nothing is said here.
const MORE_LENIENT: &[(&str, &str)] = &[
    ("garp_master_delay 0.5", "delays may have a fraction"),
    ("    interval 0.5\n", "intervals may have a fraction"),
    ("    10.5.0.0/16", "routes are for `ip` to judge, and are tracked without an interface too"),
    ("0.0.0.0/0 gw", "`gw` is only another word for `via`"),
    ("inet6 iif eth0", "rules may name their family"),
    ("peer 10.0.0.3/32", "a peer may have a prefix"),
    (
        "        2001:db8::1\n    }\n    strict_mode",
        "the link-local address that has to be first is put there",
    ),
    ("    s reverse\n", "`reverse` may stand without a weight"),
    ("    s noreverse\n", "the same"),
    ("    s\n    }\n}\nglobal_defs", "what is tracked may be defined further down"),
    ("script /bin/nix", "whether a script is there is not known before it runs; then it counts as failed"),
    ("vrrp_garp_interval 0\n", "0 is the default, and may be said"),
    ("vrrp_iptables", "the filter is nftables in any case, as with keepalived without iptables"),
];

fn cases() -> Vec<(u8, String)> {
    let lines = VERDICTS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (status, text) = line.split_once('\t').expect("status, tab, text");
            (status.parse().expect("a number"), unescape(text))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.extend(match char {
            '\\' => chars.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            other => Some(other),
        });
    }
    plain
}

#[test]
fn what_keepalived_accepts_is_accepted() {
    let mut wrong = Vec::new();
    let mut met = vec![false; STRICTER.len()];
    let cases = cases();
    assert!(cases.len() > 400, "only {}", cases.len());
    for (status, text) in &cases {
        let (_, problems) = load(text);
        let errors: Vec<_> = problems.iter().filter(|problem| problem.is_error()).collect();
        let stricter = STRICTER.iter().position(|(part, _)| *status == 0 && text.contains(part));
        if let Some(stricter) = stricter {
            met[stricter] = true;
            assert!(!errors.is_empty(), "no longer refused: {text}");
        } else if *status == 0 && !errors.is_empty() {
            wrong.push(format!("{text} is accepted by keepalived: {errors:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(met.iter().all(|&met| met), "not in the table: {met:?}");
}

#[test]
fn what_keepalived_complains_about_is_not_passed_over() {
    let mut silent = Vec::new();
    let mut met = vec![false; MORE_LENIENT.len()];
    for (status, text) in cases() {
        let (_, problems) = load(&text);
        if status != 5 || !problems.is_empty() {
            continue;
        }
        match MORE_LENIENT.iter().position(|(part, _)| text.contains(part)) {
            Some(lenient) => met[lenient] = true,
            None => silent.push(text),
        }
    }
    assert!(silent.is_empty(), "{}:\n{}", silent.len(), silent.join("\n"));
    for ((part, _), met) in MORE_LENIENT.iter().zip(met) {
        assert!(met, "`{part}` is in the table, and something is said of it");
    }
}
