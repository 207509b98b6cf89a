//! A table that one program has for itself, and what the kernel reports of others.
#![cfg(feature = "nft")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "as in any test")]

mod nft_lab;

use std::{sync::Arc, time::Duration};

use lb_core::{
    DataPlane, Reconciler,
    model::{SchedulerKind, ServiceTable},
};
use lb_nat::nft::{Nft, NftConfig};
use nft_lab::{PATIENCE, isolated, key, nft, nft_list, service};

fn exclusive() -> NftConfig {
    NftConfig { exclusive: true, ..NftConfig::default() }
}

fn round_robin(keys: &[&str]) -> ServiceTable {
    let service = service(SchedulerKind::RoundRobin, 4, 80, &[1, 1]);
    keys.iter().fold(ServiceTable::new(), |table, text| table.with_service(key(text), service.clone()))
}

fn run(body: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
}

#[test]
fn leftovers_of_a_predecessor_are_removed_from_an_exclusive_table_only() {
    isolated("leftovers_of_a_predecessor_are_removed_from_an_exclusive_table_only", || {
        run(async {
            let before = round_robin(&["tcp:10.0.0.1:80", "tcp:10.0.0.1:81", "udp:10.0.0.1:53"]);
            let wanted = round_robin(&["tcp:10.0.0.1:80", "tcp:10.0.0.1:443"]);
            for (config, left) in [(NftConfig::default(), 2), (exclusive(), 0)] {
                let mut predecessor = Reconciler::new(Arc::new(Nft::new(config.clone())));
                predecessor.sync(&before).await.unwrap();
                let mut reconciler = Reconciler::new(Arc::new(Nft::new(config)));
                let report = reconciler.sync(&wanted).await.unwrap();
                assert_eq!(report.foreign.len(), left);
                let found = reconciler.plane().snapshot().await.unwrap();
                assert_eq!(found.services.len(), wanted.services.len() + left);
            }
        });
    });
}

#[test]
fn the_table_goes_at_the_end_unless_something_is_in_it() {
    isolated("the_table_goes_at_the_end_unless_something_is_in_it", || {
        run(async {
            let mut reconciler = Reconciler::new(Arc::new(Nft::new(exclusive())));
            reconciler.plane().release().await.unwrap();
            let wanted = round_robin(&["tcp:10.0.0.1:80"]);
            reconciler.sync(&wanted).await.unwrap();
            reconciler.plane().release().await.unwrap();
            assert!(nft_list("tables").contains("inet lb"), "a service is in it");
            reconciler.full_sync(&ServiceTable::new()).await.unwrap();
            nft("add chain inet lb mine");
            reconciler.plane().release().await.unwrap();
            assert!(nft_list("tables").contains("inet lb"), "a chain of somebody else is in it");
            nft("delete chain inet lb mine");
            reconciler.plane().release().await.unwrap();
            assert_eq!(nft_list("tables"), "");
            // And it can be used again.
            reconciler.full_sync(&wanted).await.unwrap();
            assert_eq!(reconciler.plane().snapshot().await.unwrap(), wanted);
        });
    });
}

#[test]
fn what_others_change_is_reported_and_what_we_change_is_not() {
    isolated("what_others_change_is_reported_and_what_we_change_is_not", || {
        run(async {
            let nft_plane = Arc::new(Nft::new(exclusive()));
            let mut reconciler = Reconciler::new(nft_plane.clone());
            let wanted = round_robin(&["tcp:10.0.0.1:80", "tcp:10.0.0.1:81"]);
            let reported = async |limit| tokio::time::timeout(limit, nft_plane.changed()).await.is_ok();
            // The first call begins to listen.
            assert!(!reported(Duration::from_millis(10)).await);
            reconciler.sync(&wanted).await.unwrap();
            nft("add table inet other");
            assert!(!reported(Duration::from_millis(300)).await, "only we have changed our table");
            for change in [
                "flush ruleset",
                "delete chain inet lb output",
                "flush chain inet lb dispatch",
                "delete element inet lb service4 { 10.0.0.1 . tcp . 80 }",
                "delete table inet lb",
            ] {
                nft(change);
                assert!(reported(PATIENCE).await, "{change}");
                reconciler.full_sync(&wanted).await.unwrap();
                assert_eq!(nft_plane.snapshot().await.unwrap(), wanted, "{change}");
            }
            tokio::time::sleep(Duration::from_millis(1200)).await;
            assert!(!reported(Duration::from_millis(300)).await, "repairing it is no reason to repair it");
        });
    });
}
