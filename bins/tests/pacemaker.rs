//! lb-director in the place of ldirectord under Pacemaker: resource-agents' `ocf:heartbeat:ldirectord`, run as Pacemaker runs it.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{fs, path::Path, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{Lab, lines, require_program, run, wait};

const AGENT: &str = "/usr/lib/ocf/resource.d/heartbeat/ldirectord";

/// OCF's exit statuses.
const SUCCESS: i32 = 0;
const GENERIC_ERROR: i32 = 1;
const NOT_RUNNING: i32 = 7;

/// A resource of Pacemaker's; stopped whatever happens.
struct Resource(Lab);

impl Resource {
    /// Its program is a script that hands its name on, as a link from `/usr/sbin/ldirectord` to lb-director does.
    fn new() -> Self {
        let lab = Lab::new("");
        lab.configure(&format!(
            "logfile=\"{}\"\nvirtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq\n\tchecktype=on\n",
            lab.path("log").display()
        ));
        let program = lab.script(
            "ldirectord",
            &format!(
                "exec bash -c 'exec -a \"$0\" {director} --data-plane=memory --pid-file={pid} --socket={socket} \
                 --state-dir={state} \"$@\"' \"$0\" \"$@\"",
                director = env!("CARGO_BIN_EXE_lb-director"),
                pid = lab.pid_file().display(),
                socket = lab.socket().display(),
                state = lab.path("state").display(),
            ),
        );
        assert!(program.is_absolute());
        Self(lab)
    }

    /// Asserts what an action comes to.
    fn assert_action(&self, name: &str, expected: i32) {
        let mut command = Command::new(AGENT);
        command.arg(name).env("OCF_ROOT", "/usr/lib/ocf").env("OCF_RESOURCE_INSTANCE", "balancer");
        command.env("OCF_RESKEY_ldirectord", self.0.path("ldirectord"));
        command.env("OCF_RESKEY_configfile", self.0.config());
        let output = run(command);
        assert_eq!(output.status.code(), Some(expected), "{name}: {output:?}");
    }

    fn pid(&self) -> Option<i32> {
        lines(&self.0.pid_file()).first().map(|pid| pid.parse().unwrap())
    }

    fn kill(&self) {
        let pid = self.pid().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        wait("its death", || (!Path::new(&format!("/proc/{pid}/exe")).exists()).then_some(()));
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        let mut command = self.0.director("memory");
        command.arg(self.0.config()).arg("stop");
        run(command);
    }
}

#[test]
fn the_resource_agent_restarts_a_daemon_that_was_killed() {
    if require_program("the_resource_agent_restarts_a_daemon_that_was_killed", AGENT).is_none() {
        return;
    }
    let resource = Resource::new();
    resource.assert_action("monitor", NOT_RUNNING);
    resource.assert_action("stop", SUCCESS);
    resource.assert_action("start", SUCCESS);
    resource.assert_action("monitor", SUCCESS);
    let first = resource.pid();
    resource.assert_action("start", SUCCESS);
    assert_eq!(resource.pid(), first, "started once");

    resource.kill();
    resource.assert_action("monitor", NOT_RUNNING);
    resource.assert_action("stop", SUCCESS);
    resource.assert_action("start", SUCCESS);
    assert_ne!(resource.pid(), first);
    resource.assert_action("monitor", SUCCESS);
    resource.assert_action("stop", SUCCESS);
    resource.assert_action("monitor", NOT_RUNNING);
}

#[test]
fn the_resource_agent_stops_the_daemon_although_the_configuration_is_broken() {
    if require_program("the_resource_agent_stops_the_daemon_although_the_configuration_is_broken", AGENT)
        .is_none()
    {
        return;
    }
    let resource = Resource::new();
    let good = fs::read_to_string(resource.0.config()).unwrap();
    resource.assert_action("start", SUCCESS);
    let pid = resource.pid();
    resource.0.configure("virtual=nonsense\n");
    // The daemon goes on with the configuration that it has.
    resource.assert_action("monitor", SUCCESS);
    assert_eq!(resource.pid(), pid);
    resource.assert_action("stop", SUCCESS);
    assert_eq!(resource.pid(), None);
    let log = || lines(&resource.0.path("log")).join("\n");
    assert!(log().contains("Purged virtual server (stop): 192.0.2.80:80"), "it was not killed: {}", log());
    resource.assert_action("monitor", NOT_RUNNING);
    resource.assert_action("start", GENERIC_ERROR);
    resource.assert_action("monitor", NOT_RUNNING);

    resource.0.configure(&good);
    resource.assert_action("start", SUCCESS);
    resource.kill();
    resource.0.configure("virtual=nonsense\n");
    resource.assert_action("monitor", NOT_RUNNING);
    resource.assert_action("stop", SUCCESS);
}
