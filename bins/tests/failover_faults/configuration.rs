//! Configurations that are wrong, or dangerous.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use nix::sys::signal::Signal;

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes},
    support::wait,
};

const VIP: &str = "10.0.0.100";
const REFUSED: &str = "Configuration refused, the old one stays in force";

/// What a test of the configuration says, with its exit status.
fn test(node: &Node, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
    told(node.host.output(command.arg("--config-test").args(more)).unwrap())
}

fn told(output: Output) -> (Option<i32>, String) {
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn what_can_not_be_together_is_shown_with_both_places() {
    let Some(lab) = lab("what_can_not_be_together_is_shown_with_both_places", &[]) else { return };
    let [node, _] = nodes(&lab, [Ours, Ours]);
    let two = |id, address: &str| {
        instance("one", 51, 150, &format!("{VIP}/24"), "") + &instance("two", id, 100, address, "")
    };
    for (text, expected, parts) in [
        (two(51, "10.0.0.101/24"), 78, ["one", "51", "eth0"]),
        // keepalived takes this one, too.
        (two(52, &format!("{VIP}/24")), 0, ["one", "help: leave it with one of them", VIP]),
    ] {
        node.configure(&text);
        let (status, said) = test(&node, &[]);
        assert_eq!(status, Some(expected), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(said.matches("keepalived.conf:").count(), 3, "both places, and the verdict: {said}");
    }
    node.configure(&two(52, "10.0.0.101/24"));
    assert_eq!(test(&node, &["--live"]).0, Some(0), "{}", test(&node, &["--live"]).1);
}

#[test]
fn what_others_can_write_or_read_is_reported_with_the_remedy() {
    let Some(lab) = lab("what_others_can_write_or_read_is_reported_with_the_remedy", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let script = "vrrp_script check {\n  script /etc/check\n  interval 1\n}\n";
    let secret =
        "authentication {\n    auth_type PASS\n    auth_pass hidden\n  }\n  track_script {\n    check\n  }";
    let text = |globals: &str| {
        let guarded =
            instance("web", 51, 150, &format!("{VIP}/24"), secret).replace("version 3", "version 2");
        format!(
            "global_defs {{\n  script_user root\n  {globals}\n}}\n{script}{}",
            guarded.replace("advert_int 0.2", "advert_int 1")
        )
    };
    node.host.script("/etc/check", "exit 0").unwrap();
    let permit = |path: &str, mode| {
        fs::set_permissions(node.host.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    node.configure(&text(""));
    permit("/etc/check", 0o757);
    permit("/etc/keepalived/keepalived.conf", 0o644);
    let (status, said) = test(&node, &["--live"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("/etc/check") && said.contains("chmod go-w"), "{said}");
    assert!(said.contains("others can read") && said.contains("chmod go-r"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    node.configure(&text("enable_script_security"));
    let (status, said) = test(&node, &["--live"]);
    assert_eq!(status, Some(78), "a script that others can write does not run then: {said}");
    // The daemon does not run it either, and says so.
    node.host.script("/etc/check", "touch /etc/has-run").unwrap();
    permit("/etc/check", 0o757);
    node.start();
    wait("the refusal", || {
        node.log().lines().any(|line| line.contains("/etc/check") && line.contains("chmod")).then_some(())
    });
    assert!(!node.host.path("/etc/has-run").exists());
    assert!(!node.log().contains("hidden"), "{}", node.log());
    assert!(node.daemon().stop().unwrap().success());
}

#[test]
fn a_wrong_reload_is_named_everywhere_and_a_right_one_is_taken() {
    let Some(lab) = lab("a_wrong_reload_is_named_everywhere_and_a_right_one_is_taken", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let right = instance("web", 51, 150, &format!("{VIP}/24"), "");
    node.configure(&right);
    node.start();
    node.wait_for(VIP, true);
    let entered = node.said("Entering");
    for wrong in ["virtual_router_id 999", "virtual_router_id", "virtual_router_id abc"] {
        let text = right.replace("virtual_router_id 51", wrong);
        let line = text.lines().position(|line| line.contains("virtual_router_id")).unwrap() + 1;
        let place = format!("keepalived.conf:{line}");
        node.configure(&text);
        let (status, said) =
            told(node.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("plan")).unwrap());
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("vrrp_instance web keeps what was in force"), "{said}");
        let said = node.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("reload")).unwrap();
        let (status, said) = told(said);
        assert_eq!(status, Some(1), "{said}");
        let outcome = "lbctl: the configuration is in force, but for blocks with errors: vrrp_instance web keeps \
                       what was in force";
        assert!(said.contains(outcome) && said.contains(&place), "{said}");
        let status = node.lbctl(&["status"]);
        let problem = "PROBLEM: vrrp_instance web keeps what was in force: ";
        assert!(status.contains(problem) && status.contains(&place), "{status}");
        let log = format!("vrrp_instance web keeps what was in force: {}", "/etc/keepalived/keepalived.conf");
        wait("the log", || node.log().contains(&log).then_some(()));
    }
    fs::remove_file(node.host.path("/etc/keepalived/keepalived.conf")).unwrap();
    node.signal(Signal::SIGHUP);
    wait("a file that is gone to be refused", || (node.said(REFUSED) == 1).then_some(()));
    // A file that is being written ends somewhere.
    for end in [right.len() - 3, right.len() / 2] {
        node.configure(&right[..end]);
        let (status, said) =
            told(node.host.output(Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("reload")).unwrap());
        assert_eq!(status, Some(1), "{said}");
        assert!(
            said.contains("lbctl: refused, the old one stays in force") && said.contains("not closed"),
            "{said}"
        );
    }
    assert!(node.has(VIP));
    assert_eq!(node.said("Entering"), entered, "nothing has changed");
    node.configure(&instance("web", 51, 150, "10.0.0.101/24", ""));
    node.lbctl(&["reload"]);
    node.wait_for("10.0.0.101", true);
    node.wait_for(VIP, false);
    let status = node.lbctl(&["status"]);
    assert!(!status.contains("PROBLEM"), "{status}");
}
