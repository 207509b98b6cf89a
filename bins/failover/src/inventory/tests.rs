use std::collections::BTreeSet;

use lb_core::model::Protocol;
use lb_vrrp::driver::Instance;

use super::*;

fn address(interface: u32, net: &str) -> Entry {
    Entry::Address { interface, net: net.parse().unwrap(), peer: None }
}

fn instance(interface: &str, nets: &[&str]) -> Instance {
    let all: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
    let config = lb_vrrp::Config::v3(lb_vrrp::Vrid::MIN, all.iter().map(IpNet::addr)).build().unwrap();
    let mut instance = Instance::new("web", interface, config);
    instance.addresses = all.into_iter().map(Into::into).collect();
    instance
}

fn index(name: &str) -> Option<u32> {
    (name == "eth0").then_some(2)
}

#[test]
fn addresses_that_no_instance_goes_on_with_are_stale() {
    let resumed = Resumed::of(&[instance("eth0", &["192.0.2.1/32"])], index);
    let kept = address(2, "192.0.2.1/32");
    let elsewhere = address(3, "192.0.2.1/32");
    let retired = address(2, "192.0.2.2/32");
    let other_length = address(2, "192.0.2.1/24");
    let table = Entry::Table("lb".to_owned());
    let link = Entry::Link { name: "vrrp.1".to_owned(), mac: Mac([0, 0, 0x5e, 0, 1, 1]) };
    let all = [&kept, &elsewhere, &retired, &other_length, &table, &link].map(Clone::clone);
    let stale = resumed.stale(&Inventory::from(all));
    assert_eq!(stale, BTreeSet::from([elsewhere, retired, other_length, link]));
}

#[test]
fn entries_survive_the_line_to_the_supervisor() {
    let service = Entry::Service {
        plane: "nft".to_owned(),
        nft_table: Some("lb-keepalived-conf-5dba31b7".to_owned()),
        key: ServiceKey::new(Protocol::Tcp, "192.0.2.1:80".parse().unwrap()),
        stays: false,
    };
    let promoted = Entry::PromoteSecondaries { interface: "eth0".to_owned(), before: "0\n".to_owned() };
    let all = Inventory::from([address(2, "192.0.2.1/24"), service, promoted, Entry::Ipvs(Ours::default())]);
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains('\n'), "an entry is on one line");
    assert_eq!(serde_json::from_str::<Inventory>(&text).unwrap(), all);
}
