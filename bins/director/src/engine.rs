//! The director's loop: checks, orders, signals and time come in; decisions go to the data plane.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use lb_balancer::{
    plane::Opened,
    state::{Place, State},
    status::seen,
    upkeep::{Finding, Upkeep},
};
use lb_config::ldirectord::Config;
use lb_control::{
    protocol::{Answer, ServerOrder},
    server::Call,
    store::{Found, Store},
};
use lb_core::{
    Event, Health,
    event::{Cause, Subject, What},
    model::{ServerKey, ServerSpec, Service, ServiceKey, ServiceTable},
};
use lb_health::{CheckId, Leaning, Runner, Verdict};
use lb_ipvs::sysctl::Assignment;
use lb_runtime::{clock::Clock, systemd};
use tokio::sync::{mpsc, oneshot};

use super::{
    announcements::Announcements,
    checks,
    effects::Effects,
    journal::Journal,
    loading::{self, LoadError, Loaded, Loader, Look},
    planning::Planning,
    policy::policy,
};

/// How often time alone is a reason to look around: files, overrides, rates.
const BEAT: Duration = Duration::from_secs(1);

/// What a director is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Accept exactly what ldirectord does.
    pub strict: bool,
    /// How often the whole data plane is read and put right. Default 10 s.
    pub sync_interval: Duration,
    /// Settings of the kernel that are made at the start, if IPVS is the data plane. Default none.
    pub sysctls: Vec<Assignment>,
    /// Command line options that the instances named by `execute` are started with. Default none.
    pub companions: Vec<String>,
    /// The folder for state that was asked for; below it is that of the instances named by `execute`. Default none.
    pub state_dir: Option<PathBuf>,
}

impl Options {
    /// This configuration file, and the defaults.
    pub const fn new(config: PathBuf) -> Self {
        let sync_interval = Duration::from_secs(10);
        Self {
            config,
            strict: false,
            sync_interval,
            sysctls: Vec::new(),
            companions: Vec::new(),
            state_dir: None,
        }
    }
}

/// What can be asked of a running director, beside what comes over its control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Read the configuration again.
    Reload,
    /// Stop; take what `cleanstop` says out of the data plane.
    Stop,
}

/// A balancer that checks real servers and keeps a data plane equal to what configuration, checks and operator say.
pub struct Director {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) config: Config,
    pub(super) config_error: Option<String>,
    /// What cannot be checked as the configuration wants it.
    pub(super) unusable_checks: Vec<String>,
    pub(super) state: State,
    pub(super) store: Store,
    pub(super) runner: Runner,
    /// Whether the runner tells looks that are no news.
    every_look: bool,
    /// Who is concerned by each check.
    pub(super) concerned: BTreeMap<CheckId, Vec<Place>>,
    /// Checks that have failed, but not often enough in a row.
    soft: BTreeSet<CheckId>,
    /// The check of each server.
    pub(super) check_of: BTreeMap<Place, CheckId>,
    pub(super) upkeep: Upkeep,
    effects: Effects,
    file: loading::Fingerprint,
    loader: Loader,
    /// Whether somebody has asked for the load that is under way; else `autoreload` has.
    asked: bool,
    announcements: Announcements,
    pub(super) planning: Planning,
    /// Who waits for the end of a reload.
    pub(super) awaiting: Vec<oneshot::Sender<Answer>>,
}

impl Director {
    /// Puts a configuration in force: takes over what the data plane holds of it, and starts to check. `found` is
    /// what an earlier process has left in the store. Must be called inside a tokio runtime.
    pub async fn start(
        options: Options,
        config: Config,
        plane: Opened,
        clock: Clock,
        journal: Journal,
        (store, found): (Store, Found),
    ) -> Self {
        let log = journal.log().clone();
        let file = loading::Fingerprint::of(&options.config);
        let mut director = Self {
            clock,
            config: Config::default(),
            config_error: None,
            unusable_checks: Vec::new(),
            state: State::default(),
            store,
            runner: Runner::start(checks::settings(&config, &clock)),
            every_look: checks::wants_every_look(&config),
            concerned: BTreeMap::new(),
            soft: BTreeSet::new(),
            check_of: BTreeMap::new(),
            upkeep: Upkeep::new(plane, options.sync_interval, clock),
            effects: Effects::start(log, options.companions.clone(), options.state_dir.clone()),
            file,
            loader: Loader::default(),
            asked: false,
            announcements: Announcements::default(),
            planning: Planning::new(),
            awaiting: Vec::new(),
            journal,
            options,
        };
        if let Some(how) = found.crashed {
            director.note(Subject::Daemon, What::Crashed(how), Cause::Lifecycle);
        }
        director.note(Subject::Daemon, What::Started, Cause::Lifecycle);
        // Before the first decision: what an operator took out of service stays out.
        director.state.restore(found.orders.servers.into_iter().map(ServerOrder::into_override));
        director.effects.starting(&config);
        let found = director.upkeep.tune(&director.options.sysctls);
        director.found(found);
        let held = director.upkeep.plane().snapshot().await;
        director.put_in_force(config, &held.unwrap_or_default());
        director.sync().await;
        director.settle();
        director
    }

    /// Balances until it is told to stop, or `orders` is closed.
    pub async fn run(&mut self, orders: &mut mpsc::Receiver<Order>, calls: &mut mpsc::Receiver<Call>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                verdict = self.runner.verdict() => {
                    let mut changed = self.checked(verdict);
                    // What else has come meanwhile goes into the same batch.
                    while let Some(verdict) = self.runner.try_verdict() {
                        changed |= self.checked(verdict);
                    }
                    if changed {
                        self.sync().await;
                    }
                    self.settle();
                }
                Some(call) = calls.recv() => self.serve(call).await,
                result = self.loader.result() => self.reloaded(result).await,
                proposal = self.planning.proposal() => self.plan(proposal).await,
                order = orders.recv() => match order {
                    Some(Order::Reload) => self.reload(),
                    Some(Order::Stop) | None => break,
                },
                () = Upkeep::changed(Some(&self.upkeep)) => {
                    let found = self.upkeep.full_sync(&self.state.desired().table).await;
                    self.synced(found);
                }
                _ = beat.tick() => self.beat().await,
            }
        }
        self.stop().await;
    }

    /// Begins to read the configuration again.
    pub(super) fn reload(&mut self) {
        self.asked = true;
        systemd::reloading();
        self.effects.reloading(&self.config);
        self.file = loading::Fingerprint::of(&self.options.config);
        self.loader.begin(&self.options.config, self.options.strict);
    }

    /// The configuration was read again. It is taken whole or not at all.
    async fn reloaded(&mut self, result: Result<Loaded, LoadError>) {
        let path = self.options.config.display().to_string();
        let result = result.and_then(|loaded| {
            let emptied = loaded.config.virtuals.is_empty() && !self.config.virtuals.is_empty();
            if emptied && !self.asked {
                Err(LoadError::Empty(self.options.config.clone()))
            } else {
                Ok(loaded)
            }
        });
        let answer = match result {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    self.journal.log().line(&warning.line());
                }
                self.config_error = None;
                self.put_in_force(loaded.config, &ServiceTable::new());
                self.sync().await;
                self.note(Subject::Daemon, What::Configured, Cause::Configuration(path));
                let message = "the configuration is in force".to_owned();
                Answer::Reloaded { message, warnings: loaded.warnings, faults: Vec::new() }
            }
            Err(errors) => {
                self.note(Subject::Daemon, What::Rejected, Cause::Configuration(format!("{path}: {errors}")));
                self.config_error = Some(errors.to_string());
                Answer::refused("refused, the old one stays in force", &errors, errors.problems())
            }
        };
        for reply in self.awaiting.drain(..) {
            let _ = reply.send(answer.clone());
        }
        self.settle();
        systemd::ready();
    }

    /// Start or reload are over when the first check of each server has ended.
    fn settle(&mut self) {
        let runner = &self.runner;
        let ended =
            |id: &CheckId| runner.status_of(*id).is_some_and(|status| status.health != Health::Unknown);
        if !self.effects.is_running() && self.concerned.keys().all(ended) {
            self.effects.running();
        }
    }

    fn put_in_force(&mut self, config: Config, held: &ServiceTable) {
        let now = self.clock.now();
        let source = self.options.config.display().to_string();
        let events = self.state.configure(policy(&config), now, &source);
        self.unusable_checks = checks::problem_lines(&config);
        self.config = config;
        self.effects.configured(&self.config);
        self.tell(events);
        let events = self.state.adopt(held, now);
        self.tell(events);
        let found = self.upkeep.advise(self.state.policy());
        self.found(found);
        self.watch();
    }

    /// Gives the runner the checks of the configuration; those that stay keep what they know.
    fn watch(&mut self) {
        let every_look = checks::wants_every_look(&self.config);
        if every_look != self.every_look {
            self.every_look = every_look;
            self.runner = Runner::start(checks::settings(&self.config, &self.clock));
        }
        let wanted = checks::checks(&self.config, self.state.health());
        let (places, checks): (Vec<Place>, Vec<_>) = wanted.into_iter().unzip();
        let ids = self.runner.set(checks);
        self.soft.retain(|id| ids.contains(id));
        self.concerned.clear();
        self.check_of.clear();
        for (place, id) in places.into_iter().zip(ids) {
            self.concerned.entry(id).or_default().push(place);
            self.check_of.insert(place, id);
        }
        // A new server may be looked at by a check that has its verdict already.
        let now = self.clock.now();
        for (id, places) in &self.concerned {
            if let Some(status) = self.runner.status_of(*id)
                && status.health != Health::Unknown
            {
                let seen = status.last.map_or_else(|| "known before".to_owned(), |look| seen(&look.outcome));
                self.announcements.extend(self.state.checked(places, status.health, &seen, now));
            }
        }
        self.effects.decided(&self.config, &self.state);
    }

    /// Takes note of a verdict; returns whether the data plane should change.
    fn checked(&mut self, verdict: Verdict) -> bool {
        let places = self.concerned.get(&verdict.check).cloned().unwrap_or_default();
        let seen = seen(&verdict.look.outcome);
        let at = self.clock.from_origin(verdict.look.at);
        self.effects.checked(&places, &verdict.look.outcome, at, &self.config);
        let soft = match verdict.leaning {
            Some(Leaning { toward: Health::Down, count, needed }) => {
                self.soft.insert(verdict.check);
                Some(What::SoftFailure(count, needed.get()))
            }
            _ => {
                let over = self.soft.remove(&verdict.check) && verdict.health == Health::Up;
                over.then_some(What::SoftFailureOver)
            }
        };
        for (what, (service, server)) in
            soft.iter().flat_map(|what| places.iter().map(move |place| (what, place)))
        {
            self.note(Subject::Server(*service, *server), what.clone(), Cause::Check(seen.clone()));
        }
        let events = self.state.checked(&places, verdict.health, &seen, at);
        let changed = !events.is_empty();
        self.tell(events);
        changed
    }

    async fn beat(&mut self) {
        systemd::alive();
        let now = self.clock.now();
        let events = self.state.expire(self.clock.wall(), now);
        self.tell(events);
        let events = self.state.stop_waiting(now);
        self.tell(events);
        let orders = self.effects.maintenance(&self.config, &self.state);
        for (server, order) in orders {
            let events = self.state.order(server, None, order, now);
            self.tell(events);
        }
        self.keep_orders();
        let watched = self.config.globals.autoreload || self.config.globals.callback.is_some();
        match if watched { self.file.look(&self.options.config) } else { Look::Same } {
            Look::Same => {}
            Look::Changed => {
                self.effects.changed(&self.options.config, &self.config);
                if self.config.globals.autoreload {
                    self.reload();
                    self.asked = false;
                }
            }
            Look::Partial => self.journal.log().line(&format!(
                "Configuration file '{}' has changed on disk, but ends within a line: it may be incomplete, and is not read \
                 unless `lbctl reload` asks for it",
                self.options.config.display()
            )),
        }
        self.effects.repeat(&self.config, &self.state, now);
        let found = self.upkeep.beat(&self.state.desired().table).await;
        self.synced(found);
    }

    /// What an operator has ordered outlives this process.
    pub(super) fn keep_orders(&self) {
        self.store.set_servers(ServerOrder::lasting(self.state.overrides()));
    }

    pub(super) async fn sync(&mut self) {
        let found = self.upkeep.sync(&self.state.desired().table).await;
        self.synced(found);
    }

    fn found(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding {
                Finding::Plane(line) => self.journal.log().line(&line),
                Finding::Event(event) => self.journal.record(event),
            }
        }
    }

    async fn stop(&mut self) {
        systemd::stopping();
        self.effects.stopping(&self.config);
        self.runner.set([]);
        let mut leaving = self.state.desired().table.clone();
        let leave =
            self.config.virtuals.iter().filter(|service| service.clean_stop).map(|service| service.key);
        for service in leave.collect::<Vec<_>>() {
            if let Some(left) = leaving.services.remove(&service) {
                self.purged(service, &left);
            }
        }
        let found = self.upkeep.stop(&leaving).await;
        self.synced(found);
        self.note(Subject::Daemon, What::Stopped, Cause::Lifecycle);
        self.effects.finish().await;
    }

    /// A service leaves with its servers; of a fallback ldirectord says nothing.
    fn purged(&mut self, key: ServiceKey, service: &Service) {
        let decision = self.state.desired().decisions.get(&key);
        let fallback = decision.and_then(|decision| decision.fallback);
        let event = |subject, what| Event { at: self.clock.now(), subject, what, cause: Cause::Lifecycle };
        let servers = service.servers.iter().filter(|(server, _)| fallback != Some(**server));
        let leaves = |(server, spec): (&ServerKey, &ServerSpec)| {
            let what = What::Server { state: None, before: Some(spec.weight), after: None };
            event(Subject::Server(key, *server), what)
        };
        let mut events: Vec<Event> = servers.map(leaves).collect();
        events.push(event(Subject::Service(key), What::ServiceRemoved));
        self.tell(events);
    }

    /// What the data plane refuses at the moment.
    pub fn refused(&self) -> &[String] {
        self.upkeep.refused()
    }

    /// Tells what was decided with the next sync.
    pub(super) fn tell(&mut self, events: Vec<Event>) {
        self.announcements.extend(events);
        self.effects.decided(&self.config, &self.state);
    }

    /// Tells what was decided, after a sync, and what that has found. What the data plane refuses is told when it takes it.
    fn synced(&mut self, findings: Vec<Finding>) {
        for event in self.announcements.take(|subject| self.upkeep.refuses(subject)) {
            self.effects.of(&event, &self.config);
            self.journal.record(event);
        }
        self.found(findings);
    }

    fn note(&mut self, subject: Subject, what: What, cause: Cause) {
        let event = Event { at: self.clock.now(), subject, what, cause };
        self.journal.record(event);
    }
}
