//! Two directors, one after the other: what becomes of connections that are open.

use lb_ipvs::{Client, Daemon, DaemonRole, Destination, Forwarding, SchedulerKind};

use crate::{
    guest::on_ipvs,
    pair::{Pair, SERVERS, WAY_OUT, survivors},
    site::{VIP, tcp},
};

const CONNECTIONS: usize = 50;

#[test]
fn connections_that_were_copied_survive_a_failover() {
    on_ipvs(|| {
        let survivors = [true, false].map(fail_over);
        println!(
            "of {CONNECTIONS} connections {} survived with copies, {} without",
            survivors[0], survivors[1]
        );
        assert_eq!(survivors, [CONNECTIONS, 0]);
    });
}

/// How many connections get an answer from the second director that were made by the first.
fn fail_over(copied: bool) -> usize {
    let pair = Pair::new();
    let service = tcp("10.0.0.1:80", SchedulerKind::RoundRobin);
    let mut clients = pair.directors.each_ref().map(|net| net.on(Client::open).unwrap());
    for ipvs in &mut clients {
        ipvs.add_service(&service).unwrap();
        for server in SERVERS {
            let server = Destination::new(server.parse().unwrap(), Forwarding::Masquerade);
            ipvs.add_destination(&service.key, &server).unwrap();
        }
    }
    let [first, second] = &mut clients;
    if copied {
        first.start_daemon(&Daemon::new(DaemonRole::Master, "eth1", 1)).unwrap();
        second.start_daemon(&Daemon::new(DaemonRole::Backup, "eth1", 1)).unwrap();
    }
    let [first, second] = &pair.directors;
    let active = format!("addr add {VIP}/32 dev eth0\naddr add {WAY_OUT}/32 dev eth1");
    first.ip(&active);
    let mut open = pair.connect(CONNECTIONS);
    if copied {
        pair.await_copies(CONNECTIONS);
    }
    first.ip(&active.replace("add ", "del "));
    second.ip(&active);
    pair.client.ip("neigh flush dev eth0");
    pair.server.ip("neigh flush dev eth0");
    survivors(&mut open)
}
