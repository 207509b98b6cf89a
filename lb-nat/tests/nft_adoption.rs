//! What the nftables data plane makes of a table that it finds: its own, one changed by hand, somebody else's.
#![cfg(feature = "nft")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "as in any test")]

mod nft_lab;

use std::num::NonZeroU32;

use lb_core::{
    Change, DataPlane,
    dataplane::ErrorKind,
    diff,
    model::{Persistence, SchedulerFlags, SchedulerKind, ServerSpec, ServiceTable, Weight},
};
use lb_nat::nft::NftConfig;
use nft_lab::{Plane, isolated, key, nft, nft_list, server, service, table, unprivileged};

/// Something of everything.
fn everything() -> ServiceTable {
    let mut sticky = service(SchedulerKind::WeightedRoundRobin, 4, 80, &[3, 2, 0]);
    let timeout = Persistence::seconds(NonZeroU32::new(3600).unwrap());
    sticky.spec.persistence = Some(Persistence { prefix: Some(24), ..timeout.clone() });
    let mut sticky6 = service(SchedulerKind::Maglev, 6, 0, &[1, 1]);
    sticky6.spec.persistence = Some(Persistence { prefix: Some(56), ..timeout.clone() });
    sticky6.spec.flags = SchedulerFlags::PORT.union(SchedulerFlags::FALLBACK);
    let mut marked = service(SchedulerKind::SourceHash, 4, 8080, &[1, 65_535]);
    marked.spec.persistence = Some(timeout);
    ServiceTable::new()
        .with_service(key("tcp:10.0.0.1:80"), sticky)
        .with_service(key("tcp:10.0.0.1:443"), service(SchedulerKind::RoundRobin, 4, 443, &[]))
        .with_service(key("udp:10.0.0.1:53"), service(SchedulerKind::RoundRobin, 4, 53, &[0, 0]))
        .with_service(key("sctp:10.0.0.1:5060"), service(SchedulerKind::DestinationHash, 4, 5060, &[1]))
        .with_service(
            key("tcp:10.0.0.1:81"),
            service(SchedulerKind::WeightedRoundRobin, 4, 80, &[65_535, 1, 9]),
        )
        .with_service(key("tcp:[fd00::1]:0"), sticky6)
        .with_service(key("tcp:[::ffff:1.2.3.4]:80"), service(SchedulerKind::Failover, 6, 80, &[1, 2]))
        .with_service(key("tcp:[::1.2.3.4]:80"), service(SchedulerKind::RoundRobin, 6, 80, &[1]))
        .with_service(key("fwmark:4294967295"), marked)
        .with_service(key("fwmark:7/ipv6"), service(SchedulerKind::RoundRobin, 6, 80, &[1, 1]))
}

#[test]
fn another_instance_adopts_the_table_as_it_is() {
    isolated("another_instance_adopts_the_table_as_it_is", || {
        for snat in [false, true] {
            let config = NftConfig { snat, ..NftConfig::default() };
            let (first, wanted) = (Plane::new(config.clone()), everything());
            first.sync(&wanted);
            let listing = nft_list("table inet lb");
            let second = Plane::new(config);
            assert_eq!(second.snapshot(), wanted);
            second.sync(&wanted);
            assert_eq!(nft_list("table inet lb"), listing, "nothing to do, nothing done");
            // And it goes on from there.
            second.sync(&table("udp:10.0.0.1:53", service(SchedulerKind::RoundRobin, 4, 53, &[1])));
            second.sync(&ServiceTable::new());
            let rest = nft_list("table inet lb");
            assert!(!rest.contains("10.0.0.1") && !rest.contains("counter"), "no leftovers: {rest}");
        }
    });
}

#[test]
fn what_was_changed_by_hand_is_noticed_and_put_right() {
    isolated("what_was_changed_by_hand_is_noticed_and_put_right", || {
        let plane = Plane::new(NftConfig::default());
        let wanted = everything();
        plane.sync(&wanted);
        let good = nft_list("table inet lb");
        let chain = "inet lb tcp-10.0.0.1-80";
        for by_hand in [
            // chains
            format!("flush chain {chain}"),
            format!("flush chain {chain}/10.2.1.2-80"),
            format!("insert rule {chain} counter drop"),
            format!("add rule {chain}/10.2.1.2-80 accept"),
            format!("flush chain {chain}\nadd rule {chain} counter comment \"service tcp:10.0.0.1:80 rr\""),
            format!("flush chain {chain}\nadd rule {chain} counter comment \"service nonsense\""),
            format!(
                "flush chain {chain}/10.2.1.2-80\nadd rule {chain}/10.2.1.2-80 meta l4proto tcp dnat ip to 10.2.9.9:80 \
                 comment \"server 10.2.1.2:80 masq 3\""
            ),
            format!(
                "flush chain {chain}/10.2.1.2-80\nadd rule {chain}/10.2.1.2-80 accept comment \"server what 9\""
            ),
            format!("add chain {chain}/more"),
            "add chain inet lb tcp-10.0.0.9-80\nadd rule inet lb tcp-10.0.0.9-80 accept comment \"service \
             tcp:10.0.0.9:80 rr\""
                .to_owned(),
            // the dispatch
            "delete element inet lb service4 { 10.0.0.1 . tcp . 80 }".to_owned(),
            "add element inet lb service4 { 10.0.0.7 . tcp . 80 : goto tcp-10.0.0.1-80 }".to_owned(),
            "add element inet lb service4 { 10.0.0.8 . udp . 80 : drop }".to_owned(),
            "flush map inet lb service4".to_owned(),
            "flush chain inet lb dispatch".to_owned(),
            "flush chain inet lb prerouting".to_owned(),
            "flush chain inet lb prerouting\ndelete chain inet lb prerouting".to_owned(),
            "insert rule inet lb dispatch drop".to_owned(),
            "add chain inet lb prerouting { policy drop; }".to_owned(),
            // everything
            "delete table inet lb".to_owned(),
            "flush table inet lb".to_owned(),
        ] {
            nft(&format!("{by_hand}\n"));
            let found = plane.snapshot();
            assert_ne!(found, wanted, "not noticed: {by_hand}");
            assert_ne!(diff(&found, &wanted), [], "not noticed: {by_hand}");
            assert_eq!(plane.wait(plane.nft.apply(&diff(&found, &wanted))).unwrap(), [], "{by_hand}");
            assert_eq!(plane.snapshot(), wanted, "not put right: {by_hand}");
            assert_eq!(lines(&nft_list("table inet lb")), lines(&good), "not as before: {by_hand}");
        }
    });
}

/// What a listing says, in whatever order.
fn lines(listing: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        listing.lines().map(|line| line.trim().replace("elements = { ", "")).collect();
    lines.iter_mut().for_each(|line| *line = line.trim_end_matches([',', '}', ' ']).to_owned());
    lines.sort_unstable();
    lines
}

#[test]
fn strangers_in_the_table_stay_as_they_are() {
    isolated("strangers_in_the_table_stay_as_they_are", || {
        let plane = Plane::new(NftConfig::default());
        plane.sync(&everything());
        nft("table inet lb {
               chain mine { ip saddr 10.9.9.9 counter comment \"by hand\"
               }
               set notes { type ipv4_addr; elements = { 10.0.0.1 } }
             }");
        assert_eq!(plane.snapshot(), everything(), "they are no service");
        plane.sync(&ServiceTable::new());
        let rest = nft_list("table inet lb");
        assert!(rest.contains("by hand") && rest.contains("notes"), "{rest}");
    });
}

#[test]
fn a_table_of_somebody_else_is_never_touched() {
    isolated("a_table_of_somebody_else_is_never_touched", || {
        for (text, says) in [
            (
                "table inet lb {\n chain forward {\n type filter hook forward priority 0;\n }\n }",
                "another program",
            ),
            ("table inet lb {\n chain lb-nat-format-9 {\n }\n }", "lb-nat-format-9"),
        ] {
            nft(text);
            let before = nft_list("ruleset");
            let plane = Plane::new(NftConfig::default());
            let error = plane.wait(plane.nft.snapshot()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.detail.contains(says), "{error}");
            let add = Change::AddService {
                service: key("tcp:10.0.0.1:80"),
                spec: service(SchedulerKind::RoundRobin, 4, 80, &[]).spec,
            };
            assert_eq!(plane.wait(plane.nft.apply(&[add])).unwrap_err().kind, ErrorKind::Invalid);
            assert_eq!(plane.wait(plane.nft.clear()).unwrap_err().kind, ErrorKind::Invalid);
            assert_eq!(nft_list("ruleset"), before);
            nft("delete table inet lb");
        }
        // Two with names of their own live beside each other.
        let named =
            |name: &str| Plane::new(NftConfig { table: name.parse().unwrap(), ..NftConfig::default() });
        let (one, two) = (named("one"), named("two"));
        one.sync(&everything());
        two.sync(&table("tcp:10.0.0.1:80", service(SchedulerKind::RoundRobin, 4, 80, &[1])));
        assert_eq!(one.snapshot(), everything());
    });
}

#[test]
fn rules_flushed_under_its_feet_are_noticed_by_apply() {
    isolated("rules_flushed_under_its_feet_are_noticed_by_apply", || {
        let plane = Plane::new(NftConfig::default());
        let wanted = everything();
        plane.sync(&wanted);
        nft("flush ruleset");
        let edit = |server| Change::EditServer {
            service: key("tcp:10.0.0.1:80"),
            server,
            spec: ServerSpec::masq(Weight::new(9)),
        };
        let batch = [
            edit(server(4, 1, 80)),
            Change::AddService {
                service: key("tcp:10.0.0.1:8443"),
                spec: service(SchedulerKind::RoundRobin, 4, 80, &[]).spec,
            },
        ];
        let refused = plane.wait(plane.nft.apply(&batch)).unwrap();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!((refused[0].index, refused[0].error.kind), (0, ErrorKind::NotFound));
        assert_eq!(plane.snapshot().services.len(), 1, "the other change was made");
        plane.sync(&wanted);
    });
}

#[test]
fn what_the_kernel_refuses_is_reported_and_the_rest_is_made() {
    isolated("what_the_kernel_refuses_is_reported_and_the_rest_is_made", || {
        let plane = Plane::new(NftConfig::default());
        let mut wanted = everything();
        plane.sync(&wanted);
        // A chain that somebody else jumps to cannot go.
        nft("add chain inet lb mine\nadd rule inet lb mine jump tcp-10.0.0.1-80");
        let found = plane.snapshot();
        assert_eq!(found, wanted);
        wanted.services.remove(&key("tcp:10.0.0.1:80"));
        wanted.services.remove(&key("udp:10.0.0.1:53"));
        wanted.services.get_mut(&key("tcp:10.0.0.1:81")).unwrap().spec.scheduler = SchedulerKind::RoundRobin;
        let changes = diff(&found, &wanted);
        let refused = plane.wait(plane.nft.apply(&changes)).unwrap();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(changes[refused[0].index].service(), &key("tcp:10.0.0.1:80"));
        assert!(refused[0].error.detail.contains("busy"), "{}", refused[0].error);
        let left = diff(&plane.snapshot(), &wanted);
        assert!(left.iter().all(|change| change.service() == &key("tcp:10.0.0.1:80")), "{left:?}");
        nft("flush chain inet lb mine");
        plane.sync(&wanted);
    });
}

#[test]
fn without_privilege_it_says_so() {
    unprivileged("without_privilege_it_says_so", || {
        let plane = Plane::new(NftConfig::default());
        for error in
            [plane.wait(plane.nft.probe()).unwrap_err(), plane.wait(plane.nft.snapshot()).unwrap_err()]
        {
            assert_eq!(error.kind, ErrorKind::Denied);
            assert!(error.detail.contains("CAP_NET_ADMIN") && !error.detail.contains('\n'), "{error}");
        }
    });
}

#[test]
fn without_forwarding_the_probe_says_so() {
    isolated("without_forwarding_the_probe_says_so", || {
        let plane = Plane::new(NftConfig::default());
        let forward = |value| std::fs::write("/proc/sys/net/ipv4/ip_forward", value).unwrap();
        forward("0");
        let error = plane.wait(plane.nft.probe()).unwrap_err();
        assert!(error.detail.contains("sysctl -w net.ipv4.ip_forward=1"), "{error}");
        forward("1");
        plane.wait(plane.nft.probe()).unwrap();
        assert_eq!(nft_list("tables"), "", "a probe leaves nothing behind");
    });
}

#[test]
fn more_than_a_transaction_may_hold_is_made_in_several() {
    isolated("more_than_a_transaction_may_hold_is_made_in_several", || {
        // A user namespace allows about 30 services of 10 servers at once.
        let wanted = many(100);
        let plane = Plane::new(NftConfig::default());
        plane.sync(&wanted);
        assert_eq!(Plane::new(NftConfig::default()).snapshot().server_count(), 1000);
        plane.sync(&ServiceTable::new());
    });
}

fn many(services: usize) -> ServiceTable {
    let mut table = ServiceTable::new();
    for n in 0..services {
        let mut web = service(SchedulerKind::WeightedRoundRobin, 4, 80, &[]);
        for m in 1..=10 {
            let address = format!("10.2.{}.{m}:80", n % 250).parse().unwrap();
            web.servers.insert(address, ServerSpec::masq(Weight::ONE));
        }
        table.services.insert(key(&format!("tcp:10.0.{}.{}:80", n / 250, n % 250 + 1)), web);
    }
    table
}
