//! lb-director's ways of looking at servers, and what a result does.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{fs, net::SocketAddr};

use support::{Daemon, Lab, Web, wait};

/// A service on an address of the documentation, which the data plane in memory takes as well as any.
const FRONT: &str = "192.0.2.80:80";

fn start(check: &str, servers: &[SocketAddr]) -> (Lab, Daemon) {
    let mut config = "checkinterval=1\nchecktimeout=2\nnegotiatetimeout=2\n".to_owned();
    config += &format!("virtual={FRONT}\n\tprotocol=tcp\n");
    for line in check.lines() {
        config += &format!("\t{}\n", line.trim());
    }
    for server in servers {
        config += &format!("\treal={server} masq 5\n");
    }
    let lab = Lab::new(&config);
    let daemon = lab.start("memory");
    (lab, daemon)
}

#[test]
fn a_quiescent_server_stays_with_weight_0() {
    let mut one = Web::start("one");
    let (_lab, daemon) = start("quiescent=yes\nservice=http\nrequest=\"/\"", &[one.address]);
    daemon.wait_for_state(one.address, "active");
    assert_eq!(daemon.listed(one.address).unwrap()[3], "5");
    one.die();
    daemon.wait_for_state(one.address, "down");
    assert_eq!(daemon.listed(one.address).unwrap()[3], "0");
    let line = daemon.wait_for_line("Quiescent real server: ");
    assert!(line.contains(&format!("{} ({FRONT}) (Weight set to 0) (check: ", one.address)), "{line}");
    one.live();
    daemon.wait_for_line(&format!("Restored real server: {} ({FRONT}) (Weight set to 5)", one.address));
    daemon.wait_for_state(one.address, "active");
    assert_eq!(daemon.listed(one.address).unwrap()[3], "5");
}

#[test]
fn a_server_has_as_many_attempts_as_it_is_given() {
    let mut one = Web::start("one");
    let (_lab, daemon) = start("failurecount=3\nservice=http\nrequest=\"/\"", &[one.address]);
    daemon.wait_for_state(one.address, "active");
    one.die();
    let soft =
        |count| format!("Soft failure real server: {} (tcp:{FRONT}) failure {count}/3 (check: ", one.address);
    daemon.wait_for_line(&soft(1));
    daemon.wait_for_line(&soft(2));
    daemon.wait_for_line("Deleted real server: ");
    assert_eq!(daemon.state_of(one.address).unwrap(), "down");
    let log = daemon.log();
    let order = [&*soft(1), &*soft(2), "Deleted real server: "].map(|line| log.find(line).unwrap());
    assert!(order.is_sorted(), "{log}");
    daemon.assert_logged("Soft failure", 2);
    assert_eq!(daemon.logged("Resetting soft failure count"), 0);
}

#[test]
fn a_soft_failure_is_forgotten_after_a_success() {
    let one = Web::start("one");
    let (_lab, daemon) = start("failurecount=1000\nservice=http\nrequest=\"/\"", &[one.address]);
    daemon.wait_for_state(one.address, "active");
    one.answer("503 Busy", "");
    daemon.wait_for_line("failure 1/1000");
    one.answer("200 OK", "one");
    daemon.wait_for_line(&format!("Resetting soft failure count: {} (tcp:{FRONT})", one.address));
    assert_eq!(daemon.state_of(one.address).unwrap(), "active");
}

#[test]
fn connect_asks_no_more_than_a_connection() {
    let mut one = Web::start("one");
    one.hang();
    let (_lab, daemon) = start("checktype=connect\nservice=http", &[one.address]);
    daemon.wait_for_state(one.address, "active");
    assert_eq!(one.requests(), 0);
    one.die();
    daemon.wait_for_state(one.address, "down");
}

#[test]
fn negotiate_wants_the_right_answer_to_the_right_question() {
    let one = Web::start("all is well\n");
    let check = "checktype=negotiate\nservice=http\nrequest=\"health\"\nreceive=\"is w.ll\"";
    let (_lab, daemon) = start(check, &[one.address]);
    let seen = || daemon.status()["services"][0]["servers"][0]["check"]["seen"].as_str().unwrap().to_owned();
    daemon.wait_for_state(one.address, "active");

    one.answer("200 OK", "all is lost\n");
    daemon.wait_for_state(one.address, "down");
    one.answer("503 Service Unavailable", "all is well\n");
    wait("the status to matter", || seen().contains("503").then_some(()));
    assert_eq!(daemon.state_of(one.address).unwrap(), "down");
    one.answer("200 OK", "all is well\n");
    daemon.wait_for_state(one.address, "active");
    one.hang();
    daemon.wait_for_state(one.address, "down");
    let down = daemon.lbctl(&["status"]);
    assert!(support::text(&down.stdout).contains("NO SERVER LEFT"), "{down:?}");
}

#[test]
fn the_fallback_answers_before_the_first_check_has_ended() {
    let hung = Web::start("hung");
    hung.hang();
    let fallback: SocketAddr = "192.0.2.9:80".parse().unwrap();
    let check = format!("service=http\nrequest=\"/\"\nnegotiatetimeout=3600\nfallback={fallback} masq");
    let (_lab, daemon) = start(&check, &[hung.address]);
    wait("the fallback in the table", || daemon.listed(fallback));
    assert_eq!(daemon.state_of(hung.address).unwrap(), "unchecked");
    daemon.wait_for_line(&format!("Added fallback server: {fallback} ({FRONT}) (Weight set to 1)"));
}

#[test]
fn what_cannot_be_checked_is_an_error_before_a_reload_and_a_problem_after_a_start() {
    let one = Web::start("one");
    let good = "service=http\nrequest=\"/\"\nreceive=\"one\"";
    let (lab, daemon) = start(good, &[one.address]);
    daemon.wait_for_state(one.address, "active");
    let config = fs::read_to_string(lab.config()).unwrap();
    lab.configure(&config.replace("\"one\"", "\"o(ne\""));
    for command in ["plan", "reload"] {
        let refused = daemon.lbctl(&[command]);
        assert!(!refused.status.success(), "{refused:?}");
        let text = support::text(&refused.stderr);
        assert!(text.contains("`receive` is not a regular expression") && text.contains("o(ne"), "{text}");
    }
    assert_eq!(daemon.state_of(one.address).unwrap(), "active");
    drop(daemon);
    // At a start there is nothing better to keep in force.
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "down");
    let status = daemon.lbctl(&["status"]);
    let text = support::text(&status.stdout);
    assert!(
        text.contains(&format!("PROBLEM: virtual={FRONT}: `receive` is not a regular expression")),
        "{text}"
    );
}

#[test]
fn a_perl_script_needs_neither_its_first_line_nor_the_right_to_be_executed() {
    if !support::has_programs("a_perl_script_needs_neither", &["perl"]) {
        return;
    }
    let one = Web::start("one");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("check");
    fs::write(&script, format!("exit($ARGV[3] eq '{}' ? 0 : 1);\n", one.address.port())).unwrap();
    let check = format!("checktype=external-perl\ncheckcommand={}", script.display());
    let (_lab, daemon) = start(&check, &[one.address]);
    daemon.wait_for_state(one.address, "active");
    fs::write(&script, "exit 1;\n").unwrap();
    daemon.wait_for_state(one.address, "down");
}

#[test]
fn a_hung_server_does_not_delay_the_looks_at_another() {
    let (hung, mut one) = (Web::start("hung"), Web::start("one"));
    hung.hang();
    let check = "service=http\nrequest=\"/\"\nnegotiatetimeout=3600";
    let (_lab, daemon) = start(check, &[hung.address, one.address]);
    daemon.wait_for_state(one.address, "active");
    one.die();
    daemon.wait_for_state(one.address, "down");
    one.live();
    daemon.wait_for_state(one.address, "active");
    assert_eq!(daemon.state_of(hung.address).unwrap(), "unchecked");
}

#[test]
fn an_external_program_decides_by_its_exit_status() {
    let (lab, server) = (Lab::new(""), "192.0.2.1:8080");
    let (alive, arguments) = (lab.path("alive"), lab.path("arguments"));
    fs::write(&alive, "").unwrap();
    let text = format!("echo \"$@\" >{}\ntest -e {}", arguments.display(), alive.display());
    let program = lab.script("check", &text);
    let check = format!("checktype=external\ncheckcommand={}", program.display());
    let (_lab, daemon) = start(&check, &[server.parse().unwrap()]);
    daemon.wait_for_state(server, "active");
    assert_eq!(support::lines(&arguments), ["192.0.2.80 80 192.0.2.1 8080"]);
    fs::remove_file(&alive).unwrap();
    daemon.wait_for_state(server, "down");
    fs::write(&alive, "").unwrap();
    daemon.wait_for_state(server, "active");
}

#[test]
fn on_and_off_ask_nobody() {
    let one = Web::start("one");
    let (_lab, daemon) = start("checktype=on", &[one.address]);
    daemon.wait_for_state(one.address, "active");
    let (_lab, daemon) = start("checktype=off", &[one.address]);
    daemon.wait_for_state(one.address, "down");
    assert_eq!(one.requests(), 0);
}

#[test]
fn a_number_is_so_many_connections_and_then_a_request() {
    let one = Web::start("one");
    let (_lab, daemon) = start("checktype=1\nservice=http\nrequest=\"/\"", &[one.address]);
    daemon.wait_for_state(one.address, "active");
    wait("a request beside the connections", || (one.requests() > 0).then_some(()));
    one.answer("500 Broken", "");
    daemon.wait_for_line(&format!("Deleted real server: {} ({FRONT})", one.address));
}

#[test]
fn one_look_serves_every_service_that_wants_the_same() {
    let mut one = Web::start("one");
    let service = |front| {
        format!(
            "virtual={front}\n\treal={} masq\n\tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n",
            one.address
        )
    };
    let lab = Lab::new(&format!("checkinterval=1\n{}{}", service(FRONT), service("192.0.2.81:80")));
    let daemon = lab.start("memory");
    let states = |state: &str| {
        let status = daemon.status();
        let found = |at: usize| status["services"][at]["servers"][0]["state"] == state;
        (found(0) && found(1)).then_some(())
    };
    wait("both to be active", || states("active"));
    one.die();
    wait("both to be down", || states("down"));
}
