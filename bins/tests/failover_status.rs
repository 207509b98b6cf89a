//! What `lbctl status` says of lb-failover's virtual servers.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{fs, process::Command};

use support::{Lab, Web, free, wait};

#[test]
fn the_cause_of_a_server_is_what_its_check_has_seen() {
    let (front, web, bare) = (free(), Web::start("one"), free());
    let lab = Lab::new(&format!(
        "virtual_server {} {} {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\ndelay_loop 1\n\
         real_server {} {} {{\nHTTP_GET {{\nurl {{\npath /\nstatus_code 200\n}}\n}}\n}}\nreal_server {} {} {{\n}}\n}}\n",
        front.ip(),
        front.port(),
        web.address.ip(),
        web.address.port(),
        bare.ip(),
        bare.port()
    ));
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
    command.args([
        "-C",
        "--dont-fork",
        "--log-console",
        "--dont-respawn",
        "--data-plane",
        "relay",
        "--use-file",
    ]);
    command.arg(lab.config()).arg("--socket").arg(lab.socket()).arg("--pid").arg(lab.pid_file());
    let mut daemon = lab.spawn(command);
    let server = |address: std::net::SocketAddr| {
        let output = daemon.lbctl(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let servers = status["services"][0]["servers"].as_array()?;
        servers.iter().find(|server| server["server"] == *address.to_string()).cloned()
    };
    let checked =
        wait("the end of a check", || server(web.address).filter(|one| one["check"]["age"].is_number()));
    let cause = checked["cause"].as_str().unwrap();
    assert!(cause.starts_with("check: ") && cause.contains("200"), "{cause}");
    assert_eq!(server(bare).unwrap()["cause"], "it has no check");
    // A reload assumes nothing anew.
    let text = fs::read_to_string(lab.config()).unwrap();
    lab.configure(&text.replace("delay_loop 1", "delay_loop 2"));
    daemon.told(&["reload"]);
    let cause = server(web.address).unwrap()["cause"].clone();
    assert!(cause.as_str().unwrap().starts_with("check: "), "{cause}");
    daemon.stop();
}
