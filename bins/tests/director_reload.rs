//! lb-director reads its configuration again: whole or not at all, and nobody's connection suffers.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{net::SocketAddr, time::Instant};

use nix::sys::signal::Signal;
use support::{Clients, Connection, Lab, Web, free, get, lines, text, wait};

fn config(globals: &str, front: SocketAddr, servers: &[&Web]) -> String {
    let mut text = format!(
        "{globals}checkinterval=1\nchecktimeout=3\nnegotiatetimeout=3\nvirtual={front}\n\tscheduler=rr\n\
         \tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n"
    );
    for server in servers {
        text += &format!("\treal={} masq\n", server.address);
    }
    text
}

#[test]
fn sighup_adds_a_server_and_disturbs_nobody() {
    let (front, one, two) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config("", front, &[&one]));
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");
    let (started, clients) = (Instant::now(), Clients::start(front));
    clients.more(20);
    let mut held = Connection::open(front).unwrap();
    assert_eq!(held.ask("").unwrap(), "one");

    lab.configure(&config("", front, &[&one, &two]));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_line("In force: ");
    daemon.wait_for_state(two.address, "active");
    wait("the new server's share", || clients.more(20).contains_key("two").then_some(()));
    assert_eq!(held.ask("").unwrap(), "one", "the connection goes on where it was");
    assert_eq!(daemon.state_of(one.address).unwrap(), "active");
    daemon.assert_logged(&format!("Added real server: {}", one.address), 1);

    // A server that is named no longer leaves; what it has begun it may end.
    lab.configure(&config("", front, &[&two]));
    let done = daemon.told(&["reload"]);
    assert_eq!(done, "the configuration is in force\n");
    assert_eq!(daemon.state_of(one.address), None);
    let shares = clients.more(40);
    assert!(shares.get("one").is_none_or(|late| *late <= 4), "{shares:?}");
    assert_eq!(clients.finish(started), [""; 0]);
}

#[test]
fn a_bad_file_changes_nothing() {
    let (front, one) = (free(), Web::start("one"));
    let good = config("", front, &[&one]);
    let lab = Lab::new(&good);
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");

    lab.configure(&format!("{good}\tscheduler=\n\tchecktype=magic\n"));
    daemon.signal(Signal::SIGHUP);
    let line = daemon.wait_for_line("Configuration refused, the old one stays in force: ");
    let place = format!("{}:{}:", lab.config().display(), good.lines().count() + 2);
    assert!(line.contains(&place), "all errors are named with their places: {line}");
    assert_eq!(get(front).unwrap(), "one");
    let status = daemon.told(&["status"]);
    assert!(status.contains("PROBLEM: the newest configuration was refused: "), "{status}");
    assert!(daemon.status()["config_error"].as_str().unwrap().contains(&place));

    let output = daemon.lbctl(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.starts_with("lbctl: refused, the old one stays in force: ") && error.contains(&place),
        "{error}"
    );

    std::fs::remove_file(lab.config()).unwrap();
    let output = daemon.lbctl(&["reload"]);
    assert!(!output.status.success() && text(&output.stderr).contains("can not be read"), "{output:?}");

    lab.configure(&good);
    daemon.told(&["reload"]);
    assert!(daemon.status()["config_error"].is_null());
    assert_eq!(daemon.state_of(one.address).unwrap(), "active");
    assert_eq!(daemon.logged("Deleted real server"), 0);
}

#[test]
fn a_changed_file_is_noticed() {
    let (front, one, two) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new("");
    let called = lab.path("called");
    let program = lab.script("callback", &format!("echo \"$@\" >>{}", called.display()));
    let globals = format!("autoreload=yes\ncallback=\"{}\"\n", program.display());
    lab.configure(&config(&globals, front, &[&one]));
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "active");
    assert_eq!(lines(&called), [""; 0]);

    lab.configure(&config(&globals, front, &[&one, &two]));
    daemon.wait_for_line(&format!("Configuration file '{}' has changed on disk", lab.config().display()));
    daemon.wait_for_state(two.address, "active");
    let expected = [lab.config().display().to_string()];
    wait("the callback", || (lines(&called) == expected).then_some(()));

    // One that is bad is reported once, and does not end the watching.
    lab.configure("virtual=nonsense\n");
    daemon.wait_for_line("Configuration refused");
    lab.configure(&config(&globals, front, &[&two]));
    wait("the good file", || daemon.state_of(one.address).is_none().then_some(()));
    daemon.assert_logged("Configuration refused", 1);
}

#[test]
fn a_file_that_is_being_written_changes_nothing_until_it_is_complete() {
    let (front, one, two) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new(&config("autoreload=yes\n", front, &[&one]));
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "active");
    // In its place, as `cp` and editors without a temporary file do it.
    let write = |text: &str| std::fs::write(lab.config(), text).unwrap();
    let partial = "has changed on disk, but ends within a line";
    write("");
    daemon.assert_logged(partial, 1);
    let next = config("autoreload=yes\n", front, &[&one, &two]);
    write(next.strip_suffix(" masq\n").unwrap());
    daemon.assert_logged(partial, 2);
    write("# the rest is still to come\n");
    daemon.wait_for_line("names no virtual service: it may be incomplete; `lbctl reload` takes it as it is");
    assert_eq!(daemon.state_of(one.address).unwrap(), "active");
    assert_eq!(daemon.logged("In force"), 0);
    write(&next);
    daemon.wait_for_state(two.address, "active");
    assert_eq!(daemon.logged("Purged virtual server"), 0);
    assert_eq!(daemon.logged("Deleted real server"), 0);

    // Whoever asks gets what is there.
    write("# all services are gone\n");
    daemon.told(&["reload"]);
    daemon.wait_for_line(&format!("Purged virtual server: {front}"));
}

#[test]
fn without_autoreload_a_changed_file_waits() {
    let (front, one, two) = (free(), Web::start("one"), Web::start("two"));
    let lab = Lab::new("");
    let called = lab.path("called");
    let program = lab.script("callback", &format!("echo \"$@\" >>{}", called.display()));
    let globals = format!("callback=\"{}\"\n", program.display());
    lab.configure(&config(&globals, front, &[&one]));
    let daemon = lab.start("memory");
    lab.configure(&config(&globals, front, &[&one, &two]));
    wait("the callback", || (lines(&called).len() == 1).then_some(()));
    assert_eq!(daemon.state_of(two.address), None);
    assert_eq!(daemon.logged("In force"), 0);
}

#[test]
fn what_is_known_of_a_server_survives() {
    let (front, mut one, two) = (free(), Web::start("one"), Web::start("two"));
    one.die();
    let lab = Lab::new(&config("quiescent=yes\n", front, &[&one, &two]));
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "down");
    daemon.wait_for_state(two.address, "active");
    let target = two.address.to_string();
    daemon.told(&["drain", &target]);

    let heavier = format!("{} masq 7", two.address);
    let text = config("quiescent=yes\n", front, &[&one, &two]);
    lab.configure(&text.replace(&format!("{} masq", two.address), &heavier));
    daemon.told(&["reload"]);
    // ldirectord lets a dead server in for a moment at every reload.
    assert_eq!(daemon.logged(&format!("Restored real server: {}", one.address)), 0);
    assert_eq!(daemon.logged(&format!("Added real server: {}", one.address)), 0);
    assert_eq!(daemon.state_of(one.address).unwrap(), "down");
    assert_eq!(daemon.state_of(&target).unwrap(), "draining", "an order outlives a reload");
    daemon.told(&["resume", &target]);
    daemon.wait_for_line(&format!(
        "Restored real server: {target} ({front}) (Weight set to 7) (operator: end of: by hand (by "
    ));
    assert_eq!(daemon.listed(&target).unwrap()[3], "7");

    lab.configure(&text);
    daemon.told(&["reload"]);
    daemon
        .wait_for_line(&format!("Changed real server: {target} ({front}) (Weight set to 1) (configuration "));

    let other = free();
    lab.configure(&config("", other, &[&two]));
    daemon.told(&["reload"]);
    daemon.wait_for_line(&format!("Purged virtual server: {front}"));
    daemon.wait_for_line(&format!("Added virtual server: {other}"));
    let listing = daemon.told(&["list", "-n"]);
    assert!(listing.contains(&other.to_string()) && !listing.contains(&front.to_string()), "{listing}");
}

#[test]
fn a_plan_tells_what_a_reload_would_do_and_does_nothing() {
    let (front, one, two, later) = (free(), Web::start("one"), Web::start("two"), free());
    let good = config("", front, &[&one, &two]);
    let lab = Lab::new(&good);
    let daemon = lab.start("relay");
    daemon.wait_for_state(one.address, "active");
    daemon.wait_for_state(two.address, "active");
    let path = lab.config().display().to_string();
    let nothing = format!("{path} changes nothing in the data plane relay\n");
    assert_eq!(daemon.told(&["plan"]), nothing);
    let mut held: Vec<Connection> = (0..2).map(|_| Connection::open(front).unwrap()).collect();
    let mut names: Vec<String> = held.iter_mut().map(|held| held.ask("").unwrap()).collect();
    names.sort();
    assert_eq!(names, ["one", "two"]);

    let heavier = good.replace(&format!("{} masq", two.address), &format!("{} masq 3", two.address));
    let wanted = heavier.replace(&one.address.to_string(), &later.to_string());
    lab.configure(&wanted);
    let planned = format!(
        "{path} changes in the data plane relay:\n  \
         edit server {two} of tcp:{front} (masq weight 3)\n  \
         remove server {one} from tcp:{front}, whose 1 active and 0 inactive connections go on\n\
         and when the first checks of servers have passed:\n  \
         add server {later} to tcp:{front} (masq weight 1)\n\
         No connection ends.\n",
        two = two.address,
        one = one.address,
    );
    assert_eq!(daemon.told(&["plan"]), planned);
    let json: serde_json::Value = serde_json::from_str(&daemon.told(&["plan", "--json"])).unwrap();
    assert_eq!(json["steps"][1]["change"], "remove-server");
    assert_eq!(json["steps"][1]["connected"]["active"], 1);
    assert_eq!(daemon.state_of(one.address).unwrap(), "active");
    assert_eq!((daemon.logged("In force"), daemon.logged("Deleted real server")), (0, 0), "{}", daemon.log());

    // Another file may be tried before it is put into its place; one that a reload refuses is refused.
    let other = lab.path("other.cf");
    std::fs::write(&other, &good).unwrap();
    let told = daemon.told(&["plan", other.to_str().unwrap()]);
    assert_eq!(told, nothing.replace(&path, other.to_str().unwrap()));
    std::fs::write(&other, good + "\tscheduler=\n").unwrap();
    let output = daemon.lbctl(&["plan", other.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.starts_with("lbctl: a reload would be refused: ") && error.contains("other.cf:"),
        "{error}"
    );

    daemon.told(&["reload"]);
    daemon.wait_for_line(&format!("Deleted real server: {}", one.address));
    daemon.wait_for_line(&format!("Changed real server: {} ({front}) (Weight set to 3)", two.address));
    daemon.wait_for_state(later, "down");
    assert_eq!(daemon.told(&["plan"]), nothing);
}
