//! Whether what was on the wire is right, as tshark, scapy and our own monitor see it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Case, lab::run};

/// All advertisements of ours, with tshark: checksums, TTLs, and no remark of an expert.
pub(crate) fn judge_with_tshark(capture: &Path, case: &Case) {
    let source = if case.family == 4 { "ip.src" } else { "ipv6.src" };
    let hops = if case.family == 4 { "ip.ttl" } else { "ipv6.hlim" };
    let mut tshark = Command::new("tshark");
    // Its default is the reading of keepalived and FRR, which ours follows.
    tshark.args(["-o", "vrrp.v3_checksum_as_in_v2:FALSE", "-Y"]);
    tshark.arg(format!("vrrp && !icmp && !icmpv6 && {source} == {}", case.our_address()));
    tshark.args(["-T", "fields", "-E", "separator=,", "-e", "vrrp.checksum.status", "-e", hops]);
    tshark.args(["-e", "eth.src", "-e", "_ws.expert.message", "-r"]).arg(capture);
    let text = run(&mut tshark);
    let mac = case.our_mac();
    assert!(!text.is_empty(), "tshark found none of our messages");
    for line in text.lines() {
        assert_eq!(line, format!("1,255,{mac},"), "of {} messages", text.lines().count());
    }
}

/// Whether each address was announced each time when ours became Active: by gratuitous ARP or neighbour advertisements.
pub(crate) fn judge_announcements(capture: &Path, case: &Case) {
    let mac = case.our_mac();
    for address in case.addresses() {
        let filter = match case.family {
            4 => format!("arp.isgratuitous && arp.src.proto_ipv4 == {address} && arp.src.hw_mac == {mac}"),
            _ => format!(
                "icmpv6.type == 136 && icmpv6.nd.na.target_address == {address} && icmpv6.opt.linkaddr == {mac} && \
                 icmpv6.nd.na.flag.o == 1 && icmpv6.nd.na.flag.s == 0 && ipv6.dst == ff02::1"
            ),
        };
        let mut tshark = Command::new("tshark");
        let text = run(tshark.arg("-Y").arg(filter).arg("-r").arg(capture));
        // One of the four times it was killed, maybe before it came to that.
        assert!(text.lines().count() >= 3, "{address} was announced by {mac} so often only:\n{text}");
    }
}

/// All advertisements of ours, made again with scapy.
pub(crate) fn judge_with_scapy(capture: &Path, case: &Case) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/judge.py");
    // The first in the path may be another one than that of the system, which has it.
    let has_scapy = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", "import scapy.layers.vrrp"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has_scapy);
    let python = python.expect("scapy is there (apt-get install python3-scapy)");
    let count = run(Command::new(python).arg(script).arg(capture).arg(case.our_address()));
    assert!(count.trim().parse::<u32>().unwrap() > 0, "scapy found none of our messages");
}

/// Whether ours resigned so often, as far as it is recorded.
pub(crate) fn has_resigned(capture: &Path, case: &Case, times: usize) -> bool {
    let (text, ours) = (story(capture), format!("{} resigns", case.our_address()));
    text.lines().filter(|line| line.contains(&ours)).count() == times
}

/// The story as our monitor tells it of a capture, of which the last packet may not be whole yet.
pub(crate) fn story(capture: &Path) -> String {
    let mut watch = Command::new(env!("CARGO_BIN_EXE_vrrp-watch"));
    let output = watch.args(["--json", "--read"]).arg(capture).stderr(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Who took over from whom, and whether the other had resigned. Nothing wrong is found.
pub(crate) fn judge_story(text: &str, case: &Case) {
    let findings: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| findings.iter().filter(|finding| finding["finding"] == kind).collect::<Vec<_>>();
    let resigned = |turn: &&Value| turn["cause"] == "resignation";
    let turns: Vec<_> =
        of("took_over").iter().map(|turn| (turn["to"].as_str().unwrap(), resigned(turn))).collect();
    let (ours, theirs) = (case.our_address(), case.their_source());
    let expected = [
        (ours, false),
        (theirs, true),
        (ours, false),
        (theirs, false),
        (ours, true),
        (theirs, false),
        (ours, false),
    ];
    assert_eq!(turns, expected, "{text}");
    for wrong in
        ["two_active", "clash", "address_mismatch", "interval_mismatch", "checksum_mismatch", "malformed"]
    {
        assert!(of(wrong).is_empty(), "{text}");
    }
}
