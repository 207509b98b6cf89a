//! What is answered to those who ask on the control socket, or by signal.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use lb_config::keepalived::model::Instance;
use lb_control::{
    event::{Subject, What},
    protocol::{Answer, DataPlaneStatus, DumpKind, Plan, ProposedConfig, Request},
    server::Call,
    wording::LastAdvert,
};
use lb_core::Time;
use lb_vrrp::{driver, router::Basis};
use tempfile::NamedTempFile;
use tokio::sync::oneshot;

use super::{
    balance, dump,
    engine::{Engine, NewMaintenance},
    journal::Past,
    loading::{self, Loaded, check, load},
    planning::Planning,
    view::{Driven, GroupView, InstanceView, Share, TrackerView, View},
    vmac,
};

impl Engine {
    /// Answers, now or when a reload is over.
    pub(super) async fn serve(&mut self, Call { request, user, reply }: Call) {
        let is_order = matches!(request, Request::Order { .. } | Request::Maintenance { .. });
        let answer = match request {
            Request::Reload => {
                self.awaiting.push(reply);
                return self.reload();
            }
            Request::Plan(proposed) => return self.plan(proposed, reply).await,
            Request::Failover { of, reason } => return self.hand_over(of, &reason, reply).await,
            Request::Maintenance { on: true, force: false, reason, lasting } => {
                return self.enter_maintenance(NewMaintenance { reason, by: user, lasting }, reply).await;
            }
            Request::Events(query) => return self.journal.history().answer(query, reply),
            Request::Explain { of, at } => return self.explain(of, at, reply).await,
            request => self.answer(request, user).await,
        };
        if is_order {
            return self.confirm(answer, reply);
        }
        // Whoever asked may be gone.
        let _ = reply.send(answer);
    }

    /// Answers an order when it is on disk.
    pub(super) fn confirm(&self, answer: Answer, reply: oneshot::Sender<Answer>) {
        let store = self.store.clone();
        // The disk may be slow, and whoever asked may be gone.
        tokio::spawn(async move { drop(reply.send(store.confirm(answer).await)) });
    }

    async fn answer(&mut self, request: Request, user: String) -> Answer {
        let now = self.clock.now();
        match request {
            Request::Status => {
                let mut status = self.view(None).await.status();
                let balance::Status { mut data_plane, services, foreign, orders } =
                    self.balance.status().await;
                let troubles = self.ipvs.troubles();
                if !troubles.is_empty() {
                    data_plane.get_or_insert_with(not_needed).errors.extend(troubles);
                }
                (status.data_plane, status.services, status.foreign) = (data_plane, services, foreign);
                status.config_id = Some(loading::settings(&self.options).config_id);
                (status.problems, status.orders) = (self.store.problems(), orders);
                status.faults.clone_from(&self.faults);
                Answer::Status(Box::new(status))
            }
            Request::StatusOf(name) => match self.model(&name) {
                Some(_) => Answer::Status(Box::new(self.view(Some(&name)).await.status())),
                None => self.unknown(&name),
            },
            Request::Maintenance { on: true, reason, lasting, .. } => {
                self.maintain(NewMaintenance { reason, by: user, lasting }).await;
                Answer::Done("in maintenance".to_owned())
            }
            Request::Maintenance { on: false, .. } => {
                let steps = self.state.maintain(None, now);
                self.take(steps).await;
                Answer::Done("in service".to_owned())
            }
            Request::Dump(kind) => Answer::Dump(dump::dump(kind, &self.view(None).await)),
            Request::Reload
            | Request::Plan(_)
            | Request::Events(_)
            | Request::Explain { .. }
            | Request::Failover { .. } => Answer::Error("this is answered when it is over".to_owned()),
            Request::Order { .. } => match self.balance.serve(request, Some(user)).await {
                Answer::Done(text) if !self.config.instances.is_empty() => Answer::Done(format!(
                    "{text}; the peers of this node do not know this order: give it there, too"
                )),
                answer => answer,
            },
            Request::Table | Request::Connections(_) => self.balance.serve(request, None).await,
        }
    }

    /// Answers what a reload would do, when the files are read.
    async fn plan(&self, proposed: Option<Box<ProposedConfig>>, reply: oneshot::Sender<Answer>) {
        let (options, planner) = (self.options.clone(), self.balance.planner());
        let planning = Planning::new(Arc::clone(&self.config), &self.view(None).await);
        tokio::task::spawn_blocking(move || {
            let (path, result) = match proposed {
                Some(proposed) => (proposed.path.clone(), check(&options, *proposed, planning.before())),
                None => (options.config.clone(), load(&options, Some(planning.before()))),
            };
            let refused = match result {
                Ok(Loaded { config, faults, .. })
                    if faults.is_empty()
                        && config.instances.is_empty()
                        && config.virtual_servers.is_empty() =>
                {
                    let path = path.display();
                    Answer::Error(format!(
                        "{path} has neither an instance nor a virtual server, so there is nothing to plan for"
                    ))
                }
                Ok(Loaded { mut config, problems: warnings, faults }) => {
                    // What they say is about this host, and not about the file.
                    drop(vmac::assign(&mut config));
                    let plan = Plan { config: path, warnings, faults, ..planning.plan(&config) };
                    return planner.plan(config.virtual_servers, plan, reply);
                }
                Err(errors) => Answer::refused("a reload would be refused", &errors, errors.problems()),
            };
            // Whoever asked may be gone.
            drop(reply.send(refused));
        });
    }

    /// Answers from memory and from what earlier processes have left on disk; that is read on another thread.
    async fn explain(&self, of: Option<String>, at: Option<Time>, reply: oneshot::Sender<Answer>) {
        let last = || match self.journal.last_to_change()? {
            Subject::Instance(name) => Some(name.to_string()),
            _ => None,
        };
        // Whoever asked may be gone.
        let Some(name) = of.or_else(last) else {
            let why = "no instance has changed its state yet; name one".to_owned();
            return drop(reply.send(Answer::Error(why)));
        };
        let view = self.view(Some(&name)).await;
        let Some(explanation) = view.explain(&name, &self.journal) else {
            return drop(reply.send(self.unknown(&name)));
        };
        let (related, history) = (view.concerning(&name), self.journal.history());
        let past = Past { explanation, related, at, run: history.run() };
        let past = past.by_wall_clock(history.wall_offset());
        let selection = history.records(|record| past.needs(record));
        tokio::task::spawn_blocking(move || {
            let records = selection.read(|record| past.needs(record));
            let _ = reply.send(Answer::Explanation(Box::new(past.explain(records))));
        });
    }

    fn unknown(&self, name: &str) -> Answer {
        Answer::Error(match self.config.groups.iter().find(|group| group.name == name) {
            Some(group) => format!("{name} is a group: name one of {}", group.members.join(", ")),
            None => format!("there is no instance {name:?}; `lbctl status` shows those there are"),
        })
    }

    /// Writes a dump to the file that the configuration names, if it does.
    pub(super) async fn dump_to_file(&mut self, kind: DumpKind) {
        let files = &self.config.globals.dumps;
        let file = match kind {
            DumpKind::Data => &files.state,
            DumpKind::Stats => &files.stats,
            DumpKind::Json => &files.json,
            // No signal asks for it.
            DumpKind::CheckData => &None,
        };
        let Some(path) = file.clone() else {
            let name = format!("{kind:?}").to_lowercase();
            let text = format!("no {name} dump file is configured: `lbctl dump {name}` prints it");
            return self.note(Subject::Daemon, What::Note(text));
        };
        let text = dump::dump(kind, &self.view(None).await);
        if let Err(error) = write(&path, &text) {
            let text = format!("the dump {} can not be written: {error}", path.display());
            self.note(Subject::Daemon, What::Trouble(text));
        }
    }

    /// What is known, of all instances or of one, its group, and what it tracks.
    pub(super) async fn view(&self, of: Option<&str>) -> View<'_> {
        let control = &self.vrrp.control;
        let found = match of {
            Some(name) => control.status(name).await.map(|status| vec![status]),
            None => control.status_of_all().await,
        };
        let mut found: HashMap<String, driver::Status> =
            found.unwrap_or_default().into_iter().map(|status| (status.name.to_string(), status)).collect();
        let models: Vec<&Instance> = match of {
            Some(name) => self.model(name).into_iter().collect(),
            None => self.config.instances.iter().collect(),
        };
        let instances: Vec<InstanceView<'_>> =
            models.into_iter().filter_map(|model| self.view_of(model, found.remove(&model.name))).collect();
        let concerns = |group: &str| of.is_none() || instances.iter().any(|one| one.group == Some(group));
        let groups = self.config.groups.iter().filter(|group| concerns(&group.name)).filter_map(|config| {
            let group = self.state.group(&config.name)?;
            Some(GroupView { config, condition: group.condition, since: group.since, why: &group.why })
        });
        let tracked = |id| {
            of.is_none() || instances.iter().any(|one| one.shares.iter().any(|share| share.tracker == id))
        };
        let trackers = self.state.trackers().filter(|(id, _)| tracked(*id)).map(|(id, known)| TrackerView {
            id,
            status: known.status,
            since: known.since,
            detail: &known.detail,
        });
        View {
            now: self.clock.now(),
            wall: self.clock.wall(),
            started: self.clock.started(),
            path: &self.options.config,
            config: &self.config,
            config_error: self.config_error.as_deref(),
            maintenance: self.state.maintenance(),
            groups: groups.collect(),
            trackers: trackers.collect(),
            instances,
        }
    }

    fn view_of<'a>(
        &'a self,
        config: &'a Instance,
        driver: Option<driver::Status>,
    ) -> Option<InstanceView<'a>> {
        let (_, instance) = self.state.instance(&config.name)?;
        let (condition, since, why) = instance.condition_since();
        let shares = instance.contributions().map(|(tracker, contribution)| {
            let detail = self.state.tracker(tracker).map_or("", |known| known.detail.as_str());
            Share { tracker, contribution, detail }
        });
        Some(InstanceView {
            config,
            group: instance.group().map(|group| &**group),
            condition,
            since,
            why,
            last_advert: driver.as_ref().and_then(|driver| last_advert(driver.basis?)),
            dropped_before: driver.as_ref().and_then(|driver| driver.basis?.dropped).map(Into::into),
            priority: instance.priority(),
            handed_over: instance.handed_over(),
            shares: shares.collect(),
            heard: driver.as_ref().and_then(|driver| driver.heard).map(|heard| self.time_of(heard.at)),
            driver: driver.as_ref().map(Driven::from),
        })
    }
}

fn last_advert(basis: Basis) -> Option<LastAdvert> {
    let heard = basis.heard?;
    Some(LastAdvert { source: heard.source, priority: heard.priority, age: basis.at.since(heard.at) })
}

/// The data plane where there are no virtual servers.
fn not_needed() -> DataPlaneStatus {
    let why = "there are no virtual servers".to_owned();
    DataPlaneStatus { name: "none".to_owned(), why, errors: Vec::new(), advice: Vec::new() }
}

/// Whole or not at all, and for its owner only, since whoever reads it may still read the one before.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it is not an ordinary file, and is left alone",
        ));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_replaces_ordinary_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, "one").unwrap();
        write(&file, "two").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&link, Path::new("/dev/null"), folder.path()] {
            assert_eq!(write(path, "three").unwrap_err().kind(), io::ErrorKind::AlreadyExists, "{path:?}");
        }
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }
}
