use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::{
    diagnostic::Severity,
    keepalived::language::{Memory, Settings, read_text},
};

fn messages(text: &str) -> Vec<String> {
    let settings = Settings { config_id: "main".into(), unknown: Severity::Error, ..Settings::default() };
    let (_, sources, problems) = read_text(text, Path::new("k.conf"), &settings, &mut Memory::default());
    problems.finish().iter().map(|problem| problem.line(&sources)).collect()
}

#[test]
fn every_block_has_each_keyword_once_and_is_its_own_number() {
    for (number, within) in Within::ALL.into_iter().enumerate() {
        assert_eq!(within as usize, number);
        for keyword in within.keywords() {
            assert_eq!(find(within, keyword.name), Some(keyword), "{within:?} {}", keyword.name);
        }
    }
}

#[test]
fn an_unknown_keyword_is_answered_with_the_one_that_was_meant_and_skipped_with_its_block() {
    let text = "vrrp_instance A {\n interfce eth0 {\n  x y\n }\n priority 10\n}\n";
    assert_eq!(
        messages(text),
        [
            "k.conf:2:2: error: unknown keyword `interfce` (it is skipped, with its block); help: did you mean `interface`?"
        ]
    );
    assert_eq!(
        messages("vrrp_instance A {\n vrrp_vresion 3\n}"),
        ["k.conf:2:2: error: unknown keyword `vrrp_vresion` (it is skipped); \
          help: did you mean `vrrp_version`, which stands in `global_defs`?"]
    );
    assert_eq!(messages("xyzzyplugh"), ["k.conf:1:1: error: unknown keyword `xyzzyplugh` (it is skipped)"]);
}

#[test]
fn a_keyword_in_the_wrong_block_says_where_it_belongs() {
    assert_eq!(
        messages("global_defs {\n virtual_router_id 1\n vrrp_instance A {\n }\n}\n"),
        [
            "k.conf:2:2: error: `virtual_router_id` stands in `global_defs`, but belongs in `vrrp_instance` (it is skipped)",
            "k.conf:3:2: error: `vrrp_instance` stands in `global_defs`, but belongs outside of all blocks \
             (it is skipped, with its block); help: is a `}` missing before it?",
        ]
    );
}

#[test]
fn what_is_not_acted_on_is_named_once_with_what_it_would_do() {
    let instance = "vrrp_instance A {\n debug 1\n}\n";
    let found = messages(&instance.repeat(3));
    assert_eq!(
        found,
        ["k.conf:2:2: warning: `debug` is not acted on (does nothing in keepalived 2.2.7 either)"]
    );
    // Inside of what is not acted on, only what is unknown is worth a word.
    let found = messages("bfd_instance b {\n min_rx 10\n multiplyer 3\n}\n");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].contains("`bfd_instance` is not acted on (would watch a neighbour by BFD)"),
        "{found:?}"
    );
    assert!(found[1].contains("did you mean `multiplier`?"), "{found:?}");
}

#[test]
fn the_documentation_names_all_that_is_not_acted_on_and_nothing_else() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/from-keepalived.md");
    let text = fs::read_to_string(file).unwrap();
    let (_, section) = text.split_once("\n## What is not acted on\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let named: BTreeSet<&str> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let idle = |keyword: &&Keyword| keyword.acted != Acted::Acted;
    let tables = Within::ALL.into_iter().flat_map(Within::keywords);
    let known: BTreeSet<&str> = tables.filter(idle).map(|keyword| keyword.name).collect();
    assert_eq!(named, known);
}

#[test]
fn a_directive_on_the_line_of_another_is_not_lost_silently() {
    let text =
        "vrrp_instance A {\n authentication { auth_type PASS auth_pass x }\n nopreempt priority 9\n}\n";
    let found = messages(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("k.conf:2:34: warning: `auth_pass` stands on the line of `auth_type`"));
    assert!(found[1].starts_with("k.conf:3:12: warning: `priority` stands on the line of `nopreempt`"));
    let fine = "vrrp_track_process p {\n process /bin/x weight quorum 3\n}\nvrrp_instance A {\n interface priority\n}\n";
    assert_eq!(messages(fine), [""; 0]);
}

#[test]
fn blocks_that_are_missing_or_too_much_are_named() {
    let found = messages("vrrp_instance A {\n priority 9 { x }\n virtual_ipaddress\n}\n");
    assert_eq!(
        found,
        [
            "k.conf:2:13: error: `priority` has no block (this block is skipped)",
            "k.conf:3:2: error: `virtual_ipaddress` needs a block (a `{` is missing behind this)",
        ]
    );
}

#[test]
fn something_that_looks_like_a_definition_says_how_to_write_one() {
    let found = messages("$A = 1\n$1X=2\n$NOT\n");
    assert!(found[0].contains("`$A` is not defined") && found[0].contains("without a blank"), "{found:?}");
    assert!(found[1].contains("`$1X` is not defined") && found[1].contains("no digit"), "{found:?}");
    assert!(found[2].contains("define it before: `$NOT=VALUE`"), "{found:?}");
}

/// A file in which a line stands in a block, and around it the blocks that this is in.
fn inside(within: Within, line: &str) -> String {
    let around = match within {
        Within::Root => return format!("{line}\n"),
        Within::Authentication | Within::AuthHmac => Within::Instance,
        Within::RealServer => Within::VirtualServer,
        Within::Url => Within::HttpGet,
        Within::SmtpHost => Within::SmtpCheck,
        Within::TcpCheck
        | Within::PingCheck
        | Within::UdpCheck
        | Within::HttpGet
        | Within::SmtpCheck
        | Within::DnsCheck
        | Within::MiscCheck
        | Within::FileCheck
        | Within::BfdCheck => Within::RealServer,
        _ => Within::Root,
    };
    inside(around, &format!("{} x {{\n{line}\n}}", within.name()))
}

/// What is said of a line in a block, apart from what the blocks around it are said to be.
fn said_of(within: Within, line: &str) -> String {
    let depth = inside(within, "?").lines().position(|line| line == "?").unwrap() + 1;
    let found = messages(&inside(within, line));
    let of_the_line = found.into_iter().filter(|message| message.starts_with(&format!("k.conf:{depth}:")));
    of_the_line.collect::<Vec<_>>().join("; ")
}

#[test]
fn names_of_other_versions_and_blocks_are_answered_with_what_stands_for_them_here() {
    for (within, word, right) in [
        (Within::TcpCheck, "nb_get_retry", "`retry`"),
        (Within::MiscCheck, "nb_get_retry", "`retry`"),
        (Within::GlobalDefs, "garp_master_delay", "`vrrp_garp_master_delay`"),
        (Within::GlobalDefs, "garp_delay", "`vrrp_garp_master_delay`"),
        (Within::GlobalDefs, "version", "`vrrp_version`"),
        (Within::GlobalDefs, "lvs_id", "`router_id`"),
        (Within::GlobalDefs, "script_security", "`enable_script_security`"),
        (Within::Instance, "garp_delay", "`garp_master_delay`"),
        (Within::Instance, "vrrp_garp_master_delay", "`garp_master_delay`"),
        (Within::Instance, "vrid", "`virtual_router_id`"),
        (Within::VirtualServer, "lb_algorithm", "`lb_algo`"),
        (Within::VirtualServer, "nat_mask", "leave it out"),
        (Within::RealServer, "HTTP_CHECK", "`HTTP_GET`"),
        (Within::TcpCheck, "port", "`connect_port`"),
        (Within::HttpGet, "timeout", "`connect_timeout`"),
        (Within::MiscCheck, "connect_timeout", "`misc_timeout`"),
        (Within::Root, "sync_group", "`vrrp_sync_group`"),
    ] {
        let said = said_of(within, word);
        let help = said.split("; help: ").nth(1).unwrap_or_else(|| panic!("{within:?} {word}: {said}"));
        assert!(help.contains(right), "{within:?} {word}: {said}");
    }
    // The priority of the process is not that of an instance.
    let said = said_of(Within::GlobalDefs, "priority 100");
    assert!(said.contains("belongs in `vrrp_instance`") && !said.contains("vrrp_priority"), "{said}");
}

#[test]
fn every_suggestion_can_be_written_where_it_is_said_to_be() {
    let all: BTreeSet<&str> = Within::ALL.into_iter().flat_map(Within::keywords).map(|it| it.name).collect();
    let slips = |name: &str| {
        let (head, tail) = name.split_at(name.len() / 2);
        [
            name.to_owned(),
            format!("{head}x{tail}"),
            format!("{head}{}", tail.get(1..).unwrap_or_default()),
            name.replace('_', "-"),
        ]
    };
    let mut suggestions = 0;
    for within in Within::ALL {
        // Each block with other words; all of them would take minutes.
        for word in all.iter().flat_map(|name| slips(name)).skip(within as usize).step_by(13) {
            if word.is_empty() || find(within, &word).is_some() {
                continue;
            }
            let said = said_of(within, &word);
            let Some((_, help)) = said.split_once("did you mean `") else { continue };
            let (name, rest) = help.split_once('`').unwrap();
            suggestions += 1;
            let home = match rest.strip_prefix(", which stands ") {
                Some(place) => Within::ALL.into_iter().find(|home| {
                    place.trim_end_matches('?').trim_start_matches("in `").trim_end_matches('`')
                        == home.name()
                }),
                None => Some(within),
            };
            assert!(home.is_some_and(|home| find(home, name).is_some()), "{within:?} {word}: {said}");
        }
    }
    assert!(suggestions > 500, "{suggestions}");
}
