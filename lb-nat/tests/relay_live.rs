//! Changing the table under traffic: no connection is cut and no byte goes astray.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "relay/payload.rs"]
mod payload;
#[path = "relay/world.rs"]
mod world;

use std::{
    io::Write,
    net::{Shutdown, TcpStream},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use lb_core::{
    Change, DataPlane,
    dataplane::ErrorKind,
    model::{
        Persistence, SchedulerFlags, SchedulerKind, ServerKey, ServerSpec, ServiceKey, ServiceSpec,
        Thresholds, Weight,
    },
};
use lb_nat::relay::{RelayConfig, SpliceMode};

use payload::{Check, pattern};
use world::{Echo, World, add};

const CONNECTIONS: usize = 200;
const CHANGES: usize = 1000;

/// xorshift64*: the same seed makes the same changes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// Sends pieces of a stream and checks what comes back, until told to stop; then half-closes and expects the end.
fn transfer(client: &TcpStream, stream: u64, stop: &AtomicBool, running: &AtomicUsize) {
    let mut check = Check::new(stream);
    let mut dice = Dice(stream + 1);
    let (mut at, mut writer) = (0, client);
    let mut begun = false;
    while !begun || !stop.load(SeqCst) {
        let bound = [10, 2_000, 60_000][dice.below(3)];
        let size = 1 + dice.below(bound);
        pattern(stream, at, size, |chunk| writer.write_all(chunk)).unwrap();
        check.read_exactly(client, size).unwrap();
        at += size as u64;
        if !begun {
            begun = true;
            running.fetch_add(1, SeqCst);
        }
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(check.read_to_end(client).unwrap(), 0, "nothing more than was sent");
}

/// One random change; some do not fit the table, which is part of the test.
fn random_change(dice: &mut Dice, service: ServiceKey, servers: &[ServerKey]) -> Change {
    let server = servers[dice.below(servers.len())];
    let spec = ServerSpec {
        thresholds: Thresholds { upper: [0, 0, 50][dice.below(3)] as u32, lower: 0 },
        ..ServerSpec::masq(Weight::new(dice.below(4) as u16))
    };
    match dice.below(8) {
        0 => Change::AddServer { service, server, spec },
        1 => Change::RemoveServer { service, server },
        2..=4 => Change::EditServer { service, server, spec },
        5 | 6 => {
            let mut spec = ServiceSpec::new(SchedulerKind::KNOWN[dice.below(14)].clone());
            spec.flags = SchedulerFlags::from_bits(dice.below(8) as u8);
            if dice.below(2) == 0 {
                spec = spec.persistent(Persistence::seconds(NonZeroU32::new(60).unwrap()));
            }
            Change::EditService { service, spec }
        }
        _ => Change::RemoveService { service },
    }
}

#[tokio::test]
async fn a_thousand_changes_cut_no_connection() {
    for splice in [SpliceMode::Adaptive, SpliceMode::Always] {
        let world = World::with(RelayConfig { splice, ..RelayConfig::default() });
        let servers: Vec<Echo> = (0..5).map(|_| Echo::start()).collect();
        let keys: Vec<ServerKey> = servers.iter().map(Echo::key).collect();
        let service = world.serve(SchedulerKind::WeightedLeastConnection, &keys).await;
        let (stop, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let transfers: Vec<_> = (0..CONNECTIONS as u64)
            .map(|stream| {
                let client = world.connect(&service);
                let (stop, running) = (Arc::clone(&stop), Arc::clone(&running));
                thread::spawn(move || transfer(&client, stream, &stop, &running))
            })
            .collect();
        // Every connection has its server before the table begins to change.
        while running.load(SeqCst) < CONNECTIONS {
            assert!(!transfers.iter().any(thread::JoinHandle::is_finished), "a transfer ended early");
            tokio::task::yield_now().await;
        }
        let mut dice = Dice(0x1b_5eed);
        for _ in 0..CHANGES {
            let change = random_change(&mut dice, service, &keys);
            let removed = matches!(change, Change::RemoveService { .. });
            let mut expected = world.relay.snapshot().await.unwrap();
            let fits = change.apply(&mut expected).is_ok();
            let refused = world.relay.apply(std::slice::from_ref(&change)).await.unwrap();
            assert_eq!(refused.is_empty(), fits, "{change}: {refused:?}");
            assert!(
                refused.iter().all(|r| matches!(r.error.kind, ErrorKind::Exists | ErrorKind::NotFound)),
                "{refused:?}"
            );
            assert_eq!(world.relay.snapshot().await.unwrap(), expected, "{change}");
            if removed {
                let spec = ServiceSpec::new(SchedulerKind::RoundRobin);
                world.apply(&[Change::AddService { service, spec }, add(service, keys[0])]).await;
            }
        }
        stop.store(true, SeqCst);
        for transfer in transfers {
            transfer.join().expect("every transfer ends in peace");
        }
    }
}
