//! What is loaded: as the model has it, and as ipvsadm reads and prints it.

use std::{fmt::Write as _, net::SocketAddr};

use lb_core::model::{
    SchedulerKind, ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable, Weight,
};

const SERVICES: u16 = 1000;
const SERVERS: u8 = 10;
/// Changes that make the table out of none.
pub(crate) const ENTRIES: usize = SERVICES as usize * (1 + SERVERS as usize);

/// Services by number, with a server of each weight from 1 on.
pub(crate) fn table() -> (ServiceTable, String) {
    let (mut table, mut lines) = (ServiceTable::new(), String::new());
    for number in 0..SERVICES {
        let [high, low] = number.to_be_bytes();
        let address = SocketAddr::from(([10, 1, high, low], 80));
        let mut service = Service::new(ServiceSpec::new(SchedulerKind::RoundRobin));
        let _ = writeln!(lines, "-A -t {address} -s rr");
        for weight in 1..=SERVERS {
            let key = ServerKey::new([192, 168, 0, weight].into(), 80);
            service = service.with_server(key, ServerSpec::masq(Weight::new(weight.into())));
            let _ = writeln!(lines, "-a -t {address} -r {key} -m -w {weight}");
        }
        table = table.with_service(ServiceKey::tcp(address), service);
    }
    (table, lines)
}

/// The same with another weight for one server.
pub(crate) fn with_changed_weight(mut table: ServiceTable) -> ServiceTable {
    let first = table.services.values_mut().next().and_then(|service| service.servers.values_mut().next());
    if let Some(server) = first {
        server.weight = Weight::new(server.weight.get() + 1);
    }
    table
}
