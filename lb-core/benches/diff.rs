//! `diff` of two tables of 10,000 services with 10 servers each, of which one in a hundred differs.
//!
//! `cargo bench -p lb-core --bench diff`

use std::net::Ipv4Addr;

use divan::{Bencher, black_box};
use lb_core::{
    diff,
    model::{SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable, Weight},
};

fn main() {
    divan::main();
}

fn table(changed_every: Option<u32>) -> ServiceTable {
    (0..10_000u32).fold(ServiceTable::new(), |table, index| {
        let changed = changed_every.is_some_and(|every| index.is_multiple_of(every));
        let service = (0..10u32).fold(
            Service::new(ServiceSpec::new(SchedulerKind::WeightedLeastConnection)),
            |service, server| {
                let weight = if changed && server == 5 { 0 } else { 1 };
                let address = Ipv4Addr::from(0xc0a8_0000 + index * 10 + server);
                service.with_server(ServerKey::new(address.into(), 80), ServerSpec::masq(Weight::new(weight)))
            },
        );
        table.with_service(ServiceKey::tcp((Ipv4Addr::from(0x0a00_0000 + index), 80).into()), service)
    })
}

#[divan::bench]
fn one_in_a_hundred(bencher: Bencher<'_, '_>) {
    let (from, to) = (table(None), table(Some(100)));
    bencher.bench(|| {
        let changes = diff(black_box(&from), black_box(&to));
        assert_eq!(changes.len(), 100);
        changes
    });
}

#[divan::bench]
fn equal(bencher: Bencher<'_, '_>) {
    let (from, to) = (table(None), table(None));
    bencher.bench(|| diff(black_box(&from), black_box(&to)));
}
