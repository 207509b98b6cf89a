//! Servers that are drained: `lbctl drain --wait` counts the connections that the kernel has.

use crate::{
    guest::on_ipvs,
    site::{Site, VIP, patiently},
    support::{Connection, Lab, text},
};

#[test]
fn drain_waits_until_the_kernel_has_no_connection_of_the_server() {
    on_ipvs(|| {
        let site = Site::nat(2);
        let _webs = site.webs(80);
        let servers = "\treal=192.168.0.1:80 masq\n\treal=192.168.0.2:80 masq\n";
        let lab = Lab::new(&format!(
            "virtual={VIP}:80\n{servers}\tscheduler=rr\n\tchecktype=connect\n\tprotocol=tcp\n"
        ));
        let director = site.director.on(|| lab.start("ipvs"));
        for server in ["192.168.0.1:80", "192.168.0.2:80"] {
            director.wait_for_state(server, "active");
        }
        let front = format!("{VIP}:80").parse().unwrap();
        let mut open: Vec<Connection> =
            site.client.on(|| (0..4).map(|_| Connection::open(front).unwrap()).collect());
        let names: Vec<String> = open.iter_mut().map(|open| open.ask("").unwrap()).collect();
        assert_eq!(names.iter().filter(|name| *name == "web1").count(), 2);

        let output = director.lbctl(&["drain", "192.168.0.1:80", "--wait", "--for", "1s"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = text(&output.stderr);
        assert!(error.contains("192.168.0.1:80: 2 connections are left after 1.0s"), "{error}");
        // The time is over, and with it the order.
        director.wait_for_state("192.168.0.1:80", "active");

        director.told(&["drain", "192.168.0.1:80"]);
        director.wait_for_state("192.168.0.1:80", "draining");
        assert_eq!(site.ask(&format!("{VIP}:80"), 3), ["web2", "web2", "web2"]);
        let mut names = names.iter();
        open.retain_mut(|open| {
            let name = names.next().unwrap();
            assert_eq!(open.ask("").unwrap(), *name, "an open connection keeps its server");
            name != "web1"
        });
        patiently("the end of the drain", || {
            let output = director.lbctl(&["drain", "192.168.0.1:80", "--wait"]);
            output.status.success().then_some(()).ok_or_else(|| format!("{output:?}"))
        });
        director.wait_for_state("192.168.0.1:80", "draining");
    });
}
