//! lb-failover under guard.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use lb_control::{client::Client as Control, protocol::Request};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    site::{Net, patiently},
    support::{Daemon, Lab},
};

/// A node of lb-failover; both of its processes end with it.
pub(crate) struct Node {
    lab: Lab,
    pub(crate) supervisor: Daemon,
}

impl Node {
    /// In a network, on IPVS.
    pub(crate) fn start(net: &Net, config: &str) -> Self {
        Self::start_with(net, config, &[])
    }

    /// With options beside those that every node needs.
    pub(crate) fn start_with(net: &Net, config: &str, options: &[&str]) -> Self {
        let lab = Lab::new(config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
        command
            .args(["--dont-fork", "--log-console", "--data-plane", "ipvs", "--use-file"])
            .arg(lab.config());
        command.args(options).arg("--socket").arg(lab.socket()).arg("--pid").arg(lab.pid_file());
        command.arg("--state-dir").arg(lab.path("state"));
        let supervisor = net.on(|| lab.spawn(command));
        let node = Self { lab, supervisor };
        patiently("the node's socket", || {
            let answers = node.supervisor.lbctl(&["status"]).status.success();
            answers.then_some(()).ok_or_else(|| node.supervisor.log())
        });
        node
    }

    /// Waits until its one instance is.
    pub(crate) fn is(&self, state: &str) {
        patiently(state, || {
            let status = self.supervisor.status();
            let found = status["instances"][0]["state"].as_str().unwrap().to_owned();
            (found == state).then_some(()).ok_or_else(|| format!("{found}: {}", self.supervisor.log()))
        });
    }

    /// Writes another configuration, which the daemon does not read yet.
    pub(crate) fn configure(&self, config: &str) {
        self.lab.configure(config);
    }

    /// Puts another configuration in force.
    pub(crate) fn reload(&self, config: &str) {
        self.configure(config);
        Control::connect(&self.lab.socket()).unwrap().ask(&Request::Reload).unwrap();
    }

    /// Both processes at once, and without a word.
    pub(crate) fn die(&mut self) {
        let daemon = self.supervisor.status()["pid"].as_i64().unwrap();
        // Not the other way round: it would be resigned for.
        let _ = self.supervisor.child.kill();
        kill(Pid::from_raw(daemon.try_into().unwrap()), Signal::SIGKILL).unwrap();
        self.supervisor.child.wait().unwrap();
    }

    /// As an operator does it.
    pub(crate) fn stop(&mut self) {
        self.supervisor.signal(Signal::SIGTERM);
        patiently("the end of a node", || {
            let ended = self.supervisor.child.try_wait().unwrap();
            ended.map(drop).ok_or_else(|| self.supervisor.log())
        });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(None) = self.supervisor.child.try_wait() {
            self.supervisor.signal(Signal::SIGTERM);
            let until = Instant::now() + Duration::from_secs(60);
            while Instant::now() < until && matches!(self.supervisor.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
