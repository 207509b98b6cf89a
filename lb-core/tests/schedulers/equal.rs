//! Whatever happens to a service, the crate picks what the model picks.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use lb_core::{
    Time,
    model::{SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, Thresholds, Weight},
    schedule::{Balancer, Flow, Load},
};
use proptest::prelude::*;

use crate::model::{Client, Model, Server};

const IDS: [u8; 6] = [1, 2, 3, 4, 5, 6];

#[derive(Clone, Debug)]
enum Step {
    /// Adds the server, or edits it when it is there.
    Set {
        id: u8,
        weight: u16,
        upper: u32,
        lower: u32,
    },
    Remove {
        id: u8,
    },
    /// Picks, and opens a connection that is active or not.
    Pick {
        source: u16,
        port: u16,
        destination: u8,
        active: bool,
    },
    /// A connection of this server closes, if it has such a one.
    Close {
        id: u8,
        active: bool,
    },
    /// An active connection of this server becomes inactive.
    Fade {
        id: u8,
    },
    /// Time passes.
    Wait {
        hours: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = proptest::sample::select(&IDS[..]);
    let weight =
        prop_oneof![2 => Just(0_u16), 5 => 1..4_u16, 3 => (1..5_u16).prop_map(|n| n * 6), 1 => 1..=400_u16];
    let limits = prop_oneof![3 => Just((0, 0)), 1 => (1..6_u32, 0..6_u32).prop_map(|(u, l)| (u, l.min(u)))];
    let step = prop_oneof![
        3 => (id.clone(), weight, limits).prop_map(|(id, weight, (upper, lower))| Step::Set { id, weight, upper, lower }),
        1 => id.clone().prop_map(|id| Step::Remove { id }),
        8 => (any::<u16>(), any::<u16>(), 0..4_u8, any::<bool>())
            .prop_map(|(source, port, destination, active)| Step::Pick { source, port, destination, active }),
        3 => (id.clone(), any::<bool>()).prop_map(|(id, active)| Step::Close { id, active }),
        1 => id.prop_map(|id| Step::Fade { id }),
        1 => (1..16_u8).prop_map(|hours| Step::Wait { hours }),
    ];
    proptest::collection::vec(step, 1..120)
}

/// The crate's balancer and the model, side by side.
struct Pair {
    balancer: Balancer,
    model: Model,
    /// Connections outlive the removal of their server.
    loads: HashMap<u8, Arc<Load>>,
    hours: u64,
}

impl Pair {
    fn new(kind: &SchedulerKind, flags: SchedulerFlags) -> Self {
        let [fallback, port] =
            [SchedulerFlags::FALLBACK, SchedulerFlags::PORT].map(|flag| flags.contains(flag));
        let model = Model::new(kind.name(), fallback, port);
        Self { balancer: Balancer::new(kind, flags, 0).unwrap(), model, loads: HashMap::new(), hours: 0 }
    }

    fn key(id: u8) -> ServerKey {
        ServerKey::new(Ipv4Addr::new(192, 168, 0, id).into(), 80)
    }

    fn set(&mut self, id: u8, weight: u16, upper: u32, lower: u32) {
        let load = self.loads.entry(id).or_default().clone();
        let edited = self.model.servers.iter_mut().find(|server| server.id == id);
        if let Some(server) = edited {
            (server.weight, server.upper, server.lower) = (weight.into(), upper, lower);
            if weight > 0 {
                server.last_weight = weight.into();
            }
            server.judge();
            self.model.changed();
        } else {
            let (active, total, overloaded) = (load.active(), load.total(), load.is_overloaded());
            let (weight, last_weight) = (weight.into(), weight.into());
            let mut server = Server { id, weight, upper, lower, active, total, overloaded, last_weight };
            server.judge();
            self.model.add(server);
        }
        let thresholds = Thresholds { upper, lower };
        let spec = ServerSpec { thresholds, ..ServerSpec::masq(Weight::new(weight)) };
        self.balancer.set(Self::key(id), spec, Some(load));
    }

    fn remove(&mut self, id: u8) {
        if self.balancer.remove(&Self::key(id)).is_some() {
            self.model.remove(id);
        }
    }

    fn pick(&mut self, source: u16, port: u16, destination: u8) -> (Option<u8>, Option<u8>) {
        let addresses = (0x0a00_0000 + u32::from(source), 0xac10_0000 + u32::from(destination));
        let seconds = self.hours * 3600;
        let flow = Flow {
            source: (Ipv4Addr::from_bits(addresses.0), port).into(),
            destination: (Ipv4Addr::from_bits(addresses.1), 80).into(),
            now: Time::from_secs(seconds),
        };
        let client = Client { source: addresses.0, port: port.into(), destination: addresses.1, seconds };
        let picked = self.balancer.pick(&flow).map(|server| server.key());
        let picked = picked.and_then(|key| IDS.into_iter().find(|id| Self::key(*id) == key));
        (picked, self.model.pick(client))
    }

    /// Opens, closes or fades in both.
    fn count(&mut self, id: u8, change: impl Fn(&Load) -> bool) {
        if !self.loads.get(&id).is_some_and(|load| change(load)) {
            return;
        }
        let load = &self.loads[&id];
        if let Some(server) = self.model.servers.iter_mut().find(|server| server.id == id) {
            (server.active, server.total) = (load.active(), load.total());
            server.judge();
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), TestCaseError> {
        for step in steps {
            match *step {
                Step::Set { id, weight, upper, lower } => self.set(id, weight, upper, lower),
                Step::Remove { id } => self.remove(id),
                Step::Wait { hours } => self.hours += u64::from(hours),
                Step::Pick { source, port, destination, active } => {
                    let (picked, expected) = self.pick(source, port, destination);
                    prop_assert_eq!(picked, expected, "{:?}", self.model);
                    if let Some(id) = picked {
                        self.count(id, |load| {
                            load.open(active);
                            true
                        });
                    }
                }
                Step::Close { id, active } => self.count(id, |load| {
                    let open = if active { load.active() } else { load.inactive() } > 0;
                    if open {
                        load.close(active);
                    }
                    open
                }),
                Step::Fade { id } => self.count(id, |load| {
                    let open = load.active() > 0;
                    if open {
                        load.set_active(false);
                    }
                    open
                }),
            }
            for server in &self.model.servers {
                prop_assert_eq!(server.overloaded, self.loads[&server.id].is_overloaded(), "{:?}", server);
            }
        }
        Ok(())
    }
}

/// Runs random histories of a scheduler against the model.
fn check(scheduler: &str, flags: SchedulerFlags, cases: u32) {
    let kind = scheduler.parse().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&steps(), |steps| Pair::new(&kind, flags).run(&steps));
    if let Err(error) = outcome {
        panic!("{scheduler} {flags:?}: {error}");
    }
}

#[test]
fn schedulers_without_tables_pick_as_the_model() {
    for scheduler in ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "dh", "lblc", "lblcr"] {
        check(scheduler, SchedulerFlags::EMPTY, 100);
    }
}

#[test]
fn schedulers_with_tables_pick_as_the_model() {
    for bits in 0..4 {
        check("sh", SchedulerFlags::from_bits(bits), 40);
        check("mh", SchedulerFlags::from_bits(bits), 6);
    }
}
