//! The death of the daemon, and signals meanwhile.

use std::{
    fs::{self, File},
    io::Write as _,
    process::Command,
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes, settle, settled},
    support::wait,
};

const VIP: &str = "10.0.0.100";
const OTHER: &str = "10.0.0.101";

/// The daemon of a supervisor, as it is seen out here.
pub(crate) fn daemon(node: &mut Node) -> Option<Pid> {
    node.daemon().descendants().first().copied()
}

/// Kills the daemon, not its supervisor.
pub(crate) fn kill_daemon(node: &mut Node) -> Pid {
    // One that was killed before may be there for a moment.
    wait("a daemon", || daemon(node).filter(|pid| kill(*pid, Signal::SIGKILL).is_ok()))
}

/// Waits until another daemon answers.
pub(crate) fn wait_for_successor(node: &mut Node, before: Pid) {
    wait("another daemon", || daemon(node).filter(|pid| *pid != before));
    wait_for_answer(node);
}

/// Waits until the daemon runs.
pub(crate) fn wait_for_answer(node: &Node) {
    wait("an answer", || {
        let answer = node.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("status")).ok()?;
        answer.status.success().then_some(())
    });
}

#[test]
fn what_an_edit_removes_does_not_stay_when_the_daemon_dies() {
    let Some(lab) = lab("what_an_edit_removes_does_not_stay_when_the_daemon_dies", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let routes = "virtual_routes {\n    10.5.0.0/16 via 10.0.0.2 dev eth0\n  }\n  \
                  virtual_rules {\n    from 10.5.0.0/16 table 100 priority 300\n  }";
    let both = instance("web", 51, 150, &format!("{VIP}/24\n    {OTHER}/24"), routes);
    node.configure(&both);
    node.start();
    node.wait_for(OTHER, true);
    let route = |node: &Node| node.host.sh("ip route; ip rule").unwrap();
    wait("its routes", || route(&node).contains("300:").then_some(()));
    assert!(route(&node).contains("10.5.0.0/16 via"), "{}", route(&node));
    node.configure(&instance("web", 51, 150, &format!("{VIP}/24"), ""));
    let before = kill_daemon(&mut node);
    wait_for_successor(&mut node, before);
    settle_alone(&node);
    assert!(node.daemon().stop().unwrap().success());
    assert!(!node.has(VIP) && !node.has(OTHER));
}

/// Only what is configured is there.
fn settle_alone(node: &Node) {
    node.wait_for(VIP, true);
    node.wait_for(OTHER, false);
    wait("no routes and rules", || {
        let all = node.host.sh("ip route; ip rule").unwrap();
        (!all.contains("10.5.0.0/16")).then_some(())
    });
}

#[test]
fn an_instance_that_was_removed_leaves_nothing_when_the_daemon_dies() {
    let test = "an_instance_that_was_removed_leaves_nothing_when_the_daemon_dies";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let web = instance("web", 51, 150, &format!("{VIP}/24"), "");
    let vmac = instance("mac", 52, 150, &format!("{OTHER}/24"), "use_vmac");
    node.configure(&(web.clone() + &vmac));
    node.start();
    node.wait_for(VIP, true);
    node.wait_for(OTHER, true);
    node.configure(&web);
    let before = kill_daemon(&mut node);
    wait_for_successor(&mut node, before);
    node.wait_for(VIP, true);
    node.wait_for(OTHER, false);
    assert!(!node.host.sh("ip link").unwrap().contains("vrrp.52"));
}

#[test]
fn an_upgrade_of_the_program_does_not_keep_the_daemon_from_being_started_again() {
    let test = "an_upgrade_of_the_program_does_not_keep_the_daemon_from_being_started_again";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let program = a.host.path("/etc/lb-failover");
    fs::copy(env!("CARGO_BIN_EXE_lb-failover"), &program).unwrap();
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), ""));
    }
    a.start_program("/etc/lb-failover".as_ref(), &["-n", "-l", "-D"]);
    b.start();
    settle(&a, &b, VIP);
    // As dpkg does it.
    a.host.write("/etc/new", "another version").unwrap();
    fs::rename(a.host.path("/etc/new"), &program).unwrap();
    let before = kill_daemon(&mut a);
    wait_for_successor(&mut a, before);
    settle(&a, &b, VIP);
    fs::remove_file(&program).unwrap();
    let before = kill_daemon(&mut a);
    wait_for_successor(&mut a, before);
    settle(&a, &b, VIP);
    let name = daemon(&mut a).map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap());
    assert_eq!(name.as_deref(), Some("lb-failover\n"));
    assert!(a.daemon().stop().unwrap().success());
    settle(&b, &a, VIP);
}

#[test]
fn without_respawn_a_death_leaves_nothing() {
    let Some(lab) = lab("without_respawn_a_death_leaves_nothing", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), ""));
    }
    a.start_program(env!("CARGO_BIN_EXE_lb-failover").as_ref(), &["-n", "-l", "-D", "-R"]);
    b.start();
    settle(&a, &b, VIP);
    kill_daemon(&mut a);
    assert_eq!(a.daemon().wait().unwrap().code(), Some(128 + 9));
    settle(&b, &a, VIP);
}

#[test]
fn a_request_to_stop_counts_while_the_daemon_is_started_again() {
    let test = "a_request_to_stop_counts_while_the_daemon_is_started_again";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, b] = settled(&lab, VIP);
    drop(b);
    for pause in [0, 1, 2, 5, 10, 20, 50] {
        kill_daemon(&mut a);
        thread::sleep(Duration::from_millis(pause));
        assert!(a.daemon().stop().unwrap().success(), "after {pause} ms");
        assert!(!a.has(VIP), "after {pause} ms");
        a.start();
        a.wait_for(VIP, true);
    }
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_respawn_nor_the_end() {
    let test = "a_log_that_nobody_reads_stops_neither_the_respawn_nor_the_end";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), ""));
    }
    a.host.sh("mkfifo /etc/log").unwrap();
    // It neither reads nor lets go.
    let pipe = File::options().read(true).write(true).open(a.host.path("/etc/log")).unwrap();
    fill(&pipe);
    let shell = format!("exec {} -n -l -D 2>/etc/log", env!("CARGO_BIN_EXE_lb-failover"));
    a.start_program("/bin/sh".as_ref(), &["-c", &shell]);
    b.start();
    settle(&a, &b, VIP);
    for _ in 0..2 {
        let before = kill_daemon(&mut a);
        wait_for_successor(&mut a, before);
        settle(&a, &b, VIP);
    }
    assert!(a.daemon().stop().unwrap().success());
    settle(&b, &a, VIP);
}

/// The processes of a host that run a daemon, not those that supervise one.
fn daemons(node: &Node) -> usize {
    let lines = node.host.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").unwrap_or_default();
    lines.matches("--supervised").count()
}

#[test]
fn a_daemon_without_its_main_process_ends_and_can_be_replaced_at_once() {
    let test = "a_daemon_without_its_main_process_ends_and_can_be_replaced_at_once";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), ""));
        node.start();
    }
    settle(&a, &b, VIP);
    // Nobody starts it again: another node has the address, and nothing is left here.
    a.signal(Signal::SIGKILL);
    settle(&b, &a, VIP);
    wait("the end of the daemon", || (daemons(&a) == 0).then_some(()));
    a.start();
    settle(&a, &b, VIP);
    for _ in 0..3 {
        let before = daemon(&mut a);
        a.signal(Signal::SIGKILL);
        a.start();
        wait_for_answer(&a);
        let other = || daemon(&mut a).filter(|now| Some(*now) != before);
        wait("another daemon", other);
        settle(&a, &b, VIP);
        assert_eq!(daemons(&a), 1);
    }
    assert!(a.daemon().stop().unwrap().success());
    settle(&b, &a, VIP);
}

/// Until there is no more room.
fn fill(mut pipe: &File) {
    rustix::fs::fcntl_setfl(pipe, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'x'; 512]).is_ok() {}
    rustix::fs::fcntl_setfl(pipe, rustix::fs::OFlags::RDWR).unwrap();
}
