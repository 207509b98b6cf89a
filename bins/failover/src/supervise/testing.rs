//! An Active instance, as a daemon reports it.

use std::time::Duration;

use lb_vrrp::{Config, Input, Priority, Time, VirtualRouter, Vrid, driver::Resignation, router::Snapshot};

use super::message::Held;

/// Of a router that has been Active since then.
pub(super) fn snapshot(since: Time) -> Snapshot {
    let config = Config::v3(Vrid::MIN, ["192.0.2.100".parse().unwrap()]).priority(Priority::OWNER);
    let mut router = VirtualRouter::new(config.build().unwrap(), "192.0.2.1".parse().unwrap()).unwrap();
    router.handle_input(since, Input::Startup);
    while router.poll_output().is_some() {}
    router.snapshot(since)
}

pub(super) fn resignation(instance: &str) -> Resignation {
    Resignation {
        instance: instance.to_owned(),
        interface: 2,
        mac: None,
        source: "192.0.2.1".parse().unwrap(),
        destination: "224.0.0.18".parse().unwrap(),
        ttl: 255,
        sealed: false,
        payload: vec![0x31, 1, 0],
    }
}

pub(super) fn held(instance: &str, since: Time, interval: Duration) -> Held {
    Held { resignations: vec![resignation(instance)], snapshot: snapshot(since), sequence: Some(9), interval }
}
