//! What stands outside of instances and concerns them: static addresses, routes and rules, `garp_group`,
//! `interface_up_down_delays`.

use std::collections::BTreeMap;

use crate::{
    diagnostic::{BlockErrors, Problems},
    keepalived::{
        language::Directive,
        model::{self, Config, InterfaceDelays},
    },
};

use super::{
    addresses,
    faults::{Area, Faults, title},
    globals::Defaults,
    groups,
    routes::{self, Preferences},
    settle::GarpGroups,
    tracking::no_block,
};

/// These blocks as they come.
pub(super) struct Statics<'a> {
    defaults: &'a Defaults,
    statics: model::Statics,
    garp_groups: GarpGroups,
    delays: BTreeMap<String, InterfaceDelays>,
    preferences: Preferences,
    /// Those with errors.
    wrong: Vec<(&'a Directive, BlockErrors)>,
}

impl<'a> Statics<'a> {
    pub(super) fn new(defaults: &'a Defaults) -> Self {
        Self {
            defaults,
            statics: model::Statics::default(),
            garp_groups: GarpGroups::new(),
            delays: BTreeMap::new(),
            preferences: Preferences::default(),
            wrong: Vec::new(),
        }
    }

    /// Reads a block, if it is one of these.
    pub(super) fn read(&mut self, directive: &'a Directive, problems: &mut Problems) {
        let (mut statics, mut groups, mut delays) =
            (model::Statics::default(), GarpGroups::new(), BTreeMap::new());
        let ((), errors) = problems.block(|problems| match directive.keyword() {
            "garp_group" => groups::garp_group(directive, self.defaults, &mut groups, problems),
            "interface_up_down_delays" => groups::interface_delays(directive, &mut delays, problems),
            "static_ipaddress" | "static_routes" | "static_rules" => {
                self.entries(directive, &mut statics, problems);
            }
            _ => {}
        });
        if let Some(errors) = errors {
            self.wrong.push((directive, errors));
            return;
        }
        self.statics.addresses.extend(statics.addresses);
        self.statics.routes.extend(statics.routes);
        self.statics.rules.extend(statics.rules);
        self.garp_groups.extend(groups);
        self.delays.extend(delays);
    }

    fn entries(&mut self, directive: &Directive, statics: &mut model::Statics, problems: &mut Problems) {
        let Some(block) = &directive.block else {
            problems.push(no_block(directive));
            return;
        };
        match directive.keyword() {
            "static_ipaddress" => {
                let addresses = addresses::addresses(block, problems).into_iter().map(|at| at.value);
                statics.addresses.extend(addresses.map(|mut address| {
                    address.device.get_or_insert_with(|| self.defaults.interface.clone());
                    address
                }));
            }
            "static_routes" => statics.routes.extend(routes::routes(block, problems)),
            _ => statics.rules.extend(routes::rules(block, &mut self.preferences, problems)),
        }
    }

    /// Puts them into the configuration. These blocks have no names, so where one has an error all of its kind stay as they
    /// were. Returns the preferences for further rules.
    pub(super) fn finish(self, before: &Config, config: &mut Config, faults: &mut Faults) -> Preferences {
        (config.statics, config.garp_intervals, config.interface_delays) =
            (self.statics, self.garp_groups, self.delays);
        for (directive, errors) in self.wrong {
            let kept = match directive.keyword() {
                "garp_group" => keep(&mut config.garp_intervals, &before.garp_intervals),
                "interface_up_down_delays" => keep(&mut config.interface_delays, &before.interface_delays),
                "static_ipaddress" => keep(&mut config.statics.addresses, &before.statics.addresses),
                "static_routes" => keep(&mut config.statics.routes, &before.statics.routes),
                _ => keep(&mut config.statics.rules, &before.statics.rules),
            };
            faults.push(title(directive), Area::Vrrp, kept, errors);
        }
        self.preferences
    }
}

/// Whether there was something to keep.
fn keep<T: Clone + Default + PartialEq>(now: &mut T, before: &T) -> bool {
    let kept = *before != T::default();
    if kept {
        now.clone_from(before);
    }
    kept
}
