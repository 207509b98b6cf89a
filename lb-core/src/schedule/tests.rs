//! Picks that were worked out by hand, or by the kernel.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::model::{ServerKey, ServerSpec, Thresholds, Weight};

/// Server `n` is 192.168.0.`n`:80.
fn key(n: u8) -> ServerKey {
    ServerKey::new(Ipv4Addr::new(192, 168, 0, n).into(), 80)
}

fn weight(weight: u16) -> ServerSpec {
    ServerSpec::masq(Weight::new(weight))
}

fn flow(source: &str) -> Flow {
    let source: SocketAddr = source.parse().unwrap();
    Flow { source, destination: "10.0.0.100:80".parse().unwrap(), now: Time::ZERO }
}

fn empty(scheduler: &str) -> Balancer {
    Balancer::new(&scheduler.parse().unwrap(), SchedulerFlags::EMPTY, 0).unwrap()
}

/// Servers 1, 2, … with these weights, added in this order.
fn balancer(scheduler: &str, weights: &[u16]) -> Balancer {
    let mut balancer = empty(scheduler);
    for (n, w) in (1..).zip(weights) {
        balancer.set(key(n), weight(*w), None);
    }
    balancer
}

/// The number of the picked server, `-` for none.
fn pick(balancer: &mut Balancer) -> String {
    let picked = balancer.pick(&flow("10.0.0.2:1024"));
    picked.map_or("-".into(), |server| server.key().to_string()[10..].trim_end_matches(":80").to_owned())
}

/// So many picks whose connections close at once.
fn picks(balancer: &mut Balancer, count: usize) -> String {
    (0..count).map(|_| pick(balancer)).collect::<Vec<_>>().join(" ")
}

/// So many picks whose connections stay open and active.
fn held(balancer: &mut Balancer, count: usize) -> String {
    let mut picks = Vec::new();
    for _ in 0..count {
        picks.push(pick(balancer));
        if let Some(server) = balancer.pool().destination(&key(picks[picks.len() - 1].parse().unwrap_or(0))) {
            server.load().open(true);
        }
    }
    picks.join(" ")
}

#[test]
fn rr_goes_around_newest_first() {
    let mut rr = balancer("rr", &[1, 5, 1]);
    assert_eq!(picks(&mut rr, 7), "3 2 1 3 2 1 3");
    rr.set(key(4), weight(1), None);
    assert_eq!(picks(&mut rr, 4), "2 1 4 3", "adding does not start the round anew");
    rr.remove(&key(3));
    assert_eq!(pick(&mut rr), "2", "the removed last pick steps back to the one before it");
    rr.set(key(2), weight(0), None);
    assert_eq!(picks(&mut rr, 3), "1 4 1", "a quiesced last pick keeps its place");
    rr.remove(&key(4));
    rr.remove(&key(1));
    assert_eq!(picks(&mut rr, 2), "- -");
}

#[test]
fn wrr_starts_in_the_round_that_its_history_made() {
    let mut wrr = balancer("wrr", &[1, 2, 3]);
    assert_eq!(picks(&mut wrr, 9), "3 2 1 3 3 2 3 2 1");
    assert_eq!(picks(&mut wrr, 6), "3 3 2 3 2 1");
}

#[test]
fn wrr_skips_rounds_that_nobody_fits() {
    let mut wrr = balancer("wrr", &[1, 65_535]);
    let heavy = wrr.pool().destination(&key(2)).unwrap().load().clone();
    wrr.set(key(2), ServerSpec { thresholds: Thresholds { upper: 1, lower: 0 }, ..weight(65_535) }, None);
    heavy.open(true);
    // Were every round walked, this would be 65,535 walks for each of the picks.
    assert!((0..100_000).all(|_| pick(&mut wrr) == "1"));
}

#[test]
fn the_least_loaded_win() {
    assert_eq!(held(&mut balancer("lc", &[1, 2, 3]), 6), "3 2 1 3 2 1");
    assert_eq!(held(&mut balancer("wlc", &[1, 2, 3]), 7), "3 2 1 3 2 3 3");
    assert_eq!(held(&mut balancer("sed", &[1, 2, 3]), 6), "3 2 3 3 2 1");
    assert_eq!(held(&mut balancer("nq", &[1, 2, 3]), 6), "3 2 1 3 3 2");
}

#[test]
fn the_heaviest_win() {
    assert_eq!(held(&mut balancer("fo", &[2, 3, 3, 1]), 3), "3 3 3");
    assert_eq!(held(&mut balancer("ovf", &[1, 2]), 6), "2 2 2 1 1 -", "each takes one more than its weight");
}

#[test]
fn dh_gives_each_bucket_to_one_place_of_the_list() {
    let mut dh = balancer("dh", &[1, 9, 1]);
    let mut at = |destination: &str| {
        let destination = destination.parse().unwrap();
        dh.pick(&Flow { destination, ..flow("10.0.0.2:1024") }).map(|server| server.key())
    };
    // 172.16.0.1 × 0x61c88647 ends in 0x7a388647, whose first byte is 122: place 2 of 3.
    let server = key(3 - 122 % 3);
    assert_eq!(at("172.16.0.1:80"), Some(server));
    assert_eq!(at("172.16.0.1:80"), at("172.16.0.1:443"), "ports are not hashed");
    assert_eq!(at("[::ac10:1]:80"), at("172.16.0.1:80"), "an IPv6 address is folded to 32 bits");
    dh.set(server, weight(0), None);
    assert!(dh.pick(&Flow { destination: "172.16.0.1:80".parse().unwrap(), ..flow("10.0.0.2:1") }).is_none());
}

#[test]
fn sh_without_fallback_refuses_the_clients_of_a_quiesced_server() {
    let sources: Vec<_> = (0..100).map(|n| flow(&format!("10.0.{n}.2:1024"))).collect();
    for (flags, refused) in [(SchedulerFlags::EMPTY, true), (SchedulerFlags::FALLBACK, false)] {
        let mut sh = Balancer::new(&SchedulerKind::SourceHash, flags, 0).unwrap();
        (1..4).for_each(|n| sh.set(key(n), weight(1), None));
        sh.set(key(2), weight(0), None);
        assert_eq!(sources.iter().any(|flow| sh.pick(flow).is_none()), refused);
    }
}

#[test]
fn mh_keeps_its_table_while_a_server_is_quiesced() {
    let mut mh = balancer("mh", &[1, 2, 3]);
    let flows: Vec<_> = (0..200).map(|n| flow(&format!("10.1.{n}.2:1024"))).collect();
    let all = |mh: &mut Balancer| -> Vec<_> {
        flows.iter().map(|flow| mh.pick(flow).map(|server| server.key())).collect()
    };
    let before = all(&mut mh);
    mh.set(key(3), weight(0), None);
    let quiesced: Vec<_> = before.iter().map(|picked| picked.filter(|server| *server != key(3))).collect();
    assert_eq!(all(&mut mh), quiesced);
    mh.set(key(3), weight(3), None);
    assert_eq!(all(&mut mh), before);
}

#[test]
fn mh_gives_no_slots_to_those_that_the_kernel_would_refuse() {
    let mut mh = empty("mh");
    let server = |n: u32| ServerKey::new(Ipv4Addr::from_bits(0x0a00_0000 + n).into(), 80);
    (0..4095).for_each(|n| mh.set(server(n), weight(1), None));
    let picked = |mh: &mut Balancer| -> std::collections::BTreeSet<_> {
        (0..60_000_u32)
            .filter_map(|n| {
                let source = (Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9)), 1).into();
                mh.pick(&Flow { source, ..flow("10.0.0.2:1") }).map(|server| server.key())
            })
            .collect()
    };
    let all = picked(&mut mh);
    assert!(all.contains(&server(4092)) && !all.contains(&server(4093)) && !all.contains(&server(4094)));
    assert_eq!(all.len(), 4093, "every slot has its own server");
    mh.remove(&server(0));
    let all = picked(&mut mh);
    assert!(all.contains(&server(4093)) && !all.contains(&server(4094)), "the oldest that waits moves up");
}

#[test]
fn lblc_keeps_a_server_until_it_is_overrun() {
    let mut lblc = balancer("lblc", &[2, 2]);
    // Server 2 is kept while its active connections are not above its weight, or nobody has less than half.
    assert_eq!(held(&mut lblc, 5), "2 2 2 1 1");
    let mut limited = balancer("lblc", &[9]);
    limited.set(key(1), ServerSpec { thresholds: Thresholds { upper: 1, lower: 0 }, ..weight(9) }, None);
    assert_eq!(held(&mut limited, 3), "1 1 1", "a kept server may pass its threshold");
    let other = Flow { destination: "10.0.0.101:80".parse().unwrap(), ..flow("10.0.0.2:1") };
    assert!(limited.pick(&other).is_none(), "but a new address does not get it");
}

#[test]
fn lblcr_drops_the_most_loaded_after_a_day() {
    let mut lblcr = balancer("lblcr", &[2, 2]);
    assert_eq!(held(&mut lblcr, 4), "2 2 2 1", "overrun, so the other one joins the set");
    let at = |hours: u64| Flow { now: Time::from_secs(hours * 3600), ..flow("10.0.0.2:1") };
    let busy = lblcr.pool().destination(&key(2)).unwrap().load().clone();
    lblcr.pick(&at(20));
    assert_eq!(lblcr.pick(&at(25)).unwrap().key(), key(1));
    // Server 2 is idle now, and would be the one to take were it still in the set.
    (0..3).for_each(|_| busy.close(true));
    assert_eq!(lblcr.pick(&at(26)).unwrap().key(), key(1));
}

#[test]
fn an_unknown_scheduler_is_none() {
    assert!(Balancer::new(&SchedulerKind::Other("lrr".into()), SchedulerFlags::EMPTY, 0).is_none());
    assert!(SchedulerKind::KNOWN.iter().all(|kind| Balancer::new(kind, SchedulerFlags::EMPTY, 0).is_some()));
}

#[test]
fn thresholds_have_hysteresis() {
    let limits = |upper, lower| ServerSpec { thresholds: Thresholds { upper, lower }, ..weight(1) };
    let mut rr = empty("rr");
    rr.set(key(1), limits(8, 0), None);
    let load = rr.pool().destinations()[0].load().clone();
    (0..8).for_each(|_| load.open(false));
    assert!(load.is_overloaded());
    (0..2).for_each(|_| load.close(false));
    assert!(load.is_overloaded(), "6 is three quarters of 8, not below");
    load.close(false);
    assert!(!load.is_overloaded());
    rr.set(key(1), limits(5, 2), None);
    assert!(load.is_overloaded(), "new thresholds hold at once");
    (0..3).for_each(|_| load.close(false));
    assert!(load.is_overloaded());
    load.close(false);
    assert!(!load.is_overloaded());
    (0..9).for_each(|_| load.close(true));
    assert_eq!((load.active(), load.inactive(), load.total()), (0, 0, 0), "nothing wraps");
}
