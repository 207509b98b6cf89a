//! What scapy and tshark read in the packets that this crate makes.

use std::{
    io::Write as _,
    net::IpAddr,
    process::{Command, Stdio},
};

use lb_vrrp::{
    AddressList, Envelope, Family, Interval, Priority, Version, Vrid,
    wire::{Advert, Authentication, ChecksumForm, fill_checksum},
};

use crate::requirements::has_programs;

/// Reads IP packets in hexadecimal from its input, and says what is in each. The checksum is made anew.
const SCAPY: &str = r#"
import sys
from scapy.all import IP, IPv6, raw
from scapy.layers.vrrp import VRRP, VRRPv3
for line in sys.stdin:
    packet = bytes.fromhex(line)
    packet = IPv6(packet) if packet[0] >> 4 == 6 else IP(packet)
    message = packet[VRRP] if VRRP in packet else packet[VRRPv3]
    said = [message.version, message.type, message.vrid, message.priority, message.ipcount, message.adv]
    addresses = ",".join(message.addrlist)
    del message.chksum
    sum = raw(packet)[len(packet) - len(message) :][6:8].hex()
    print(*said, addresses, sum)
"#;

#[test]
fn scapy_reads_what_was_written() {
    // Debian's Python, which is where apt-get puts scapy.
    let python = "/usr/bin/python3";
    if !has_programs("scapy_reads_what_was_written", &[python, "/usr/bin/scapy"]) {
        return;
    }
    // scapy knows one form of checksum for each version and family.
    let samples: Vec<Sample> = samples().into_iter().filter(|sample| sample.form == usual(sample)).collect();
    let mut child = Command::new(python)
        .args(["-c", SCAPY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let input: String = samples.iter().map(|sample| hex(&sample.packet()) + "\n").collect();
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(said.lines().count(), samples.len());
    for (said, sample) in said.lines().zip(&samples) {
        let message = sample.message();
        let interval = match sample.version {
            Version::V2 => sample.interval.whole_secs().map_or(0, u16::from),
            Version::V3 => sample.interval.centiseconds(),
        };
        let expected = format!(
            "{} 1 {} {} {} {interval} {} {}",
            message[0] >> 4,
            sample.vrid.get(),
            sample.priority.map_or(0, Priority::get),
            sample.addresses.len(),
            sample.texts(),
            hex(&message[6..8]),
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn tshark_reads_what_was_written() {
    if !has_programs("tshark_reads_what_was_written", &["tshark"]) {
        return;
    }
    // It is told which checksum to expect of VRRPv3 over IPv4.
    for (form, preference) in [(ChecksumForm::MessageOnly, "TRUE"), (ChecksumForm::PseudoHeader, "FALSE")] {
        let preference = format!("vrrp.v3_checksum_as_in_v2:{preference}");
        let samples: Vec<Sample> =
            samples().into_iter().filter(|sample| sample.form == form || !v3_over_ipv4(sample)).collect();
        let said = tshark(&samples, &preference);
        assert_eq!(said.lines().count(), samples.len());
        for (said, sample) in said.lines().zip(&samples) {
            assert_eq!(said, expected_of_tshark(sample), "{preference}");
        }
        // It can tell: the other form is bad.
        let other = samples_of_other_form(form);
        for said in tshark(&other, &preference).lines() {
            assert!(said.ends_with("|0"), "{said}");
        }
    }
}

fn expected_of_tshark(sample: &Sample) -> String {
    let (seconds, centiseconds) = match sample.version {
        Version::V2 => (sample.interval.whole_secs().map(|secs| secs.to_string()), None),
        Version::V3 => (None, Some(sample.interval.centiseconds().to_string())),
    };
    let (code, text) = match sample.authentication {
        _ if sample.version == Version::V3 => ("", String::new()),
        Authentication::None => ("0", String::new()),
        Authentication::Text(text) => {
            ("1", String::from_utf8_lossy(&text).trim_end_matches('\0').to_string())
        }
        Authentication::Header => ("2", String::new()),
    };
    let (v4, v6) = match sample.addresses.family() {
        Family::V4 => (sample.texts(), String::new()),
        Family::V6 => (String::new(), sample.texts()),
    };
    let message = sample.message();
    let fields = [
        (message[0] >> 4).to_string(),
        "1".to_owned(),
        sample.vrid.get().to_string(),
        sample.priority.map_or(0, Priority::get).to_string(),
        sample.addresses.len().to_string(),
        seconds.unwrap_or_default(),
        centiseconds.unwrap_or_default(),
        code.to_owned(),
        text,
        v4,
        v6,
        // Good.
        "1".to_owned(),
    ];
    fields.join("|")
}

fn tshark(samples: &[Sample], preference: &str) -> String {
    let mut child = Command::new("tshark")
        .args(["-r", "-", "-o", preference, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"])
        .args(
            [
                "version",
                "type",
                "virt_rtr_id",
                "prio",
                "addr_count",
                "adver_int",
                "short_adver_int",
                "auth_type",
                "auth_string",
                "ip_addr",
                "ipv6_addr",
                "checksum.status",
            ]
            .into_iter()
            .flat_map(|field| ["-e".to_owned(), format!("vrrp.{field}")]),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tshark starts");
    child.stdin.take().expect("piped").write_all(&pcap(samples)).expect("it reads");
    String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("text")
}

/// A capture file whose packets start with their IP header (link type 101).
fn pcap(samples: &[Sample]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101] {
        file.extend(word.to_be_bytes());
    }
    for sample in samples {
        let packet = sample.packet();
        let len = packet.len() as u32;
        for word in [0, 0, len, len] {
            file.extend(u32::to_be_bytes(word));
        }
        file.extend(packet);
    }
    file
}

struct Sample {
    version: Version,
    vrid: Vrid,
    priority: Option<Priority>,
    interval: Interval,
    addresses: AddressList,
    authentication: Authentication,
    form: ChecksumForm,
}

fn samples() -> Vec<Sample> {
    use ChecksumForm::{MessageOnly, PseudoHeader};
    let none = Authentication::None;
    let few = || AddressList::new([ip("192.0.2.99"), ip("198.51.100.7")]).unwrap();
    let link_local = || AddressList::new([ip("fe80::5e"), ip("2001:db8::99")]).unwrap();
    let most_v4 = || AddressList::new((1..=255).map(|n| IpAddr::from([10, 1, 0, n]))).unwrap();
    let most_v6 = || AddressList::new((1..=90).map(|n| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, n]))).unwrap();
    let sample = |version, vrid, priority, centiseconds, addresses, authentication, form| Sample {
        version,
        vrid: Vrid::new(vrid).unwrap(),
        priority: Priority::new(priority).ok(),
        interval: Interval::from_centiseconds(centiseconds).unwrap(),
        addresses,
        authentication,
        form,
    };
    vec![
        sample(Version::V2, 1, 100, 100, few(), none, MessageOnly),
        sample(Version::V2, 255, 0, 4000, most_v4(), none, MessageOnly),
        sample(Version::V2, 7, 255, 200, few(), Authentication::Text(*b"secret\0\0"), MessageOnly),
        sample(Version::V3, 1, 100, 1, few(), none, MessageOnly),
        sample(Version::V3, 255, 255, 4095, most_v4(), none, MessageOnly),
        sample(Version::V3, 1, 0, 1, few(), none, PseudoHeader),
        sample(Version::V3, 255, 1, 4095, most_v4(), none, PseudoHeader),
        sample(Version::V3, 52, 100, 100, link_local(), none, PseudoHeader),
        sample(Version::V3, 52, 254, 10, most_v6(), none, PseudoHeader),
    ]
}

/// VRRPv3 over IPv4 with the form of checksum that is not this one.
fn samples_of_other_form(form: ChecksumForm) -> Vec<Sample> {
    let other: Vec<Sample> =
        samples().into_iter().filter(|sample| v3_over_ipv4(sample) && sample.form != form).collect();
    assert!(!other.is_empty());
    other
}

fn v3_over_ipv4(sample: &Sample) -> bool {
    sample.version == Version::V3 && sample.addresses.family() == Family::V4
}

fn usual(sample: &Sample) -> ChecksumForm {
    match sample.version {
        Version::V2 => ChecksumForm::MessageOnly,
        Version::V3 => ChecksumForm::PseudoHeader,
    }
}

impl Sample {
    fn envelope(&self) -> Envelope {
        let family = self.addresses.family();
        let source = match family {
            Family::V4 => ip("192.0.2.1"),
            Family::V6 => ip("fe80::1"),
        };
        Envelope { source, destination: family.multicast_group(), ttl: Some(255), authenticated: false }
    }

    fn message(&self) -> Vec<u8> {
        let advert = Advert {
            version: self.version,
            vrid: self.vrid,
            priority: self.priority,
            interval: self.interval,
            addresses: self.addresses.as_addresses(),
            authentication: self.authentication,
        };
        let mut message = vec![0; advert.encoded_len()];
        advert.encode(&mut message);
        let envelope = self.envelope();
        fill_checksum(&mut message, envelope.source, envelope.destination, self.form);
        message
    }

    /// With an IP header. Its own checksum is 0: neither judge looks at it.
    fn packet(&self) -> Vec<u8> {
        let message = self.message();
        let len = message.len() as u16;
        let mut packet = match self.addresses.family() {
            Family::V4 => {
                let [high, low] = (len + 20).to_be_bytes();
                vec![0x45, 0xc0, high, low, 0, 1, 0, 0, 255, 112, 0, 0]
            }
            Family::V6 => {
                let [high, low] = len.to_be_bytes();
                vec![0x60, 0, 0, 0, high, low, 112, 255]
            }
        };
        for address in [self.envelope().source, self.envelope().destination] {
            match address {
                IpAddr::V4(address) => packet.extend(address.octets()),
                IpAddr::V6(address) => packet.extend(address.octets()),
            }
        }
        packet.extend(message);
        packet
    }

    fn texts(&self) -> String {
        self.addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(",")
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
