//! lb-director with the relay: who gets traffic, who gets none, and what is said about it.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{net::SocketAddr, time::Instant};

use support::{Clients, Lab, Web, free, get, text, wait};

/// Checks every second, over HTTP.
fn config(front: SocketAddr, servers: &[&Web], more: &str) -> String {
    let mut text = format!(
        "checkinterval=1\nchecktimeout=3\nnegotiatetimeout=3\nquiescent=no\nvirtual={front}\n\tscheduler=rr\n\
         \tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n{more}"
    );
    for server in servers {
        text += &format!("\treal={} masq\n", server.address);
    }
    text
}

#[test]
fn a_dead_server_leaves_and_returns_and_nobody_else_notices() {
    let (front, mut one, two) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config(front, &[&one, &two], ""));
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");
    daemon.wait_for_state(two.address, "active");
    let added =
        daemon.wait_for_line(&format!("Added real server: {} ({front}) (Weight set to 1)", one.address));
    assert!(added.contains("|web.cf|") && added.contains("(check: "), "{added}");

    let clients = Clients::start(front);
    let shares = clients.more(100);
    assert!(shares["one"] > 30 && shares["two"] > 30, "{shares:?}");

    one.die();
    daemon.wait_for_state(one.address, "down");
    let deleted = daemon.wait_for_line(&format!("Deleted real server: {} ({front})", one.address));
    assert!(deleted.contains("(check: ") && deleted.contains("refused"), "{deleted}");
    assert_eq!(daemon.listed(one.address), None);
    let noticed = Instant::now();
    let shares = clients.more(50);
    assert!(shares.get("one").is_none_or(|late| *late <= 4), "only answers that were under way: {shares:?}");

    one.live();
    daemon.wait_for_state(one.address, "active");
    let shares = clients.more(100);
    assert!(shares["one"] > 30, "{shares:?}");
    assert_eq!(clients.finish(noticed), [""; 0]);
}

#[test]
fn the_fallback_answers_while_no_server_does() {
    let (front, mut one, sorry) = (free(), Web::start("one"), Web::start("sorry"));
    let lab = Lab::new(&config(front, &[&one], &format!("\tfallback={} masq\n", sorry.address)));
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");
    assert_eq!(get(front).unwrap(), "one");
    assert_eq!(daemon.logged("fallback server"), 0, "an unchecked server is no reason for the fallback");
    assert_eq!(sorry.requests(), 0);

    one.die();
    daemon.wait_for_line(&format!("Added fallback server: {} ({front}) (Weight set to 1)", sorry.address));
    daemon.wait_for_state(one.address, "down");
    assert_eq!(get(front).unwrap(), "sorry");
    assert_eq!(daemon.status()["services"][0]["fallback_active"], true);
    assert!(daemon.told(&["status"]).contains(&format!("FALLBACK {} answers", sorry.address)));

    one.live();
    daemon.wait_for_line(&format!("Deleted fallback server: {} ({front})", sorry.address));
    daemon.wait_for_state(one.address, "active");
    assert_eq!(get(front).unwrap(), "one");
    assert_eq!(daemon.status()["services"][0]["fallback_active"], false);
}

#[test]
fn lbctl_shows_what_is_going_on() {
    let (front, one) = (free(), Web::start("one"));
    let lab = Lab::new(&config(front, &[&one], ""));
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");
    for _ in 0..5 {
        assert_eq!(get(front).unwrap(), "one");
    }

    let status = daemon.status();
    assert_eq!(status["pid"], daemon.child.id());
    assert_eq!(status["config"], lab.config().to_str().unwrap());
    assert_eq!(status["data_plane"]["name"], "relay");
    let (service, server) = (&status["services"][0], &status["services"][0]["servers"][0]);
    assert_eq!(service["service"], format!("tcp:{front}"));
    assert_eq!((&service["scheduler"], &service["quorum"]), (&"rr".into(), &true.into()));
    assert_eq!((&server["state"], &server["weight"]), (&"active".into(), &1.into()));
    assert_eq!((&server["check"]["kind"], &server["check"]["health"]), (&"http".into(), &"up".into()));
    assert!(server["check"]["latency_ms"].as_f64().unwrap() > 0.0, "{server}");
    assert!((0.0..3600.0).contains(&server["check"]["age"].as_f64().unwrap()), "{server}");

    let listing = daemon.told(&["list", "-n"]);
    let lines: Vec<&str> = listing.lines().collect();
    assert!(lines[0].starts_with("lb-director ") && lines[0].ends_with(" relay"), "{listing}");
    assert_eq!(lines[1], "Prot LocalAddress:Port Scheduler Flags");
    assert!(lines[3].starts_with(&format!("TCP  {front} rr")), "{listing}");
    assert_eq!(daemon.listed(one.address).unwrap()[2..4], ["Masq", "1"]);

    let stats = daemon.told(&["list", "-n", "--stats"]);
    let row = stats.lines().find(|line| line.contains(&one.address.to_string())).unwrap();
    assert_eq!(row.split_whitespace().nth(2), Some("5"), "connections of the clients alone: {stats}");

    let mut held = support::Connection::open(front).unwrap();
    assert_eq!(held.ask("").unwrap(), "one");
    let connections = daemon.told(&["list", "-n", "-c"]);
    let row = connections.lines().find(|line| line.contains("ESTABLISHED")).unwrap();
    assert!(row.contains(&front.to_string()) && row.contains(&one.address.to_string()), "{connections}");

    let events = daemon.told(&["events"]);
    assert!(events.contains("Added virtual server") && events.contains("Added real server"), "{events}");
    let newest = daemon.told(&["events", "-n", "1", "--json"]);
    assert_eq!(newest.lines().count(), 1);
    let newest: serde_json::Value = serde_json::from_str(&newest).unwrap();
    assert!(newest["balance"]["what"]["server"]["after"] == 1, "{newest}");
}

#[test]
fn the_operator_has_the_last_word() {
    let (front, one, two) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config(front, &[&one, &two], ""));
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");
    daemon.wait_for_state(two.address, "active");
    let target = one.address.to_string();

    let done = daemon.told(&["drain", &target, "--reason", "new disk"]);
    assert_eq!(done, format!("{target}: 1 change in the data plane\n"));
    assert_eq!(daemon.state_of(&target).unwrap(), "draining");
    assert_eq!(daemon.listed(&target).unwrap()[3], "0");
    daemon.wait_for_line(&format!(
        "Quiescent real server: {target} ({front}) (Weight set to 0) (operator: new disk (by "
    ));
    for _ in 0..4 {
        assert_eq!(get(front).unwrap(), "two");
    }

    daemon.told(&["resume", &target]);
    assert_eq!(daemon.state_of(&target).unwrap(), "active");
    daemon.wait_for_line(&format!("Restored real server: {target} ({front}) (Weight set to 1)"));

    // Without a service every order ends, and saying so twice does no harm.
    daemon.told(&["drain", &target, "--service", &format!("tcp:{front}")]);
    assert_eq!(daemon.state_of(&target).unwrap(), "draining");
    daemon.told(&["resume", &target]);
    assert_eq!(daemon.state_of(&target).unwrap(), "active");
    assert_eq!(daemon.told(&["resume", &target]), format!("{target}: no such order was in force\n"));

    // It ends by itself, though nobody asks.
    daemon.told(&["maintenance", &target, "--for", "2s"]);
    daemon.wait_for_line(&format!("Deleted real server: {target} ({front}) (operator: by hand (by "));
    daemon.wait_for_line("(operator: ran out: by hand (by ");
    assert_eq!(daemon.state_of(&target).unwrap(), "active");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (front, one) = (free(), Web::start("one"));
    let lab = Lab::new(&config(front, &[&one], ""));
    let daemon = lab.start("relay");
    let refused = |arguments: &[&str], code: i32| {
        let output = daemon.lbctl(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        text(&output.stderr)
    };
    assert_eq!(
        refused(&["drain", "192.0.2.1:80"], 1),
        "lbctl: no service of the configuration has the real server 192.0.2.1:80; see `lbctl status`\n"
    );
    let target = one.address.to_string();
    let stranger = refused(&["drain", &target, "--service", "tcp:192.0.2.1:80"], 1);
    assert!(
        stranger.contains(&format!("the service tcp:192.0.2.1:80 has no real server {target}")),
        "{stranger}"
    );
    assert!(refused(&["drain", "nonsense"], 2).contains("nonsense"));
    assert!(refused(&["maintenance", &target, "--for", "soon"], 2).contains("90s, 30m"));
    assert!(refused(&["explode"], 2).contains("explode"));

    let nobody = support::run({
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lbctl"));
        command.arg("--socket").arg(lab.path("nobody")).arg("status");
        command
    });
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("is the daemon running"), "{nobody:?}");
    wait("the server to be in use", || get(front).ok());
}
