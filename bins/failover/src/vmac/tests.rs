use std::path::Path;

use lb_config::keepalived::{language, resolve::resolve};
use lb_vrrp::driver::linux::Maker;

use super::*;

const MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 51]);

/// Instances with these interfaces, address families and parameters of `use_vmac`.
fn instances(all: &[(&str, &str, &str)]) -> Config {
    let text = |(number, (interface, family, vmac)): (usize, &(&str, &str, &str))| {
        let address = if *family == "v4" { "192.0.2.10/24" } else { "2001:db8::10/64" };
        format!(
            "vrrp_instance V{number} {{\ninterface {interface}\nuse_vmac {vmac}\nvirtual_router_id 51\n\
             virtual_ipaddress {{\n{address}\n}}\n}}\n"
        )
    };
    let text = all.iter().enumerate().map(text).collect::<String>();
    let settings = language::Settings::default();
    let (document, _, mut problems) =
        language::read_text(&text, Path::new("f"), &settings, &mut language::Machine::default());
    let config = resolve(&document, &mut problems);
    assert!(!problems.any_error(), "{:?}", problems.finish());
    config
}

/// The names that they get, and how many warnings.
fn names(mut config: Config, links: &[ExistingLink]) -> (Vec<String>, usize) {
    let warnings = assign_names(&mut config, links).len();
    let name = |instance: &Instance| instance.vmac.clone().unwrap().name.unwrap();
    (config.instances.iter().map(name).collect(), warnings)
}

fn link(name: &str, index: u32) -> ExistingLink {
    ExistingLink { name: name.to_owned(), index, parent: None, mac: None, maker: None }
}

fn macvlan(name: &str, parent: u32, maker: Option<Maker>) -> ExistingLink {
    ExistingLink { parent: Some(parent), mac: Some(MAC), maker, ..link(name, 9) }
}

#[test]
fn names_are_those_of_keepalived_and_unique() {
    // What keepalived 2.2.7 made of these files.
    let four = [("eth0", "v4", ""), ("eth1", "v4", ""), ("eth2", "v4", "")];
    assert_eq!(names(instances(&four), &[]).0, ["vrrp.51", "vrrp1.51", "vrrp2.51"]);
    assert_eq!(names(instances(&[("eth0", "v6", "")]), &[]).0, ["vrrp.51"]);
    let mixed = [("eth0", "v6", ""), ("eth0", "v4", ""), ("eth1", "v4", ""), ("eth1", "v6", "")];
    assert_eq!(names(instances(&mixed), &[]).0, ["vrrp.51", "vrrp1.51", "vrrp2.51", "vrrp6.51"]);
    let given = [("eth0", "v6", ""), ("eth1", "v6", "vrrp6.51"), ("eth2", "v6", "")];
    assert_eq!(names(instances(&given), &[]).0, ["vrrp.51", "vrrp6.51", "vrrp1.51"]);
    let later = [("eth0", "v4", ""), ("eth1", "v4", "vrrp.51")];
    assert_eq!(names(instances(&later), &[]).0, ["vrrp1.51", "vrrp.51"]);
}

#[test]
fn interfaces_of_others_are_left_alone() {
    let host = [link("eth0", 2), link("eth5", 7), macvlan("vrrp.51", 2, None)];
    let (found, warnings) = names(instances(&[("eth0", "v4", "")]), &host);
    assert_eq!((found[0].as_str(), warnings), ("vrrp1.51", 0));
    let (found, warnings) = names(instances(&[("eth0", "v4", "eth5")]), &host);
    assert_eq!((found[0].as_str(), warnings), ("vrrp1.51", 1));
    // Made by a driver or by keepalived, but upon another interface.
    for maker in [Maker::Driver, Maker::Keepalived] {
        let host = [link("eth0", 2), macvlan("vrrp.51", 3, Some(maker))];
        assert_eq!(names(instances(&[("eth0", "v4", "")]), &host).0, ["vrrp1.51"]);
    }
}

#[test]
fn what_was_made_before_keeps_its_name() {
    let own = |name, parent| macvlan(name, parent, Some(Maker::Driver));
    let host = [link("eth0", 2), link("eth1", 3), own("vrrp.51", 2), own("vrrp1.51", 3)];
    let both = [("eth0", "v4", ""), ("eth1", "v4", "")];
    assert_eq!(names(instances(&both), &host).0, ["vrrp.51", "vrrp1.51"]);
    let turned = [("eth1", "v4", ""), ("eth0", "v4", "")];
    assert_eq!(names(instances(&turned), &host).0, ["vrrp1.51", "vrrp.51"]);
    // The first instance was removed, and its interface with it.
    let host = [link("eth0", 2), link("eth1", 3), own("vrrp1.51", 3)];
    assert_eq!(names(instances(&[("eth1", "v4", "")]), &host).0, ["vrrp1.51"]);
    let named = [link("eth0", 2), own("front0", 2)];
    assert_eq!(names(instances(&[("eth0", "v4", "front0")]), &named), (vec!["front0".to_owned()], 0));
    assert_eq!(
        names(instances(&[("eth0", "v4", "")]), &named).0,
        ["vrrp.51"],
        "the name is not given any more"
    );
}
