//! A peer that sends anything at all.

use std::{
    env,
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    node::{Kind::Ours, Node, instance, lab, nodes},
    support::wait,
};

const VIP: &str = "10.0.0.100";
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Messages in one round.
const ROUND: u32 = 10_000;

#[test]
fn noise_neither_ends_nor_fills_nor_changes_anything() {
    let Some(lab) = lab("noise_neither_ends_nor_fills_nor_changes_anything", &[]) else { return };
    let [mut a, b] = nodes(&lab, [Ours, Ours]);
    let more = "unicast_src_ip 10.0.0.1\n  unicast_peer {\n    10.0.0.9\n  }\n  check_unicast_src";
    a.configure(&format!(
        "{}{}",
        instance("group", 51, 150, &format!("{VIP}/24"), ""),
        instance("peer", 52, 150, "10.0.0.101/24", more)
    ));
    a.start();
    a.wait_for(VIP, true);
    a.wait_for("10.0.0.101", true);
    let entered = a.said("Entering");
    make_noise(&b, "10.0.0.1");
    let before = memory(&a);
    let lines = a.log().lines().count();
    for _ in 0..3 {
        make_noise(&b, "10.0.0.1");
    }
    let after = memory(&a);
    assert!(a.daemon().ended().is_none());
    assert_eq!(a.said("Entering"), entered, "{}", a.log());
    assert!(a.has(VIP) && a.has("10.0.0.101"));
    wait("how many were left out", || (a.said("more messages since then") > 0).then_some(()));
    let said = a.log().lines().count() - lines;
    assert!(said < 500, "{said} lines for {} messages", 3 * ROUND);
    assert!(after < before + 2048, "{before} KiB before, {after} KiB after");
}

/// On a backup: whatever is no message of its MASTER does not keep it from taking over, nor make it take over.
#[test]
fn noise_does_not_make_a_backup_master() {
    let Some(lab) = lab("noise_does_not_make_a_backup_master", &[]) else { return };
    let [mut a, mut b] = nodes(&lab, [Ours, Ours]);
    let stranger = Node::new(lab.host("c").unwrap(), Ours);
    lab.link(&stranger.host, "lan", "eth0", &["10.0.0.3/24".parse().unwrap()]).unwrap();
    let to = |own: u8, peer: u8| {
        format!(
            "unicast_src_ip 10.0.0.{own}\n  unicast_peer {{\n    10.0.0.{peer}\n  }}\n  check_unicast_src\n  nopreempt"
        )
    };
    // Slow enough that a stall of the machine is no silence.
    let slow = |text: String| text.replace("advert_int 0.2", "advert_int 3");
    a.configure(&slow(instance("web", 51, 150, &format!("{VIP}/24"), &to(1, 2))));
    b.configure(&slow(instance("web", 51, 100, &format!("{VIP}/24"), &to(2, 1))));
    a.start();
    a.wait_for(VIP, true);
    b.start();
    b.wait_for_line("Entering BACKUP STATE");
    wait("the first message", || b.status().to_string().contains("10.0.0.1").then_some(()));
    make_noise(&stranger, "10.0.0.2");
    assert!(!b.has(VIP) && a.has(VIP), "{}", b.log());
    assert_eq!(b.said("Entering MASTER STATE"), 0, "{}", b.log());
    assert!(b.daemon().ended().is_none());
}

/// Resident memory of the daemon in KiB.
fn memory(node: &Node) -> u64 {
    let pid = node.status()["pid"].as_u64().unwrap();
    let text = node.host.sh(&format!("grep VmRSS /proc/{pid}/status")).unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Has this program send a round from a host.
fn make_noise(from: &Node, to: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "noise::send", "--ignored"]).env("NOISE_TO", to);
    from.host.run(&command).unwrap();
}

/// No test: what [`make_noise`] runs on a host.
#[test]
#[ignore = "is run by other tests, on a host of a lab"]
fn send() {
    let Ok(to) = env::var("NOISE_TO") else { return };
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
    socket.set_multicast_ttl_v4(255).unwrap();
    let own = own_address(&to);
    socket.set_multicast_if_v4(&own).unwrap();
    let mut random = 0x2545_F491_4F6C_DD17_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let to: Ipv4Addr = to.parse().unwrap();
    for number in 0..ROUND {
        socket.set_ttl_v4(if number % 7 == 0 { 64 } else { 255 }).unwrap();
        let (id, addresses) = if number % 2 == 0 { (51, [10, 0, 0, 100]) } else { (52, [10, 0, 0, 101]) };
        let (target, forgeable) = if number % 3 == 0 { (GROUP, false) } else { (to, true) };
        let mut bytes = match number % 6 {
            // Of any length, with any content.
            0 => (0..next() % 80).map(|_| next() as u8).collect(),
            // Another version.
            1 => message(4 + (next() % 12) as u8, id, 200, addresses),
            // A good one of version 3 for a router that only takes what its peers send, and one for no router of ours.
            2 if forgeable => message(3, 52, [0, 255][number as usize / 6 % 2], [10, 0, 0, 101]),
            2 => message(3, 77, 255, addresses),
            // Version 2 with a password.
            3 => {
                let mut bytes = message(2, id, 255, addresses);
                bytes[4] = 1;
                bytes.extend(b"password");
                bytes
            }
            // Cut short.
            4 => message(3, id, 255, addresses)[..(next() % 12) as usize].to_vec(),
            _ => message(3, id, 255, addresses),
        };
        if number % 6 != 2 && bytes.len() >= 8 {
            bytes[6] ^= 0x55;
        } else if number % 6 == 2 {
            let sum = checksum(own, target, &bytes);
            bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        // A full queue loses some.
        let _ = socket.send_to(&bytes, &SocketAddrV4::new(target, 0).into());
    }
}

fn own_address(to: &str) -> Ipv4Addr {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect((to, 9)).unwrap();
    match socket.local_addr().unwrap().ip() {
        std::net::IpAddr::V4(own) => own,
        other => panic!("{other}"),
    }
}

/// An advertisement of a second, without its checksum.
fn message(version: u8, id: u8, priority: u8, address: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![version << 4 | 1, id, priority, 1, 0, 100, 0, 0];
    bytes.extend(address);
    bytes
}

/// That of version 3, with the pseudo-header.
fn checksum(from: Ipv4Addr, to: Ipv4Addr, bytes: &[u8]) -> u16 {
    let mut all = [from.octets(), to.octets()].concat();
    all.extend([0, 112, 0, bytes.len() as u8]);
    all.extend(bytes);
    let mut sum: u32 =
        all.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
