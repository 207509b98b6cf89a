//! ldirectord and lb-director with one configuration, each with a table of its own: the tables are the same.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use lb_ipvs::{Client, Destination, ServerKey, Service, ServiceKey};

use crate::{
    guest::on_ipvs,
    site::{Net, patiently},
    support::{Lab, Web, skip},
};

const CONFIG: &str = r#"checktimeout = 20
negotiatetimeout = 20
checkinterval = 1
quiescent = no
virtual = 10.0.0.1:80
        real = 192.168.0.1:80 masq
        real = 192.168.0.2:80 masq 3
        real = 192.168.0.3:80 gate 2
        fallback = 127.0.0.1:80 gate
        service = http
        request = "test.html"
        receive = "web"
        scheduler = wlc
        persistent = 600
        netmask = 255.255.255.0
        protocol = tcp
        checktype = negotiate
virtual = 10.0.0.2:8080
        real = 192.168.0.1:80 masq 5
        real = 192.168.0.2:80 masq 1
        quiescent = yes
        scheduler = rr
        protocol = tcp
        checktype = connect
        checkport = 80
virtual = 7
        real = 192.168.0.2:80 ipip 4
        real = 192.168.0.3:80 ipip
        fallback = 192.168.0.9:80 masq
        scheduler = sh
        schedflags = sh-port,sh-fallback
        protocol = fwm
        checktype = connect
        checkport = 80
"#;

type Table = BTreeMap<ServiceKey, (Service, BTreeMap<ServerKey, Destination>)>;

/// A daemon, killed in the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tables_are_the_same_while_servers_die_and_return() {
    on_ipvs(|| {
        if !Path::new("/usr/sbin/ldirectord").exists() {
            return skip("the tables of ldirectord", "ldirectord (apt-get install ldirectord)");
        }
        let (farm, theirs, ours) = (Net::new("farm"), Net::new("theirs"), Net::new("ours"));
        for (number, director) in (251..).zip([&theirs, &ours]) {
            farm.link(director.name(), director, "eth0");
            director.ip(&format!(
                "addr add 192.168.0.{number}/24 dev eth0\naddr add 10.0.0.1/32 dev lo\naddr add 10.0.0.2/32 dev lo\n\
                 link set eth0 up"
            ));
        }
        farm.ip(
            "link add bridge type bridge\nlink set theirs master bridge up\nlink set ours master bridge up\n\
             addr add 192.168.0.1/24 dev bridge\naddr add 192.168.0.2/24 dev bridge\n\
             addr add 192.168.0.3/24 dev bridge\nlink set bridge up",
        );
        let mut webs: Vec<Web> = (1..=3)
            .map(|number| {
                let address = SocketAddr::from(([192, 168, 0, number], 80));
                farm.on(|| Web::at(address, &format!("web{number}")))
            })
            .collect();

        let lab = Lab::new(CONFIG);
        // It has its pid file there, whatever it is told.
        const ALONE: &str = "mount -t tmpfs tmpfs /run; mkdir /run/lock; exec ldirectord -d -- \"$0\" start";
        let mut ldirectord = Command::new("unshare");
        ldirectord.args(["--mount", "sh", "-ec", ALONE]).arg(lab.config());
        ldirectord.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut their_daemon = Running(theirs.on(|| ldirectord.spawn().unwrap()));
        let our_daemon = ours.on(|| lab.start("ipvs"));

        let mut clients = [&theirs, &ours].map(|net| net.on(Client::open).unwrap());
        let mut compared = 0;
        let mut agree = |expected: [&str; 3]| {
            patiently("tables that are the same, and as they should be", || {
                let [theirs, ours] = clients.each_mut().map(table);
                let same = theirs == ours && in_short(&ours) == expected;
                same.then_some(()).ok_or_else(|| format!("{expected:#?}\ntheirs {theirs:#?}\nours {ours:#?}"))
            });
            compared += 1;
        };
        let all = [
            "192.168.0.1:80*1 192.168.0.2:80*3 192.168.0.3:80*2",
            "192.168.0.1:80*5 192.168.0.2:80*1",
            "192.168.0.2:80*4 192.168.0.3:80*1",
        ];
        agree(all);
        webs[1].die();
        agree(["192.168.0.1:80*1 192.168.0.3:80*2", "192.168.0.1:80*5 192.168.0.2:80*0", "192.168.0.3:80*1"]);
        farm.on(|| webs[1].live());
        agree(all);
        // Who only connects is content with the first.
        webs[0].answer("500 Internal Server Error", "web");
        webs[2].die();
        agree(["192.168.0.2:80*3", "192.168.0.1:80*5 192.168.0.2:80*1", "192.168.0.2:80*4"]);
        webs[0].answer("200 OK", "web");
        webs[0].die();
        webs[1].die();
        agree(["127.0.0.1:80*1", "192.168.0.1:80*0 192.168.0.2:80*0", "192.168.0.9:80*1"]);
        farm.on(|| webs.iter_mut().for_each(Web::live));
        agree(all);
        println!("{compared} states compared");

        our_daemon.signal(nix::sys::signal::Signal::SIGTERM);
        let pid = nix::unistd::Pid::from_raw(their_daemon.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        their_daemon.0.wait().unwrap();
        patiently("empty tables", || {
            let left = clients.each_mut().map(table);
            left.iter().all(BTreeMap::is_empty).then_some(()).ok_or_else(|| format!("{left:#?}"))
        });
    });
}

/// What is configured of a table.
fn table(client: &mut Client) -> Table {
    let table = client.table().unwrap().into_iter();
    table
        .map(|(key, (service, servers))| {
            let servers = servers.into_iter().map(|entry| (entry.destination.key, entry.destination));
            (key, (service.service, servers.collect()))
        })
        .collect()
}

/// The servers of each service, with their weights.
fn in_short(table: &Table) -> Vec<String> {
    let servers = |servers: &BTreeMap<ServerKey, Destination>| {
        servers.iter().map(|(key, server)| format!("{key}*{}", server.weight)).collect::<Vec<_>>().join(" ")
    };
    table.values().map(|(_, all)| servers(all)).collect()
}
