//! `vrrp-watch` on captures.
#![allow(clippy::unwrap_used, reason = "as in any test")]

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

fn watch(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vrrp-watch"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn capture(name: &str) -> String {
    format!("{}/../lb-vrrp/tests/captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_sound_setup_is_shown_without_errors() {
    let (code, text, _) = watch(&["--read", &capture("keepalived-v3-ipv6.pcap")], b"");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("which resigned"), "{text}");
    assert!(text.contains("\nIPv6 VRID 51\n"), "{text}");
}

#[test]
fn errors_make_it_fail() {
    let (code, text, _) = watch(&["--read", &capture("keepalived-v3-partition.pcap")], b"");
    assert_eq!(code, Some(1));
    assert!(text.contains("error    IPv4 VRID 51: 192.0.2.1 and 192.0.2.2 are both Active"), "{text}");
}

#[test]
fn json_has_one_object_per_line_and_the_table_last() {
    let (_, text, _) = watch(&["--json", "--read", &capture("keepalived-v3-clash.pcap")], b"");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (table, findings) = lines.split_last().unwrap();
    let clash = findings.iter().find(|finding| finding["finding"] == "clash").unwrap();
    assert_eq!((&clash["severity"], &clash["free"]), (&"error".into(), &52.into()));
    assert_eq!(table["routers"][0]["speakers"].as_array().unwrap().len(), 2);
}

/// The same frames in the other format, with nanoseconds and an offset.
#[test]
fn pcapng_is_read_too() {
    let pcap = std::fs::read(capture("keepalived-v3-ipv4.pcap")).unwrap();
    let mut pcapng = Vec::new();
    block(
        &mut pcapng,
        0x0a0d_0d0a,
        &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat(),
    );
    let resolution = [9, 0, 1, 0, 9, 0, 0, 0];
    let offset = [&[14, 0, 8, 0][..], &100_u64.to_le_bytes()].concat();
    block(&mut pcapng, 1, &[&[1, 0, 0, 0, 0, 0, 4, 0][..], &resolution, &offset, &[0; 4]].concat());
    let mut rest = &pcap[24..];
    while let Some((header, after)) = rest.split_at_checked(16) {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let nanos = (u64::from(word(0)) - 100) * 1_000_000_000 + u64::from(word(4)) * 1000;
        let len = word(8);
        let (frame, after) = after.split_at(len as usize);
        let words = [0, (nanos >> 32) as u32, nanos as u32, len, len];
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        block(&mut pcapng, 6, &body);
        rest = after;
    }
    let from_pcap = watch(&["--read", &capture("keepalived-v3-ipv4.pcap")], b"");
    assert_eq!(watch(&["--read", "-"], &pcapng), from_pcap);
    assert!(from_pcap.1.contains("362.695ms"), "the clock is that of the capture: {}", from_pcap.1);
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = (body.len() as u32 + 12).to_le_bytes();
    out.extend([&kind.to_le_bytes()[..], &len, body, &len].concat());
}

#[test]
fn what_can_not_be_read_is_said() {
    let (code, _, error) =
        watch(&["--read", "-"], b"neither pcap nor pcapng, but long enough to be looked at");
    assert_eq!(code, Some(2));
    assert!(error.contains("is it a pcap or pcapng file?"), "{error}");
    let (code, _, error) = watch(&["--read", "no-such-file"], b"");
    assert_eq!(code, Some(2));
    assert!(error.starts_with("vrrp-watch: no-such-file: "), "{error}");
    let (code, _, error) = watch(&["no-such-device"], b"");
    assert_eq!(code, Some(2));
    assert!(error.contains("there is no interface no-such-device: see `ip link`"), "{error}");
}
