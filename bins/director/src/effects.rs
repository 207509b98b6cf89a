//! What the configuration asks for beside the balancing: mails, commands, files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use lb_balancer::state::{Place, State};
use lb_config::ldirectord::Config;
use lb_control::wording::services as wording;
use lb_core::{
    Event, Time,
    model::{ServerKey, ServiceKey},
    overrides::{Action, Override},
};
use lb_health::Outcome;
use lb_runtime::{clock::ctime, hook::Hook, log::Log, paths, role};

use super::{
    alerts::{Alerts, Stage},
    cli::PROGRAM,
    hooks::Hooks,
    maintenance::Watcher,
    monitor::MonitorFiles,
    script,
};

/// Sends mails, runs commands, writes monitor files, looks for maintenance files.
pub struct Effects {
    hooks: Hooks,
    alerts: Alerts,
    monitor: MonitorFiles,
    log: Log,
    /// Options of the instances that `execute` names.
    companions: Vec<String>,
    /// `--state-dir`: theirs are below it.
    state_dir: Option<PathBuf>,
    /// What each service's `fallbackcommand` was last told: whether enough servers were left.
    fallback_commands: BTreeMap<ServiceKey, (String, bool)>,
    watcher: Option<Watcher>,
    /// Servers under maintenance because of a file.
    maintained: BTreeSet<ServerKey>,
    maintenance_error: Option<String>,
}

/// The reason of an override that a file in `maintenancedir` has made.
const BY_FILE: &str = "file in maintenancedir";

impl Effects {
    /// Nothing is under way. `companions` are the options of the instances that `execute` names.
    pub fn start(log: Log, companions: Vec<String>, state_dir: Option<PathBuf>) -> Self {
        Self {
            hooks: Hooks::start(log.clone()),
            alerts: Alerts::start(log.clone()),
            monitor: MonitorFiles::new(log.clone()),
            log,
            companions,
            state_dir,
            fallback_commands: BTreeMap::new(),
            watcher: None,
            maintained: BTreeSet::new(),
            maintenance_error: None,
        }
    }

    /// The daemon starts.
    pub fn starting(&mut self, config: &Config) {
        self.alerts.stage = Stage::Starting;
        self.execute(config, "start");
    }

    /// All servers were checked since the daemon has started, or has read its configuration again.
    pub fn running(&mut self) {
        self.alerts.stage = Stage::Running;
    }

    /// Whether [`running`](Self::running) was said since then.
    pub fn is_running(&self) -> bool {
        self.alerts.stage == Stage::Running
    }

    /// The configuration is read again.
    pub fn reloading(&mut self, config: &Config) {
        self.alerts.stage = Stage::Reloading;
        self.execute(config, "reload");
    }

    /// This configuration is in force.
    pub fn configured(&mut self, config: &Config) {
        let named = config.virtuals.iter().filter_map(|entry| entry.monitor_file.as_deref());
        self.monitor.retain(&named.map(Path::new).collect());
    }

    /// The daemon stops.
    pub fn stopping(&mut self, config: &Config) {
        self.alerts.stage = Stage::Stopping;
        self.execute(config, "stop");
    }

    /// Waits until what was asked for has been done.
    pub async fn finish(&mut self) {
        tokio::join!(self.hooks.finish(), self.alerts.finish(), self.monitor.flush());
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

    /// `emailalert`.
    pub fn of(&mut self, event: &Event, config: &Config) {
        self.alerts.of(event, config);
    }

    /// `fallbackcommand`: `start` when no server is left, and `stop` when there is one again or for the first time, with or
    /// without a fallback.
    pub fn decided(&mut self, config: &Config, state: &State) {
        let mut before = std::mem::take(&mut self.fallback_commands);
        for service in &config.virtuals {
            let Some(command) = service.fallback_command.as_deref() else { continue };
            let last = before.remove(&service.key).filter(|(told, _)| told == command).map(|(_, last)| last);
            let decision = state.desired().decisions.get(&service.key);
            let Some(enough) = decision.and_then(|decision| decision.quorum).or(last) else { continue };
            if last != Some(enough) {
                self.fallback_command(command, &service.key, !enough);
            }
            self.fallback_commands.insert(service.key, (command.to_owned(), enough));
        }
    }

    fn fallback_command(&self, command: &str, service: &ServiceKey, on: bool) {
        let target = wording::name(service);
        let protocol = service.protocol().map_or("fwm", |protocol| protocol.name());
        let word = if on { "start" } else { "stop" };
        let purpose = format!("fallbackcommand of {target}");
        self.hooks.run(Hook::shell(purpose, command, &[word, &target, protocol]));
    }

    /// `emailalertfreq`.
    pub fn repeat(&mut self, config: &Config, state: &State, now: Time) {
        self.alerts.repeat(config, state, now);
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
