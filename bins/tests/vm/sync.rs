//! lb-failover and what IPVS does beside balancing: copies of connections, timeouts, and an empty table.

use lb_ipvs::{Client, Daemon as Copier, DaemonRole, SchedulerKind, Timeouts};

use crate::{
    guest::on_ipvs,
    node::Node,
    pair::{Pair, SERVERS, WAY_OUT, survivors},
    site::{Net, VIP, patiently, tcp},
};

const CONNECTIONS: usize = 50;

#[test]
fn connections_survive_a_failover_of_lb_failover_with_its_sync_daemon() {
    on_ipvs(|| {
        let survivors = ["lvs_sync_daemon eth1 VI", ""].map(fail_over);
        println!(
            "of {CONNECTIONS} connections {} survived with lvs_sync_daemon, {} without",
            survivors[0], survivors[1]
        );
        assert_eq!(survivors, [CONNECTIONS, 0]);
    });
}

/// The machine that is active dies: how many of its connections get an answer from the other one.
fn fail_over(globals: &str) -> usize {
    let pair = Pair::new();
    let config = |priority| {
        let servers = SERVERS.map(|server| format!("real_server {} {{\n}}\n", server.replace(':', " ")));
        format!(
            "global_defs {{\n{globals}\n}}\n\
             vrrp_instance VI {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\nvirtual_ipaddress {{\n\
             {VIP}/32\n{WAY_OUT}/32 dev eth1\n}}\n}}\n\
             virtual_server {VIP} 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{}}}\n",
            servers.concat()
        )
    };
    let mut first = Node::start(&pair.directors[0], &config(150));
    first.is("MASTER");
    let second = Node::start(&pair.directors[1], &config(100));
    let mut clients = pair.directors.each_ref().map(|net| net.on(Client::open).unwrap());
    if !globals.is_empty() {
        runs(&mut clients[0], "master eth1 51");
        runs(&mut clients[1], "backup eth1 51");
    }
    let mut open = pair.connect(CONNECTIONS);
    if !globals.is_empty() {
        pair.await_copies(CONNECTIONS);
    }
    pair.cut_off_the_first();
    first.die();
    second.is("MASTER");
    if !globals.is_empty() {
        runs(&mut clients[1], "master eth1 51");
    }
    survivors(&mut open)
}

/// Waits until these daemons run, and no others.
fn runs(ipvs: &mut Client, daemons: &str) {
    patiently(daemons, || {
        let found = ipvs.daemons().unwrap();
        let word = |one: &Copier| format!("{} {} {}", one.role, one.interface, one.sync_id);
        let found = found.iter().map(word).collect::<Vec<_>>().join(", ");
        (found == daemons).then_some(()).ok_or(found)
    });
}

fn times(ipvs: &mut Client, tcp: u32, tcp_fin: u32, udp: u32) {
    let wanted = Timeouts { tcp, tcp_fin, udp };
    patiently("the timeouts", || {
        let found = ipvs.timeouts().unwrap();
        (found == wanted).then_some(()).ok_or_else(|| format!("{found:?}"))
    });
}

#[test]
fn daemons_and_timeouts_are_what_the_file_says_as_long_as_it_does() {
    on_ipvs(|| {
        let net = Net::new("director");
        let switch = Net::new("switch");
        net.link("eth0", &switch, "eth0");
        switch.ip("link set eth0 up");
        net.ip("addr add 10.0.0.251/24 dev eth0\nlink set eth0 up");
        let instance = format!(
            "vrrp_instance VI {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n{VIP}/32\n}}\n}}\n\
             virtual_server {VIP} 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n}}\n"
        );
        let config = |globals: &str| format!("global_defs {{\n{globals}\n}}\n{instance}");
        let mut ipvs = net.on(Client::open).unwrap();
        ipvs.add_service(&tcp("10.0.0.9:80", SchedulerKind::RoundRobin)).unwrap();
        let timeouts = "lvs_timeouts tcp 600 udp 30";
        let mut node = Node::start(
            &net,
            &config(&format!("lvs_sync_daemon eth0 VI maxlen 1000\n{timeouts}\nlvs_flush_on_stop")),
        );
        times(&mut ipvs, 600, 120, 30);
        runs(&mut ipvs, "master eth0 51");
        node.is("MASTER");
        // What it is told of services that it leaves alone.
        patiently("what is not ours", || {
            let status = node.supervisor.told(&["status"]);
            status.contains("not ours, left alone: tcp:10.0.0.9:80").then_some(()).ok_or(status)
        });

        ipvs.stop_daemon(DaemonRole::Master).unwrap();
        ipvs.start_daemon(&Copier::new(DaemonRole::Backup, "eth0", 9)).unwrap();
        ipvs.set_timeouts(Timeouts { tcp: 700, tcp_fin: 70, udp: 0 }).unwrap();
        runs(&mut ipvs, "master eth0 51");
        times(&mut ipvs, 600, 70, 30);
        node.supervisor
            .wait_for_line("IPVS: the backup sync daemon is stopped: somebody else had changed that");

        // Without carrier it is in FAULT.
        switch.ip("link set eth0 down");
        runs(&mut ipvs, "backup eth0 51");
        switch.ip("link set eth0 up");
        runs(&mut ipvs, "master eth0 51");

        node.reload(&config(&format!("lvs_sync_daemon eth7 VI id 7\n{timeouts}\nlvs_flush_on_stop")));
        runs(&mut ipvs, "");
        patiently("what is wrong", || {
            let status = node.supervisor.told(&["status"]);
            let problem =
                "PROBLEM: IPVS: start the master sync daemon on eth7: there is no such network interface";
            status.contains(problem).then_some(()).ok_or(status)
        });
        net.ip("link add eth7 type dummy\naddr add 10.0.7.1/24 dev eth7\nlink set eth7 up");
        runs(&mut ipvs, "master eth7 7");
        node.reload(&config("lvs_sync_daemon eth7"));
        runs(&mut ipvs, "master eth7 0, backup eth7 0");
        times(&mut ipvs, 900, 70, 300);
        node.reload(&config("lvs_timeouts udp 40\nlvs_flush_on_stop"));
        runs(&mut ipvs, "");
        times(&mut ipvs, 900, 70, 40);
        node.reload(&config("lvs_sync_daemon eth0 VI\nlvs_timeouts udp 40\nlvs_flush_on_stop VS"));
        runs(&mut ipvs, "master eth0 51");
        assert!(node.supervisor.told(&["status"]).contains("data plane ipvs"));
        node.stop();
        runs(&mut ipvs, "");
        times(&mut ipvs, 900, 70, 300);
        let left = |ipvs: &mut Client| ipvs.services().unwrap().len();
        assert_eq!(left(&mut ipvs), 1, "what is not ours");

        // At the end, and at the start.
        for (keyword, after) in [("lvs_flush_on_stop", 0), ("lvs_flush", 0)] {
            let foreign = tcp("10.0.0.9:80", SchedulerKind::RoundRobin);
            let _ = ipvs.add_service(&foreign);
            let mut node = Node::start(&net, &config(keyword));
            patiently("the service", || {
                let expected = if keyword == "lvs_flush" { 1 } else { 2 };
                let found = left(&mut ipvs);
                (found == expected).then_some(()).ok_or_else(|| format!("{keyword}: {found}"))
            });
            node.stop();
            assert_eq!(left(&mut ipvs), after, "{keyword}");
        }
    });
}
