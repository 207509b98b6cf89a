//! Exact texts, and everything that nft may answer.

use lb_core::{
    Change,
    dataplane::ErrorKind,
    diff,
    model::{
        Forwarding, Persistence, SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey,
        ServiceSpec, ServiceTable, Thresholds, Tunnel, Weight,
    },
};
use proptest::prelude::*;

use super::{
    batch::{self, Picture},
    config::NftConfig,
    name,
    objects::{Objects, Transition},
    plan, readback, slots, support, wording,
};

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn service(scheduler: SchedulerKind, servers: &[(&str, u16)]) -> Service {
    let mut service = Service::new(ServiceSpec::new(scheduler));
    for (server, weight) in servers {
        service.servers.insert(server.parse().unwrap(), ServerSpec::masq(Weight::new(*weight)));
    }
    service
}

/// The transaction that makes a service where there is none.
fn text(of: &str, service: &Service, config: &NftConfig) -> String {
    let objects = plan::service(&key(of), service, config);
    Transition::between(&Objects::default(), &objects).render(&config.table)
}

#[test]
fn a_weighted_service_is_this_text() {
    let web = service(
        SchedulerKind::WeightedRoundRobin,
        &[("10.2.0.2:80", 4), ("10.2.0.3:80", 2), ("10.2.0.4:0", 0)],
    );
    assert_eq!(
        text("tcp:10.0.0.1:80", &web, &NftConfig::default()),
        r#"table inet lb {
  counter tcp-10.0.0.1-80 { }
  counter tcp-10.0.0.1-80/10.2.0.2-80 { }
  counter tcp-10.0.0.1-80/10.2.0.3-80 { }
  counter tcp-10.0.0.1-80/10.2.0.4-0 { }
  counter tcp-10.0.0.1-80/refused { }
  chain tcp-10.0.0.1-80 {
    counter name "tcp-10.0.0.1-80" comment "service tcp:10.0.0.1:80 wrr"
    numgen inc mod 3 vmap { 0 : goto tcp-10.0.0.1-80/10.2.0.2-80, 1 : goto tcp-10.0.0.1-80/10.2.0.3-80, 2 : goto tcp-10.0.0.1-80/10.2.0.2-80 }
  }
  chain tcp-10.0.0.1-80/10.2.0.2-80 {
    meta l4proto tcp counter name "tcp-10.0.0.1-80/10.2.0.2-80" dnat ip to 10.2.0.2:80 comment "server 10.2.0.2:80 masq 4"
  }
  chain tcp-10.0.0.1-80/10.2.0.3-80 {
    meta l4proto tcp counter name "tcp-10.0.0.1-80/10.2.0.3-80" dnat ip to 10.2.0.3:80 comment "server 10.2.0.3:80 masq 2"
  }
  chain tcp-10.0.0.1-80/10.2.0.4-0 {
    counter name "tcp-10.0.0.1-80/10.2.0.4-0" dnat ip to 10.2.0.4 comment "server 10.2.0.4:0 masq 0"
  }
}
add element inet lb service4 { 10.0.0.1 . tcp . 80 : goto tcp-10.0.0.1-80 }
"#
    );
}

#[test]
fn a_persistent_marked_service_with_snat_is_this_text() {
    let mut marked = service(SchedulerKind::RoundRobin, &[("[fd00::2]:80", 1)]);
    let persistence = Persistence::seconds(360.try_into().unwrap());
    marked.spec.persistence = Some(Persistence { prefix: Some(56), ..persistence });
    marked.spec.flags = SchedulerFlags::PORT;
    let config = NftConfig { snat: true, table: "other".parse().unwrap(), ..NftConfig::default() };
    assert_eq!(
        text("fwmark:7/ipv6", &marked, &config),
        r#"table inet other {
  counter mark-7-ipv6 { }
  counter mark-7-ipv6/fd00__2-80 { }
  counter mark-7-ipv6/refused { }
  set mark-7-ipv6/fd00__2-80 { type ipv6_addr; flags dynamic,timeout; size 65536; }
  chain mark-7-ipv6 {
    counter name "mark-7-ipv6" comment "service fwmark:7/ipv6 rr flags 2 persistent 360/56"
    ip6 saddr & ffff:ffff:ffff:ff00:: @mark-7-ipv6/fd00__2-80 goto mark-7-ipv6/fd00__2-80
    numgen inc mod 1 vmap { 0 : goto mark-7-ipv6/fd00__2-80 }
  }
  chain mark-7-ipv6/fd00__2-80 {
    update @mark-7-ipv6/fd00__2-80 { ip6 saddr & ffff:ffff:ffff:ff00:: timeout 360s }
    meta l4proto { sctp, tcp, udp } counter name "mark-7-ipv6/fd00__2-80" dnat ip6 to [fd00::2]:80 comment "server [fd00::2]:80 masq 1"
    counter name "mark-7-ipv6/fd00__2-80" dnat ip6 to fd00::2
  }
}
add element inet other mark6 { 7 : goto mark-7-ipv6 }
add element inet other snat-mark6 { 7 }
"#
    );
}

#[test]
fn an_edit_touches_only_what_it_must() {
    let config = NftConfig::default();
    let before = service(SchedulerKind::RoundRobin, &[("10.2.0.2:80", 1), ("10.2.0.3:80", 1)]);
    let after = service(SchedulerKind::RoundRobin, &[("10.2.0.3:80", 1)]);
    let [from, to] = [&before, &after].map(|service| plan::service(&key("udp:10.0.0.1:0"), service, &config));
    assert_eq!(
        Transition::between(&from, &to).render(&config.table),
        r#"flush chain inet lb udp-10.0.0.1-0
flush chain inet lb udp-10.0.0.1-0/10.2.0.2-80
delete chain inet lb udp-10.0.0.1-0/10.2.0.2-80
delete counter inet lb udp-10.0.0.1-0/10.2.0.2-80
table inet lb {
  chain udp-10.0.0.1-0 {
    counter name "udp-10.0.0.1-0" comment "service udp:10.0.0.1:0 rr"
    numgen inc mod 1 vmap { 0 : goto udp-10.0.0.1-0/10.2.0.3-80 }
  }
}
"#
    );
    assert!(Transition::between(&from, &from).is_empty());
    let gone = Transition::between(&from, &Objects::default()).render(&config.table);
    assert!(gone.starts_with("delete element inet lb address4 { 10.0.0.1 . udp }\nflush chain"), "{gone}");
}

#[test]
fn weights_beyond_a_round_are_drawn_and_hashes_fill_their_table() {
    let config = NftConfig { maglev_slots: 1000, ..NftConfig::default() };
    let servers = [("10.2.0.2:80", 65_535), ("10.2.0.3:80", 1)];
    let rule = |scheduler| text("tcp:10.0.0.1:80", &service(scheduler, &servers), &config);
    let wrr = rule(SchedulerKind::WeightedRoundRobin);
    assert!(
        wrr.contains("numgen random mod 65536 vmap { 0-65534 : goto tcp-10.0.0.1-80/10.2.0.2-80, 65535 :"),
        "{wrr}"
    );
    assert!(rule(SchedulerKind::SourceHash).contains("jhash ip saddr mod 251 seed 0x1 vmap { 0"));
    assert!(rule(SchedulerKind::DestinationHash).contains("jhash ip daddr mod 251 seed 0x1 vmap { 0"));
    assert!(rule(SchedulerKind::Maglev).contains("jhash ip saddr mod 1009 seed 0x1 vmap { 0"));
    assert!(
        rule(SchedulerKind::Failover)
            .contains("numgen inc mod 1 vmap { 0 : goto tcp-10.0.0.1-80/10.2.0.2-80 }")
    );
}

#[test]
fn what_nftables_cannot_do_is_refused_with_what_can() {
    let config = NftConfig::default();
    let web = key("tcp:10.0.0.1:80");
    let spec = |scheduler| ServiceSpec::new(scheduler);
    let refusal = |spec: &ServiceSpec| support::service(&web, spec, &config).unwrap_err();
    for kind in SchedulerKind::KNOWN {
        let result = support::service(&web, &spec(kind.clone()), &config);
        match kind.name() {
            "rr" | "wrr" | "sh" | "dh" | "mh" | "fo" => assert_eq!(result, Ok(())),
            name => {
                let error = result.unwrap_err();
                assert_eq!(error.kind, ErrorKind::Unsupported);
                assert!(error.detail.contains(&format!("scheduler {name} ")), "{error}");
                let generous = NftConfig { approximate: true, ..NftConfig::default() };
                assert_eq!(support::service(&web, &spec(kind.clone()), &generous), Ok(()));
            }
        }
    }
    let mut odd = spec(SchedulerKind::RoundRobin);
    odd.one_packet = true;
    assert_eq!(refusal(&odd).kind, ErrorKind::Unsupported);
    odd = spec(SchedulerKind::RoundRobin);
    let persistence = Persistence::seconds(1.try_into().unwrap());
    odd.persistence = Some(Persistence { engine: Some("sip".parse().unwrap()), ..persistence.clone() });
    assert!(refusal(&odd).detail.contains("sip"));
    for prefix in [0, 33] {
        odd.persistence = Some(Persistence { prefix: Some(prefix), ..persistence.clone() });
        assert_eq!(refusal(&odd).kind, ErrorKind::Invalid);
    }

    let server = |text: &str, spec: ServerSpec| {
        support::server(&web, &text.parse().unwrap(), &spec).map_err(|e| e.kind)
    };
    let masq = ServerSpec::masq(Weight::ONE);
    assert_eq!(server("10.2.0.2:80", masq), Ok(()));
    assert_eq!(server("10.2.0.2:80", ServerSpec { forwarding: Forwarding::Local, ..masq }), Ok(()));
    for forwarding in [Forwarding::Direct, Forwarding::Tunnel(Tunnel::IPIP)] {
        assert_eq!(server("10.2.0.2:80", ServerSpec { forwarding, ..masq }), Err(ErrorKind::Unsupported));
    }
    let thresholds = Thresholds { upper: 9, lower: 0 };
    assert_eq!(server("10.2.0.2:80", ServerSpec { thresholds, ..masq }), Err(ErrorKind::Unsupported));
    assert_eq!(server("[fd00::2]:80", masq), Err(ErrorKind::Unsupported));
    assert_eq!(server("0.0.0.0:80", masq), Err(ErrorKind::Invalid));

    let full: Vec<ServerKey> = (0..252).map(|n| format!("10.2.0.{n}:80").parse().unwrap()).collect();
    assert_eq!(support::room(&web, &spec(SchedulerKind::SourceHash), full.len() - 1, &config), Ok(()));
    let error = support::room(&web, &spec(SchedulerKind::SourceHash), full.len(), &config).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit);
}

#[test]
fn nothing_that_was_not_typed_reaches_nft() {
    let evil = "x\" }; flush ruleset; #";
    for generous in [false, true] {
        let config = NftConfig { approximate: generous, ..NftConfig::default() };
        let spec = ServiceSpec::new(SchedulerKind::Other(evil.to_owned()));
        let add = Change::AddService { service: key("tcp:10.0.0.1:80"), spec };
        let (pieces, refused) = Picture::default().plan([(0, &add)], &config);
        assert_eq!(refused.len(), 1);
        assert!(!batch::render(&pieces, &config.table).contains("flush"));
    }
    for name in ["", "1st", "a b", "a;b", "a\"", "lb}", "ä", &"a".repeat(32)] {
        assert!(name.parse::<super::TableName>().is_err(), "{name}");
    }
    // Nor what a listing says: such names can only be made without nft.
    let listing = format!("{{\"nftables\": [{{\"chain\": {{\"name\": {evil:?}}}}}]}}");
    assert_eq!(readback::objects(listing.as_bytes()).unwrap(), Objects::default());
    let mut odd = plan::base(&NftConfig::default());
    odd.elements.insert(("mark4".to_owned(), evil.to_owned()), None);
    assert!(readback::base_part(&odd, &NftConfig::default()).elements.is_empty());
}

/// `nft -j -t list table inet lb`, nftables 1.0.6 on Linux 6.18, of the text that is planned for [`listed`]; the line
/// breaks and the count of 3 were put in.
const LISTING: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
{"table": {"family": "inet", "name": "lb", "handle": 1}},
{"counter": {"family": "inet", "name": "tcp-10.0.0.1-80", "table": "lb", "handle": 3, "packets": 3, "bytes": 0}},
{"counter": {"family": "inet", "name": "tcp-10.0.0.1-80/10.2.0.2-80", "table": "lb", "handle": 4, "packets": 0, "bytes": 0}},
{"counter": {"family": "inet", "name": "tcp-10.0.0.1-80/refused", "table": "lb", "handle": 5, "packets": 0, "bytes": 0}},
{"set": {"family": "inet", "name": "tcp-10.0.0.1-80/10.2.0.2-80", "table": "lb", "type": "ipv4_addr", "handle": 6, "size": 65536, "flags": ["timeout"]}},
{"chain": {"family": "inet", "table": "lb", "name": "tcp-10.0.0.1-80", "handle": 1}},
{"chain": {"family": "inet", "table": "lb", "name": "tcp-10.0.0.1-80/10.2.0.2-80", "handle": 2}},
{"rule": {"family": "inet", "table": "lb", "chain": "tcp-10.0.0.1-80", "handle": 7, "comment": "service tcp:10.0.0.1:80 rr persistent 360/24", "expr": [{"counter": "tcp-10.0.0.1-80"}]}},
{"rule": {"family": "inet", "table": "lb", "chain": "tcp-10.0.0.1-80", "handle": 8, "expr": [{"match": {"op": "==", "left": {"&": [{"payload": {"protocol": "ip", "field": "saddr"}}, "255.255.255.0"]}, "right": "@tcp-10.0.0.1-80/10.2.0.2-80"}}, {"goto": {"target": "tcp-10.0.0.1-80/10.2.0.2-80"}}]}},
{"rule": {"family": "inet", "table": "lb", "chain": "tcp-10.0.0.1-80", "handle": 10, "expr": [{"vmap": {"key": {"numgen": {"mode": "inc", "mod": 1, "offset": 0}}, "data": {"set": [[0, {"goto": {"target": "tcp-10.0.0.1-80/10.2.0.2-80"}}]]}}}]}},
{"rule": {"family": "inet", "table": "lb", "chain": "tcp-10.0.0.1-80/10.2.0.2-80", "handle": 11, "expr": [{"set": {"op": "update", "elem": {"elem": {"val": {"&": [{"payload": {"protocol": "ip", "field": "saddr"}}, "255.255.255.0"]}, "timeout": 360}}, "set": "@tcp-10.0.0.1-80/10.2.0.2-80"}}]}},
{"rule": {"family": "inet", "table": "lb", "chain": "tcp-10.0.0.1-80/10.2.0.2-80", "handle": 12, "comment": "server 10.2.0.2:80 masq 5", "expr": [{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}, {"counter": "tcp-10.0.0.1-80/10.2.0.2-80"}, {"dnat": {"family": "ip", "addr": "10.2.0.2", "port": 80}}]}}]}"#;

/// The service of the listing.
fn listed() -> (ServiceKey, Service) {
    let mut web = service(SchedulerKind::RoundRobin, &[("10.2.0.2:80", 5)]);
    let persistence = Persistence::seconds(360.try_into().unwrap());
    web.spec.persistence = Some(Persistence { prefix: Some(24), ..persistence });
    (key("tcp:10.0.0.1:80"), web)
}

fn with_dispatch(mut objects: Objects) -> Objects {
    objects.extend(&plan::base(&NftConfig::default()));
    let element = ("service4".to_owned(), "10.0.0.1 . tcp . 80".to_owned());
    objects.elements.insert(element, Some("tcp-10.0.0.1-80".to_owned()));
    objects
}

#[test]
fn a_recorded_listing_is_the_service_that_made_it() {
    let objects = with_dispatch(readback::objects(LISTING.as_bytes()).unwrap());
    let meaning = readback::meaning(&objects, &NftConfig::default());
    let (key, web) = listed();
    assert_eq!(meaning.table, ServiceTable::new().with_service(key, web));
    assert!(meaning.damaged.is_empty() && meaning.strangers.is_empty() && !meaning.base_damaged);
    let figures = readback::figures(LISTING.as_bytes()).unwrap();
    assert_eq!(figures.packets["tcp-10.0.0.1-80"], 3);
}

#[test]
fn any_other_word_in_a_rule_is_damage() {
    for (was, is) in [
        ("\"mod\": 1,", "\"mod\": 2,"),
        ("\"offset\": 0", "\"offset\": 1"),
        ("\"addr\": \"10.2.0.2\"", "\"addr\": \"10.2.0.3\""),
        ("\"port\": 80", "\"port\": 81"),
        ("\"port\": 80}", "\"port\": 80, \"flags\": \"persistent\"}"),
        ("\"timeout\": 360", "\"timeout\": 361"),
        ("255.255.255.0\"]}, \"timeout", "255.255.0.0\"]}, \"timeout"),
        ("\"size\": 65536", "\"size\": 65535"),
        ("360/24", "360/24 one-packet"),
        ("360/24", "360/240"),
        ("masq 5", "masq 65536"),
        ("masq 5", "gate 5"),
        ("server 10.2.0.2:80", "server 10.2.0.2"),
        ("\"right\": \"tcp\"", "\"right\": \"udp\""),
        ("\"op\": \"==\", \"left\": {\"meta\"", "\"op\": \"!=\", \"left\": {\"meta\""),
        ("[[0, {\"goto\": {\"target\": \"tcp-10.0.0.1-80/10.2.0.2-80\"}}]]", "[]"),
    ] {
        assert!(LISTING.contains(was), "{was}");
        let objects = with_dispatch(readback::objects(LISTING.replace(was, is).as_bytes()).unwrap());
        let meaning = readback::meaning(&objects, &NftConfig::default());
        let (key, web) = listed();
        assert!(meaning.damaged.contains(&key), "{is}");
        let wanted = ServiceTable::new().with_service(key, web);
        let changes = diff(&meaning.table, &wanted);
        assert_ne!(changes, [], "{is}");
        // And the changes lead to what was wanted.
        let mut picture = Picture { exists: true, objects, table: meaning.table };
        let (pieces, refused) = picture.plan(changes.iter().enumerate(), &NftConfig::default());
        assert_eq!(refused, []);
        pieces.iter().for_each(|piece| picture.made(piece));
        assert_eq!(readback::meaning(&picture.objects, &NftConfig::default()).table, wanted, "{is}");
    }
}

#[test]
fn numbers_stand_for_protocols_where_names_are_missing() {
    assert_eq!(name::service_of_element("service4", "10.0.0.1 . 6 . 80"), Some(key("tcp:10.0.0.1:80")));
    assert_eq!(name::service_of_element("address6", "fd00::1 . 132"), Some(key("sctp:[fd00::1]:0")));
    for odd in ["10.0.0.1 . icmp . 80", "10.0.0.1 . tcp . 0", "fd00::1 . tcp . 80", "", "0", "a . b . c . d"]
    {
        assert_eq!(name::service_of_element("service4", odd), None, "{odd}");
    }
    let statement = |right| serde_json::json!({"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": right}});
    assert_eq!(wording::rule(&[statement(serde_json::json!(17))]), "meta l4proto udp");
}

fn any_service() -> impl Strategy<Value = (ServiceKey, Service)> {
    let key = prop_oneof![
        (any::<u16>(), 1_u8..4, 0_u8..3).prop_map(|(port, host, protocol)| {
            let protocol = ["tcp", "udp", "sctp"][usize::from(protocol)];
            format!("{protocol}:10.0.0.{host}:{port}").parse().unwrap()
        }),
        any::<(u128, u16)>()
            .prop_map(|(ip, port)| ServiceKey::tcp((std::net::Ipv6Addr::from(ip), port).into())),
        (1..=u32::MAX).prop_map(|mark| format!("fwmark:{mark}").parse().unwrap()),
    ];
    let kinds = prop::sample::select(&["rr", "wrr", "sh", "dh", "fo"][..]);
    let servers = prop::collection::btree_map((1_u32.., any::<u16>()), any::<u16>(), 0..6);
    let persistence = prop::option::of((1_u32.., prop::option::of(1_u8..=32)));
    (key, kinds, servers, persistence, 0_u8..8).prop_map(
        |(key, kind, servers, persistence, flags): (ServiceKey, _, _, _, _)| {
            let mut service = Service::new(ServiceSpec::new(kind.parse().unwrap()));
            service.spec.flags = SchedulerFlags::from_bits(flags);
            service.spec.persistence = persistence.map(|(timeout, prefix)| Persistence {
                prefix,
                ..Persistence::seconds(timeout.try_into().unwrap())
            });
            for ((ip, port), weight) in servers {
                let ip = match key.family() {
                    lb_core::model::Family::V4 => std::net::Ipv4Addr::from(ip).into(),
                    lb_core::model::Family::V6 => std::net::Ipv6Addr::from(u128::from(ip) << 90 | 1).into(),
                };
                service.servers.insert(ServerKey::new(ip, port), ServerSpec::masq(Weight::new(weight)));
            }
            (key, service)
        },
    )
}

proptest! {
    #[test]
    fn what_is_planned_is_read_back((key, service) in any_service()) {
        let config = NftConfig::default();
        let supported = service.servers.iter().all(|(server, spec)| support::server(&key, server, spec).is_ok());
        prop_assume!(supported);
        let mut objects = plan::base(&config);
        objects.extend(&plan::service(&key, &service, &config));
        let meaning = readback::meaning(&objects, &config);
        prop_assert_eq!(meaning.table, ServiceTable::new().with_service(key, service));
        prop_assert!(meaning.strangers.is_empty());
    }

    #[test]
    fn no_listing_makes_it_panic(cut in 0..LISTING.len(), with in ".{0,8}", length in 0_usize..40) {
        let end = (cut + length).min(LISTING.len());
        let odd = format!("{}{with}{}", &LISTING[..cut], &LISTING[end..]);
        if let Ok(objects) = readback::objects(odd.as_bytes()) {
            readback::meaning(&with_dispatch(objects), &NftConfig::default());
        }
        let _ = readback::elements("service4", odd.as_bytes());
        let _ = readback::figures(odd.as_bytes());
    }

    #[test]
    fn turns_and_slots_go_by_weight(weights in prop::collection::vec(1_u32..40, 1..20)) {
        let turns = slots::turns(&weights);
        for (index, weight) in weights.iter().enumerate() {
            prop_assert_eq!(turns.iter().filter(|turn| **turn == index).count(), *weight as usize);
        }
    }
}
