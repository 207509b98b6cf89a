//! From directives to their meaning: units, ranges, defaults, what is taken from `global_defs`, and what follows from
//! several lines together.
//!
//! Nothing is looked up on this host. What is wrong is said with its place and its remedy. What keepalived ignores or replaces
//! is a [mistake](Diagnostic::mistake), and is ignored or replaced in the same way. An error concerns the block that it is
//! in: what was in force for the block of that name stays, and without that the block is left out. What refers to a block
//! that is left out is read as if the block were not in the file.

mod addresses;
mod authentication;
mod faults;
mod globals;
mod groups;
mod instance;
mod instances;
mod ipvs;
mod notify;
mod routes;
mod settle;
mod statics;
#[cfg(test)]
mod tests;
mod tracking;
mod validate;
mod values;
mod virtual_server;

use crate::diagnostic::{Diagnostic, Problems};

use super::{
    language::{Document, keywords::Within},
    model::{Config, Instance},
};

use faults::Faults;
pub use faults::{Area, Fault, Outcome};
use instances::Instances;
use statics::Statics;
use tracking::Trackers;
use values::effective;

/// What a document means beside a configuration that is in force.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// What is to be in force.
    pub config: Config,
    /// Blocks with errors, in the order of the file.
    pub faults: Vec<Fault>,
}

/// What a document takes the place of, and what can be run.
pub struct Basis<'a> {
    /// The configuration that is in force; the default one at a start.
    pub before: &'a Config,
    /// Completes an instance, and says why it cannot be run.
    pub admit: &'a mut dyn FnMut(&mut Instance) -> Result<(), String>,
}

/// What a document means by itself. If an error is among the problems, the blocks that have one are left out.
///
/// Keywords that are not known, or have no effect, are the language's to name.
pub fn resolve(document: &Document, problems: &mut Problems) -> Config {
    let basis = Basis { before: &Config::default(), admit: &mut |_| Ok(()) };
    resolve_beside(document, basis, problems).config
}

/// What a document means in place of what is in force.
pub fn resolve_beside(document: &Document, basis: Basis<'_>, problems: &mut Problems) -> Resolved {
    let Basis { before, admit } = basis;
    let root = &document.root.directives;
    let of = |keyword: &'static str| root.iter().filter(move |directive| directive.keyword() == keyword);
    let mut faults = Faults::default();

    let mut reading = globals::Reading::default();
    for directive in effective(&document.root, Within::Root, problems) {
        match (directive.keyword(), &directive.block) {
            ("global_defs", Some(block)) => reading.block(block, before, &mut faults, problems),
            ("instance" | "net_namespace", _) => {
                reading.statement(directive, before, &mut faults, problems);
            }
            _ => {}
        }
    }
    let mut lvs_sync = reading.sync.take();
    let global_lines = std::mem::take(&mut reading.lines);
    let (globals, defaults) = reading.finish(problems);

    let mut config = Config { globals, global_lines, ..Config::default() };
    let mut trackers = Trackers::default();
    let mut statics = Statics::new(&defaults);
    for directive in root {
        let known = tracking::definition(directive, before, &mut trackers, &mut faults, problems);
        if !known {
            statics.read(directive, problems);
        }
    }
    let mut preferences = statics.finish(before, &mut config, &mut faults);

    let mut instances = Instances::new(before);
    for directive in of("vrrp_instance") {
        let garp_intervals = &config.garp_intervals;
        let read = |known: &Instances<'_>, problems: &mut Problems| {
            ipvs::older_form(directive, &mut lvs_sync, problems);
            let draft = instance::read(directive, &defaults, &mut trackers, &mut preferences, problems)?;
            known.check_name(draft.name, problems)?;
            let mut settled = settle::settle(draft, &defaults, garp_intervals, problems)?;
            known.check_router(&settled, problems);
            if let Err(error) = admit(&mut settled.instance) {
                problems.push(Diagnostic::error(settled.name, error));
            }
            Some(settled)
        };
        instances.read(directive, read, problems);
    }
    let (mut instances, left_out) = instances.finish(&mut trackers, &mut faults);

    let mut groups = groups::SyncGroups::new(&mut instances, &left_out, before);
    for directive in of("vrrp_sync_group") {
        groups.read(directive, &defaults, &mut trackers, problems);
    }
    config.groups = groups.finish(&mut trackers, &mut faults);
    validate::virtual_interfaces(&mut instances, problems);
    validate::weights_of_owners(&mut instances, &mut config.groups, problems);
    validate::instances(&instances, &config.interface_delays, problems);
    config.instances = instances.into_iter().map(|settled| settled.instance).collect();
    config.instances.shrink_to_fit();
    config.globals.lvs_sync = lvs_sync.and_then(|sync| sync.finish(&config.instances, &left_out, problems));
    config.scripts = trackers.scripts.finish("vrrp_script", problems);
    config.processes = trackers.processes.finish("vrrp_track_process", problems);
    virtual_server::virtual_servers(
        &document.root,
        before,
        &mut config,
        &mut trackers.files,
        &mut faults,
        problems,
    );
    config.files = trackers.files.finish("track_file", problems);
    Resolved { config, faults: faults.finish() }
}
