//! What a pick costs, and what it costs to fill a service.
//!
//! `cargo bench -p lb-core --bench schedulers`

#![allow(missing_docs)]

use std::net::Ipv4Addr;

use divan::{Bencher, black_box, counter::ItemsCount};
use lb_core::{
    Time,
    model::{SchedulerFlags, ServerKey, ServerSpec, Weight},
    schedule::{Balancer, Flow},
};

const KINDS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "dh", "sh", "mh", "lblc", "lblcr", "twos"];
const SERVERS: [usize; 4] = [3, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

/// Servers of weights 1 to 10, with some connections.
fn balancer(kind: &str, servers: usize) -> Balancer {
    let kind = kind.parse().unwrap_or_else(|error| panic!("{error}"));
    let Some(mut balancer) = Balancer::new(&kind, SchedulerFlags::PORT, 1) else { panic!("{kind}") };
    for n in 0..servers as u32 {
        let key = ServerKey::new(Ipv4Addr::from_bits(0x0a00_0000 + n).into(), 80);
        balancer.set(key, ServerSpec::masq(Weight::new((n % 10 + 1) as u16)), None);
    }
    for server in balancer.pool().destinations() {
        (0..=server.weight() / 2).for_each(|_| server.load().open(true));
    }
    balancer
}

fn flow(n: u32) -> Flow {
    Flow {
        source: (Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9)), n as u16).into(),
        destination: (Ipv4Addr::new(172, 16, 0, n as u8), 80).into(),
        now: Time::from_millis(n.into()),
    }
}

/// One new connection.
#[divan::bench(args = KINDS, consts = SERVERS, sample_size = 100)]
fn pick<const N: usize>(bencher: Bencher<'_, '_>, kind: &str) {
    let mut balancer = balancer(kind, N);
    let mut n = 0;
    // Tables are made at the first pick, and the 256 virtual addresses of the flows are to be known.
    for n in 0..256 {
        black_box(balancer.pick(&flow(n)));
    }
    bencher.bench_local(|| {
        n += 1;
        black_box(balancer.pick(&flow(n)).map(|server| server.key()))
    });
}

/// All servers at once, up to the first pick.
#[divan::bench(args = KINDS, sample_count = 5, sample_size = 1)]
fn fill_10000(bencher: Bencher<'_, '_>, kind: &str) {
    bencher.counter(ItemsCount::new(10_000_u32)).bench_local(|| {
        let mut balancer = balancer(kind, 10_000);
        black_box(balancer.pick(&flow(1)).map(|server| server.key()))
    });
}
