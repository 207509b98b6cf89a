//! The task: verdicts, orders and time come in; decisions go to the data plane, news to those who are told.

mod answer;
mod notify;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use lb_balancer::{
    plane::{self, Choice, OpenError},
    relay_limit::relay_config,
    state::{Place, State},
    status::seen,
    upkeep::{Finding, Upkeep},
};
use lb_config::keepalived::model::{Config, VirtualServer};
use lb_control::{protocol::ServerOrder, store::Store, wording::services::line as plane_line};
use lb_core::{
    Event, Health, HealthView, Overrides, desired, desired::Policy as Wanted, model::ServiceTable,
};
use lb_health::{Leaning, RunnerSettings, Verdict};
use lb_nat::relay::RelayConfig;
use lb_runtime::{clock::Clock, log::Log};
use tokio::sync::mpsc;

use self::notify::notify;
use super::{
    Order, Output, Settings,
    expected::ExpectedAddresses,
    news::View,
    policy::{places, policy},
    record::{self, SyncKind},
    suspension,
    watch::{Seat, Watch},
    wording,
};
use crate::program::Policy;

/// How often time alone is a reason to look around.
const BEAT: Duration = Duration::from_secs(1);

pub(super) struct Task {
    settings: Settings,
    clock: Clock,
    log: Log,
    outputs: mpsc::UnboundedSender<Output>,
    servers: Vec<VirtualServer>,
    programs: Policy,
    /// `lvs_flush`: what the data plane holds at the start goes.
    flush: bool,
    /// `lvs_flush_on_stop`: what the data plane holds at the end goes.
    flush_on_stop: bool,
    /// Which addresses the relay may listen at before they are here.
    expected: ExpectedAddresses,
    /// What the data plane held when it was opened.
    held: ServiceTable,
    state: State,
    store: Store,
    watch: Watch,
    /// Which virtual servers are not checked at the moment.
    suspended: Vec<bool>,
    /// What was told last of each virtual server.
    views: Vec<View>,
    upkeep: Option<Upkeep>,
    /// Why there is no data plane though one is needed.
    closed: Option<String>,
}

impl Task {
    pub(super) async fn start(
        config: &Config,
        settings: Settings,
        clock: Clock,
        log: Log,
        outputs: mpsc::UnboundedSender<Output>,
        (store, orders): (Store, Vec<ServerOrder>),
    ) -> Self {
        let runner = RunnerSettings { origin: clock.origin().into(), ..RunnerSettings::default() };
        let mut task = Self {
            expected: ExpectedAddresses::new(settings.freebind),
            settings,
            clock,
            log,
            outputs,
            servers: Vec::new(),
            programs: Policy::default(),
            flush: config.globals.lvs_flush,
            flush_on_stop: false,
            held: ServiceTable::new(),
            state: State::default(),
            store,
            watch: Watch::start(runner),
            suspended: Vec::new(),
            views: Vec::new(),
            upkeep: None,
            closed: None,
        };
        // Before the first decision: what an operator took out of service stays out.
        task.state.restore(orders.into_iter().map(ServerOrder::into_override));
        task.configure(config).await;
        if task.servers.is_empty() && task.settings.plane != Choice::Memory {
            // A predecessor may have had some. Whoever opens the data plane later waits until this is done.
            let table = task.settings.nft_table.clone();
            tokio::spawn(async move { plane::remove_leftovers(None, &table).await });
        }
        task
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(Order::Stop) => return self.stop().await,
                    Some(order) => self.obey(order).await,
                    None => return self.stop().await,
                },
                verdict = self.watch.verdict() => {
                    self.checked(&verdict);
                    // What else has come meanwhile goes into the same batch.
                    while let Some(verdict) = self.watch.try_verdict() {
                        self.checked(&verdict);
                    }
                    self.sync().await;
                }
                () = Upkeep::changed(self.upkeep.as_ref()) => {
                    if let Some(upkeep) = &mut self.upkeep {
                        let desired = &self.state.desired().table;
                        let found = record::keep(upkeep, desired, &self.settings, SyncKind::Full).await;
                        self.found(found);
                    }
                }
                _ = beat.tick() => self.beat().await,
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Configure(config) => self.configure(&config).await,
            Order::AddressesChanged => {
                self.suspend();
                self.sync().await;
            }
            Order::Status(reply) => drop(reply.send(self.status().await)),
            Order::Serve(request, by, reply) => drop(reply.send(self.answer(request, by).await)),
            Order::Plan(proposal, reply) => drop(reply.send(self.plan(*proposal).await)),
            Order::Stop => {}
        }
    }

    /// Opens the data plane for these services.
    async fn open(&mut self, wanted: &Wanted) -> Result<(), OpenError> {
        let relay =
            RelayConfig { freebind: self.expected.freebind(), ..relay_config(&self.settings.relay_limits) };
        let opened =
            plane::open(self.settings.plane, &whole(wanted), &self.settings.nft_table, relay).await?;
        plane::remove_leftovers(Some(&*opened.plane), &self.settings.nft_table).await;
        self.log.line(&format!("Data plane {}: {}", opened.plane.name(), opened.why));
        let mut upkeep = Upkeep::new(opened, self.settings.sync_interval, self.clock);
        if let Ok(held) = upkeep.plane().snapshot().await {
            if std::mem::take(&mut self.flush) {
                upkeep.own(held.services.keys().copied());
            } else {
                self.held = held;
            }
        }
        record::adopt(&mut upkeep, &mut self.settings, &self.log).await;
        let mut found = upkeep.tune(&self.settings.sysctls);
        found.extend(upkeep.advise(wanted));
        self.upkeep = Some(upkeep);
        self.closed = None;
        self.found(found);
        Ok(())
    }

    async fn configure(&mut self, config: &Config) {
        let now = self.clock.now();
        let before = std::mem::replace(&mut self.servers, config.virtual_servers.clone());
        let views: HashMap<_, _> =
            before.iter().map(|server| &server.name).zip(std::mem::take(&mut self.views)).collect();
        let names: HashSet<_> = config.virtual_servers.iter().map(|server| &server.name).collect();
        self.expected.follow(config);
        self.programs = Policy::of(&config.globals);
        self.flush_on_stop = config.globals.lvs_flush_on_stop;
        self.watch.set(&self.servers, &before, &self.programs);
        let wanted = self.wanted(&self.servers);
        let events = self.state.configure(wanted, now, "in force");
        self.keep(events);
        self.assume();
        if self.upkeep.is_none() {
            self.reopen().await;
        }
        for server in before.iter().filter(|server| !names.contains(&server.name)) {
            let Some(view) = views.get(&server.name) else { continue };
            self.log.line(&format!("Removing Virtual Server {}", server.name));
            for item in view.farewell() {
                notify(&self.log, &self.outputs, server, &item, "configuration");
            }
        }
        for (server, view) in self.servers.iter().zip(self.look_at_all()) {
            let sorry = server.sorry.map(|sorry| sorry.key);
            let news = view.news_since(views.get(&server.name), sorry);
            self.views.push(view);
            let was = before.iter().find(|other| other.name == server.name);
            for item in news {
                // Of one that is gone only the old configuration knows whom to tell.
                let is_gone = item.real().is_some_and(|key| server.reals.iter().all(|real| real.key != key));
                let knows = was.filter(|_| is_gone).unwrap_or(server);
                notify(&self.log, &self.outputs, knows, &item, "configuration");
            }
        }
        self.suspended = vec![false; self.servers.len()];
        self.suspend();
        if let Some(upkeep) = &mut self.upkeep {
            let found = upkeep.advise(self.state.policy());
            self.found(found);
        }
        self.sync().await;
    }

    /// The policy of virtual servers with the weights that the checks ask for, where these are known.
    fn wanted(&self, servers: &[VirtualServer]) -> Wanted {
        let known: HashMap<_, _> =
            self.servers.iter().enumerate().map(|(place, server)| (&server.name, (place, server))).collect();
        policy(servers, |server, real| {
            let seat = known.get(&server.name).and_then(|(place, known)| {
                let index = known.reals.iter().position(|other| other.key == real.key)?;
                Some((*place, index))
            });
            let weight = real.spec.weight;
            seat.map_or(weight, |(server, index)| self.watch.weight(server, index, weight))
        })
    }

    /// Tells the state what is known or assumed of all servers. What was found down is not taken to be up.
    fn assume(&mut self) {
        let mut known: Vec<(Place, Health)> = Vec::new();
        for (index, server) in self.servers.iter().enumerate() {
            for (real, entry) in server.reals.iter().enumerate() {
                let health = self.watch.health(index, real);
                for place in places(server, entry) {
                    let was = self.state.health().of(&place.0, &place.1);
                    let assumed = self.watch.is_assumed(index, real) && was == Health::Down;
                    if health != Health::Unknown && !assumed {
                        known.push((place, health));
                    }
                }
            }
        }
        let events = self.state.assume(known, self.clock.now());
        self.keep(events);
    }

    /// Takes note of a verdict.
    fn checked(&mut self, verdict: &Verdict) {
        let seats = self.watch.note(verdict, &self.servers);
        let seen = seen(&verdict.look.outcome);
        let at = self.clock.from_origin(verdict.look.at);
        let mut concerned = BTreeSet::new();
        for Seat { server: index, real, check } in seats {
            let Some(server) = self.servers.get(index) else { continue };
            let Some(entry) = server.reals.get(real) else { continue };
            let Some(checker) = entry.checkers.get(check) else { continue };
            let news = verdict.transition.filter(|to| to.to != Health::Up || to.from == Health::Down);
            if let Some(transition) = news {
                let turn = (transition.from == Health::Unknown, transition.to == Health::Up);
                self.log.line(&wording::verdict(server, &entry.key, checker, turn, &seen));
            } else if let Some(Leaning { toward: Health::Down, count, .. }) = verdict.leaning {
                self.log.line(&wording::failure(server, &entry.key, checker, count, &seen));
            }
            let places = places(server, entry);
            let weight = self.watch.weight(index, real, entry.spec.weight);
            let weights: Vec<_> = places.iter().map(|place| (*place, weight)).collect();
            let mut events = self.state.weigh(&weights, &seen, at);
            let health = self.watch.health(index, real);
            // A server that was down before a reload waits for all of its checks.
            let was = places.first().map(|place| self.state.health().of(&place.0, &place.1));
            let waits = was == Some(Health::Down) && self.watch.is_assumed(index, real);
            if health == Health::Down || health == Health::Up && !waits {
                events.append(&mut self.state.checked(&places, health, &seen, at));
            }
            self.keep(events);
            concerned.insert(index);
        }
        self.announce(concerned, &seen);
    }

    /// Tells what is different about these virtual servers.
    fn announce(&mut self, concerned: impl IntoIterator<Item = usize>, cause: &str) {
        for index in concerned {
            let Some((server, before)) = self.servers.get(index).zip(self.views.get_mut(index)) else {
                continue;
            };
            let view = View::of(server, &self.state);
            let news = view.news_since(Some(before), server.sorry.map(|sorry| sorry.key));
            *before = view;
            for item in news {
                notify(&self.log, &self.outputs, server, &item, cause);
            }
        }
    }

    fn announce_all(&mut self, cause: &str) {
        self.announce(0..self.servers.len(), cause);
    }

    fn look_at_all(&self) -> Vec<View> {
        self.servers.iter().map(|server| View::of(server, &self.state)).collect()
    }

    async fn beat(&mut self) {
        let events = self.state.expire(self.clock.wall(), self.clock.now());
        self.keep_orders();
        if !events.is_empty() {
            self.keep(events);
            self.announce_all("operator");
        }
        self.suspend();
        if self.upkeep.is_none() {
            self.reopen().await;
        }
        if let Some(upkeep) = &mut self.upkeep {
            let found =
                record::keep(upkeep, &self.state.desired().table, &self.settings, SyncKind::Periodic).await;
            self.found(found);
        }
    }

    /// Opens the data plane if there is need of one, and says once why that fails.
    async fn reopen(&mut self) {
        if self.servers.is_empty() {
            self.closed = None;
            return record::remove_all(&mut self.settings, &self.log).await;
        }
        let wanted = self.state.policy().clone();
        if let Err(error) = self.open(&wanted).await {
            let why = error.to_string();
            if self.closed.as_ref() != Some(&why) {
                self.log.line(&format!("No virtual server works: {why}"));
            }
            self.closed = Some(why);
            return;
        }
        // With `alpha`, who is in use stays in use until a check says otherwise.
        let held = std::mem::take(&mut self.held);
        let events = self.state.adopt(&held, self.clock.now());
        self.keep(events);
    }

    /// Checks where the virtual addresses are.
    fn suspend(&mut self) {
        if !self.servers.iter().any(|server| server.ha_suspend) {
            return;
        }
        // Without knowing better nothing is changed.
        let Ok(here) = (self.settings.addresses)() else { return };
        let suspended = suspension::suspended(&self.servers, &here);
        for ((server, before), now) in self.servers.iter().zip(&self.suspended).zip(&suspended) {
            if before != now {
                self.log.line(&wording::suspended(server, *now));
            }
        }
        self.watch.suspend(&suspended);
        self.suspended = suspended;
    }

    async fn sync(&mut self) {
        if let Some(upkeep) = &mut self.upkeep {
            let found =
                record::keep(upkeep, &self.state.desired().table, &self.settings, SyncKind::Incremental)
                    .await;
            self.found(found);
        }
    }

    fn found(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match finding {
                Finding::Plane(line) => self.log.line(&line),
                Finding::Event(event) => {
                    self.log.line(&plane_line(&event));
                    self.keep(vec![event]);
                }
            }
        }
    }

    fn keep(&self, events: Vec<Event>) {
        for event in events {
            // Nobody may listen any more.
            let _ = self.outputs.send(Output::Event(event));
        }
    }

    async fn stop(mut self) {
        self.watch.set(&[], &[], &self.programs);
        if self.settings.leave {
            return;
        }
        for (server, view) in self.servers.iter().zip(&self.views).filter(|(server, _)| server.omega) {
            for item in view.farewell() {
                notify(&self.log, &self.outputs, server, &item, "shutdown");
            }
        }
        if let Some(upkeep) = &mut self.upkeep {
            if self.flush_on_stop
                && let Ok(held) = upkeep.plane().snapshot().await
            {
                upkeep.own(held.services.keys().copied());
            }
            let found = record::keep(upkeep, &ServiceTable::new(), &self.settings, SyncKind::Final).await;
            self.found(found);
        }
    }
}

/// The table with every server in it: what a data plane has to be able to carry.
fn whole(policy: &Wanted) -> ServiceTable {
    let mut health = HealthView::new();
    for (service, entry) in policy {
        for server in entry.servers.keys() {
            health.set(*service, *server, Health::Up);
        }
    }
    desired(policy, &health, &Overrides::new(), None).table
}
