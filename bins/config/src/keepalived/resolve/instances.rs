//! All instances of a file, with what takes the place of those that have errors.

use std::collections::{HashMap, HashSet};

use lb_vrrp::{Family, Vrid};

use crate::{
    diagnostic::{BlockErrors, Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::{Directive, Word},
        model::{Config, Instance},
    },
};

use super::{
    faults::{Area, Faults, title},
    settle::Settled,
    tracking::Trackers,
    validate,
};

/// What a virtual router is to its peers.
type Router = (String, Family, Vrid);

fn router(instance: &Instance) -> Router {
    (instance.interface.clone(), instance.family, instance.vrid)
}

/// Instances as they come.
pub(super) struct Instances<'a> {
    before: &'a Config,
    /// In the order of the file.
    read: Vec<Read<'a>>,
    /// Names that are taken.
    names: HashMap<String, Span>,
    /// Where the one that is a virtual router stands.
    routers: HashMap<Router, usize>,
}

enum Read<'a> {
    Whole(Box<Settled>),
    Wrong(&'a Directive, BlockErrors),
}

impl<'a> Instances<'a> {
    pub(super) fn new(before: &'a Config) -> Self {
        Self { before, read: Vec::new(), names: HashMap::new(), routers: HashMap::new() }
    }

    /// Reads one.
    pub(super) fn read(
        &mut self,
        directive: &'a Directive,
        read: impl FnOnce(&Self, &mut Problems) -> Option<Settled>,
        problems: &mut Problems,
    ) {
        let (settled, errors) = problems.block(|problems| read(self, problems));
        match (settled, errors) {
            (Some(settled), None) => {
                self.names.insert(settled.instance.name.clone(), settled.name);
                self.routers.insert(router(&settled.instance), self.read.len());
                self.read.push(Read::Whole(Box::new(settled)));
            }
            (_, errors) => self.read.push(Read::Wrong(directive, errors.unwrap_or_default())),
        }
    }

    /// Nothing, when there is one of this name.
    pub(super) fn check_name(&self, name: &Word, problems: &mut Problems) -> Option<()> {
        let Some(first) = self.names.get(&*name.text) else { return Some(()) };
        problems.push(
            Diagnostic::error(name.span, format!("instance `{}` is defined twice", name.text))
                .label("the second time")
                .related(*first, "first defined here")
                .help("rename one of them"),
        );
        None
    }

    /// One virtual router id on one interface is one virtual router.
    pub(super) fn check_router(&self, settled: &Settled, problems: &mut Problems) {
        let first = self.routers.get(&router(&settled.instance)).and_then(|at| self.read.get(*at));
        if let Some(Read::Whole(first)) = first {
            problems.push(validate::same_router(first, settled));
        }
    }

    /// All instances, and the names of those that are left out. What was in force for one with an error stays, unless
    /// another one has its name or is the same virtual router.
    pub(super) fn finish(
        mut self,
        trackers: &mut Trackers,
        faults: &mut Faults,
    ) -> (Vec<Settled>, HashSet<String>) {
        let any_wrong = self.read.iter().any(|read| matches!(read, Read::Wrong(..)));
        let before: HashMap<&str, &Instance> = match any_wrong {
            true => self.before.instances.iter().map(|one| (one.name.as_str(), one)).collect(),
            false => HashMap::new(),
        };
        let mut instances = Vec::with_capacity(self.read.len());
        let mut left_out = HashSet::new();
        for (at, read) in self.read.into_iter().enumerate() {
            let (directive, errors) = match read {
                Read::Whole(settled) => {
                    instances.push(*settled);
                    continue;
                }
                Read::Wrong(directive, errors) => (directive, errors),
            };
            let name = directive.parameters().first();
            let own = name.filter(|name| !self.names.contains_key(&*name.text));
            let kept = own.and_then(|name| before.get(&*name.text)).copied();
            let kept = kept.filter(|kept| !self.routers.contains_key(&router(kept)));
            faults.push(title(directive), Area::Vrrp, kept.is_some(), errors);
            match (own, kept) {
                (Some(name), Some(kept)) => {
                    self.names.insert(kept.name.clone(), name.span);
                    self.routers.insert(router(kept), at);
                    instances.push(keep(kept, name.span, trackers));
                }
                (Some(name), None) => {
                    left_out.insert(name.text.to_string());
                }
                (None, _) => {}
            }
        }
        (instances, left_out)
    }
}

/// An instance as it was. It tracks what there still is.
fn keep(before: &Instance, place: Span, trackers: &mut Trackers) -> Settled {
    let mut instance = before.clone();
    if let Some(tracks) = instance.tracks.said_mut() {
        trackers.retain_known(tracks);
    }
    let addresses = instance.addresses.len() + instance.excluded.len();
    Settled { instance, name: place, vrid: place, vmac: None, addresses: vec![place; addresses] }
}
