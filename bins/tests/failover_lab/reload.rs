//! The configuration is read again and again, and nobody outside notices.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::{
    node::{Kind::Ours, instance, lab, nodes, settle},
    support::wait,
};

const VIP: &str = "10.0.0.100";
const TSHARK: &str = "/usr/bin/tshark";

#[test]
fn reloads_move_nothing_that_stays() {
    let Some(lab) = lab("reloads_move_nothing_that_stays", &[TSHARK]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let kept = |priority| instance("web", 51, priority, &format!("{VIP}/24"), "");
    a.configure(&kept(150));
    b.configure(&kept(100));
    a.start();
    b.start();
    settle(&a, &b, VIP);
    // Number, source, router and priority of every advertisement.
    let fields = ["-e", "frame.number", "-e", "ip.src", "-e", "vrrp.virt_rtr_id", "-e", "vrrp.prio"];
    let mut wire = Command::new(TSHARK);
    wire.args(["-i", "lan", "-l", "-Q", "-f", "ip proto 112", "-T", "fields"]).args(fields);
    let wire = lab.room().spawn(&wire).unwrap();
    let adverts = || {
        let text = wire.log();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let rows = complete.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
        rows.filter(|row| row.len() == 4 && row[0].parse::<u64>().is_ok()).collect::<Vec<_>>()
    };
    let changes = a.host.spawn(Command::new("ip").args(["-oneline", "monitor", "address"])).unwrap();
    wait("the recorder", || (adverts().len() > 2).then_some(()));
    // The machine is busy meanwhile.
    let _load: Vec<_> = (0..4)
        .map(|_| a.host.spawn(Command::new("sh").args(["-c", "while :; do :; done"])).unwrap())
        .collect();

    let entered = (a.said("(web) Entering"), b.said("(web) Entering"));
    for round in 0..5 {
        let extra = format!("10.0.0.{}", 110 + round);
        a.configure(&(kept(150) + &instance("more", 52, 150, &format!("{extra}/24"), "")));
        a.signal(Signal::SIGHUP);
        a.wait_for(&extra, true);
        // What is wrong is refused, and changes nothing.
        a.configure("vrrp_instance web {\n  interface eth0\n  virtual_router_id 999\n}\n");
        a.signal(Signal::SIGHUP);
    }
    a.configure(&kept(150));
    a.signal(Signal::SIGHUP);
    a.wait_for("10.0.0.114", false);
    let heard = adverts().len();
    wait("some more advertisements", || (adverts().len() > heard + 3).then_some(()));

    assert_eq!((a.said("(web) Entering"), b.said("(web) Entering")), entered, "no election");
    let adverts = adverts();
    let of_web: Vec<_> = adverts.iter().filter(|row| row[2] == "51").collect();
    assert!(of_web.iter().all(|row| row[1] == "10.0.0.1" && row[3] == "150"), "{of_web:?}");
    let changes = changes.log();
    assert!(changes.contains("10.0.0.110"), "{changes}");
    let of_vip: Vec<&str> = changes.lines().filter(|line| line.contains(&format!(" {VIP}/"))).collect();
    assert!(of_vip.is_empty(), "{of_vip:?}");
}

#[test]
fn another_name_is_all_that_changes_when_a_name_does() {
    let Some(lab) = lab("another_name_is_all_that_changes_when_a_name_does", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    a.configure(&instance("web", 51, 150, "10.0.0.100/24", ""));
    b.configure(&instance("web", 51, 100, "10.0.0.100/24", ""));
    a.start();
    b.start();
    settle(&a, &b, "10.0.0.100");
    let moves = b.said("Entering MASTER STATE");
    a.configure(&instance("www", 51, 160, "10.0.0.100/24", ""));
    a.lbctl(&["reload"]);
    let status = a.status();
    let renamed = &status["instances"][0];
    assert_eq!((&renamed["name"], &renamed["state"]), (&"www".into(), &"MASTER".into()), "{status}");
    assert_eq!(renamed["priority"], 160, "{status}");
    assert!(a.has("10.0.0.100"));
    assert_eq!((a.said("removing VIPs"), b.said("Entering MASTER STATE")), (0, moves));
}
