use std::num::NonZeroU32;

use super::*;

#[test]
fn keys_round_trip_through_text() {
    for text in
        ["tcp:10.0.0.1:80", "udp:[2001:db8::1]:53", "sctp:10.0.0.1:0", "fwmark:7", "fwmark:4294967295/ipv6"]
    {
        let key: ServiceKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!(serde_json::from_str::<ServiceKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
    }
    for text in ["192.168.0.1:80", "[fd00::1]:0"] {
        assert_eq!(text.parse::<ServerKey>().unwrap().to_string(), text);
    }
}

#[test]
fn bad_keys_name_the_text_and_what_would_be_right() {
    for text in ["", "tcp", "tcp:10.0.0.1", "icmp:10.0.0.1:80", "fwmark:0", "fwmark:x", "tcp:10.0.0.1:65536"]
    {
        let error = text.parse::<ServiceKey>().unwrap_err();
        assert_eq!(error.text, text);
        assert!(error.to_string().contains("tcp:10.0.0.1:80"), "{error}");
    }
}

#[test]
fn keys_sort_as_ipvsadm_lists() {
    let mut keys: Vec<ServiceKey> = [
        "fwmark:1",
        "tcp:[::1]:80",
        "udp:10.0.0.1:53",
        "tcp:10.0.0.2:80",
        "tcp:10.0.0.1:443",
        "tcp:10.0.0.1:80",
    ]
    .map(|text| text.parse().unwrap())
    .into();
    keys.sort();
    let sorted: Vec<String> = keys.iter().map(ToString::to_string).collect();
    assert_eq!(
        sorted,
        [
            "tcp:10.0.0.1:80",
            "tcp:10.0.0.1:443",
            "tcp:10.0.0.2:80",
            "udp:10.0.0.1:53",
            "tcp:[::1]:80",
            "fwmark:1"
        ]
    );
}

#[test]
fn scheduler_names_are_the_kernels_and_unknown_ones_are_kept() {
    for kind in SchedulerKind::KNOWN {
        assert_eq!(kind.name().parse::<SchedulerKind>().unwrap(), kind);
    }
    assert_eq!("future".parse::<SchedulerKind>().unwrap(), SchedulerKind::Other("future".into()));
    assert!("".parse::<SchedulerKind>().is_err());
    assert!("sixteen-bytes-ab".parse::<SchedulerKind>().is_err());
    assert!("two words".parse::<SchedulerKind>().is_err());
}

#[test]
fn flags_have_the_names_of_their_scheduler() {
    let both = SchedulerFlags::FALLBACK.union(SchedulerFlags::PORT);
    assert_eq!(both.names(&SchedulerKind::SourceHash).collect::<Vec<_>>(), ["sh-fallback", "sh-port"]);
    assert_eq!(both.names(&SchedulerKind::Maglev).collect::<Vec<_>>(), ["mh-fallback", "mh-port"]);
    assert_eq!(SchedulerFlags::parse_one("mh-port"), Ok(SchedulerFlags::PORT));
    assert!(SchedulerFlags::parse_one("sh-").is_err());
}

#[test]
fn a_table_survives_json() {
    let persistence =
        Persistence { prefix: Some(24), ..Persistence::seconds(NonZeroU32::new(3600).unwrap()) };
    let table = ServiceTable::new().with_service(
        "tcp:10.0.0.1:0".parse().unwrap(),
        Service::new(ServiceSpec::new(SchedulerKind::WeightedLeastConnection).persistent(persistence))
            .with_server("192.168.0.1:0".parse::<ServerKey>().unwrap(), ServerSpec::masq(Weight::new(5)))
            .with_server(
                "192.168.0.2:0".parse::<ServerKey>().unwrap(),
                ServerSpec {
                    weight: Weight::ZERO,
                    forwarding: Forwarding::Tunnel(Tunnel::IPIP),
                    thresholds: Thresholds { upper: 10, lower: 5 },
                },
            ),
    );
    let json = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<ServiceTable>(&json).unwrap(), table);
}
