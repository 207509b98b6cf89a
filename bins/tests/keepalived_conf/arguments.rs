//! What may follow each keyword, from `arguments.txt`.

use std::{collections::HashMap, sync::LazyLock};

use lb_config::keepalived::language::keywords::{Keyword, Within};

/// The arguments of a keyword.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// What the manual has.
    pub(crate) right: Vec<&'static str>,
    /// What is near to that, and what is far from it.
    pub(crate) odd: Vec<&'static str>,
}

/// Keywords that make no file of their own: they change where the daemon runs, or are the blocks around all others.
/// keepalived 2.2.7 does not start with `reload_check_config`, whatever else there is.
const NOT_GENERATED: [&str; 5] =
    ["net_namespace", "net_namespace_ipvs", "use_pid_dir", "include_check", "reload_check_config"];

static ALL: LazyLock<HashMap<&str, Arguments>> = LazyLock::new(|| {
    let lines = include_str!("arguments.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .flat_map(|line| {
            let (keywords, arguments) = line.split_once(" : ").unwrap_or_else(|| panic!("{line}"));
            keywords.split(',').map(move |keyword| (keyword, arguments))
        })
        .map(|(keyword, arguments)| {
            let list = |text: &'static str| text.split(" | ").map(str::trim).collect();
            let (right, odd) = match arguments.split_once(" :: ") {
                Some((right, odd)) => (list(right), list(odd)),
                None => (list(arguments), Vec::new()),
            };
            (keyword, Arguments { right, odd })
        })
        .collect()
});

/// The arguments of a keyword in a block.
pub(crate) fn of(within: Within, keyword: &str) -> Option<&'static Arguments> {
    let own = format!("{}/{keyword}", within.name());
    ALL.get(own.as_str()).or_else(|| ALL.get(keyword))
}

/// Every keyword with arguments in every block that stands in a generated file.
pub(crate) fn pairs() -> Vec<(Within, &'static Keyword)> {
    // What keepalived 2.2.7 does not know.
    let known = Within::ALL.into_iter().filter(|within| *within != Within::AuthHmac);
    let all = known.flat_map(|within| within.keywords().iter().map(move |it| (within, it)));
    let is_generated = |(within, keyword): &(Within, &'static Keyword)| {
        of(*within, keyword.name).is_some() && !NOT_GENERATED.contains(&keyword.name)
    };
    all.filter(is_generated).collect()
}

/// Every keyword of every block has arguments, or is a block of keywords, which have.
#[test]
fn every_keyword_has_arguments() {
    use lb_config::keepalived::language::keywords::Body;

    for within in Within::ALL {
        for keyword in within.keywords() {
            let is_block = matches!(keyword.body, Body::Block(_));
            let is_generated = of(within, keyword.name).is_some()
                || keyword.name == "virtual_server_group"
                || NOT_GENERATED.contains(&keyword.name);
            assert!(is_block || is_generated, "{} in {}", keyword.name, within.name());
        }
    }
}
