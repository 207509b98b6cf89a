//! What is called `ipvsadm`, beside ipvsadm: the same table, the same lines, byte by byte.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    thread,
};

use lb_ipvsadm::{Name, Streams, ipvsadm, lbctl};

use crate::{
    guest::{alone_on_ipvs, on_ipvs},
    random::Random,
    site::{Net, Site, VIP, patiently},
};

/// What a command said, and its exit status.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    status: i32,
    out: String,
    err: String,
}

/// Ours, in this process; the calling thread is in the network.
fn called(run: impl FnOnce(&[String], Streams<'_>) -> u8, words: &[String], input: &str) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(words, Streams { input: &mut input.as_bytes(), out: &mut out, err: &mut err }).into();
    Said { status, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn split(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn ours(net: &Net, line: &str, input: &str) -> Said {
    net.on(|| called(|words, streams| ipvsadm(Name::Ipvsadm, words, streams), &split(line), input))
}

fn own(net: &Net, line: &str, input: &str) -> Said {
    net.on(|| called(lbctl, &split(line), input))
}

fn theirs(net: &Net, line: &str, input: &str) -> Said {
    said(net, Command::new("ipvsadm").args(split(line)), input)
}

fn said(net: &Net, command: &mut Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = net.on(|| command.spawn()).unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Holds both against each other at a moment in which nothing moves: what ours says before and after is the same.
fn compare(net: &Net, line: &str) {
    patiently(line, || {
        let before = ours(net, line, "");
        let theirs = theirs(net, line, "");
        if ours(net, line, "") != before {
            return Err("the table moves".to_owned());
        }
        assert_eq!(before, theirs, "ipvsadm {line}");
        Ok(())
    });
}

const VIEWS: [&str; 6] = ["", "--stats", "--rate", "--thresholds", "--persistent-conn", "--tun-info"];

/// Every way to list services and servers; how many there were.
fn compare_listings(net: &Net, service: &str) -> usize {
    let mut lines: Vec<String> = VIEWS.iter().map(|view| format!("-L -n {view}")).collect();
    lines.extend(
        ["-L", "-L --stats", "-L -n --nosort", "-L -n --stats --exact", "-S", "-S -n"].map(str::to_owned),
    );
    lines.push(format!("-L -n {service}"));
    lines.push("-L -n -t 203.0.113.1:1".to_owned());
    lines.iter().for_each(|line| compare(net, line));
    lines.len()
}

#[test]
fn random_tables_are_listed_saved_and_restored_as_by_ipvsadm() {
    const TABLES: usize = 8;
    alone_on_ipvs(|| {
        let net = Net::new("director");
        let mut random = Random::new("tables");
        let (mut compared, mut servers) = (0, 0);
        for _ in 0..TABLES {
            let text = table(&mut random);
            ours(&net, "-C", "");
            let told = theirs(&net, "-R", &text);
            let saved = theirs(&net, "-S -n", "");
            ours(&net, "-C", "");
            assert_eq!(ours(&net, "-R", &text), told, "{text}");
            assert_eq!(ours(&net, "-S -n", ""), saved, "{text}");
            let service = saved.out.lines().next().unwrap_or("-A -f 1").split(" -s ").next().unwrap();
            compared += 2 + compare_listings(&net, service.trim_start_matches("-A "));
            servers += saved.out.lines().filter(|line| line.starts_with("-a")).count();

            // Ours loses nothing.
            let whole = own(&net, "save", "");
            let listed = ours(&net, "-L -n --thresholds --nosort", "");
            let restored = own(&net, "restore --clear", &whole.out);
            assert_eq!((restored.status, &*restored.err), (0, ""), "{}", whole.out);
            assert_eq!(own(&net, "save", ""), whole);
            assert_eq!(servers_of(&ours(&net, "-L -n --thresholds --nosort", "")), servers_of(&listed));
        }
        println!("{compared} outputs of {TABLES} tables with {servers} servers are ipvsadm's");
    });
}

/// Services in any order, each with its servers in theirs.
fn servers_of(listing: &Said) -> BTreeSet<String> {
    let body: Vec<&str> = listing.out.lines().skip(3).collect();
    let starts = body.iter().enumerate().filter(|(_, line)| !line.starts_with("  ->")).map(|(at, _)| at);
    let starts: Vec<usize> = starts.chain([body.len()]).collect();
    starts.windows(2).map(|pair| body[pair[0]..pair[1]].join("\n")).collect()
}

/// Lines for `-R`. Some are refused, since things are there twice.
fn table(random: &mut Random) -> String {
    let mut lines = String::new();
    for _ in 0..2 + random.below(9) {
        let service = service(random);
        let marked = service.starts_with("-f");
        let six = service.contains('[') || service.ends_with("-6");
        let scheduler =
            ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"]
                [random.below(13) as usize];
        lines += &format!("-A {service} -s {scheduler}");
        if random.below(3) == 0 || service.ends_with(":0") {
            lines += &format!(" -p {}", 1 + random.below(5000));
            match (random.below(3), six) {
                (0, false) => lines += &format!(" -M 255.{}.0.0", random.byte()),
                (0, true) => lines += &format!(" -M {}", 1 + random.below(128)),
                _ => {}
            }
        }
        if random.below(4) == 0 {
            let flags = match scheduler {
                "sh" => ["sh-port", "sh-fallback,sh-port", "flag-3"],
                "mh" => ["mh-port", "mh-fallback,mh-port", "flag-1"],
                _ => ["flag-1", "flag-2,flag-3", "flag-1,flag-2,flag-3"],
            };
            lines += &format!(" -b {}", flags[random.below(3) as usize]);
        }
        if random.below(3) == 0 && (marked || service.starts_with("-u")) {
            lines += " -o";
        }
        lines.push('\n');
        for _ in 0..random.below(7) {
            lines += &format!("-a {service} -r {}\n", server(random, six));
        }
    }
    lines
}

fn service(random: &mut Random) -> String {
    let port = [0, 80, 80, 53, 443, 5060, 65535][random.below(7) as usize];
    let option = ["-t", "-t", "-u", "--sctp-service"][random.below(4) as usize];
    match random.below(6) {
        0 => format!("-f {}", 1 + random.below(u32::MAX)),
        1 => format!("-f {} -6", 1 + random.below(9)),
        2 => format!("{option} [2001:db8::{:x}:{:x}]:{port}", random.below(3), random.below(0x10000)),
        // Some so far from each other that ipvsadm's order has circles.
        _ => format!("{option} {}.{}.0.1:{port}", random.below(224), random.byte()),
    }
}

fn server(random: &mut Random, six: bool) -> String {
    let port = [80, 8080, 443, 1, 65535][random.below(5) as usize];
    let method = ["-m", "-m", "-g", "-i"][random.below(4) as usize];
    // A tunnel may lead to the other family.
    let six = six ^ (method == "-i" && random.below(3) == 0);
    let mut line = if six {
        format!("[2001:db8:{:x}::{:x}]:{port} {method}", random.below(0x10000), 1 + random.below(9))
    } else {
        format!("{}.0.{}.{}:{port} {method}", 1 + random.below(220), random.byte(), 1 + random.below(250))
    };
    line += &format!(" -w {}", random.below(70_000));
    if method == "-i" {
        line += match random.below(6) {
            0 => " --tun-type gue --tun-port 6080",
            1 => " --tun-type gue --tun-port 65535 --tun-csum",
            2 => " --tun-type gue --tun-port 1 --tun-remcsum",
            3 => " --tun-type gre",
            4 => " --tun-type gre --tun-csum",
            _ => "",
        };
    }
    if random.below(3) == 0 {
        let upper = random.below(100_000);
        line += &format!(" -x {upper} -y {}", random.below(upper + 1));
    }
    line
}

#[test]
fn connections_and_counters_are_listed_as_by_ipvsadm() {
    on_ipvs(|| {
        let site = Site::nat(2);
        let _webs = site.webs(80);
        site.director.feed(
            "nft -f -",
            "table ip marks {\n chain into {\n  type filter hook prerouting priority mangle\n\
             ip daddr 10.0.0.254 tcp dport 80 meta mark set 7\n }\n}\n",
        );
        let text = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.0.1:80 -m\n-a -t 10.0.0.1:80 -r 192.168.0.2:80 -m -x 900\n\
                    -A -t 10.0.0.1:9 -s rr -p 3000\n-a -t 10.0.0.1:9 -r 192.168.0.1:9 -m\n\
                    -A -t [fd00::1]:80 -s rr\n-a -t [fd00::1]:80 -r [fd01::1]:80 -m\n\
                    -A -f 7 -s rr -p 3000 -M 255.255.255.0\n-a -f 7 -r 192.168.0.2 -m\n\
                    -A -u 10.0.0.1:5060 -s rr -p 3000 --pe sip\n-a -u 10.0.0.1:5060 -r 192.168.0.1:5060 -m\n";
        let made = ours(&site.director, "-R", text);
        assert_eq!((made.status, &*made.err), (0, ""));
        site.ask(&format!("{VIP}:80"), 7);
        site.ask("[fd00::1]:80", 3);
        site.ask("10.0.0.254:80", 2);
        let phone = site.client.on(|| UdpSocket::bind("10.0.0.2:5060").unwrap());
        phone.send_to(b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 7@phone\r\n\r\n", (VIP, 5060)).unwrap();
        // More bytes than a column has room for.
        swallow(&site, 110_000_000);

        let net = &site.director;
        patiently("a large number", || {
            let listed = ours(net, "-L -n --stats", "").out;
            if listed.contains('K') { Ok(()) } else { Err(listed) }
        });
        let listed = ours(net, "-L -n -c --persistent-conn", "");
        assert!(["IP ", "sip", "[fd00::1]"].iter().all(|part| listed.out.contains(part)), "{}", listed.out);
        let mut compared = compare_listings(net, "-t 10.0.0.1:80");
        for line in [
            "-L -c -n",
            "-L -c",
            "-L -c -n --persistent-conn",
            "-L --timeout",
            "-L --daemon",
            "-L -n --rate --exact",
        ] {
            compare(net, line);
            compared += 1;
        }
        let start = "--start-daemon master --mcast-interface eth0 --syncid 7 --mcast-ttl 3";
        assert_eq!(ours(net, start, "").status, 0);
        assert_eq!(
            ours(net, "--start-daemon backup --mcast-interface eth1 --mcast-group ff02::77", "").status,
            0
        );
        assert_eq!(ours(net, "--set 1000 0 30", "").status, 0);
        for line in ["-L --daemon", "-L --timeout"] {
            compare(net, line);
            compared += 1;
        }
        for line in ["-Z", "--stop-daemon master", "--stop-daemon backup"] {
            assert_eq!(ours(net, line, "").status, 0, "{line}");
        }
        compare(net, "-L -n --stats");
        compare(net, "-L --daemon");
        println!("{} outputs with connections are ipvsadm's", compared + 2);
    });
}

/// A connection over which so many bytes go.
fn swallow(site: &Site, bytes: usize) {
    let sink = site.servers[0].on(|| TcpListener::bind("192.168.0.1:9").unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = sink.accept().unwrap();
            let mut buffer = vec![0; 1 << 20];
            while stream.read(&mut buffer).unwrap() > 0 {}
        });
        let address: SocketAddr = format!("{VIP}:9").parse().unwrap();
        let mut stream = site.client.on(|| TcpStream::connect(address).unwrap());
        let chunk = vec![0; 1 << 20];
        (0..bytes.div_ceil(chunk.len())).for_each(|_| stream.write_all(&chunk).unwrap());
    });
}

/// What ipvsadm answered to each of these lines, see the tests of the parser. Here the kernel answers too.
const ANSWERS: &str = include_str!("../../ipvsadm/src/golden/answers.txt");
const BASE: &str = "-C\n-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 3 -x 9 -y 4\n\
                    -A -t 10.0.0.1:0 -s rr -p 50\n-A -f 7 -s sh -b sh-port\n-a -f 7 -r 10.0.1.1 -g\n--set 900 120 300\n";
/// Of the recording's `/etc/hosts`.
const NAMES: [&str; 7] = ["localhost", "LOCALHOST", "director", "ip6", "both", "num:", "host"];

#[test]
fn each_recorded_line_is_answered_as_by_ipvsadm() {
    on_ipvs(|| {
        let net = Net::new("director");
        net.ip("link add dm0 type veth peer name dm1\naddr add 10.9.9.1/24 dev dm0\nlink set dm0 up\nlink set dm1 up");
        let (mut compared, mut asked, mut changed) = (0, 0, true);
        for answer in ANSWERS.lines() {
            let [status, line, said] = answer.split('\t').collect::<Vec<_>>()[..] else { panic!("{answer}") };
            // Quotes are the shell's, which is not here.
            if line.contains(['\'', '"']) || NAMES.iter().any(|name| line.contains(name)) {
                continue;
            }
            if changed {
                ours(&net, "-R", "--stop-daemon master\n--stop-daemon backup\n");
                assert_eq!(ours(&net, "-R", BASE).status, 0);
            }
            let answered = ours(&net, line, "");
            changed =
                status == "0" && !["-L", "-l", "-S", "-h", "-v"].iter().any(|list| line.starts_with(list));
            assert_eq!(answered.status.to_string(), status, "{line}: {answered:?}");
            if status != "0" {
                assert_eq!(answered.err.trim_end(), said, "{line}");
            } else if !said.is_empty() {
                let saved = ours(&net, "-S -n", "").out;
                assert!(saved.lines().any(|line| line.trim_end() == said), "{line}\n{saved}");
            }
            compared += 1;
            // Some of them once more, in case that this ipvsadm is another one.
            if status != "0" && compared % 40 == 0 {
                assert_eq!(theirs(&net, line, ""), answered, "{line}");
                asked += 1;
            }
        }
        println!("{compared} lines are answered as ipvsadm did, {asked} of them as it does");
    });
}

#[test]
fn a_text_that_is_wrong_somewhere_changes_nothing() {
    on_ipvs(|| {
        let net = Net::new("director");
        let text = "-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.9:80 -r 10.0.0.2\n-A -f 3 -s rr\n";
        let wrong = own(&net, "restore", &text.replace("-f 3", "-f x"));
        assert_eq!((wrong.status, ours(&net, "-S -n", "").out.as_str()), (2, ""), "{}", wrong.err);
        assert!(wrong.err.contains("standard input:4:7"), "{}", wrong.err);
        // What the kernel refuses is told with its line, and the rest is made.
        let refused = own(&net, "restore", text);
        assert_eq!(refused.status, 255);
        let lines: Vec<&str> = refused.err.lines().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(lines, ["standard input:2", "standard input:3"], "{}", refused.err);
        assert_eq!(ours(&net, "-S -n", "").out, "-A -t 10.0.0.1:80 -s rr\n-A -f 3 -s rr\n");
    });
}

#[test]
fn the_program_is_what_it_is_called() {
    on_ipvs(|| {
        let net = Net::new("director");
        let run = |name: &str, line: &str, input: &str| said(&net, program(name).args(split(line)), input);
        let text = "# a table\n-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1\n";
        let nothing = Said { status: 0, out: String::new(), err: String::new() };
        assert_eq!(run("ipvsadm", "-A -f 1", ""), nothing);
        assert_eq!(run("/sbin/ipvsadm-restore", "", text), nothing);
        assert_eq!(run("ipvsadm-save", "-n", "").out, text.split_once('\n').unwrap().1);
        assert_eq!(run("ipvsadm", "-L -n", ""), theirs(&net, "-L -n", ""));
        assert_eq!(run("ipvsadm", "-D -f 1", ""), theirs(&net, "-D -f 1", ""));
        assert_eq!(run("lbctl", "ipvs list -n", ""), theirs(&net, "-L -n", ""));
        let refused = run("lbctl", "ipvs delete-service -f 1", "");
        assert_eq!((refused.status, refused.err.contains("no such service")), (255, true), "{}", refused.err);
    });
}

/// The program under another name.
fn program(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.arg0(name);
    command
}
