//! The loop: what the protocol tells, what trackers find, what the operator orders, and time come in; decisions go out.

pub(super) mod difference;
mod end;
mod handover;
mod hear;
mod notify;
mod reload;
mod succession;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use lb_config::keepalived::model::{Config, Instance};
use lb_control::{
    event::{Condition, Event, Subject, What},
    protocol::{Answer, BlockFault, DumpKind, Maintenance},
    server::Call,
    store::{Found, Store},
};
use lb_core::Time;
use lb_runtime::{clock::Clock, systemd};
use lb_vrrp::{
    Farewell,
    driver::{self, LinkState, Told, linux},
};
use tokio::sync::{mpsc, oneshot};

pub(super) use self::handover::NewMaintenance;
use self::{handover::Ticket, notify::state_told, succession::Unsaid};
use super::{
    balance::{self, Balance, Output},
    build::{self, BuildError, Settings},
    handover::HandOvers,
    ipvs::Ipvs,
    journal::Journal,
    kernel::Kernel,
    loading::{Loaded, Loader},
    notify::{Kind, Notifier, Progress},
    occasion,
    program::Policy,
    state::{Order, State, Step},
    supervise::{Resume, Supervised},
    track::{Report, Trackers},
    vmac,
    vrrp::{StartError, Vrrp},
};

/// Nobody could replace a daemon that goes on without its supervisor: the pid file names a dead process.
const ORPHANED: &str = "The main process has died: this one hands its addresses over and ends";

/// How often time alone is a reason to look around.
const BEAT: Duration = Duration::from_secs(1);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// Read the configuration again.
    Reload,
    /// Stop.
    Stop,
    /// Write a dump to the file that the configuration names, if it does.
    Dump(DumpKind),
}

/// What the daemon is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Which lines of it hold here, besides those for everybody: `@ID`. Default: the short name of the host.
    pub config_id: Option<String>,
    /// Which part of the configuration is run. Default: all of it.
    pub part: Part,
    /// What the file does not say.
    pub settings: Settings,
    /// Whether a file with an error, or with something that is ignored or replaced, is taken not at all.
    pub strict: bool,
    /// How virtual servers are kept.
    pub balance: balance::Settings,
}

/// What of a configuration is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Instances and virtual servers.
    #[default]
    Whole,
    /// No virtual servers: `-P`.
    Instances,
    /// No instances, nor what is there for their sake: groups, trackers, static addresses, routes and rules: `-C`.
    VirtualServers,
}

/// A node of a failover pair.
pub struct Engine {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) config: Arc<Config>,
    /// Blocks of the newest configuration that were not taken.
    pub(super) faults: Vec<BlockFault>,
    /// Where each instance stands in it.
    places: HashMap<String, usize>,
    /// Where each group stands in it.
    group_places: HashMap<String, usize>,
    pub(super) config_error: Option<String>,
    pub(super) state: State,
    pub(super) store: Store,
    /// The order about the whole node that the store has.
    stored: Option<Maintenance>,
    pub(super) vrrp: Vrrp,
    trackers: Trackers,
    reports: mpsc::UnboundedReceiver<Report>,
    notifier: Notifier,
    /// How notification scripts get on.
    progress: mpsc::Receiver<Progress>,
    pub(super) balance: Balance,
    kernel: Kernel,
    pub(super) ipvs: Ipvs,
    /// What virtual servers have to tell.
    outputs: mpsc::UnboundedReceiver<Output>,
    loader: Loader,
    supervised: Supervised,
    /// Instances of which the supervisor is to be told.
    unsaid: Unsaid,
    /// When it is told again of those whose resignations grow old.
    renewal: Time,
    /// Hand-overs whose outcome somebody waits for.
    hand_overs: HandOvers<Ticket>,
    /// What interfaces of instances are, as the log has it.
    interfaces: BTreeMap<String, LinkState>,
    /// When instances may take part; `None` once they may.
    opens: Option<Time>,
    /// Who waits for the end of a reload.
    pub(super) awaiting: Vec<oneshot::Sender<Answer>>,
}

impl Engine {
    /// Puts a configuration in force. `found` is what an earlier process has left in the store. To be called inside
    /// a tokio runtime.
    ///
    /// # Errors
    /// When its instances can not be run here; nothing was changed then.
    pub async fn start(
        options: Options,
        Loaded { mut config, faults, .. }: Loaded,
        supervised: Supervised,
        resume: Resume,
        clock: Clock,
        journal: Journal,
        (store, found): (Store, Found),
    ) -> Result<Self, StartError> {
        let now = clock.now();
        vmac::assign(&mut config).iter().for_each(|warning| journal.log().line(warning));
        let Found { orders, crashed, .. } = found;
        let mut state = State::default();
        // Before anything can take part: a node in maintenance does not come back as MASTER.
        state.restore(orders.maintenance.clone());
        state.remember(resume.trackers());
        let steps = state.configure(&config, now);
        state.begin(|name| resume.has(name));
        let mut instances = Vec::with_capacity(config.instances.len());
        for model in &config.instances {
            let mut instance = build_with(&state, model, &options.settings)?;
            // What a predecessor had goes on at once.
            instance.starts = resume.has(&model.name);
            instances.push(instance);
        }
        let recorder = supervised.recorder();
        // Before instances may install the same.
        succession::remove_stale(&instances, &resume, &recorder, journal.log()).await;
        let globals = &config.globals;
        let successor = resume.predecessor().is_some();
        if !successor && let Some((command, limit)) = &globals.startup {
            let policy = Policy::of(globals);
            if let Err(trouble) = occasion::run("startup_script", command, *limit, &policy).await {
                journal.log().line(&trouble);
            }
        }
        let delay = if successor { Duration::ZERO } else { start_delay(&config) };
        // Before anything else, since a successor has little time.
        let vrrp =
            Vrrp::start(instances, &config.groups, resume.snapshot(), globals.real_time, recorder.clone())
                .await?;
        let (balance, outputs) = Balance::start(
            &config,
            succession::balance(&options, &recorder, &resume),
            clock,
            journal.log().clone(),
            store.clone(),
            orders.servers,
        )
        .await;
        let balance::Settings { plane, sync_interval, .. } = options.balance;
        let ipvs =
            Ipvs::start(plane, sync_interval, journal.log().clone(), recorder.clone(), resume.inventory());
        let mut kernel = Kernel::start(journal.log().clone(), recorder, resume.inventory());
        kernel.resume(&config, config.instances.iter().filter(|model| resume.has(&model.name)));
        let (mut trackers, reports) = Trackers::start();
        let (mut notifier, progress) = Notifier::start(journal.log().clone());
        notifier.configure(&config.globals);
        trackers.set(&config);
        let mut engine = Self {
            supervised,
            unsaid: Unsaid::default(),
            renewal: Time::ZERO,
            hand_overs: HandOvers::default(),
            interfaces: BTreeMap::new(),
            opens: Some(now + delay),
            options,
            clock,
            journal,
            places: places(config.instances.iter().map(|instance| &instance.name)),
            group_places: places(config.groups.iter().map(|group| &group.name)),
            config: Arc::new(config),
            faults,
            config_error: None,
            state,
            store,
            stored: orders.maintenance,
            vrrp,
            trackers,
            reports,
            notifier,
            progress,
            balance,
            kernel,
            ipvs,
            outputs,
            loader: Loader::default(),
            awaiting: Vec::new(),
        };
        // The supervisor knows more of it than the folder does.
        let died = resume.predecessor().map(|died| format!("process {} died ({})", died.pid, died.ended));
        if let Some(how) = died.or(crashed) {
            engine.tell(Event { at: now, subject: Subject::Daemon, what: What::Crashed(how) });
        }
        engine.tell(Event { at: now, subject: Subject::Daemon, what: What::Started });
        for warning in std::mem::take(&mut engine.vrrp.warnings) {
            engine.tell(Event { at: now, subject: Subject::Daemon, what: What::Note(warning) });
        }
        engine.note_faults();
        engine.take(steps).await;
        engine.open_when_due().await;
        engine.go_on(&resume).await;
        // Not before it is known what a predecessor had.
        engine.follow_ipvs();
        engine.supervised.ready();
        Ok(engine)
    }

    /// Runs until it is told to stop, `signals` is closed, or its supervisor is dead.
    pub async fn run(&mut self, signals: &mut mpsc::Receiver<Signalled>, calls: &mut mpsc::Receiver<Call>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = self.vrrp.notices.next() => match told {
                    Some(Told::Notice(notice)) => self.hear(notice).await,
                    Some(Told::Missed(count)) => self.catch_up(count).await,
                    None => break,
                },
                Some(report) = self.reports.recv() => {
                    let now = self.clock.now();
                    self.supervised.tracked(&report.id, report.status);
                    let steps = self.state.tracked(report, now);
                    self.take(steps).await;
                }
                Some(progress) = self.progress.recv() => self.notified(progress),
                Some(output) = self.outputs.recv() => output.deliver(&mut self.notifier, &mut self.journal),
                Some(call) = calls.recv() => self.serve(call).await,
                result = self.loader.result() => self.reloaded(result).await,
                signal = signals.recv() => match signal {
                    Some(Signalled::Reload) => self.reload(),
                    Some(Signalled::Dump(kind)) => self.dump_to_file(kind).await,
                    Some(Signalled::Stop) | None => break,
                },
                asked = self.supervised.asked() => match asked {
                    Some(kind) => self.dump_to_file(kind).await,
                    None => {
                        self.note(Subject::Daemon, What::Trouble(ORPHANED.to_owned()));
                        break;
                    }
                },
                () = self.unsaid.due() => self.tell_supervisor().await,
                () = until(self.opens, &self.clock) => self.open_when_due().await,
                () = until(self.hand_overs.poll_timeout(), &self.clock) => {
                    self.time_out_hand_overs(self.clock.now()).await;
                }
                _ = beat.tick() => self.beat().await,
            }
        }
    }

    async fn open_when_due(&mut self) {
        let now = self.clock.now();
        if self.opens.is_some_and(|opens| opens <= now) {
            self.opens = None;
            let steps = self.state.open(now);
            self.take(steps).await;
        }
    }

    async fn beat(&mut self) {
        systemd::alive();
        self.journal.tick(self.clock.now());
        self.renew(self.clock.now());
        let steps = self.state.expire(self.clock.wall(), self.clock.now());
        self.take(steps).await;
    }

    /// What an operator has ordered outlives this process.
    fn keep_orders(&mut self) {
        if self.stored.as_ref() != self.state.maintenance() {
            self.stored = self.state.maintenance().cloned();
            self.store.set_node(self.stored.clone());
        }
    }

    /// Does what was decided: orders first, all of them at once, since others may wait for them.
    pub(super) async fn take(&mut self, steps: Vec<Step>) {
        self.keep_orders();
        let mut orders = Vec::new();
        let mut events = Vec::new();
        for step in steps {
            match step {
                Step::Order(name, order) => orders.push((name.to_string(), order_of(order))),
                Step::Event(event) => events.push(event),
            }
        }
        if !orders.is_empty()
            && let Err(error) = self.vrrp.control.orders(orders).await
        {
            self.note(Subject::Daemon, What::Trouble(error.to_string()));
        }
        events.into_iter().for_each(|event| self.tell(event));
    }

    pub(super) fn note(&mut self, subject: Subject, what: What) {
        self.tell(Event { at: self.clock.now(), subject, what });
    }

    /// Writes an event down, and tells whom it concerns.
    pub(super) fn tell(&mut self, event: Event) {
        if let Subject::Instance(name) = &event.subject
            && let Some(model) = self.places.get(&**name).and_then(|place| self.config.instances.get(*place))
        {
            match &event.what {
                What::State { to: Condition::Master, .. } => self.kernel.active(model, true),
                // Not before: the addresses may stay until another node has them.
                What::Removed(_) => self.kernel.active(model, false),
                _ => {}
            }
        }
        match (&event.subject, &event.what) {
            (Subject::Instance(name), what) => {
                if matches!(what, What::State { .. }) {
                    self.follow_ipvs();
                }
                if let Some(happened) = self.happened(name, what) {
                    self.notify(Kind::Instance, &name.clone(), happened);
                }
            }
            (Subject::Group(name), What::State { to, .. }) => {
                if let Some(happened) = state_told(*to) {
                    self.notify(Kind::Group, &name.clone(), happened);
                }
            }
            _ => {}
        }
        self.journal.record(event);
    }

    /// What the configuration says of an instance.
    pub(super) fn model(&self, name: &str) -> Option<&Instance> {
        self.config.instances.get(*self.places.get(name)?)
    }

    /// The driver's clock counts from the boot, ours from 1970.
    pub(super) fn time_of(&self, at: lb_vrrp::Time) -> Time {
        let ago = linux::boot_time().since(at);
        Time::from_nanos(self.clock.now().as_nanos().saturating_sub(ago.as_nanos() as u64))
    }
}

fn build_with(
    state: &State,
    model: &Instance,
    settings: &Settings,
) -> Result<lb_vrrp::driver::Instance, BuildError> {
    let priority = state.instance(&model.name).map_or(model.priority, |(_, instance)| instance.intended().0);
    build::build(model, priority, settings)
}

fn places<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<String, usize> {
    names.enumerate().map(|(place, name)| (name.clone(), place)).collect()
}

fn start_delay(config: &Config) -> Duration {
    let since_boot = linux::boot_time().since(lb_vrrp::Time::ZERO);
    config.globals.startup_delay.max(config.globals.delay_after_boot.saturating_sub(since_boot))
}

async fn until(time: Option<Time>, clock: &Clock) {
    match time {
        Some(time) => tokio::time::sleep(time.since(clock.now())).await,
        None => std::future::pending().await,
    }
}

fn order_of(order: Order) -> driver::Order {
    match order {
        Order::Priority(priority) => driver::Order::Priority(priority),
        Order::Fault => driver::Order::Shutdown(Farewell::Linger),
        Order::Recovered => driver::Order::Startup,
        Order::HandOver => driver::Order::HandOver,
    }
}
