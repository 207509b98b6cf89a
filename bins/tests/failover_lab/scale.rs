//! Many addresses, and the other family.

use crate::node::{Kind::Ours, instance, lab, nodes, settle};

#[test]
fn two_hundred_and_fifty_addresses_move_as_one() {
    let Some(lab) = lab("two_hundred_and_fifty_addresses_move_as_one", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let all: Vec<String> = (1..=250).map(|last| format!("10.0.1.{last}")).collect();
    let lines: String = all.iter().map(|address| format!("    {address}/24\n")).collect();
    a.configure(&instance("many", 51, 150, &lines, ""));
    b.configure(&instance("many", 51, 100, &lines, ""));
    a.start();
    b.start();
    settle(&a, &b, "10.0.1.250");
    let held = |node: &crate::node::Node| {
        let addresses = node.host.addresses().unwrap();
        addresses.iter().filter(|found| found.net.addr().to_string().starts_with("10.0.1.")).count()
    };
    crate::support::wait("all on one", || (held(&a) == 250 && held(&b) == 0).then_some(()));
    assert!(a.daemon().stop().unwrap().success());
    crate::support::wait("all on the other", || (held(&a) == 0 && held(&b) == 250).then_some(()));
    a.start();
    crate::support::wait("all back", || (held(&a) == 250 && held(&b) == 0).then_some(()));
}

#[test]
fn version_6_works_the_same() {
    let Some(lab) = lab("version_6_works_the_same", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let vips = "fe80::100/64\n    fd00::100/64";
    a.configure(&instance("six", 51, 150, vips, ""));
    b.configure(&instance("six", 51, 100, vips, ""));
    a.start();
    b.start();
    settle(&a, &b, "fd00::100");
    lab.cut(&a.host, "eth0").unwrap();
    settle(&b, &a, "fd00::100");
    lab.mend(&a.host, "eth0").unwrap();
    settle(&a, &b, "fd00::100");
    settle(&a, &b, "fe80::100");
    assert!(a.daemon().stop().unwrap().success());
    settle(&b, &a, "fd00::100");
}
