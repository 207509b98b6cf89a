//! The loop: what the protocol tells, what trackers find, what the operator orders, and time come in; decisions go out.

mod reload;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use lb_core::Time;
use lb_vrrp::{
    DropReason, Event as Heard, Farewell,
    driver::{Control, ControlError, Happening, Notice, Told, linux},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    build::{self, BuildError, Settings},
    event::{Condition, Event, Subject, What},
    journal::Journal,
    loading::Loader,
    notify::{Happened, Kind, Notification, Notifier},
    state::{Order, State, Step},
    supervise::{Resume, Supervised},
    track::{Report, Trackers},
    vrrp::{StartError, Vrrp},
};
use crate::{
    config::keepalived::model::{Config, Instance},
    control::{
        protocol::{Answer, DumpKind},
        server::Call,
    },
    runtime::{clock::Clock, systemd},
};

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
    /// What the file does not say.
    pub settings: Settings,
}

/// A node of a failover pair.
pub struct Engine {
    pub(super) options: Options,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) config: Config,
    /// Where each instance stands in it.
    places: HashMap<String, usize>,
    pub(super) config_error: Option<String>,
    pub(super) state: State,
    pub(super) vrrp: Vrrp,
    trackers: Trackers,
    reports: mpsc::UnboundedReceiver<Report>,
    notifier: Notifier,
    loader: Loader,
    supervised: Supervised,
    /// When instances may take part; `None` once they may.
    opens: Option<Time>,
    /// Who waits for the end of a reload.
    pub(super) awaiting: Vec<oneshot::Sender<Answer>>,
}

impl Engine {
    /// Puts a configuration in force. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When its instances can not be run here; nothing was changed then.
    pub async fn start(
        options: Options,
        config: Config,
        supervised: Supervised,
        resume: Resume,
        clock: Clock,
        journal: Journal,
    ) -> Result<Self, StartError> {
        let now = clock.now();
        let mut state = State::default();
        state.remember(resume.trackers());
        let steps = state.configure(&config, now);
        let mut instances = Vec::with_capacity(config.instances.len());
        for model in &config.instances {
            instances.push(build_with(&state, model, &options.settings)?);
        }
        let delay = if resume.is_empty() { start_delay(&config) } else { Duration::ZERO };
        let vrrp = Vrrp::start(instances, resume.snapshot(), config.globals.real_time).await?;
        let (mut trackers, reports) = Trackers::start();
        let mut notifier = Notifier::start(journal.log().clone());
        notifier.configure(&config.globals);
        trackers.set(&config);
        let mut engine = Self {
            supervised,
            opens: Some(now + delay),
            options,
            clock,
            journal,
            places: places(&config),
            config,
            config_error: None,
            state,
            vrrp,
            trackers,
            reports,
            notifier,
            loader: Loader::default(),
            awaiting: Vec::new(),
        };
        engine.tell(Event { at: now, subject: Subject::Daemon, what: What::Started });
        for warning in std::mem::take(&mut engine.vrrp.warnings) {
            engine.tell(Event { at: now, subject: Subject::Daemon, what: What::Note(warning) });
        }
        engine.take(steps).await;
        if !resume.is_empty() {
            engine.look_at_all().await;
        }
        engine.open_when_due().await;
        engine.supervised.ready();
        Ok(engine)
    }

    /// Runs until it is told to stop, or `signals` is closed.
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
                Some(call) = calls.recv() => self.serve(call).await,
                result = self.loader.result() => self.reloaded(result).await,
                signal = signals.recv() => match signal {
                    Some(Signalled::Reload) => self.reload(),
                    Some(Signalled::Dump(kind)) => self.dump_to_file(kind).await,
                    Some(Signalled::Stop) | None => break,
                },
                kind = self.supervised.asked() => self.dump_to_file(kind).await,
                () = until(self.opens, &self.clock) => self.open_when_due().await,
                _ = beat.tick() => self.beat().await,
            }
        }
    }

    /// Resigns everywhere, tells everybody, and waits for it.
    pub async fn stop(mut self) {
        systemd::stopping();
        self.note(Subject::Daemon, What::Stopping);
        let Self { vrrp, mut notifier, config, state, clock, mut journal, .. } = self;
        if let Err(error) = vrrp.stop().await {
            let what = What::Trouble(error.to_string());
            journal.record(Event { at: clock.now(), subject: Subject::Daemon, what });
        }
        for model in &config.instances {
            let Some((name, instance)) = state.instance(&model.name) else { continue };
            let priority = instance.priority().get();
            let notification = Notification {
                of: Kind::Instance,
                name: name.clone(),
                what: Happened::Stop,
                priority,
                peer: None,
            };
            notifier.tell(&notification, &model.notify);
        }
        notifier.finish().await;
        journal.record(Event { at: clock.now(), subject: Subject::Daemon, what: What::Stopped });
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
        let steps = self.state.expire(self.clock.now());
        self.take(steps).await;
    }

    /// The protocol tells something.
    async fn hear(&mut self, notice: Notice) {
        let Notice { at, instance: name, what, .. } = notice;
        let at = self.time_of(at);
        let steps = match &what {
            Happening::Router(Heard::State { to, cause, .. }) => self.state.changed(&name, *to, *cause, at),
            Happening::Router(Heard::Priority { to, .. }) => self.state.runs_with(&name, *to, at),
            Happening::Link(link) => self.state.link(&name, *link, at),
            _ => Vec::new(),
        };
        if let Some(what) = told(&what) {
            self.tell(Event { at, subject: Subject::Instance(name.clone()), what });
        }
        self.take(steps).await;
    }

    /// Some notices were missed: everything is looked at.
    async fn catch_up(&mut self, missed: u64) {
        let text = format!("{missed} notices were missed, everything is looked at");
        self.note(Subject::Daemon, What::Note(text));
        self.look_at_all().await;
    }

    async fn look_at_all(&mut self) {
        let now = self.clock.now();
        let Ok(all) = self.vrrp.control.status_of_all().await else { return };
        for status in all {
            let steps = self.state.found(&status, now);
            self.take(steps).await;
        }
    }

    /// Does what was decided.
    pub(super) async fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Event(event) => self.tell(event),
                Step::Order(name, order) => {
                    // What is being removed needs no orders.
                    if let Err(error) = order_of(&self.vrrp.control, &name, order).await {
                        tracing::debug!(%name, ?order, %error, "order");
                    }
                }
            }
        }
    }

    pub(super) fn note(&mut self, subject: Subject, what: What) {
        self.tell(Event { at: self.clock.now(), subject, what });
    }

    /// Writes an event down, and tells whom it concerns.
    pub(super) fn tell(&mut self, event: Event) {
        if let Subject::Instance(name) = &event.subject
            && let Some(happened) = self.happened(name, &event.what)
            && let Some(model) = self.places.get(&**name).and_then(|place| self.config.instances.get(*place))
        {
            let (what, priority) = happened;
            let notification =
                Notification { of: Kind::Instance, name: name.clone(), what, priority, peer: None };
            self.notifier.tell(&notification, &model.notify);
        }
        self.journal.record(event);
    }

    /// What the configuration says of an instance.
    pub(super) fn model(&self, name: &str) -> Option<&Instance> {
        self.config.instances.get(*self.places.get(name)?)
    }

    /// What scripts and pipes are told of an event.
    fn happened(&self, name: &str, what: &What) -> Option<(Happened, u8)> {
        match what {
            What::State { to, priority, .. } => Some((
                match to {
                    Condition::Master => Happened::Master,
                    Condition::Backup => Happened::Backup,
                    Condition::Fault => Happened::Fault,
                    Condition::Init => return None,
                },
                *priority,
            )),
            What::Priority { to, .. } => {
                let (_, instance) = self.state.instance(name)?;
                match instance.condition_since().0 {
                    Condition::Master => Some((Happened::MasterPriority, to.get())),
                    Condition::Backup => Some((Happened::BackupPriority, to.get())),
                    _ => None,
                }
            }
            _ => None,
        }
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

fn places(config: &Config) -> HashMap<String, usize> {
    config.instances.iter().enumerate().map(|(place, instance)| (instance.name.clone(), place)).collect()
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

async fn order_of(control: &Control, name: &str, order: Order) -> Result<(), ControlError> {
    match order {
        Order::Priority(priority) => control.set_priority(name, priority).await,
        Order::Fault => control.shutdown(name, Farewell::Linger).await,
        Order::Recovered => control.startup(name).await,
        Order::HandOver => control.step_down(name, Farewell::Linger).await,
    }
}

/// What is written down of what the protocol tells, besides changes of state and priority.
fn told(what: &Happening) -> Option<What> {
    Some(match what {
        Happening::Installed { addresses } => What::Installed(*addresses),
        Happening::Removed { addresses } => What::Removed(*addresses),
        Happening::PutBack { address, .. } => What::PutBack(*address),
        Happening::Router(Heard::NewActive { source, priority }) => {
            What::NewMaster { source: *source, priority: *priority }
        }
        Happening::Router(Heard::Late { by }) => What::Late(*by),
        Happening::Router(Heard::State { .. } | Heard::Priority { .. } | Heard::Ready(_))
        // Whoever takes no part is told so once, by its state.
        | Happening::Router(Heard::Dropped { reason: DropReason::NotRunning, .. })
        | Happening::Link(_) => return None,
        Happening::Router(event) => What::Router(*event),
        other => What::Trouble(other.to_string()),
    })
}
