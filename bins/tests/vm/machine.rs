//! The virtual machine itself: what it is given and gives back, and that it ends.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use lb_lab::vm::Machine;

use crate::{guest::in_machine, site::patiently, support::skip};

/// Runs a case outside of the machine only, where there can be one.
pub(crate) fn with_machine(name: &str, case: impl FnOnce(Machine)) {
    if in_machine() {
        return;
    }
    match Machine::prepare() {
        Ok(machine) => case(machine),
        Err(lack) => skip(name, &format!("a virtual machine: {lack}")),
    }
}

#[test]
fn a_command_gets_what_it_is_given_and_its_status_comes_back() {
    with_machine("what a machine gives back", |machine| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "from outside\n").unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "cat file; echo \"$1, $WORD\"; echo inside >file; cat file; echo end >&2; exit 7"]);
        command.args(["sh", "it's a, b"]).env("WORD", "c").current_dir(folder.path());
        let mut lines = Vec::new();
        let status =
            machine.run(&command, Duration::from_secs(300), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["from outside", "it's a, b, c", "inside", "end"]);
        assert_eq!(status, 7);
        assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "from outside\n");
    });
}

#[test]
fn a_machine_that_is_silent_for_too_long_is_ended() {
    with_machine("the end of a machine", |machine| {
        let mut command = Command::new("sleep");
        let error = machine.run(command.arg("1000"), Duration::from_secs(1), |_| ()).unwrap_err();
        assert!(error.to_string().contains("has printed nothing for 1 s"), "{error}");
    });
}

#[test]
fn a_machine_ends_with_who_started_it() {
    with_machine("the end of who started a machine", |_| {
        let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
        lbctl.args(["lab", "vm", "sleep", "1000"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut lbctl = lbctl.spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", lbctl.id());
        // Until it is that, what runs there may be a program that prepares the machine.
        let machine = patiently("the machine", || {
            let pids = fs::read_to_string(&children).unwrap();
            let machine = pids.split_whitespace().find(|pid| is_machine(pid)).map(str::to_owned);
            machine.ok_or(pids)
        });
        lbctl.kill().unwrap();
        lbctl.wait().unwrap();
        patiently("its end", || if is_machine(&machine) { Err(machine.clone()) } else { Ok(()) });
    });
}

fn is_machine(pid: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.ends_with("qemu-system-x86_64"))
}
