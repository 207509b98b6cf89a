//! Interfaces that are not there, and peers that are set up in another way.

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes},
    support::wait,
};

const VIP: &str = "10.0.0.100";

#[test]
fn an_instance_waits_for_its_interface_each_time() {
    let Some(lab) = lab("an_instance_waits_for_its_interface_each_time", &[]) else { return };
    let mut node = Node::new(lab.host("a").unwrap(), Ours);
    let text = instance("web", 51, 150, &format!("{VIP}/24"), "").replace("eth0", "late0");
    node.configure(&text);
    node.start();
    node.wait_for_line("(web) Entering FAULT STATE");
    node.wait_for_line("late0");
    for _ in 0..2 {
        let state = || node.status()["instances"][0]["state"].as_str().map(str::to_lowercase);
        wait("the state of an instance that waits", || (state()? == "fault").then_some(()));
        assert!(node.status().to_string().contains("late0"), "{}", node.status());
        node.host
            .sh("ip link add late0 type veth peer name late1; ip link set late1 up; ip link set late0 up; ip addr add 10.0.0.1/24 dev late0")
            .unwrap();
        node.wait_for(VIP, true);
        wait("MASTER", || (state()? == "master").then_some(()));
        node.host.sh("ip link del late0").unwrap();
    }
    assert!(node.daemon().ended().is_none());
}

#[test]
fn a_tracked_interface_that_is_not_there_is_down() {
    let Some(lab) = lab("a_tracked_interface_that_is_not_there_is_down", &[]) else { return };
    let [mut a, _b] = nodes(&lab, [Ours, Ours]);
    a.configure(&instance("web", 51, 150, &format!("{VIP}/24"), "track_interface {\n    late0\n  }"));
    a.start();
    a.wait_for_line("(web) Entering FAULT STATE");
    a.wait_for_line("late0");
    a.host
        .sh("ip link add late0 type veth peer name late1; ip link set late1 up; ip link set late0 up")
        .unwrap();
    a.wait_for(VIP, true);
    a.host.sh("ip link del late0").unwrap();
    a.wait_for(VIP, false);
}

#[test]
fn other_intervals_of_a_peer_are_said_once_with_both() {
    let Some(lab) = lab("other_intervals_of_a_peer_are_said_once_with_both", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let of = |version, interval: &str, priority| {
        instance("web", 51, priority, &format!("{VIP}/24"), "")
            .replace("version 3", &format!("version {version}"))
            .replace("advert_int 0.2", &format!("advert_int {interval}"))
    };
    for (version, [theirs, ours]) in [(3, ["0.2", "0.5"]), (2, ["1", "2"])] {
        a.configure(&of(version, theirs, 150));
        b.configure(&of(version, ours, 100));
        a.start();
        a.wait_for(VIP, true);
        b.start();
        wait("the complaint", || {
            b.log().lines().any(|line| line.contains("advert interval of 10.0.0.1")).then_some(())
        });
        let lines = || b.log().lines().filter(|line| line.contains("advert interval")).count();
        // Several more of them are heard.
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!(lines(), 1, "{}", b.log());
        let seen = |value: &str| {
            let found = b.log();
            let line = found.lines().find(|line| line.contains("advert interval")).unwrap().to_owned();
            let milliseconds = (value.parse::<f64>().unwrap() * 1000.0).to_string();
            assert!(line.contains(value) || line.contains(&milliseconds), "{value}: {line}");
        };
        seen(theirs);
        seen(ours);
        assert!(a.daemon().stop().unwrap().success());
        assert!(b.daemon().stop().unwrap().success());
    }
}

#[test]
fn the_log_tells_of_interfaces_in_the_words_of_keepalived() {
    let Some(lab) = lab("the_log_tells_of_interfaces_in_the_words_of_keepalived", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    node.host
        .sh("ip link add late0 type veth peer name late1; ip link set late1 up; ip link set late0 up; ip addr add 10.0.0.1/24 dev late0")
        .unwrap();
    let on = |name: &str, id: u8, address: &str| {
        instance(name, id, 150, &format!("{address}/24"), "").replace("eth0", "late0")
    };
    node.configure(&(on("web", 51, VIP) + &on("other", 52, "10.0.0.101")));
    node.start();
    node.wait_for(VIP, true);
    node.wait_for("10.0.0.101", true);
    node.host.sh("ip link set late0 down").unwrap();
    node.wait_for_line("(other) Entering FAULT STATE");
    node.assert_said("Netlink reports late0 down", 1);
    node.host.sh("ip link set late0 up").unwrap();
    node.wait_for(VIP, true);
    node.assert_said("Netlink reports late0 up", 1);
    node.host.sh("ip link del late0").unwrap();
    node.assert_said("Interface late0 deleted", 1);
    wait("the fault of an interface that is gone", || {
        node.lbctl(&["explain", "web"]).contains("late0 does not exist; it is waited for").then_some(())
    });
}

#[test]
fn addresses_that_change_places_at_a_reload_are_not_missing() {
    let Some(lab) = lab("addresses_that_change_places_at_a_reload_are_not_missing", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    let both = |first: &str, second: &str| {
        instance("web", 51, 150, &format!("{first}/24"), "")
            + &instance("other", 52, 150, &format!("{second}/24"), "")
    };
    let other = "10.0.0.101";
    node.configure(&both(VIP, other));
    node.start();
    node.wait_for(VIP, true);
    node.wait_for(other, true);
    for turn in 0..10 {
        let (first, second) = if turn % 2 == 0 { (other, VIP) } else { (VIP, other) };
        node.configure(&both(first, second));
        node.lbctl(&["reload"]);
        let at = format!("{first}/24");
        wait("the addresses in their new places", || {
            let status = node.status();
            let found = &status["instances"][0];
            (found["addresses"][0] == *at && found["installed"] == 1).then_some(())
        });
    }
    node.lbctl(&["status"]);
    assert!(node.has(VIP) && node.has(other));
    assert!(node.daemon().stop().unwrap().success());
    assert_eq!(node.said("removed by somebody else"), 0, "{}", node.log());
}
