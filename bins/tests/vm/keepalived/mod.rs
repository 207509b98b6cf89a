//! keepalived and lb-failover with one configuration, each with a table of its own: the tables are the same, and so is what
//! is told. Where they differ that is meant, and stands in docs/from-keepalived.md.

mod forms;
mod pair;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use nix::sys::signal::Signal;

use self::{forms::forms, pair::Pair};
use crate::{
    guest::{alone_on_ipvs, on_ipvs},
    support::{Web, has_programs},
};

const SERVERS: &str = include_str!("servers.conf");
const DIFFERENCES: &str = include_str!("differences.conf");

/// The services of [`SERVERS`] and who serves them when all is well: `192.168.0.` is left out.
const ALL: [(&str, &str); 10] = [
    ("10.0.0.1:80", "1:80*1 2:80*3 3:80*2"),
    ("10.0.0.2:80", "1:80*1 2:80*2 3:80*2"),
    ("10.0.0.3:80", "1:80*4 2:80*1 9:80*0"),
    ("10.0.1.1:80", "1:80*1 2:80*1"),
    ("10.0.1.2:8080", "1:80*1 2:80*1"),
    ("10.0.1.3:8080", "1:80*1 2:80*1"),
    ("10.0.0.4:53", "1:53*10 2:53*1"),
    ("[fd00::1]:80", "[fd01::1]:80*1 [fd01::2]:80*2"),
    ("7", "2:0*4 3:0*1"),
    ("9", "1:80*1 2:80*1"),
];

/// Both of them, where there is a keepalived to compare with.
fn pair() -> Option<Pair> {
    has_programs("the tables of keepalived", &["keepalived"]).then(Pair::new)
}

#[test]
fn tables_are_the_same_for_virtual_servers_in_all_forms() {
    alone_on_ipvs(|| {
        let Some(mut pair) = pair() else { return };
        let (text, services) = forms();
        pair.configure(&text);
        pair.start();
        pair.until(|theirs, ours| {
            let count = ours.lines().filter(|line| line.starts_with("-A ")).count();
            count == services && theirs == ours
        });
        pair.signal(Signal::SIGTERM);
        pair.until(|theirs, ours| theirs.is_empty() && ours.is_empty());
        println!("2 tables compared, one with {services} services");
    });
}

#[test]
fn tables_are_the_same_while_servers_die_and_return_and_the_file_changes() {
    on_ipvs(|| {
        let Some(mut pair) = pair() else { return };
        let mut webs: Vec<Web> = (1..=4).map(|number| pair.web(&format!("192.168.0.{number}:80"))).collect();
        let mut six: Vec<Web> = (1..=2).map(|number| pair.web(&format!("[fd01::{number}]:80"))).collect();
        pair.write("load", "0\n");
        pair.configure(SERVERS);
        pair.start();
        pair.agree(&ALL, &[]);

        webs[1].die();
        six[1].die();
        pair.write("load", "5\n");
        let mut two_is_dead = vec![
            ("10.0.0.1:80", "1:80*1 3:80*2"),
            // Less than the quorum, and not by more than the hysteresis.
            ("10.0.0.2:80", "1:80*1 3:80*2"),
            ("10.0.0.3:80", "1:80*4 2:80*0 9:80*0"),
            ("10.0.1.1:80", "1:80*1"),
            ("10.0.1.2:8080", "1:80*1"),
            ("10.0.1.3:8080", "1:80*1"),
            ("10.0.0.4:53", "1:53*20"),
            ("[fd00::1]:80", "[fd01::1]:80*1"),
            ("7", "3:0*1"),
            ("9", "1:80*1"),
        ];
        pair.agree(&ALL, &two_is_dead);
        pair.agree_in_words();
        webs[0].answer("500 Internal Server Error", "web");
        two_is_dead[1].1 = "3:80*2";
        pair.agree(&ALL, &two_is_dead);
        webs[2].die();
        let two_of_three = [("10.0.0.1:80", "1:80*1"), ("10.0.0.2:80", "9:80*1"), ("7", "9:0*1")];
        pair.agree(&ALL, &[&two_is_dead[..], &two_of_three].concat());
        pair.farm.on(|| webs[2].live());
        two_is_dead[1].1 = "9:80*1";
        pair.agree(&ALL, &two_is_dead);
        pair.farm.on(|| webs[1].live());
        pair.farm.on(|| six[1].live());
        pair.write("load", "0\n");
        pair.agree(&ALL, &[("10.0.0.2:80", "2:80*2 3:80*2")]);
        webs[0].answer("200 OK", "web");
        pair.agree(&ALL, &[]);

        webs.iter_mut().chain(&mut six).for_each(Web::die);
        pair.write("load", "-5\n");
        pair.agree(
            &ALL,
            &[
                ("10.0.0.1:80", ""),
                ("10.0.0.2:80", "9:80*1"),
                ("10.0.0.3:80", "1:80*0 2:80*0 9:80*1"),
                ("10.0.1.1:80", "9:80*1"),
                ("10.0.1.2:8080", "9:80*1"),
                ("10.0.1.3:8080", "9:80*1"),
                ("10.0.0.4:53", "1:53*0"),
                ("[fd00::1]:80", ""),
                ("7", "9:0*1"),
                ("9", "9:80*1"),
            ],
        );
        pair.farm.on(|| webs.iter_mut().chain(&mut six).for_each(Web::live));
        pair.write("load", "0\n");
        pair.agree(&ALL, &[]);

        pair.configure(&changed());
        pair.signal(Signal::SIGHUP);
        let changed = [
            ("10.0.0.1:80", "1:80*1 3:80*2 4:80*3"),
            ("10.0.0.3:80", "1:80*5 2:80*1 9:80*0"),
            ("7", "-"),
            ("8", "2:0*5 3:0*1"),
        ];
        pair.agree(&ALL, &changed);
        webs[0].die();
        pair.agree(
            &ALL,
            &[
                &changed[..],
                &[
                    ("10.0.0.1:80", "3:80*2 4:80*3"),
                    ("10.0.0.2:80", "2:80*2 3:80*2"),
                    ("10.0.0.3:80", "1:80*0 2:80*1 9:80*0"),
                    ("10.0.1.1:80", "2:80*1"),
                    ("10.0.1.2:8080", "2:80*1"),
                    ("10.0.1.3:8080", "2:80*1"),
                    ("9", "2:80*1"),
                ],
            ]
            .concat(),
        );
        // Who was found down stays so over a reload.
        pair.configure(SERVERS);
        pair.signal(Signal::SIGHUP);
        pair.agree(
            &ALL,
            &[
                ("10.0.0.1:80", "2:80*3 3:80*2"),
                ("10.0.0.2:80", "2:80*2 3:80*2"),
                ("10.0.0.3:80", "1:80*0 2:80*1 9:80*0"),
                ("10.0.1.1:80", "2:80*1"),
                ("10.0.1.2:8080", "2:80*1"),
                ("10.0.1.3:8080", "2:80*1"),
                ("9", "2:80*1"),
            ],
        );
        pair.signal(Signal::SIGTERM);
        pair.agree(&[], &[]);
        pair.report();
    });
}

/// [`SERVERS`] after an edit: weights, schedulers, options, forwarding and persistence are others; a server and a
/// virtual server have come, and others have gone.
fn changed() -> String {
    let mut text = SERVERS.to_owned();
    for (from, to) in [
        ("weight 4\n", "weight 5\n"),
        ("lvs_sched rr\n", "lvs_sched wlc\n"),
        ("lvs_sched mh\n    mh-port\n", "lvs_sched mh\n    mh-fallback\n"),
        ("    ops\n", ""),
        ("persistence_timeout 600\n", "persistence_timeout 60\n"),
        ("persistence_granularity 64\n", "persistence_granularity 48\n"),
        ("lvs_method NAT\n    protocol TCP\n    alpha\n", "lvs_method TUN\n    protocol TCP\n    alpha\n"),
        ("virtual_server fwmark 7 {", "virtual_server fwmark 8 {"),
        (
            "real_server 192.168.0.2 80 {\n        weight 3\n",
            "real_server 192.168.0.4 80 {\n        weight 3\n",
        ),
    ] {
        let edited = text.replace(from, to);
        assert_ne!(edited, text, "{from}");
        text = edited;
    }
    text
}

#[test]
fn tables_differ_only_where_that_is_meant() {
    on_ipvs(|| {
        let Some(mut pair) = pair() else { return };
        let _web = pair.web("192.168.0.1:80");
        let _open = pair.farm.on(|| answers_and_stays("192.168.0.1:8080"));
        for side in [&pair.theirs, &pair.ours] {
            let table = "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 192.168.0.77:80 -m -w 7\n-A -t 10.9.9.9:9 -s rr\n";
            side.net.feed("ipvsadm -R", table);
        }
        pair.configure(DIFFERENCES);
        pair.start_with(&["-I"]);
        let dead = "-a -t 10.0.2.2:80 -r 192.168.0.2:80 -g -w 0";
        pair.until(|theirs, ours| theirs.contains(dead) && ours.contains(dead));
        pair.differ(&[
            "< -A -t 10.0.0.1:80 -s wlc",
            "< -a -t 10.0.0.1:80 -r 192.168.0.1:80 -m -w 70000",
            "< -a -t 10.0.0.1:80 -r 192.168.0.77:80 -m -w 7",
            "< -a -t 10.0.0.2:80 -r 192.168.0.9:80 -m -w 1",
            "< -A -t 10.0.0.3:80 -s sh -p 60 -M 0.0.0.24",
            "< -a -t 10.0.0.5:80 -r 192.168.0.9:0 -m -w 1",
            "< -a -t 10.0.1.1:80 -r 192.168.0.1:0 -m -w 1",
            "< -a -t 10.0.1.2:8080 -r 192.168.0.1:0 -m -w 1",
            "> -A -t 10.0.0.1:80 -s rr",
            "> -a -t 10.0.0.1:80 -r 192.168.0.1:80 -m -w 65535",
            "> -a -t 10.0.0.2:80 -r 192.168.0.1:80 -m -w 3",
            "> -A -t 10.0.0.3:80 -s sh -p 60 -M 255.255.255.0 -b sh-port",
            "> -A -t 10.0.0.4:80 -s rr",
            "> -a -t 10.0.0.4:80 -r 192.168.0.9:80 -m -w 1",
            "> -a -t 10.0.0.5:80 -r 192.168.0.1:8080 -m -w 1",
            "> -a -t 10.0.1.1:80 -r 192.168.0.1:80 -m -w 1",
            "> -a -t 10.0.1.2:8080 -r 192.168.0.1:8080 -m -w 1",
        ]);

        // An entry of a group that is gone stays; with another forwarding, who is dead is back, and who waits has the old one.
        let (_, groups) = DIFFERENCES.split_once("virtual_server group range").unwrap();
        let head = "virtual_server_group range {\n10.0.2.2-3 80\n}\nvirtual_server group range";
        pair.configure(&format!("{head}{}", groups.replace("lvs_method DR", "lvs_method NAT")));
        pair.signal(Signal::SIGHUP);
        pair.differ(&[
            "< -A -t 10.0.2.1:80 -s rr",
            "< -a -t 10.0.2.1:80 -r 192.168.0.2:80 -g -w 0",
            "< -a -t 10.0.2.1:80 -r 192.168.0.9:80 -g -w 0",
            "< -a -t 10.0.2.2:80 -r 192.168.0.2:80 -m -w 5",
            "< -a -t 10.0.2.2:80 -r 192.168.0.9:80 -g -w 0",
            "> -a -t 10.0.2.2:80 -r 192.168.0.2:80 -m -w 0",
            "> -a -t 10.0.2.2:80 -r 192.168.0.9:80 -m -w 0",
            "> -a -t 10.0.2.3:80 -r 192.168.0.9:80 -m -w 0",
        ]);

        for side in [&pair.theirs, &pair.ours] {
            side.net.run("ipvsadm -C");
        }
        let whole = [
            "> -A -t 10.0.2.2:80 -s rr",
            "> -a -t 10.0.2.2:80 -r 192.168.0.1:80 -m -w 1",
            "> -a -t 10.0.2.2:80 -r 192.168.0.2:80 -m -w 0",
            "> -a -t 10.0.2.2:80 -r 192.168.0.9:80 -m -w 0",
            "> -A -t 10.0.2.3:80 -s rr",
            "> -a -t 10.0.2.3:80 -r 192.168.0.1:80 -m -w 1",
            "> -a -t 10.0.2.3:80 -r 192.168.0.2:80 -m -w 0",
            "> -a -t 10.0.2.3:80 -r 192.168.0.9:80 -m -w 0",
        ];
        pair.differ(&whole);
        pair.signal(Signal::SIGHUP);
        pair.until_theirs_said("Reload complete", 2);
        pair.differ(&whole);
        pair.signal(Signal::SIGTERM);
        pair.ended();
        pair.differ(&whole);
        pair.report();
    });
}

/// A web server that says how long its answer is, and leaves the connection open.
fn answers_and_stays(address: &str) -> thread::JoinHandle<()> {
    let listener = TcpListener::bind(address).unwrap();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nweb");
            open.push(stream);
        }
    })
}
