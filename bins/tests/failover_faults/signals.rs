//! Signals, which go to the supervisor.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{
    node::{Kind::Ours, instance, lab, nodes},
    support::wait,
};

const VIP: &str = "10.0.0.100";

#[test]
fn dumps_are_written_where_the_configuration_says_for_the_owner_only() {
    let test = "dumps_are_written_where_the_configuration_says_for_the_owner_only";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    node.host.sh("mkdir -p /var/dumps").unwrap();
    let globals = "global_defs {\n  state_dump_file /var/dumps/data\n  stats_dump_file /var/dumps/stats\n  \
                   json_dump_file /var/dumps/json\n}\n";
    node.configure(&(globals.to_owned() + &instance("web", 51, 150, &format!("{VIP}/24"), "")));
    // One that others could read is not left so.
    node.host.write("/var/dumps/data", "old").unwrap();
    node.start();
    node.wait_for(VIP, true);
    let supervisor = node.daemon().pid();
    for (name, number, part) in
        [("data", 10, "VRRP Instance = web"), ("stats", 12, "web"), ("json", 36, "\"web\"")]
    {
        // As `kill -NUMBER` does it, since there is no name for the last one.
        let out = std::process::Command::new("kill")
            .args([&format!("-{number}"), &supervisor.to_string()])
            .status();
        assert!(out.unwrap().success());
        let path = node.host.path(format!("/var/dumps/{name}"));
        wait(&format!("the dump {name}"), || {
            fs::read_to_string(&path).ok().filter(|text| text.contains(part))
        });
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    // Where it can not be written.
    node.host.sh("rm -r /var/dumps").unwrap();
    node.signal(nix::sys::signal::Signal::SIGUSR1);
    node.wait_for_line("/var/dumps/data can not be written");
    node.configure(&instance("web", 51, 150, &format!("{VIP}/24"), ""));
    node.lbctl(&["reload"]);
    node.signal(nix::sys::signal::Signal::SIGUSR1);
    node.wait_for_line("`lbctl dump data` prints it");
    assert!(node.has(VIP));
}
