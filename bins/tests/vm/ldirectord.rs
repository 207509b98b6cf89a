//! ldirectord and lb-director with one configuration, each with a table of its own: the tables are the same.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
};

use lb_ipvs::{Client, Destination, ServerKey, Service, ServiceKey};

use crate::{
    guest::on_ipvs,
    site::{Net, patiently},
    support::{Lab, Web, has_programs},
};

const CONFIG: &str = r#"checktimeout = 20
negotiatetimeout = 20
checkinterval = 1
autoreload = yes
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
        cleanstop = no
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
virtual6 = [fd00::1]:80
        real6 = [fd01::1]:80 masq 2
        real6 = [fd01::2]:80 masq
        fallback6 = [fd01::9]:80 masq
        scheduler = wrr
        persistent = 60
        netmask = 64
        protocol = tcp
        checktype = connect
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
        if !has_programs("tables_are_the_same_while_servers_die_and_return", &["ldirectord"]) {
            return;
        }
        let (farm, theirs, ours) = (Net::new("farm"), Net::new("theirs"), Net::new("ours"));
        for (number, director) in (251..).zip([&theirs, &ours]) {
            farm.link(director.name(), director, "eth0");
            director.ip(&format!(
                "addr add 192.168.0.{number}/24 dev eth0\naddr add fd01::{number}/64 dev eth0 nodad\n\
                 addr add 10.0.0.1/32 dev lo\naddr add 10.0.0.2/32 dev lo\nlink set eth0 up"
            ));
        }
        farm.ip(
            "link add bridge type bridge\nlink set theirs master bridge up\nlink set ours master bridge up\n\
             addr add 192.168.0.1/24 dev bridge\naddr add 192.168.0.2/24 dev bridge\n\
             addr add 192.168.0.3/24 dev bridge\naddr add fd01::1/64 dev bridge nodad\n\
             addr add fd01::2/64 dev bridge nodad\nlink set bridge up",
        );
        let web = |address: String| farm.on(|| Web::at(address.parse().unwrap(), "web"));
        let mut webs: Vec<Web> = (1..=3).map(|number| web(format!("192.168.0.{number}:80"))).collect();
        let mut six: Vec<Web> = (1..=2).map(|number| web(format!("[fd01::{number}]:80"))).collect();

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
        let mut agree = |expected: &[&str]| {
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
            "[fd01::1]:80*2 [fd01::2]:80*1",
            "192.168.0.2:80*4 192.168.0.3:80*1",
        ];
        agree(&all);
        webs[1].die();
        six[0].die();
        agree(&[
            "192.168.0.1:80*1 192.168.0.3:80*2",
            "192.168.0.1:80*5 192.168.0.2:80*0",
            "[fd01::2]:80*1",
            "192.168.0.3:80*1",
        ]);
        farm.on(|| webs[1].live());
        farm.on(|| six[0].live());
        agree(&all);
        // Who only connects is content with the first.
        webs[0].answer("500 Internal Server Error", "web");
        webs[2].die();
        agree(&["192.168.0.2:80*3", all[1], all[2], "192.168.0.2:80*4"]);
        webs[0].answer("200 OK", "what nobody expects");
        farm.on(|| webs[2].live());
        agree(&["192.168.0.2:80*3 192.168.0.3:80*2", all[1], all[2], all[3]]);
        webs[0].answer("200 OK", "web");
        webs.iter_mut().chain(&mut six).for_each(Web::die);
        agree(&["127.0.0.1:80*1", "192.168.0.1:80*0 192.168.0.2:80*0", "[fd01::9]:80*1", "192.168.0.9:80*1"]);
        farm.on(|| webs.iter_mut().chain(&mut six).for_each(Web::live));
        agree(&all);

        lab.configure(&edited());
        let edited = [
            "192.168.0.1:80*1 192.168.0.2:80*3",
            "192.168.0.1:80*7 192.168.0.2:80*1 192.168.0.3:80*1",
            "[fd01::1]:80*2 [fd01::2]:80*1",
            all[3],
        ];
        agree(&edited);
        webs[1].die();
        let left = "192.168.0.1:80*7 192.168.0.2:80*0 192.168.0.3:80*1";
        agree(&["192.168.0.1:80*1 192.168.0.2:80*0", left, edited[2], "192.168.0.3:80*1"]);

        our_daemon.signal(nix::sys::signal::Signal::SIGTERM);
        let pid = nix::unistd::Pid::from_raw(their_daemon.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        their_daemon.0.wait().unwrap();
        agree(&[left]);
        println!("{compared} tables compared");
    });
}

/// [`CONFIG`] after an edit.
fn edited() -> String {
    let mut text = CONFIG.to_owned();
    for (from, to) in [
        ("quiescent = no\n", "quiescent = yes\n"),
        ("        real = 192.168.0.3:80 gate 2\n", ""),
        ("masq 5\n", "masq 7\n        real = 192.168.0.3:80 masq\n"),
        ("scheduler = wlc\n        persistent = 600\n", "scheduler = wrr\n        persistent = 60\n"),
        ("virtual = 7\n", "virtual = 8\n        quiescent = no\n"),
    ] {
        let edited = text.replace(from, to);
        assert_ne!(edited, text, "{from}");
        text = edited;
    }
    text
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
