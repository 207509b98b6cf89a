//! What `virtual_server`, `virtual_server_group` and what stands in them mean.
//!
//! Where keepalived puts a value right and goes on, so does this, with a warning. Where it leaves a real server or a virtual
//! server out of service, which nobody notices until it is needed, this is an error of that block.

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

use super::{
    faults::{Area, Faults, title},
    tracking::Definitions,
    values::switch,
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::{Block, Directive},
        model::{CheckerKind, Config, TrackFile, VirtualGroup, VirtualServer},
    },
};

/// Puts all virtual servers into a configuration, in the order of the file. What was in force for one with an error takes
/// its place, unless another one has one of its services.
pub(super) fn virtual_servers(
    root: &Block,
    before: &Config,
    config: &mut Config,
    files: &mut Definitions<TrackFile>,
    faults: &mut Faults,
    problems: &mut Problems,
) {
    config.virtual_groups = group::groups(root, &before.virtual_groups, faults, problems);
    let context = Context::of(root, &config.virtual_groups, files);
    let mut read = Vec::new();
    let mut owners: HashMap<ServiceKey, Span> = HashMap::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for directive in root.directives.iter().filter(|directive| directive.keyword() == "virtual_server") {
        let place = match directive.parameters() {
            [group, name, ..] if group.text == "group" => {
                let count = places.entry(name.text.to_string()).or_default();
                std::mem::replace(count, *count + 1)
            }
            _ => 0,
        };
        let (span, inner) = (directive.span(), faults.len());
        let (server, errors) = problems.block(|problems| {
            let before = Earlier { config: before, place };
            let server = service::virtual_server(directive, &context, before, faults, problems)?;
            let twice = server.services.iter().find_map(|key| Some((*key, *owners.get(key)?)));
            if let Some((key, first)) = twice {
                problems.push(
                    Diagnostic::error(span, format!("{key} belongs to another virtual server already"))
                        .related(first, "this one")
                        .help("put the real servers of both into one block"),
                );
            }
            Some(server)
        });
        match (server, errors) {
            (Some(server), None) => {
                owners.extend(server.services.iter().map(|key| (*key, span)));
                read.push(Ok(server));
            }
            (_, errors) => {
                faults.truncate(inner);
                read.push(Err((directive, place, errors.unwrap_or_default())));
            }
        }
    }
    let mut servers = Vec::with_capacity(read.len());
    for read in read {
        let (directive, place, errors) = match read {
            Ok(server) => {
                servers.push(server);
                continue;
            }
            Err(wrong) => wrong,
        };
        let kept = Earlier { config: before, place }.server(directive, &context);
        let kept = kept.filter(|kept| kept.services.iter().all(|key| !owners.contains_key(key)));
        faults.push(title(directive), Area::VirtualServers, kept.is_some(), errors);
        if let Some(kept) = kept {
            owners.extend(kept.services.iter().map(|key| (*key, directive.span())));
            servers.push(kept.clone());
        }
    }
    let checkers = servers.iter().flat_map(|server| &server.reals).flat_map(|real| &real.checkers);
    for checker in checkers {
        if let CheckerKind::File { name, .. } = &checker.kind {
            files.mark_used(name);
        }
    }
    config.virtual_servers = servers;
}

/// What was in force before.
#[derive(Clone, Copy)]
struct Earlier<'a> {
    config: &'a Config,
    /// How many virtual servers of the same group stand before this one in the file.
    place: usize,
}

impl<'a> Earlier<'a> {
    /// The virtual server that this block names.
    fn server(self, directive: &Directive, context: &Context<'_>) -> Option<&'a VirtualServer> {
        if self.config.virtual_servers.is_empty() {
            return None;
        }
        let name = service::name(directive, self.place, context)?;
        self.config.virtual_servers.iter().find(|server| server.name == name)
    }
}

/// What stands outside of a virtual server and concerns it.
struct Context<'a> {
    groups: &'a BTreeMap<String, VirtualGroup>,
    files: &'a Definitions<TrackFile>,
    /// `smtp_alert_checker`, else `smtp_alert`.
    mail: Option<bool>,
}

impl<'a> Context<'a> {
    fn of(
        root: &Block,
        groups: &'a BTreeMap<String, VirtualGroup>,
        files: &'a Definitions<TrackFile>,
    ) -> Self {
        let mut context = Self { groups, files, mail: None };
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
