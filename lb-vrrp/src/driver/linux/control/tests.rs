use super::*;

#[test]
fn names_hold_their_addresses() {
    for address in ["192.0.2.1", "fe80::1"] {
        let address: IpAddr = address.parse().unwrap();
        let (name, length) = Name::ip(address, 7);
        assert_eq!(name.address(length), Some(address));
        assert_eq!(name.address(length - 1), None, "cut short");
    }
    assert_eq!(Name::link(7, 0x0806, Mac([1; 6])).0.address(20), None);
}

#[test]
fn a_source_is_read_back() {
    let source: Ipv6Addr = "fe80::7".parse().unwrap();
    let (control, length) = Control::from(source.into(), 3, 255);
    assert_eq!(Said::parse(&control.0[..length]), Said { destination: Some(source), ..Said::default() });
    let (control, length) = Control::from(source.into(), 3, 64);
    let said = Said { destination: Some(source), hop_limit: Some(64), ..Said::default() };
    assert_eq!(Said::parse(&control.0[..length]), said);
}

#[test]
fn several_control_messages_are_read() {
    let mut bytes = Vec::new();
    let mut put = |level: i32, kind: i32, data: &[u8]| {
        bytes.extend((HEADER + data.len()).to_ne_bytes());
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(LONG), 0);
    };
    put(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &255i32.to_ne_bytes());
    let time: Vec<u8> = [5i64, 7].iter().flat_map(|n| n.to_ne_bytes()).collect();
    put(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &time);
    let said = Said::parse(&bytes);
    assert_eq!((said.hop_limit, said.realtime), (Some(255), Some(5_000_000_007)));
    for cut in 0..bytes.len() {
        let _ = Said::parse(&bytes[..cut]);
    }
}

#[test]
fn a_length_of_zero_ends_it() {
    assert_eq!(Said::parse(&[0; CONTROL]), Said::default());
    assert_eq!(Said::parse(&[0xff; CONTROL]), Said::default());
}
