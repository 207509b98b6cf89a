//! What the configuration asks for beside the balancing: mails, commands, files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use lb_core::{
    Event, Time,
    desired::ServerState,
    event::{Subject, What},
    model::{ServerKey, ServiceKey, Weight},
    overrides::{Action, Override},
};
use lb_health::Outcome;

use super::{cli::PROGRAM, hooks::Hooks, maintenance::Watcher, monitor::MonitorFiles, script, wording};
use crate::{
    config::ldirectord::{AlertStates, Config, EmailAlert, Virtual},
    runtime::{
        clock::ctime,
        hook::Hook,
        log::Log,
        mail::{self, Email, MailQueue, Relay},
        paths, role,
    },
    services::state::{Place, State},
};

/// In which part of its life the daemon is: mails can be limited to some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Running,
    Reloading,
    Stopping,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Reloading => "reloading",
            Self::Stopping => "stopping",
        }
    }
}

/// Sends mails, runs commands, writes monitor files, looks for maintenance files.
pub struct Effects {
    hooks: Hooks,
    mails: MailQueue,
    monitor: MonitorFiles,
    log: Log,
    /// Options of the instances that `execute` names.
    companions: Vec<String>,
    /// `--state-dir`: theirs are below it.
    state_dir: Option<PathBuf>,
    stage: Stage,
    watcher: Option<Watcher>,
    /// Servers under maintenance because of a file.
    maintained: BTreeSet<ServerKey>,
    maintenance_error: Option<String>,
    /// When each mail about a server that is down was last sent.
    mailed: BTreeMap<Place, Time>,
}

/// How long the end of the daemon waits for mails.
const MAIL_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason of an override that a file in `maintenancedir` has made.
const BY_FILE: &str = "file in maintenancedir";

impl Effects {
    /// Nothing is under way. `companions` are the options of the instances that `execute` names.
    pub fn start(log: Log, companions: Vec<String>, state_dir: Option<PathBuf>) -> Self {
        Self {
            hooks: Hooks::start(log.clone()),
            mails: MailQueue::start(log.clone()),
            monitor: MonitorFiles::new(log.clone()),
            log,
            companions,
            state_dir,
            stage: Stage::Starting,
            watcher: None,
            maintained: BTreeSet::new(),
            maintenance_error: None,
            mailed: BTreeMap::new(),
        }
    }

    /// The daemon starts.
    pub fn starting(&mut self, config: &Config) {
        self.stage = Stage::Starting;
        self.execute(config, "start");
    }

    /// The daemon runs.
    pub fn running(&mut self) {
        self.stage = Stage::Running;
    }

    /// The configuration is read again.
    pub fn reloading(&mut self, config: &Config) {
        self.stage = Stage::Reloading;
        self.execute(config, "reload");
    }

    /// This configuration is in force.
    pub fn configured(&mut self, config: &Config) {
        let named = config.virtuals.iter().filter_map(|entry| entry.monitor_file.as_deref());
        self.monitor.retain(&named.map(Path::new).collect());
    }

    /// The daemon stops.
    pub fn stopping(&mut self, config: &Config) {
        self.stage = Stage::Stopping;
        self.execute(config, "stop");
    }

    /// Waits until what was asked for has been done.
    pub async fn finish(&mut self) {
        tokio::join!(self.hooks.finish(), self.finish_mails(), self.monitor.flush());
    }

    async fn finish_mails(&self) {
        if tokio::time::timeout(MAIL_TIMEOUT, self.mails.finish()).await.is_err() {
            self.log
                .line(&format!("Mails that are not sent within {} s are dropped", MAIL_TIMEOUT.as_secs()));
        }
    }

    /// `execute`: other instances that go along with this one.
    fn execute(&self, config: &Config, command: &str) {
        let Ok(program) = std::env::current_exe() else { return };
        let program = program.to_string_lossy();
        for other in &config.globals.execute {
            let purpose = format!("execute={other} {command}");
            let mut argv = vec![&*program];
            argv.extend(role::argument());
            argv.extend(self.companions.iter().map(String::as_str));
            // Said outright, since the environment may name ours.
            let socket = paths::socket(Path::new(other));
            let socket = socket.to_string_lossy();
            argv.extend(["--socket", &*socket]);
            let state = script::find(other).unwrap_or_else(|| other.into());
            let state = match &self.state_dir {
                Some(folder) => Ok(folder.join(paths::state_name(PROGRAM, &state, &[]))),
                None => paths::default_state_folder(PROGRAM, &state, &[]),
            };
            let state = state.map(|folder| folder.display().to_string());
            argv.extend(state.iter().flat_map(|folder| ["--state-dir", folder]));
            argv.extend([other, command]);
            self.hooks.run(Hook::program(purpose, &argv));
        }
    }

    /// `callback`: the file has changed.
    pub fn changed(&self, path: &Path, config: &Config) {
        self.log.line(&format!("Configuration file '{}' has changed on disk", path.display()));
        if let Some(callback) = &config.globals.callback {
            self.hooks.run(Hook::program("callback".to_owned(), &[callback, &path.to_string_lossy()]));
        }
    }

    /// `monitorfile`: every result of a check.
    pub fn checked(&mut self, places: &[Place], outcome: &Outcome, at: Time, config: &Config) {
        for (service, server) in places {
            let entry = config.virtuals.iter().find(|entry| entry.key == *service);
            let Some(file) = entry.and_then(|entry| entry.monitor_file.as_ref()) else { continue };
            let (word, seen) = match outcome {
                Ok(passed) => ("up", passed.detail.clone()),
                Err(failure) => ("down", failure.to_string()),
            };
            // As ldirectord, so that what is read by programs stays in its place.
            let seen = seen.replace('%', "%25").replace('|', "%7c");
            let (when, pid, name) = (ctime(at), std::process::id(), wording::name(service));
            let line = format!("[{when}] [{pid}] {server} ({name}) [{word}] {seen}\n");
            self.monitor.record(file, line);
        }
    }

    /// `fallbackcommand` and `emailalert`.
    pub fn of(&mut self, event: &Event, config: &Config) {
        let What::Server { after, .. } = &event.what else { return };
        match event.subject {
            Subject::Fallback(service, _) => {
                let entry = config.virtuals.iter().find(|entry| entry.key == service);
                if let Some(command) = entry.and_then(|entry| entry.fallback_command.as_deref()) {
                    self.fallback_command(command, &service, after.is_some());
                }
            }
            Subject::Server(service, server) => {
                let down = after.is_none_or(Weight::is_zero);
                if down {
                    self.mailed.insert((service, server), event.at);
                } else {
                    self.mailed.remove(&(service, server));
                }
                if let Some(entry) = config.virtuals.iter().find(|entry| entry.key == service) {
                    self.mail(entry, &wording::line(event), config);
                }
            }
            _ => {}
        }
    }

    fn fallback_command(&self, command: &str, service: &ServiceKey, on: bool) {
        let target = wording::name(service);
        let protocol = service.protocol().map_or("fwm", |protocol| protocol.name());
        let word = if on { "start" } else { "stop" };
        let purpose = format!("fallbackcommand of {target}");
        self.hooks.run(Hook::shell(purpose, command, &[word, &target, protocol]));
    }

    fn mail(&self, service: &Virtual, line: &str, config: &Config) {
        let Some(alert) = service.email.as_ref().filter(|alert| self.wanted(alert.during)) else { return };
        let from = config.globals.email_from.as_deref();
        self.mails.send(email(alert, service, line, self.stage, from));
    }

    const fn wanted(&self, states: AlertStates) -> bool {
        match self.stage {
            Stage::Starting => states.starting,
            Stage::Running => states.running,
            Stage::Reloading => states.reloading,
            Stage::Stopping => states.stopping,
        }
    }

    /// `emailalertfreq`: says again who is still down.
    pub fn repeat(&mut self, config: &Config, state: &State, now: Time) {
        for service in &config.virtuals {
            let Some(every) = service.email.as_ref().and_then(|alert| alert.repeat) else { continue };
            for real in &service.reals {
                let place = (service.key, real.key);
                let Some(last) = self.mailed.get(&place).filter(|last| now.since(**last) >= every.duration())
                else {
                    continue;
                };
                let decision = state.desired().decisions.get(&service.key);
                let down = decision.and_then(|decision| decision.servers.get(&real.key));
                if down == Some(&ServerState::Down) {
                    let name = wording::name(&service.key);
                    let line = format!(
                        "Inaccessible real server: {} ({name}) for {} s",
                        real.key,
                        now.since(*last).as_secs()
                    );
                    self.mail(service, &line, config);
                    self.mailed.insert(place, now);
                }
            }
        }
    }

    /// `maintenancedir`: who has to be taken down, or may come back.
    pub fn maintenance(&mut self, config: &Config, state: &State) -> Vec<(ServerKey, Option<Override>)> {
        let folder = config.globals.maintenance_dir.as_deref();
        if self.watcher.as_ref().map(Watcher::folder) != folder {
            self.watcher = folder.map(Watcher::start);
        }
        let named = match self.watcher.as_ref().map(Watcher::seen) {
            None => Vec::new(),
            // Not looked at yet: what was said last stays.
            Some(None) => return Vec::new(),
            Some(Some(Ok(named))) => {
                self.maintenance_error = None;
                named
            }
            Some(Some(Err(error))) => {
                if self.maintenance_error.as_ref() != Some(&error) {
                    self.log
                        .line(&format!("maintenancedir can not be read, what it said last stays: {error}"));
                    self.maintenance_error = Some(error);
                }
                return Vec::new();
            }
        };
        let servers: BTreeSet<ServerKey> =
            state.policy().values().flat_map(|service| service.servers.keys().copied()).collect();
        let named: BTreeSet<ServerKey> =
            servers.into_iter().filter(|server| named.iter().any(|file| file.means(server))).collect();
        let order =
            Override { action: Action::Maintenance, reason: BY_FILE.to_owned(), by: None, until: None };
        let down = named.difference(&self.maintained).map(|server| (*server, Some(order.clone())));
        // What the operator has ordered since then is not the file's to end.
        let by_file = |server: &ServerKey| {
            let mut orders = state.overrides().iter();
            orders.any(|(of, place, order)| of == server && place.is_none() && order.reason == BY_FILE)
        };
        let gone = self.maintained.difference(&named).filter(|server| by_file(server));
        let back = gone.map(|server| (*server, None));
        let orders = down.chain(back).collect();
        self.maintained = named;
        orders
    }
}

fn email(alert: &EmailAlert, service: &Virtual, line: &str, stage: Stage, from: Option<&str>) -> Email {
    let mut text = format!("{line}\nLog-Message: {line}\nDaemon-Status: {}\n", stage.name());
    if let Some(name) = &service.name {
        text += &format!("Service: {name}\n");
    }
    if let Some(comment) = &service.comment {
        text += &format!("Comment: {comment}\n");
    }
    Email {
        program: "lb-director",
        // As sendmail does it for a daemon of root.
        from: from.map_or_else(|| format!("root@{}", mail::host()), str::to_owned),
        to: alert.to.split(',').map(|to| to.trim().to_owned()).collect(),
        subject: line.to_owned(),
        text,
        at: jiff::Timestamp::now(),
        relay: alert.smtp.clone().map(|name| Relay::Name(name, mail::SMTP_PORT)),
        helo: None,
        timeout: None,
    }
}
