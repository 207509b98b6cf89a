use std::process::{Command, Stdio};

use lb_config::keepalived::model::{Config, Group, Tracked, Tracks};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use super::*;
use crate::{
    testing::{PATIENCE, isolated, until},
    track::Trackers,
};

fn config(interfaces: &[(&str, u64)]) -> Config {
    let tracked = |(name, _): &(&str, u64)| Tracked { name: (*name).to_owned(), weight: Default::default() };
    let tracks = Tracks { interfaces: interfaces.iter().map(tracked).collect(), ..Tracks::default() };
    let delays = |(name, down): &(&str, u64)| {
        let down = Duration::from_secs(*down);
        ((*name).to_owned(), InterfaceDelays { down, up: Duration::ZERO })
    };
    Config {
        groups: vec![Group { name: "G".into(), tracks, ..Group::default() }],
        interface_delays: interfaces.iter().map(delays).collect(),
        ..Config::default()
    }
}

fn ip(arguments: &str) {
    let mut command = Command::new("ip");
    command.args(arguments.split(' ')).stdin(Stdio::null());
    assert!(command.status().unwrap().success(), "ip {arguments}");
}

/// The kernel takes its time to say that there is a carrier.
async fn runs(link: &str) {
    let shown = || Command::new("ip").args(["link", "show", link]).output().unwrap().stdout;
    until("there is a carrier", || String::from_utf8_lossy(&shown()).contains("state UP")).await;
}

async fn next(reports: &mut UnboundedReceiver<Report>) -> String {
    let report = timeout(PATIENCE, reports.recv()).await.expect("nothing is reported").unwrap();
    format!("{} {:?}: {}", report.id, report.status, report.detail)
}

#[test]
fn links_go_down_and_up_come_and_go() {
    isolated("track::interface::tests::links_go_down_and_up_come_and_go", async || {
        ip("link add one type veth peer name other");
        ip("link set one up");
        ip("link set other up");
        runs("one").await;
        let (mut trackers, mut reports) = Trackers::start();
        trackers.set(&config(&[("one", 0), ("third", 0)]));
        let mut first = [next(&mut reports).await, next(&mut reports).await];
        first.sort();
        assert_eq!(first, ["interface one Up: is up", "interface third Down: does not exist"]);
        // IFF_UP stays, IFF_RUNNING goes: somebody pulled the cable.
        ip("link set other down");
        assert_eq!(next(&mut reports).await, "interface one Down: is down");
        ip("link set other up");
        assert_eq!(next(&mut reports).await, "interface one Up: is up");
        ip("link add third type veth peer name fourth");
        assert_eq!(next(&mut reports).await, "interface third Down: is down");
        ip("link set fourth up");
        ip("link set third up");
        assert_eq!(next(&mut reports).await, "interface third Up: is up");
        ip("link set third down");
        assert_eq!(next(&mut reports).await, "interface third Down: is down");
        ip("link set third name fifth");
        assert_eq!(next(&mut reports).await, "interface third Down: does not exist");
        ip("link del one");
        // It goes down before it goes.
        assert_eq!(next(&mut reports).await, "interface one Down: is down");
        assert_eq!(next(&mut reports).await, "interface one Down: does not exist");
        // What is new is reported, what was there is not.
        trackers.set(&config(&[("one", 0), ("third", 0), ("lo", 0)]));
        assert_eq!(next(&mut reports).await, "interface lo Down: is down");
        assert!(reports.try_recv().is_err());
    });
}

#[test]
fn what_comes_back_in_time_is_not_reported() {
    isolated("track::interface::tests::what_comes_back_in_time_is_not_reported", async || {
        for link in ["slow", "fast"] {
            ip(&format!("link add {link} type veth peer name {link}-peer"));
            ip(&format!("link set {link}-peer up"));
            ip(&format!("link set {link} up"));
            runs(link).await;
        }
        let (mut trackers, mut reports) = Trackers::start();
        // As long as a test waits at most, so that the machine can not be too slow for this.
        trackers.set(&config(&[("slow", 200), ("fast", 0)]));
        next(&mut reports).await;
        next(&mut reports).await;
        for link in ["slow", "fast"] {
            ip(&format!("link set {link} down"));
        }
        assert_eq!(next(&mut reports).await, "interface fast Down: is down");
        for link in ["slow", "fast"] {
            ip(&format!("link set {link} up"));
        }
        assert_eq!(next(&mut reports).await, "interface fast Up: is up");
        trackers.set(&config(&[("slow", 1), ("fast", 0)]));
        ip("link set slow down");
        assert_eq!(next(&mut reports).await, "interface slow Down: is down");
    });
}

#[test]
fn many_at_once_are_not_lost() {
    isolated("track::interface::tests::many_at_once_are_not_lost", async || {
        let (mut trackers, mut reports) = Trackers::start();
        trackers.set(&config(&[("last", 0)]));
        assert_eq!(next(&mut reports).await, "interface last Down: does not exist");
        // More than the socket has room for, while nobody reads: this is the only thread.
        let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut text =
            String::from("link add last type veth peer name peer\nlink set peer up\nlink set last up\n");
        for number in 0..250 {
            text += &format!("link add x{number} type bridge\n");
        }
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        while next(&mut reports).await != "interface last Up: is up" {}
    });
}
