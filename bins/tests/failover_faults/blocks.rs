//! Files in which single blocks have errors.

use nix::sys::signal::Signal;

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes, settle},
    supervisor::{kill_daemon, wait_for_answer},
    support::wait,
};

const VIP: &str = "10.0.0.100";
const OTHER: &str = "10.0.0.101";

fn sound(priority: u8) -> String {
    instance("sound", 51, priority, &format!("{VIP}/24"), "")
}

fn wrong(lines: &str) -> String {
    instance("wrong", 52, 150, &format!("{OTHER}/24"), lines)
}

fn problem_with(node: &Node, text: &str) {
    let status = node.lbctl(&["status"]);
    assert!(
        status.lines().any(|line| line.starts_with("PROBLEM: ") && line.contains(text)),
        "{text}: {status}"
    );
}

#[test]
fn a_start_leaves_out_what_is_wrong_and_a_reload_puts_it_right() {
    let Some(lab) = lab("a_start_leaves_out_what_is_wrong_and_a_reload_puts_it_right", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let text = sound(150) + &wrong("preempt_delay");
    let line = text.lines().position(|line| line.contains("preempt_delay")).unwrap() + 1;
    node.configure(&text);
    node.start();
    node.wait_for(VIP, true);
    let place = format!("vrrp_instance wrong is left out: /etc/keepalived/keepalived.conf:{line}:");
    node.wait_for_line(&place);
    problem_with(&node, &place);
    assert!(node.lbctl(&["metrics"]).contains("lb_config_blocks_with_errors 1"));
    // The same file again changes nothing, and fails.
    let said = node.lbctl_fails(&["reload"]);
    assert!(said.contains("in force, but for blocks with errors: vrrp_instance wrong is left out"), "{said}");
    assert!(said.contains(&format!("keepalived.conf:{line}:")), "{said}");
    assert!(node.lbctl_fails(&["plan"]).contains("vrrp_instance wrong is left out"));
    assert!(!node.has(OTHER));
    node.configure(&(sound(150) + &wrong("")));
    node.lbctl(&["reload"]);
    node.wait_for(OTHER, true);
    assert!(!node.lbctl(&["status"]).contains("PROBLEM"));
    // From here on an error keeps it, and the others change.
    node.configure(
        &(sound(140)
            + &wrong("preempt_delay").replace("150", "90")
            + &instance("new", 53, 100, "10.0.0.102/24", "version")),
    );
    let said = node.lbctl_fails(&["reload"]);
    let outcome = "vrrp_instance wrong keeps what was in force; vrrp_instance new is left out";
    assert!(said.contains(outcome), "{said}");
    let status = node.status();
    let priorities: Vec<i64> = status["instances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["base_priority"].as_i64().unwrap())
        .collect();
    assert_eq!(priorities, [140, 150]);
    assert!(node.has(VIP) && node.has(OTHER));
    assert_eq!(node.said("(wrong) Entering MASTER"), 1, "{}", node.log());
}

#[test]
fn a_group_with_a_member_that_is_left_out_stays_in_fault() {
    let Some(lab) = lab("a_group_with_a_member_that_is_left_out_stays_in_fault", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let group = "vrrp_sync_group both {\n  group {\n    sound\n    wrong\n  }\n}\n";
    let text =
        |lines: &str| sound(150) + &wrong(lines) + group + &instance("alone", 53, 100, "10.0.0.102/24", "");
    node.configure(&text("priority"));
    node.start();
    node.wait_for("10.0.0.102", true);
    let status = node.status();
    assert_eq!(
        (&status["instances"][0]["name"], &status["instances"][0]["state"]),
        (&"sound".into(), &"FAULT".into()),
        "{status}"
    );
    assert_eq!(status["groups"][0]["state"], "FAULT", "{status}");
    let why = status["instances"][0]["why"].as_str().unwrap();
    assert!(why.contains("wrong of its sync group both has an error in the configuration"), "{why}");
    assert!(!node.has(VIP));
    node.configure(&text(""));
    node.lbctl(&["reload"]);
    node.wait_for(VIP, true);
    node.wait_for(OTHER, true);
    // A group that works goes on, whatever a reload brings.
    node.configure(
        &(text("priority").replace("    wrong\n", "    wrong\n    more\n")
            + &instance("more", 54, 100, "10.0.0.103/24", "version")),
    );
    let said = node.lbctl_fails(&["reload"]);
    assert!(
        said.contains("vrrp_instance wrong keeps what was in force; vrrp_instance more is left out"),
        "{said}"
    );
    assert_eq!(node.status()["groups"][0]["state"], "MASTER");
    assert!(node.has(VIP) && node.has(OTHER));
}

#[test]
fn virtual_servers_never_keep_vrrp_from_running() {
    let Some(lab) = lab("virtual_servers_never_keep_vrrp_from_running", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let servers = "virtual_server 10.0.0.100 80 {\n  protocol TCP\n  lvs_sched rr\n  lvs_method NAT\n  alpha 1\n  omega 1\n  \
                   delay_loop\n}\nvirtual_server 10.0.0.100 81 {\n  protocol TCP\n  alpha 1\n  lvs_sched rr\n  lvs_method NAT\n  \
                   real_server 10.0.0.1 81 {\n  }\n}\n";
    node.configure(&(sound(150) + servers));
    node.start_with(&["-P"]);
    node.wait_for(VIP, true);
    assert!(!node.lbctl(&["status"]).contains("PROBLEM"), "{}", node.lbctl(&["status"]));
    assert!(node.daemon().stop().unwrap().success());
    node.start_with(&["--data-plane", "memory"]);
    node.wait_for(VIP, true);
    problem_with(&node, "virtual_server 10.0.0.100 80 is left out: /etc/keepalived/keepalived.conf:");
    let status = node.status();
    assert_eq!(status["services"].as_array().unwrap().len(), 1, "{status}");
}

#[test]
fn a_strict_daemon_takes_a_file_as_a_whole_or_not_at_all() {
    let Some(lab) = lab("a_strict_daemon_takes_a_file_as_a_whole_or_not_at_all", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    for lines in ["preempt_delay", "preempt_delay x"] {
        node.configure(&(sound(150) + &wrong(lines)));
        node.start_with(&["--strict"]);
        let status = wait("the end", || node.daemon().ended());
        assert_eq!(status.code(), Some(78), "{}", node.log());
        assert!(node.log().contains("preempt_delay"), "{}", node.log());
    }
    node.configure(&sound(150));
    node.start_with(&["--strict"]);
    node.wait_for(VIP, true);
    for lines in ["preempt_delay", "preempt_delay x"] {
        node.configure(&(sound(140) + &wrong(lines)));
        let said = node.lbctl_fails(&["reload"]);
        assert!(said.contains("refused, the old one stays in force: 1 error"), "{said}");
        assert_eq!(node.status()["instances"][0]["base_priority"], 150);
    }
}

#[test]
fn a_block_that_was_kept_is_left_out_by_a_successor_and_goes_to_the_peer() {
    let test = "a_block_that_was_kept_is_left_out_by_a_successor_and_goes_to_the_peer";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let text = |priority: u8, lines: &str| {
        instance("sound", 51, priority, &format!("{VIP}/24"), "")
            + &instance("wrong", 52, priority, &format!("{OTHER}/24"), lines)
    };
    a.configure(&text(150, ""));
    b.configure(&text(100, ""));
    a.start();
    b.start();
    settle(&a, &b, OTHER);
    settle(&a, &b, VIP);
    a.configure(&text(150, "preempt_delay"));
    a.signal(Signal::SIGHUP);
    a.wait_for_line("vrrp_instance wrong keeps what was in force");
    assert!(a.has(OTHER));
    kill_daemon(&mut a);
    settle(&b, &a, OTHER);
    wait_for_answer(&a);
    problem_with(&a, "vrrp_instance wrong is left out");
    a.wait_for(VIP, true);
}
