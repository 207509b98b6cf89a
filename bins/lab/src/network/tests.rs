use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use nix::sys::signal::kill;

use super::*;
use crate::requirements::{has_programs, skip};

/// A lab with two hosts, `a` and `b`, at one switch; none where the machine has no namespaces.
fn pair(test: &str, right: Option<Right>) -> Option<(Lab, Host, Host)> {
    let lab = match right.map_or_else(Lab::new, |right| right.check().and_then(|()| Lab::by(right))) {
        Ok(lab) => lab,
        Err(error) => {
            skip(test, &format!("namespaces: {error}"));
            return None;
        }
    };
    lab.switch("lan").unwrap();
    let (a, b) = (lab.host("a").unwrap(), lab.host("b").unwrap());
    lab.link(&a, "lan", "eth0", &["10.0.0.1/24".parse().unwrap(), "fd00::1/64".parse().unwrap()]).unwrap();
    lab.link(&b, "lan", "eth0", &["10.0.0.2/24".parse().unwrap(), "fd00::2/64".parse().unwrap()]).unwrap();
    Some((lab, a, b))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many of so many datagrams from one host arrive at another.
fn arrive(from: &Host, to: &Host, address: &str, count: usize) -> usize {
    let receive = "import socket,sys\n\
        s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_DGRAM)\n\
        s.bind((sys.argv[1],9)); s.settimeout(20); n=0; print('ready',flush=True)\n\
        while s.recv(9)!=b'end': n+=1\n\
        print(n,flush=True)\n";
    let send = "import socket,sys,time\n\
        s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_DGRAM)\n\
        for _ in range(int(sys.argv[2])): s.sendto(b'x',(sys.argv[1],9)); time.sleep(0.0005)\n";
    let python = |text: &str, words: &[&str]| {
        let mut command = Command::new("python3");
        command.args(["-c", text]).args(words);
        command
    };
    let mut receiver = to.spawn(&python(receive, &[address])).unwrap();
    until("the receiver", || receiver.log().contains("ready"));
    from.run(&python(send, &[address, &count.to_string()])).unwrap();
    // Sent on the host itself, so that no cable can lose it.
    let end = format!(
        "import socket\nsocket.socket(socket.{},socket.SOCK_DGRAM).sendto(b'end',('{address}',9))\n",
        if address.contains(':') { "AF_INET6" } else { "AF_INET" }
    );
    to.run(&python(&end, &[])).unwrap();
    receiver.wait().unwrap();
    receiver.log().lines().last().unwrap().parse().unwrap()
}

#[test]
fn cables_carry_what_they_are_told_to() {
    let test = "cables_carry_what_they_are_told_to";
    if !has_programs(test, &["python3"]) {
        return;
    }
    let Some((lab, a, b)) = pair(test, None) else { return };
    assert_eq!(arrive(&a, &b, "10.0.0.2", 20), 20);
    assert_eq!(arrive(&b, &a, "fd00::1", 20), 20);

    if has_programs(test, &["nft"]) {
        lab.partition(&a, &b).unwrap();
        assert_eq!(arrive(&a, &b, "10.0.0.2", 20), 0);
        // Neighbours are known, so that nothing has to be asked for.
        assert_eq!(arrive(&b, &a, "10.0.0.1", 20), 20, "the other direction is open");

        lab.heal().unwrap();
        lab.lose(&a, &b, 50).unwrap();
        let arrived = arrive(&a, &b, "10.0.0.2", 400);
        assert!((80..320).contains(&arrived), "half of 400, more or less: {arrived}");

        lab.heal().unwrap();
    }

    let carrier = || a.read("/sys/class/net/eth0/carrier").unwrap();
    assert_eq!(carrier().trim(), "1");
    lab.cut(&a, "eth0").unwrap();
    until("the carrier to go", || carrier().trim() == "0");
    assert_eq!(arrive(&b, &a, "10.0.0.1", 5), 0);
    lab.mend(&a, "eth0").unwrap();
    until("the carrier to come", || carrier().trim() == "1");
    assert_eq!(arrive(&b, &a, "10.0.0.1", 20), 20);
}

#[test]
fn isolated_hosts_reach_all_others_and_are_healed_without_a_filter() {
    let Some((lab, a, b)) = pair("isolated_hosts_reach_all_others_and_are_healed_without_a_filter", None)
    else {
        return;
    };
    let c = lab.host("c").unwrap();
    lab.link(&c, "lan", "eth0", &["10.0.0.3/24".parse().unwrap()]).unwrap();
    // Only what a lab needs, so that this runs where there is nothing else: an address resolution that fails or succeeds.
    let reaches = |from: &Host, address: &str| {
        from.sh(&format!(
            "ip neigh del {address} dev eth0 2>/dev/null || :
             ip neigh replace {address} dev eth0 use
             for _ in $(seq 150); do
                 case $(ip neigh show {address} dev eth0) in *REACHABLE*) exit 0;; *FAILED*) exit 1;; esac
                 sleep 0.2
             done
             exit 1"
        ))
        .is_ok()
    };
    assert!(reaches(&a, "10.0.0.2") && reaches(&b, "10.0.0.1"));
    lab.isolate(&[&a, &b]).unwrap();
    assert!(!reaches(&a, "10.0.0.2") && !reaches(&b, "10.0.0.1"));
    assert!(reaches(&a, "10.0.0.3") && reaches(&c, "10.0.0.2"));
    assert_eq!(a.read("/sys/class/net/eth0/carrier").unwrap().trim(), "1");
    lab.cut(&c, "eth0").unwrap();
    lab.heal().unwrap();
    assert!(reaches(&a, "10.0.0.2") && reaches(&b, "10.0.0.3"));
}

#[test]
fn hosts_have_things_of_their_own_and_leave_none() {
    for right in [None, Some(Right::User)] {
        let Some((lab, a, b)) = pair("hosts_have_things_of_their_own_and_leave_none", right) else {
            continue;
        };
        for path in ["/run/x/y", "/tmp/x/y", "/etc/x/y", "/var/lib/x/y"] {
            a.write(path, "mine").unwrap();
            assert_eq!(a.sh(&format!("cat {path}")).unwrap(), "mine");
            assert!(b.read(path).is_err() && !Path::new(path).exists(), "{path}");
        }
        assert_eq!(a.sh("hostname").unwrap(), "a\n");
        let ours: IpAddr = "10.0.0.1".parse().unwrap();
        assert!(a.has(ours).unwrap() && !b.has(ours).unwrap());
        // Processes see only those of their own host.
        let program = a.spawn(Command::new("sleep").arg("1000")).unwrap();
        assert!(a.sh("ps ax").unwrap().contains("sleep 1000"));
        assert!(!b.sh("ps ax").unwrap().contains("sleep 1000"));
        // The program of this test is visible, wherever it is.
        let exe = std::env::current_exe().unwrap();
        a.run(Command::new("test").arg("-x").arg(exe)).unwrap();
        // What is started is ended, also what its parent has left.
        a.sh("setsid sleep 2000 >/dev/null 2>&1 &").unwrap();
        let pids: Vec<_> = [a.pid(), b.pid(), lab.room().pid(), program.pid()].into();
        let folder = lab.folder.path().to_owned();
        assert!(folder.exists());
        drop(lab);
        for pid in pids {
            until("the end of a process", || kill(pid, None).is_err());
        }
        assert!(!folder.exists());
    }
}

#[test]
fn processes_are_paused_and_killed() {
    let Some((_lab, a, _)) = pair("processes_are_paused_and_killed", None) else { return };
    let mut ticking = a
        .spawn(Command::new("sh").args(["-c", "sleep 1000 & while :; do echo x; sleep 0.01; done"]))
        .unwrap();
    until("a tick", || !ticking.log().is_empty());
    ticking.pause().unwrap();
    // A tick that was on its way may arrive.
    std::thread::sleep(Duration::from_millis(50));
    let ticks = ticking.log().len();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticking.log().len(), ticks);
    ticking.resume().unwrap();
    until("another tick", || ticking.log().len() > ticks);
    let family = ticking.descendants();
    assert!(!family.is_empty());
    ticking.kill_family().unwrap();
    for pid in family {
        until("the end of a child", || kill(pid, None).is_err());
    }
    assert!(matches!(ticking.pause(), Err(Error::Ended { .. })));

    let mut program = a.spawn(Command::new("sleep").arg("1000")).unwrap();
    assert!(!program.stop().unwrap().success());
    let mut program = a.spawn(Command::new("sh").args(["-c", "exit 7"])).unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(7));
    let error = a.sh("echo alas >&2; exit 3").unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("alas"), "{error}");
}

#[test]
fn names_are_checked_before_anything_is_made() {
    let Some((lab, a, _)) = pair("names_are_checked_before_anything_is_made", None) else { return };
    for name in ["", "a", "room", "x y", "x/y", "-x", "x\ny"] {
        assert!(matches!(lab.host(name), Err(Error::Name { kind: "host", .. })), "{name:?}");
    }
    for name in ["", "lan", "a.b", "sixteen-letters-"] {
        assert!(matches!(lab.switch(name), Err(Error::Name { kind: "switch", .. })), "{name:?}");
    }
    assert!(matches!(lab.link(&a, "lan", "eth0", &[]), Err(Error::Name { kind: "interface", .. })));
    assert!(matches!(lab.link(&a, "wan", "eth1", &[]), Err(Error::Unknown { kind: "switch", .. })));
    assert!(matches!(lab.cut(&a, "eth9"), Err(Error::Unknown { kind: "interface", .. })));
    assert!(matches!(lab.find("c"), Err(Error::Unknown { kind: "host", .. })));
    assert_eq!(lab.find("a").unwrap().pid(), a.pid());
}
