//! The daemon under test.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use nix::sys::signal::Signal;

use crate::{
    Authentication, Case, PASSWORD,
    lab::{Lab, signal, until},
};

pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    pub(crate) fn start(lab: &Lab, case: &Case, priority: u8) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vrrp-daemon"));
        command.args(["--interface", "eth0", "--vrid", "51"]);
        let version = if case.dual { "dual".to_owned() } else { case.version.to_string() };
        command.args(["--version", &version, "--priority", &priority.to_string()]);
        command.args(["--interval-cs", &case.interval_cs().to_string()]);
        match case.authentication {
            Some(Authentication::Text) => drop(command.args(["--auth-text", PASSWORD])),
            Some(Authentication::Header) => drop(command.args(["--auth-ah", PASSWORD])),
            None => {}
        }
        if case.unicast {
            command.args(["--unicast-peer", case.their_address()]);
        }
        if case.virtual_mac {
            command.arg("--virtual-mac");
        }
        command.args(case.addresses()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = lab.ours.spawn(command);
        let log = Arc::new(Mutex::new(Vec::new()));
        keep(child.stdout.take().unwrap(), &log);
        keep(child.stderr.take().unwrap(), &log);
        Self { child, log }
    }

    /// Waits for a line of its log with all of these parts.
    pub(crate) fn says(&self, what: &[&str]) {
        let has_all = |line: &String| what.iter().all(|part| line.contains(part));
        let is_said = || self.log.lock().unwrap().iter().any(has_all);
        until(&format!("the daemon says {what:?}"), is_said);
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        signal(&self.child, Signal::SIGTERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log.lock().unwrap().join("\n"));
    }

    /// Ends it without a chance to say anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the daemon said:\n{}", self.log.lock().unwrap().join("\n"));
        }
    }
}

fn keep(from: impl std::io::Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = log.clone();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    });
}
