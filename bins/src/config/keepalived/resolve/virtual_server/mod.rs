//! What `virtual_server`, `virtual_server_group` and what stands in them mean.
//!
//! Where keepalived puts a value right and goes on, so does this, with a warning. Where it leaves something out of
//! service, which nobody notices until it is needed, this is an error.

mod checker;
mod group;
mod http;
mod real;
mod service;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, HashMap};

use lb_core::model::ServiceKey;

use super::{tracking::Definitions, values::switch};
use crate::config::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::Block,
        model::{CheckerKind, TrackFile, VirtualGroup, VirtualName, VirtualServer},
    },
};

/// All virtual servers of a configuration, in the order of the file.
pub(super) fn virtual_servers(
    root: &Block,
    files: &mut Definitions<TrackFile>,
    problems: &mut Problems,
) -> Vec<VirtualServer> {
    let context = Context::of(root, files, problems);
    let mut servers: Vec<VirtualServer> = Vec::new();
    let mut owners: HashMap<ServiceKey, Span> = HashMap::new();
    for directive in root.directives.iter().filter(|directive| directive.keyword() == "virtual_server") {
        let Some(mut server) = service::virtual_server(directive, &context, problems) else { continue };
        let span = directive.span();
        let twice = server.services.iter().find_map(|key| Some((*key, *owners.get(key)?)));
        if let Some((key, first)) = twice {
            problems.push(
                Diagnostic::error(span, format!("{key} belongs to another virtual server already"))
                    .related(first, "this one")
                    .help("put the real servers of both into one block"),
            );
            continue;
        }
        if let VirtualName::Group { name, place, .. } = &mut server.name {
            let same = |other: &&VirtualServer| matches!(&other.name, VirtualName::Group { name: other, .. } if other == name);
            *place = servers.iter().filter(same).count();
        }
        owners.extend(server.services.iter().map(|key| (*key, span)));
        servers.push(server);
    }
    let checkers = servers.iter().flat_map(|server| &server.reals).flat_map(|real| &real.checkers);
    for checker in checkers {
        if let CheckerKind::File { name, .. } = &checker.kind {
            files.mark_used(name);
        }
    }
    servers
}

/// What stands outside of a virtual server and concerns it.
struct Context<'a> {
    groups: BTreeMap<String, VirtualGroup>,
    files: &'a Definitions<TrackFile>,
    /// `smtp_alert_checker`, else `smtp_alert`.
    mail: Option<bool>,
}

impl<'a> Context<'a> {
    fn of(root: &Block, files: &'a Definitions<TrackFile>, problems: &mut Problems) -> Self {
        let mut context = Self { groups: group::groups(root, problems), files, mail: None };
        let (mut all, mut ours) = (None, None);
        for directive in &root.directives {
            let Some(block) = directive.block.as_ref().filter(|_| directive.keyword() == "global_defs")
            else {
                continue;
            };
            for directive in &block.directives {
                // Their own problems are told where the other settings of that block are read.
                match directive.keyword() {
                    "smtp_alert" => all = switch(directive, &mut Problems::new()),
                    "smtp_alert_checker" => ours = switch(directive, &mut Problems::new()),
                    _ => {}
                }
            }
        }
        context.mail = ours.or(all);
        context
    }
}
