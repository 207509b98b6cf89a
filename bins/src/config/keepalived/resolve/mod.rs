//! From directives to their meaning: units, ranges, defaults, what is taken from `global_defs`, and what follows from
//! several lines together.
//!
//! Nothing is looked up on this host. What is wrong is said with its place and its remedy; what keepalived lets pass with a
//! message of its own is a warning, unless it would run on without what its author relies on: that is an error here.

mod addresses;
mod authentication;
mod globals;
mod groups;
mod instance;
mod ipvs;
mod notify;
mod routes;
mod settle;
#[cfg(test)]
mod tests;
mod tracking;
mod validate;
mod values;
mod virtual_server;

use std::collections::HashMap;

use crate::config::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
};

use super::{
    language::{Directive, Document},
    model::{Config, Statics},
};

use routes::Preferences;
use settle::{GarpGroups, Settled};
use tracking::Trackers;

/// What a document means. Use the result only if no error is among the problems.
///
/// Keywords that are not known, or have no effect, are the language's to name.
pub fn resolve(document: &Document, problems: &mut Problems) -> Config {
    let root = &document.root.directives;
    let of = |keyword: &'static str| root.iter().filter(move |directive| directive.keyword() == keyword);

    let mut reading = globals::Reading::default();
    for directive in root {
        match (directive.keyword(), &directive.block) {
            ("global_defs", Some(block)) => reading.block(block, problems),
            _ => {
                reading.root(directive, problems);
            }
        }
    }
    let mut lvs_sync = reading.sync.take();
    let (globals, defaults) = reading.finish(problems);

    let mut config = Config { globals, ..Config::default() };
    let mut trackers = Trackers::default();
    let mut garp_groups = GarpGroups::new();
    let mut preferences = Preferences::default();
    for directive in root {
        match directive.keyword() {
            "garp_group" => groups::garp_group(directive, &defaults, &mut garp_groups, problems),
            "interface_up_down_delays" => {
                groups::interface_delays(directive, &mut config.interface_delays, problems);
            }
            _ => {
                let known = tracking::definition(directive, &mut trackers, problems);
                if !known {
                    statics(directive, &defaults.interface, &mut preferences, &mut config.statics, problems);
                }
            }
        }
    }

    let mut instances: Vec<Settled> = Vec::new();
    let mut names: HashMap<&str, Span> = HashMap::new();
    let mut any_failed = false;
    for directive in of("vrrp_instance") {
        ipvs::older_form(directive, &mut lvs_sync, problems);
        let Some(draft) = instance::read(directive, &defaults, &mut trackers, &mut preferences, problems)
        else {
            any_failed = true;
            continue;
        };
        let name = draft.name;
        if let Some(first) = names.insert(&name.text, name.span) {
            problems.push(
                Diagnostic::error(name.span, format!("instance `{}` is defined twice", name.text))
                    .label("the second time")
                    .related(first, "first defined here")
                    .help("rename one of them"),
            );
            continue;
        }
        match settle::settle(draft, &defaults, &garp_groups, problems) {
            Some(settled) => instances.push(settled),
            None => any_failed = true,
        }
    }

    let mut groups = groups::SyncGroups::new(&mut instances);
    for directive in of("vrrp_sync_group") {
        groups.add(directive, &defaults, &mut trackers, any_failed, problems);
    }
    config.groups = groups.finish();
    validate::instances(&instances, &config.interface_delays, problems);
    config.instances = instances.into_iter().map(|settled| settled.instance).collect();
    config.instances.shrink_to_fit();
    // An instance that is wrong was said to be; there is no use in saying that it is missing.
    config.globals.lvs_sync =
        lvs_sync.filter(|_| !any_failed).and_then(|sync| sync.finish(&config.instances, problems));
    config.scripts = trackers.scripts.finish("vrrp_script", problems);
    config.processes = trackers.processes.finish("vrrp_track_process", problems);
    config.virtual_servers = virtual_server::virtual_servers(&document.root, &mut trackers.files, problems);
    config.files = trackers.files.finish("track_file", problems);
    config
}

/// `static_ipaddress`, `static_routes`, `static_rules`.
fn statics(
    directive: &Directive,
    interface: &str,
    preferences: &mut Preferences,
    statics: &mut Statics,
    problems: &mut Problems,
) {
    let keyword = directive.keyword();
    if !matches!(keyword, "static_ipaddress" | "static_routes" | "static_rules") {
        return;
    }
    let Some(block) = &directive.block else {
        problems.push(tracking::no_block(directive));
        return;
    };
    match keyword {
        "static_ipaddress" => {
            let addresses = addresses::addresses(block, problems).into_iter().map(|at| at.value);
            statics.addresses.extend(addresses.map(|mut address| {
                address.device.get_or_insert_with(|| interface.to_owned());
                address
            }));
        }
        "static_routes" => statics.routes.extend(routes::routes(block, problems)),
        _ => statics.rules.extend(routes::rules(block, preferences, problems)),
    }
}
