//! How long a thousand services of ten servers take through the data plane, and as the same table by hand.
//!
//! `unshare -n cargo bench -p lb-nat --bench nft_load`, as root: in a user namespace the table does not fit into one
//! transaction, so there is nothing to compare with.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use lb_core::{
    DataPlane as _, diff,
    model::{SchedulerKind, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable, Weight},
};
use lb_nat::nft::{Nft, NftConfig};

const ROUNDS: usize = 5;

fn table(services: usize) -> ServiceTable {
    (0..services).fold(ServiceTable::new(), |table, n| {
        let service = Service::new(ServiceSpec::new(SchedulerKind::WeightedRoundRobin));
        let service = (1..=10u8).fold(service, |service, m| {
            let server = std::net::SocketAddr::from(([10, 2, (n % 250) as u8, m], 80));
            service.with_server(server, ServerSpec::masq(Weight::ONE))
        });
        let address = std::net::SocketAddr::from(([10, 0, (n / 250) as u8, (n % 250) as u8 + 1], 80));
        table.with_service(ServiceKey::tcp(address), service)
    })
}

fn nft(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nft (apt-get install nftables)");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "nft {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wanted = table(1000);
    let changes = diff(&ServiceTable::new(), &wanted);
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let plane = Nft::new(NftConfig::default());
            let start = Instant::now();
            let refused = runtime.block_on(plane.apply(&changes)).expect("run this as root, in a namespace");
            let load = start.elapsed().as_secs_f64();
            assert_eq!(refused, []);
            let start = Instant::now();
            assert_eq!(runtime.block_on(plane.snapshot()).unwrap(), wanted);
            let snapshot = start.elapsed().as_secs_f64();

            let text = nft(&["list", "table", "inet", "lb"], "");
            runtime.block_on(plane.clear()).unwrap();
            let start = Instant::now();
            nft(&["-f", "-"], &text);
            let by_hand = start.elapsed().as_secs_f64();
            nft(&["delete", "table", "inet", "lb"], "");
            println!("load {load:.2} s, by hand {by_hand:.2} s, snapshot {snapshot:.2} s");
            load / by_hand
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("load / by hand: {ratios:.2?}, median {:.2}", ratios[ROUNDS / 2]);
}
