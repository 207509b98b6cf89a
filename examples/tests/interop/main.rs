//! Our daemon and those of others on one link, against keepalived and FRR: each takes over from the other and yields to
//! it, when one resigns, dies, or comes back.
//!
//! The causes are taken from our log, the addresses from the kernel, the story from the wire; tshark and scapy judge the
//! packets. No time is measured: a machine may be busy.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "as in any test")]

mod daemon;
mod judge;
mod lab;
mod peer;
#[path = "../support/requirements.rs"]
mod requirements;

use daemon::Daemon;
use lab::{Lab, run_cases, until};
use peer::Peer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Keepalived,
    Frr,
}

/// Of VRRPv2, with the password [`PASSWORD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authentication {
    Text,
    Header,
}

const PASSWORD: &str = "sesame";

/// What both speak.
#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    version: u8,
    family: u8,
    unicast: bool,
    authentication: Option<Authentication>,
    virtual_mac: bool,
    /// Whether ours speaks both versions.
    dual: bool,
}

const KEEPALIVED: Case = Case {
    kind: Kind::Keepalived,
    version: 3,
    family: 4,
    unicast: false,
    authentication: None,
    virtual_mac: false,
    dual: false,
};
const FRR: Case = Case { kind: Kind::Frr, ..KEEPALIVED };

impl Case {
    /// Long enough for a busy machine, short enough for who waits.
    fn interval_cs(&self) -> u16 {
        if self.version == 2 { 100 } else { 50 }
    }

    fn addresses(&self) -> &'static [&'static str] {
        match self.family {
            4 => &["203.0.113.51", "203.0.113.52"],
            _ => &["fe80::51", "2001:db8::51"],
        }
    }

    fn our_address(&self) -> &'static str {
        if self.family == 4 { "192.0.2.1" } else { "fe80::ff:fe00:1" }
    }

    /// Where our frames come from.
    fn our_mac(&self) -> &'static str {
        match (self.virtual_mac, self.family) {
            (false, _) => "02:00:00:00:00:01",
            (true, 4) => "00:00:5e:00:01:33",
            (true, _) => "00:00:5e:00:02:33",
        }
    }

    fn their_address(&self) -> &'static str {
        if self.family == 4 { "192.0.2.2" } else { "fe80::ff:fe00:2" }
    }

    /// Where their advertisements come from.
    fn their_source(&self) -> &'static str {
        match (self.kind, self.family) {
            // The macvlan device makes an address of its own.
            (Kind::Frr, 6) => "fe80::200:5eff:fe00:233",
            _ => self.their_address(),
        }
    }

    /// The whole story.
    fn prove(self) {
        let mut lab = Lab::new();
        let address = self.addresses()[0];
        let peer = Peer::start(&lab, &self, 100);
        until("the peer is Active, alone", || peer.is_active(&lab, &self));

        let ours = Daemon::start(&lab, &self, 150);
        ours.says(&["Backup -> Active: ", " has a lower priority"]);
        until("we have the address", || lab.ours.has(address));
        until("the peer yields to a higher priority", || !peer.is_active(&lab, &self));

        ours.stop();
        until("the peer takes over after we resigned", || peer.is_active(&lab, &self));
        assert!(!lab.ours.has(address), "an address is left");

        let ours = Daemon::start(&lab, &self, 150);
        ours.says(&["Backup -> Active: ", " has a lower priority"]);
        until("the peer yields again", || !peer.is_active(&lab, &self));
        ours.kill();
        until("the peer takes over after we died", || peer.is_active(&lab, &self));

        let ours = Daemon::start(&lab, &self, 50);
        ours.says(&["Initialize -> Backup: it was started"]);
        until("what the dead one left is removed", || !lab.ours.has(address));
        ours.says(&[" is Active, with priority "]);

        peer.stop();
        ours.says(&["Backup -> Active: ", " resigned"]);
        until("we have the address", || lab.ours.has(address));

        let peer = Peer::start(&lab, &self, 100);
        ours.says(&["Active -> Backup: ", " has priority "]);
        until("we let the address go", || !lab.ours.has(address));
        until("the peer has it", || peer.is_active(&lab, &self));

        peer.kill();
        ours.says(&["Backup -> Active: no Active router was heard"]);
        until("we have the address", || lab.ours.has(address));
        ours.stop();
        assert!(!lab.ours.has(address), "an address is left");

        until("all is recorded", || judge::has_resigned(&lab.capture(), &self, 2));
        let (capture, told) = lab.recorded();
        judge::judge_with_tshark(&capture, &self);
        judge::judge_with_scapy(&capture, &self);
        judge::judge_announcements(&capture, &self);
        judge::judge_story(&told, &self);
        judge::judge_story(&judge::story(&capture), &self);
    }
}

impl Case {
    /// A link that is cut and heals: of two Active routers one remains, the same for both.
    fn heal(self) {
        let lab = Lab::new();
        let address = self.addresses()[0];
        let peer = Peer::start(&lab, &self, 100);
        until("the peer is Active, alone", || peer.is_active(&lab, &self));

        // With the same priority the greater address decides, which is theirs.
        let ours = Daemon::start(&lab, &self, 100);
        ours.says(&[" is Active, with priority "]);
        lab.connect(false);
        ours.says(&["Backup -> Active: no Active router was heard"]);
        until("the monitor sees two Active", || lab.told("two_active") == 1);
        lab.connect(true);
        ours.says(&["Active -> Backup: ", " has the same priority and a greater address"]);
        until("we let the address go", || !lab.ours.has(address));
        until("the monitor sees one", || lab.told("settled") == 1);
        assert!(peer.is_active(&lab, &self), "the greater address stays");
        ours.stop();

        // Our higher priority decides, although the peer was Active, too.
        let ours = Daemon::start(&lab, &self, 150);
        until("the peer yields", || !peer.is_active(&lab, &self));
        lab.connect(false);
        until("the peer takes over", || peer.is_active(&lab, &self));
        until("the monitor sees two Active again", || lab.told("two_active") == 2);
        lab.connect(true);
        until("the peer yields after the heal", || !peer.is_active(&lab, &self));
        until("the monitor sees one", || lab.told("settled") == 2);
        assert!(lab.ours.has(address), "the higher priority stays");
        ours.stop();
        peer.stop();
    }
}

/// What the lab and the judges run.
const LAB: [&str; 7] = ["ip", "bridge", "mount", "dumpcap", "tshark", "/usr/bin/python3", "/usr/bin/scapy"];
const THEIR_KEEPALIVED: &[&str] = &["keepalived"];
const THEIR_FRR: &[&str] = &["vrrpd", "zebra", "vtysh"];

#[test]
fn keepalived_version_2() {
    let cases: [(&str, fn()); 7] = [
        ("header", || {
            Case { version: 2, authentication: Some(Authentication::Header), ..KEEPALIVED }.prove()
        }),
        ("heal", || Case { version: 2, ..KEEPALIVED }.heal()),
        ("dual", || Case { version: 2, dual: true, ..KEEPALIVED }.prove()),
        ("multicast", || Case { version: 2, ..KEEPALIVED }.prove()),
        ("unicast", || Case { version: 2, unicast: true, ..KEEPALIVED }.prove()),
        ("text", || Case { version: 2, authentication: Some(Authentication::Text), ..KEEPALIVED }.prove()),
        ("virtual-mac", || Case { version: 2, virtual_mac: true, ..KEEPALIVED }.prove()),
    ];
    run_cases("keepalived_version_2", THEIR_KEEPALIVED, &cases);
}

#[test]
fn keepalived_version_3() {
    let cases: [(&str, fn()); 9] = [
        ("ipv4-heal", || KEEPALIVED.heal()),
        ("ipv6-heal", || Case { family: 6, ..KEEPALIVED }.heal()),
        ("dual", || Case { dual: true, ..KEEPALIVED }.prove()),
        ("ipv4-multicast", || KEEPALIVED.prove()),
        ("ipv4-unicast", || Case { unicast: true, ..KEEPALIVED }.prove()),
        ("ipv4-virtual-mac", || Case { virtual_mac: true, ..KEEPALIVED }.prove()),
        ("ipv6-multicast", || Case { family: 6, ..KEEPALIVED }.prove()),
        ("ipv6-unicast", || Case { family: 6, unicast: true, ..KEEPALIVED }.prove()),
        ("ipv6-virtual-mac", || Case { family: 6, virtual_mac: true, ..KEEPALIVED }.prove()),
    ];
    run_cases("keepalived_version_3", THEIR_KEEPALIVED, &cases);
}

#[test]
fn frr() {
    let cases: [(&str, fn()); 6] = [
        ("ipv4-heal", || FRR.heal()),
        ("version-2", || Case { version: 2, ..FRR }.prove()),
        ("ipv4", || FRR.prove()),
        ("ipv4-virtual-mac", || Case { virtual_mac: true, ..FRR }.prove()),
        ("ipv6", || Case { family: 6, ..FRR }.prove()),
        ("ipv6-virtual-mac", || Case { family: 6, virtual_mac: true, ..FRR }.prove()),
    ];
    run_cases("frr", THEIR_FRR, &cases);
}
