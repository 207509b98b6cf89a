use std::num::NonZeroU32;

use lb_core::model::{Persistence, SchedulerKind, Weight};

use super::*;

const NOW: Time = Time::from_secs(1000);

fn service(spec: ServiceSpec, max_templates: usize, servers: &[&str]) -> Service {
    let address = "192.0.2.1:80".parse().unwrap();
    let settings =
        Settings { seed: 1, max_templates, max_connections: u32::MAX, timeouts: Timeouts::default() };
    let service = Service::new(ServiceKey::tcp(address), (Protocol::Tcp, address), spec, settings).unwrap();
    for server in servers {
        assert!(service.add(server.parse().unwrap(), ServerSpec::masq(Weight::ONE)));
    }
    service
}

fn flow(client: &str, now: Time) -> Flow {
    Flow { source: client.parse().unwrap(), destination: "192.0.2.1:80".parse().unwrap(), now }
}

fn persistent(seconds: u32) -> ServiceSpec {
    let timeout = NonZeroU32::new(seconds).unwrap();
    ServiceSpec::new(SchedulerKind::RoundRobin).persistent(Persistence::seconds(timeout))
}

#[test]
fn port_0_is_the_port_of_the_service() {
    let service = service(ServiceSpec::new(SchedulerKind::RoundRobin), 1, &["10.0.0.1:0", "10.0.0.1:8080"]);
    let mut ports: Vec<u16> = (0..2)
        .map(|_| {
            let claim = service.claim(&flow("198.51.100.1:1", NOW), &[], true).unwrap();
            let port = claim.server.address.port();
            claim.release(NOW, true);
            port
        })
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [80, 8080]);
}

#[test]
fn templates_beyond_the_limit_are_not_remembered() {
    let service = service(persistent(60), 2, &["10.0.0.1:80", "10.0.0.2:80"]);
    let bound = |client: &str, now| {
        let claim = service.claim(&flow(client, now), &[], true).unwrap();
        let bound = claim.template.is_some();
        claim.release(now, true);
        bound
    };
    assert!(bound("198.51.100.1:1", NOW) && bound("198.51.100.2:1", NOW));
    assert!(!bound("198.51.100.3:1", NOW), "served, but not remembered");
    assert!(bound("198.51.100.1:2", NOW), "the others still are");
    assert!(bound("198.51.100.3:1", NOW + Duration::from_secs(61)), "their places are free again");
}

#[test]
fn a_template_lives_with_its_connections_and_its_time_after_the_last() {
    let service = service(persistent(60), 9, &["10.0.0.1:80", "10.0.0.2:80"]);
    let server = |now| {
        let claim = service.claim(&flow("198.51.100.1:1", now), &[], true).unwrap();
        (claim.server.key, claim)
    };
    let (first, open) = server(NOW);
    let later = NOW + Duration::from_secs(600);
    let (second, closed) = server(later);
    assert_eq!(first, second, "a connection is open");
    closed.release(later, true);
    open.release(later, true);
    let (third, closed) = server(later + Duration::from_secs(59));
    assert_eq!(first, third);
    closed.release(later + Duration::from_secs(59), true);
    let (fourth, closed) = server(later + Duration::from_secs(59 + 61));
    assert_ne!(first, fourth, "round robin goes on");
    closed.release(later, true);
}

#[test]
fn what_a_removed_server_carried_stays_with_the_service() {
    let service = service(ServiceSpec::new(SchedulerKind::RoundRobin), 9, &["10.0.0.1:80"]);
    let claim = service.claim(&flow("198.51.100.1:1", NOW), &[], true).unwrap();
    claim.established();
    let key = claim.server.key;
    assert!(service.remove(&key));
    assert!(!service.remove(&key));
    claim.server.count((10, 1), (20, 2));
    claim.release(NOW, true);
    for _ in 0..2 {
        let counters = service.counters(NOW);
        let expected = Traffic { connections: 1, in_packets: 1, out_packets: 2, in_bytes: 10, out_bytes: 20 };
        assert_eq!((counters.traffic, counters.servers.len()), (expected, 0));
    }
    assert!(service.state().departed.is_empty());
}
