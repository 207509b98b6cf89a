//! Interfaces of `use_vmac`, and interfaces of others that have their names.

use std::process::Command;

use crate::{
    node::{
        KEEPALIVED,
        Kind::{Keepalived, Ours},
        Node, instance, lab, nodes, settle,
    },
    support::wait,
};

const VIP: &str = "10.0.0.100";
const OTHER: &str = "10.1.0.100";
const VMAC: &str = "00:00:5e:00:01:33";

/// Gives a host the interface `eth1` with the address 10.1.0.1.
fn add_eth1(node: &Node) {
    node.host
        .sh("ip link add eth1 type veth peer name far1; ip link set far1 up; ip link set eth1 up; \
             ip addr add 10.1.0.1/24 dev eth1")
        .unwrap();
}

/// What `ip` shows of an interface, without its state, which changes.
fn shown(node: &Node, interface: &str) -> String {
    node.host.sh(&format!("ip -o -d link show {interface}; ip -o addr show {interface}")).unwrap()
}

fn has_interface(node: &Node, name: &str) -> bool {
    node.host.sh("ip -o link").unwrap().contains(&format!(" {name}@"))
}

/// The interface that has this address.
fn interface_of(node: &Node, address: &str) -> Option<String> {
    let all = node.host.addresses().unwrap();
    all.into_iter().find(|one| one.net.addr().to_string() == address).map(|one| one.interface)
}

fn wait_for_interface_of(node: &Node, address: &str, expected: &str) {
    wait(&format!("{address} on {expected}"), || {
        (interface_of(node, address).as_deref() == Some(expected)).then_some(())
    });
}

#[test]
fn an_interface_of_somebody_else_is_neither_removed_nor_changed() {
    let test = "an_interface_of_somebody_else_is_neither_removed_nor_changed";
    let Some(lab) = lab(test, &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    add_eth1(&node);
    let other = format!("ip link add mine link eth0 address {VMAC} type macvlan");
    node.host
        .sh(&format!("{other} mode bridge; ip link add vrrp.52 link eth0 type macvlan mode private"))
        .unwrap();
    node.host.sh("ip addr add 10.3.0.1/24 dev mine; ip link set vrrp.52 up").unwrap();
    // Those of an operator, in the mode and with the Ethernet address that ours have.
    node.host.sh(&format!("ip link add vrrp.51 link eth0 address {VMAC} type macvlan mode vepa")).unwrap();
    let foreign = ["eth1", "mine", "vrrp.51", "vrrp.52", "eth0"];
    let before = foreign.map(|name| shown(&node, name));
    let named = |vmac: &str| instance("web", 51, 150, &format!("{VIP}/24"), vmac);
    for name in ["eth1", "mine", "vrrp.51", "eth0"] {
        node.configure(&named(&format!("use_vmac {name}")));
        node.start();
        wait_for_interface_of(&node, VIP, "vrrp1.51");
        if name != "eth0" {
            node.wait_for_line(&format!("(web) interface {name} already exists"));
        }
        assert!(node.daemon().stop().unwrap().success());
        assert_eq!(foreign.map(|name| shown(&node, name)), before);
        assert!(!has_interface(&node, "vrrp1.51"));
    }
    // Neither at a start without a name, nor by a reload, nor by the supervisor that cleans up after a dead daemon.
    node.configure(&instance("web", 52, 150, &format!("{VIP}/24"), "use_vmac"));
    node.start_program(env!("CARGO_BIN_EXE_lb-failover").as_ref(), &["-n", "-l", "-D", "-R"]);
    wait_for_interface_of(&node, VIP, "vrrp1.52");
    node.configure(&named("use_vmac mine"));
    node.lbctl(&["reload"]);
    wait_for_interface_of(&node, VIP, "vrrp1.51");
    crate::supervisor::kill_daemon(&mut node);
    node.daemon().wait().unwrap();
    node.wait_for(VIP, false);
    assert_eq!(foreign.map(|name| shown(&node, name)), before);
    assert!(!has_interface(&node, "vrrp1.51") && !has_interface(&node, "vrrp1.52"));
}

#[test]
fn the_test_of_a_file_tells_of_names_that_are_taken() {
    let Some(lab) = lab("the_test_of_a_file_tells_of_names_that_are_taken", &[]) else { return };
    let [node, _] = nodes(&lab, [Ours, Ours]);
    add_eth1(&node);
    let test = |text: &str, live: bool| {
        node.configure(text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-failover"));
        command.arg("--config-test").args(live.then_some("--live"));
        let output = node.host.output(&command).unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let one = |name: &str, id: u8, interface: &str, vmac: &str| {
        instance(name, id, 150, &format!("10.{id}.0.100/24"), vmac).replace("eth0", interface)
    };
    let (status, said) = test(&(one("a", 51, "eth0", "use_vmac eth1") + &one("b", 52, "eth1", "")), false);
    assert!(
        status == Some(0) && said.contains("`eth1` is the interface that instance `b` runs on"),
        "{said}"
    );
    let twice = one("a", 51, "eth0", "use_vmac v0") + &one("b", 52, "eth1", "use_vmac v0");
    let (status, said) = test(&twice, false);
    assert!(
        status == Some(0) && said.contains("instance `a` has a VMAC with the name `v0` already"),
        "{said}"
    );
    let named = instance("a", 51, 150, &format!("{VIP}/24"), "use_vmac eth1");
    assert!(!test(&named, false).1.contains("eth1 already exists"), "without --live no host is looked at");
    let (status, said) = test(&named, true);
    assert!(status == Some(0) && said.contains("interface eth1 already exists"), "{said}");
}

#[test]
fn one_identifier_on_two_interfaces_has_two_virtual_interfaces() {
    let test = "one_identifier_on_two_interfaces_has_two_virtual_interfaces";
    let Some(lab) = lab(test, &[KEEPALIVED]) else { return };
    let [mut ours, mut theirs] = nodes(&lab, [Ours, Keepalived]);
    let of = |names: [&str; 2], priority| {
        let second =
            instance("second", 51, priority, &format!("{OTHER}/24"), names[1]).replace("eth0", "eth1");
        instance("first", 51, priority, &format!("{VIP}/24"), names[0]) + &second
    };
    for node in [&ours, &theirs] {
        add_eth1(node);
    }
    for (names, interfaces) in [
        (["use_vmac", "use_vmac"], ["vrrp.51", "vrrp1.51"]),
        (["use_vmac", "use_vmac vrrp.51"], ["vrrp1.51", "vrrp.51"]),
        (["use_vmac v0", "use_vmac v0"], ["v0", "vrrp.51"]),
    ] {
        // Each alone: eth1 of one node is not that of the other.
        for node in [&mut theirs, &mut ours] {
            node.configure(&of(names, 150));
            node.start();
            wait_for_interface_of(node, VIP, interfaces[0]);
            wait_for_interface_of(node, OTHER, interfaces[1]);
            if node.host.name() == "b" {
                assert!(node.daemon().stop().unwrap().success());
            }
        }
        let installed = |node: &Node| {
            let status = node.status();
            let instances = status["instances"].as_array().unwrap().clone();
            instances.iter().map(|one| one["installed"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        wait("both to be installed", || (installed(&ours) == [1, 1]).then_some(()));
        // A reload of the same file changes no name, and neither does a death.
        ours.lbctl(&["reload"]);
        let before = crate::supervisor::kill_daemon(&mut ours);
        crate::supervisor::wait_for_successor(&mut ours, before);
        wait_for_interface_of(&ours, VIP, interfaces[0]);
        wait_for_interface_of(&ours, OTHER, interfaces[1]);
        assert!(ours.daemon().stop().unwrap().success());
        assert!(interfaces.iter().all(|name| !has_interface(&ours, name)));
    }
}

#[test]
fn a_virtual_interface_that_somebody_removes_comes_back() {
    let Some(lab) = lab("a_virtual_interface_that_somebody_removes_comes_back", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), "use_vmac"));
        node.start();
    }
    settle(&a, &b, VIP);
    for _ in 0..2 {
        a.host.sh("ip link del vrrp.51").unwrap();
        wait_for_interface_of(&a, VIP, "vrrp.51");
    }
    assert_eq!(b.said("Entering MASTER STATE"), 0);
}

#[test]
fn what_keepalived_has_left_behind_is_taken_over() {
    let Some(lab) = lab("what_keepalived_has_left_behind_is_taken_over", &[]) else { return };
    let [mut node, _] = nodes(&lab, [Ours, Ours]);
    node.host
        .sh(&format!(
            "ip link add vrrp.51 link eth0 address {VMAC} type macvlan mode private; ip link set vrrp.51 up; \
             ip addr add {VIP}/24 dev vrrp.51"
        ))
        .unwrap();
    node.configure(&instance("web", 51, 150, &format!("{VIP}/24"), "use_vmac"));
    node.start();
    node.wait_for_line("Entering MASTER STATE");
    wait_for_interface_of(&node, VIP, "vrrp.51");
    assert!(shown(&node, "vrrp.51").contains("macvlan mode vepa"), "{}", shown(&node, "vrrp.51"));
    assert!(node.daemon().stop().unwrap().success());
    assert!(!has_interface(&node, "vrrp.51"));
}

#[test]
fn a_virtual_interface_that_cannot_be_set_up_is_a_fault() {
    let Some(lab) = lab("a_virtual_interface_that_cannot_be_set_up_is_a_fault", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    // The kernel lets one of two with the same Ethernet address be up.
    a.host
        .sh(&format!(
            "ip link add mine link eth0 address {VMAC} type macvlan mode bridge; ip link set mine up"
        ))
        .unwrap();
    for (node, priority) in [(&mut a, 150), (&mut b, 100)] {
        node.configure(&instance("web", 51, priority, &format!("{VIP}/24"), "use_vmac"));
        node.start();
    }
    a.wait_for_line("(web) Entering FAULT STATE");
    settle(&b, &a, VIP);
    a.host.sh("ip link del mine").unwrap();
    a.lbctl(&["reload"]);
    settle(&a, &b, VIP);
}
