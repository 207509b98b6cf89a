//! Another configuration in place of the one in force.

use std::{collections::HashMap, fmt, sync::Arc};

use lb_config::{
    diagnostic::LocatedDiagnostic,
    keepalived::model::{Config, Group, Instance},
};
use lb_control::{
    event::{Subject, What},
    protocol::{Answer, BlockFault},
};
use lb_runtime::systemd;
use lb_vrrp::driver::{self, ControlError, InstanceError};

use super::{Engine, build_with, difference::Difference, places};
use crate::{
    build::{self, BuildError},
    loading::{LoadError, Loaded},
    notify::{Happened, Kind, Notification},
    vmac,
};

impl Engine {
    /// Begins to read the configuration again.
    pub(crate) fn reload(&mut self) {
        systemd::reloading();
        self.loader.begin(&self.options, Arc::clone(&self.config));
    }

    /// The configuration was read again. All of it is taken but for blocks with errors.
    pub(super) async fn reloaded(&mut self, result: Result<Loaded, LoadError>) {
        let answer = match result {
            Ok(loaded) => {
                let Loaded { config, problems, faults } = loaded;
                for problem in &problems {
                    self.journal.log().line(&problem.line());
                }
                match self.put_in_force(config).await {
                    Ok(troubles) if troubles.is_empty() => {
                        self.config_error = None;
                        self.faults = faults;
                        self.note_faults();
                        let message = message(&self.faults);
                        Answer::Reloaded { message, warnings: problems, faults: self.faults.clone() }
                    }
                    Ok(troubles) => {
                        self.faults = faults;
                        self.note_faults();
                        let text = format!("the configuration is in force, but {}", troubles.join("; "));
                        self.config_error = Some(text.clone());
                        Answer::Error(text)
                    }
                    Err(error) => self.refuse(&error, &[]),
                }
            }
            Err(error) => self.refuse(&error, error.problems()),
        };
        for waiting in self.awaiting.drain(..) {
            let _ = waiting.send(answer.clone());
        }
        systemd::ready();
    }

    /// Tells of blocks with errors.
    pub(super) fn note_faults(&mut self) {
        for fault in shown(&self.faults) {
            self.note(Subject::Daemon, What::Trouble(fault));
        }
    }

    fn refuse(&mut self, error: &dyn fmt::Display, problems: &[LocatedDiagnostic]) -> Answer {
        self.note(Subject::Daemon, What::Rejected(error.to_string()));
        self.config_error = Some(error.to_string());
        Answer::refused("refused, the old one stays in force", error, problems)
    }

    /// Touches only what differs. Returns what could not be done.
    async fn put_in_force(&mut self, mut config: Config) -> Result<Vec<String>, BuildError> {
        let now = self.clock.now();
        vmac::assign(&mut config).iter().for_each(|warning| self.journal.log().line(warning));
        let difference = Difference::between(&self.config, &config);
        for model in difference.changed.iter().chain(&difference.added) {
            // Before anything is touched.
            build::build(model, model.priority, &self.options.settings)?;
        }
        for (from, to) in &difference.renamed {
            self.state.rename(from, to);
        }
        let steps = self.state.configure(&config, now);
        let driven = |model: &&Instance| build_with(&self.state, model, &self.options.settings);
        let changed: Vec<driver::Instance> =
            difference.changed.iter().map(driven).collect::<Result<_, _>>()?;
        let added: Vec<driver::Instance> = difference.added.iter().map(driven).collect::<Result<_, _>>()?;
        let owned = |name: &&str| (*name).to_owned();
        let removed: Vec<String> = difference.removed.iter().map(owned).collect();
        let renamed: Vec<(String, String)> =
            difference.renamed.iter().map(|(from, to)| (owned(from), owned(to))).collect();
        for name in &removed {
            self.say_deleted(name);
        }
        // A copy, since what was read lies among all that reading it took, in memory of the thread that did: more of that can
        // go back when nothing in it stays.
        let before = std::mem::replace(&mut self.config, Arc::new(config.clone()));
        drop(config);
        self.places = places(self.config.instances.iter().map(|instance| &instance.name));
        self.group_places = places(self.config.groups.iter().map(|group| &group.name));
        let what = What::Configured { added: added.len(), changed: changed.len(), removed: removed.len() };
        let control = self.vrrp.control.clone();
        let mut troubles: Vec<(Arc<str>, String)> = Vec::new();
        let (old_groups, new_groups) = (by_name(&before.groups), by_name(&self.config.groups));
        for name in old_groups.keys().filter(|name| !new_groups.contains_key(*name)) {
            if let Err(error) = control.remove_group(name).await {
                troubles.push(((*name).into(), error.to_string()));
            }
        }
        for (from, to) in renamed {
            if let Err(error) = control.rename(&from, &to).await {
                troubles.push((to.into(), error.to_string()));
            }
        }
        for name in removed.into_iter().map(Arc::from) {
            if let Err(error) = control.remove(&name).await {
                troubles.push((name, error.to_string()));
            }
        }
        for instance in changed {
            let name: Arc<str> = instance.name.as_str().into();
            match control.reconfigure(instance.clone()).await {
                Err(ControlError::Instance(InstanceError::Fixed { .. })) => {
                    let _ = control.remove(&name).await;
                    if let Err(error) = control.add(instance).await {
                        troubles.push((name.clone(), error.to_string()));
                    }
                    if self.state.instance(&name).is_some_and(|(_, instance)| instance.takes_part()) {
                        let _ = control.startup(&name).await;
                    }
                }
                Err(error) => troubles.push((name, error.to_string())),
                Ok(()) => {}
            }
        }
        for instance in added {
            let name: Arc<str> = instance.name.as_str().into();
            if let Err(error) = control.add(instance).await {
                troubles.push((name, error.to_string()));
            }
        }
        for group in &self.config.groups {
            let members = group.members.clone();
            let done = match old_groups.get(group.name.as_str()) {
                Some(old) if old.members == members => continue,
                Some(_) => control.change_group(&group.name, members).await,
                None => control.add_group(&group.name, members).await,
            };
            if let Err(error) = done {
                troubles.push((group.name.as_str().into(), error.to_string()));
            }
        }
        self.notifier.configure(&self.config.globals);
        self.trackers.set(&self.config);
        self.kernel.configure(&self.config);
        self.balance.configure(&self.config);
        self.follow_ipvs();
        let state = &self.state;
        self.journal.retain(|subject| match subject {
            Subject::Daemon => true,
            Subject::Instance(name) => state.instance(name).is_some(),
            Subject::Group(name) => state.group(name).is_some(),
            Subject::Tracker(id) => state.tracker(id).is_some(),
        });
        let words = troubles.iter().map(|(name, trouble)| format!("{name}: {trouble}")).collect();
        for (name, trouble) in troubles {
            self.note(Subject::Instance(name), What::Trouble(trouble));
        }
        self.note(Subject::Daemon, what);
        self.take(steps).await;
        if self.config.globals.fifo_states_on_reload {
            self.tell_states();
        }
        Ok(words)
    }

    /// An instance is no longer configured.
    fn say_deleted(&mut self, name: &str) {
        let Some(model) = self.model(name) else { return };
        let what = Happened::Deleted;
        let priority = model.priority.get();
        let notification = Notification { of: Kind::Instance, name: name.into(), what, priority, peer: None };
        let notify = model.notify.clone();
        self.notifier.tell(&notification, &notify);
    }
}

/// How a reload went.
fn message(faults: &[BlockFault]) -> String {
    let summaries: Vec<String> = faults.iter().take(MAX_SHOWN).map(BlockFault::summary).collect();
    match faults.len().saturating_sub(MAX_SHOWN) {
        _ if faults.is_empty() => "the configuration is in force".to_owned(),
        0 => format!("the configuration is in force, but for blocks with errors: {}", summaries.join("; ")),
        more => format!(
            "the configuration is in force, but for blocks with errors: {}; and {more} more",
            summaries.join("; ")
        ),
    }
}

/// So many blocks with errors are told one by one.
const MAX_SHOWN: usize = 100;

/// Blocks with errors, a line each.
pub(crate) fn shown(faults: &[BlockFault]) -> Vec<String> {
    let more = faults.len().saturating_sub(MAX_SHOWN);
    let more = (more > 0).then(|| format!("{more} more blocks have errors"));
    faults.iter().take(MAX_SHOWN).map(ToString::to_string).chain(more).collect()
}

fn by_name(groups: &[Group]) -> HashMap<&str, &Group> {
    groups.iter().map(|group| (group.name.as_str(), group)).collect()
}
