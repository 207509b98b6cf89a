use super::*;

fn with(net: &str, change: impl FnOnce(&mut AddressAttributes)) -> VirtualAddress {
    let mut attributes = AddressAttributes::default();
    change(&mut attributes);
    VirtualAddress::new(net.parse().unwrap(), attributes)
}

#[test]
fn a_plain_one_takes_no_room_for_attributes() {
    assert_eq!(with("192.0.2.1/24", |_| {}), "192.0.2.1/24".parse().unwrap());
    assert_eq!(VirtualAddress::from("2001:db8::1".parse::<IpAddr>().unwrap()).net.prefix_len(), 128);
    assert!(size_of::<VirtualAddress>() <= 32);
}

#[test]
fn what_the_kernel_would_refuse_or_ignore_is_refused() {
    let (v4, v6) = ("192.0.2.1/24", "2001:db8::1/64");
    let fine = [
        with(v4, |it| it.label = Some("eth0:1".to_owned())),
        with(v4, |it| it.peer = Some("198.51.100.1/32".parse().unwrap())),
        with(v4, |it| it.device = Some("eth1".into())),
        with(v6, |it| it.home = true),
    ];
    fine.iter().for_each(|address| assert_eq!(address.check(), Ok(()), "{address:?}"));
    let wrong = [
        with(v6, |it| it.label = Some("eth0:1".to_owned())),
        with(v6, |it| it.scope = 253),
        with(v6, |it| it.broadcast = Some(Ipv4Addr::BROADCAST)),
        with(v4, |it| it.home = true),
        with(v4, |it| it.duplicate_detection = true),
        with(v4, |it| it.manage_temporary = true),
        with(v4, |it| it.peer = Some("2001:db8::2/64".parse().unwrap())),
        with(v4, |it| it.label = Some("sixteen-bytes-it".to_owned())),
        with(v4, |it| it.label = Some(String::new())),
        with(v4, |it| it.device = Some("eth 1".into())),
    ];
    wrong.iter().for_each(|address| assert!(address.check().is_err(), "{address:?}"));
}
