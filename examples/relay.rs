//! A TCP load balancer in forty lines: a relay whose table is changed while it runs.
//!
//! `cargo run --release -p lb-examples --bin relay -- 127.0.0.1:8080 127.0.0.1:8001 127.0.0.1:8002`
#![allow(clippy::print_stdout)]

use std::{error::Error, sync::Arc, time::Duration};

use lb_core::{
    DataPlane as _, Reconciler,
    model::{SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable, Weight},
};
use lb_nat::relay::{Relay, RelayConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let front = arguments.next().ok_or("name the address to listen on, then the servers")?;
    let key = ServiceKey::tcp(front.parse()?);
    let mut service = Service::new(ServiceSpec::new(SchedulerKind::WeightedLeastConnection));
    for server in arguments {
        service.servers.insert(server.parse::<ServerKey>()?, ServerSpec::masq(Weight::ONE));
    }
    let wanted = ServiceTable::new().with_service(key, service);

    let relay = Arc::new(Relay::start(RelayConfig::default())?);
    // The reconciler keeps the relay equal to the table: change the table, call `sync` again, and only what
    // differs is touched.
    let report = Reconciler::new(relay.clone()).sync(&wanted).await?;
    if let Some((change, error)) = report.refused.first() {
        return Err(format!("{change}: {error}").into());
    }
    println!("http://{front}/");
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for (server, counters) in relay.counters().await?.remove(&key).unwrap_or_default().servers {
            println!("{server}: {} open, {} in all", counters.active, counters.traffic.connections);
        }
    }
}
