//! Authentication that the driver has a part in, between network namespaces: IP authentication headers, with keepalived
//! too, and the HMAC trailer.
#![cfg(feature = "linux")]
#![allow(clippy::unwrap_used, reason = "as in any test")]

mod driver_lab;

use std::{
    path::PathBuf,
    process::{Child, Command},
};

use driver_lab::{Lab, Running, VIP, VRID, has_programs, instance, ip, isolated, wait_until};
use lb_vrrp::{
    Cause, Config, ConfigBuilder, Event, Family, Interval, Priority, State, Vrid,
    driver::{Happening, Instance, VirtualMac, linux::Resigner},
    router::RouterStats,
    wire::{
        ah::{AhError, Key},
        virtual_mac,
    },
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn v2(priority: u8) -> ConfigBuilder {
    let config = Config::v2(Vrid::new(VRID).unwrap(), [VIP.parse().unwrap()]);
    config.priority(Priority::new(priority).unwrap())
}

fn with_key(config: ConfigBuilder, key: &str) -> Instance {
    let mut instance = instance(config.auth_header());
    instance.key = Some(Key::new(key.as_bytes()));
    instance
}

fn cause(what: &Happening, wanted: State) -> Option<Cause> {
    match what {
        Happening::Router(Event::State { to, cause, .. }) if *to == wanted => Some(*cause),
        _ => None,
    }
}

fn wait_for_other(running: &mut Running, priority: u8) {
    running.wait("the other", |what| {
        matches!(what, Happening::Router(Event::NewActive { priority: theirs, .. }) if theirs.get() == priority)
    });
}

fn wait_for_refusal(running: &mut Running, other: &str) {
    let other: std::net::IpAddr = other.parse().unwrap();
    running.wait(
        "a wrong digest",
        |what| matches!(what, Happening::Refused { source, error: AhError::Digest } if *source == other),
    );
}

fn stats(running: &Running) -> RouterStats {
    running.ask(running.control.status("test")).unwrap().stats
}

fn set_priority(running: &Running, priority: u8) {
    running.ask(running.control.set_priority("test", Priority::new(priority).unwrap())).unwrap();
}

#[test]
fn with_one_key_they_elect_and_fail_over() {
    isolated("with_one_key_they_elect_and_fail_over", || {
        let lab = Lab::new();
        let mut one = lab.start(1, vec![with_key(v2(200), "secret")]);
        one.wait_for_installed();
        let mut two = lab.start(2, vec![with_key(v2(100), "secret")]);
        wait_for_other(&mut two, 200);
        ip("link set v1 down\n");
        one.wait_for_state(State::Initialize);
        two.wait("silence", |what| cause(what, State::Active) == Some(Cause::Silence));
        ip("link set v1 up\n");
        one.wait("a lower one", |what| matches!(cause(what, State::Active), Some(Cause::Preempts(_))));
        two.wait("a higher one", |what| {
            matches!(cause(what, State::Backup), Some(Cause::HigherPriority(..)))
        });
        one.stop();
        two.wait("a resignation", |what| matches!(cause(what, State::Active), Some(Cause::Resigned(_))));
        assert_eq!(stats(&two).auth_failures, 0);
    });
}

#[test]
fn with_another_key_both_are_active_and_say_why_until_it_is_changed() {
    isolated("with_another_key_both_are_active_and_say_why_until_it_is_changed", || {
        let lab = Lab::new();
        let mut one = lab.start(1, vec![with_key(v2(200), "secret")]);
        one.wait_for_installed();
        let mut two = lab.start(2, vec![with_key(v2(100), "other")]);
        wait_for_refusal(&mut two, "10.0.0.1");
        two.wait("silence", |what| cause(what, State::Active) == Some(Cause::Silence));
        wait_for_refusal(&mut one, "10.0.0.2");
        for running in [&one, &two] {
            let stats = stats(running);
            assert_eq!(stats.received, 0);
            assert!(stats.auth_failures > 0);
        }
        two.ask(two.control.reconfigure(with_key(v2(100), "secret"))).unwrap();
        two.wait("a higher one", |what| {
            matches!(cause(what, State::Backup), Some(Cause::HigherPriority(..)))
        });
    });
}

#[test]
fn headers_go_with_virtual_ethernet_addresses_and_by_unicast() {
    isolated("headers_go_with_virtual_ethernet_addresses_and_by_unicast", || {
        let lab = Lab::new();
        let mut wire = lab.watch();
        let on_virtual_mac = |priority| {
            let mut instance = with_key(v2(priority), "secret");
            instance.virtual_mac = Some(VirtualMac::default());
            vec![instance]
        };
        let by_unicast =
            |priority, peer: &str| vec![with_key(v2(priority).unicast([peer.parse().unwrap()]), "secret")];
        let mut one = lab.start(1, on_virtual_mac(200));
        one.wait_for_installed();
        let mut two = lab.start(2, on_virtual_mac(100));
        wait_for_other(&mut two, 200);
        let mac = virtual_mac(Family::V4, Vrid::new(VRID).unwrap());
        wire.wait("a sealed one", |frame| {
            frame[6..12] == mac.0 && frame[12..14] == [8, 0] && frame[23] == 51
        });
        two.stop();
        one.stop();
        let mut one = lab.start(1, by_unicast(200, "10.0.0.2"));
        one.wait_for_installed();
        let mut two = lab.start(2, by_unicast(100, "10.0.0.1"));
        wait_for_other(&mut two, 200);
        assert_eq!(stats(&two).auth_failures, 0);
    });
}

/// The number in the header goes on where the predecessor was: 1 would be refused as a replay.
#[test]
fn a_successor_is_no_replay() {
    isolated("a_successor_is_no_replay", || {
        let lab = Lab::new();
        // 15 s for the restart.
        let slow = |priority| with_key(v2(priority).interval(Interval::from_secs(5).unwrap()), "secret");
        // It hears the number 1, too.
        let mut two = lab.start(2, vec![slow(100)]);
        two.wait_for_state(State::Backup);
        let mut first = lab.start_with(1, vec![slow(254)], |driver| driver.keep_addresses(true));
        first.wait_for_state(State::Backup);
        first.ask(first.control.take_over("test")).unwrap();
        first.wait_for_installed();
        wait_for_other(&mut two, 254);
        let snapshot = first.stop();
        let heard = stats(&two).received;
        let second = lab.start_with(1, vec![slow(254)], move |driver| driver.restore(&snapshot));
        wait_until("the successor is heard", || stats(&two).received > heard);
        assert_eq!(stats(&two).auth_failures, 0);
        assert_eq!(two.states(), [State::Backup], "no failover");
        second.stop();
    });
}

/// What somebody else sends for it has a number ahead, and what its successor sends comes after that.
#[test]
fn another_process_resigns_and_a_successor_is_no_replay() {
    isolated("another_process_resigns_and_a_successor_is_no_replay", || {
        let lab = Lab::new();
        // Two minutes until anybody would take over.
        let slow = |priority| with_key(v2(priority).interval(Interval::from_secs(40).unwrap()), "secret");
        let mut two = lab.start(2, vec![slow(100)]);
        two.wait_for_state(State::Backup);
        let mut first = lab.start(1, vec![slow(254)]);
        first.wait_for_state(State::Backup);
        first.ask(first.control.take_over("test")).unwrap();
        first.wait_for_installed();
        wait_for_other(&mut two, 254);
        let snapshot = first.ask(first.control.snapshot()).unwrap();
        // These are a little late.
        set_priority(&first, 253);
        let made = first.ask(first.control.resignations()).unwrap();
        first.kill();
        lab.nodes[0].run(move || Resigner::new().unwrap().send(&made).unwrap());
        two.wait("a resignation", |what| matches!(cause(what, State::Active), Some(Cause::Resigned(_))));
        let _second = lab.start_with(1, vec![slow(254)], move |driver| driver.restore(&snapshot));
        two.wait("the successor", |what| {
            matches!(cause(what, State::Backup), Some(Cause::HigherPriority(..)))
        });
        assert_eq!(stats(&two).auth_failures, 0);
    });
}

/// keepalived on node 2.
struct Keepalived {
    child: Child,
    folder: PathBuf,
}

impl Keepalived {
    fn start(lab: &Lab, priority: u8) -> Self {
        let folder = std::env::temp_dir().join(format!("lb-vrrp-auth-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("keepalived.conf");
        let text = format!(
            "vrrp_instance it {{\n  interface eth0\n  version 2\n  state BACKUP\n  virtual_router_id {VRID}\n  \
             priority {priority}\n  advert_int 1\n  authentication {{\n    auth_type AH\n    auth_pass secret\n  }}\n  \
             virtual_ipaddress {{\n    {VIP}\n  }}\n}}\n"
        );
        std::fs::write(&file, text).unwrap();
        // No option names all of its pid files, and with one of another keepalived it does not start.
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs tmpfs /run && exec keepalived \"$@\"",
            "keepalived",
        ]);
        command.args(["--dont-fork", "--vrrp", "--log-console"]).arg("--use-file").arg(&file);
        command.arg("--pid").arg(folder.join("pid")).arg("--vrrp_pid").arg(folder.join("vrrp.pid"));
        let child = lab.nodes[1].run(move || command.spawn().unwrap());
        Self { child, folder }
    }

    /// Ends it in order: it resigns.
    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM);
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

#[test]
fn keepalived_and_we_take_over_from_each_other() {
    if !has_programs("keepalived_and_we_take_over_from_each_other", &["keepalived", "mount"]) {
        return;
    }
    isolated("keepalived_and_we_take_over_from_each_other", || {
        let lab = Lab::new();
        let (ours, theirs) = (&lab.nodes[0], &lab.nodes[1]);
        let keepalived = Keepalived::start(&lab, 100);
        theirs.wait_for_address(VIP, true);
        let mut one = lab.start(1, vec![with_key(v2(50), "secret")]);
        wait_for_other(&mut one, 100);
        // It takes our word for the higher priority, and we its.
        set_priority(&one, 150);
        one.wait("a lower one", |what| matches!(cause(what, State::Active), Some(Cause::Preempts(_))));
        ours.wait_for_address(VIP, true);
        theirs.wait_for_address(VIP, false);
        set_priority(&one, 50);
        theirs.wait_for_address(VIP, true);
        one.wait("a higher one", |what| {
            matches!(cause(what, State::Backup), Some(Cause::HigherPriority(..)))
        });
        ours.wait_for_address(VIP, false);
        // Again, so that the numbers of both have come and gone, then by resignations.
        set_priority(&one, 150);
        one.wait_for_state(State::Active);
        theirs.wait_for_address(VIP, false);
        let failures = stats(&one).auth_failures;
        one.stop();
        theirs.wait_for_address(VIP, true);
        let mut one = lab.start(1, vec![with_key(v2(50), "secret")]);
        wait_for_other(&mut one, 100);
        keepalived.stop();
        one.wait("a resignation", |what| matches!(cause(what, State::Active), Some(Cause::Resigned(_))));
        ours.wait_for_address(VIP, true);
        assert_eq!((failures, stats(&one).auth_failures), (0, 0));
    });
}

#[cfg(feature = "hmac")]
mod trailer {
    use lb_vrrp::{
        AddressList, DropReason, Version,
        wire::{
            Advert, Authentication, ChecksumForm, fill_checksum,
            hmac::{HmacError, Keyring},
        },
    };
    use socket2::{Domain, Protocol, Socket, Type};

    use super::*;

    fn with_trailer(priority: u8) -> Instance {
        let second = Interval::from_secs(1).unwrap();
        let keyring = Keyring::builder(second).key(1, b"a key of some length").build().unwrap();
        instance(driver_lab::config(priority, 100, &[VIP]).hmac(keyring))
    }

    /// Sends an advertisement without a trailer, from the third node.
    fn forge(lab: &Lab, priority: u8) {
        let list = AddressList::new([VIP.parse().unwrap()]).unwrap();
        let advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(VRID).unwrap(),
            priority: Priority::new(priority).ok(),
            interval: Interval::from_secs(1).unwrap(),
            addresses: list.as_addresses(),
            authentication: Authentication::None,
        };
        let mut bytes = vec![0; advert.encoded_len()];
        advert.encode(&mut bytes);
        let group = Family::V4.multicast_group();
        fill_checksum(&mut bytes, "10.0.0.3".parse().unwrap(), group, ChecksumForm::PseudoHeader);
        lab.nodes[2].run(move || {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
            socket.set_multicast_if_v4(&"10.0.0.3".parse().unwrap()).unwrap();
            socket.set_multicast_ttl_v4(255).unwrap();
            let group = std::net::SocketAddr::new(group, 0);
            assert_eq!(socket.send_to(&bytes, &group.into()).unwrap(), bytes.len());
        });
    }

    #[test]
    fn they_elect_and_hear_nobody_without_it() {
        isolated("trailer::they_elect_and_hear_nobody_without_it", || {
            let lab = Lab::new();
            let mut one = lab.start(1, vec![with_trailer(200)]);
            one.wait_for_installed();
            let mut two = lab.start(2, vec![with_trailer(100)]);
            wait_for_other(&mut two, 200);
            // It would take over from the one, and be the Active router for the other.
            forge(&lab, 254);
            for running in [&mut one, &mut two] {
                let missing = DropReason::Hmac(HmacError::Missing);
                running.wait("a dropped message", |what| {
                    matches!(what, Happening::Router(Event::Dropped { reason, .. }) if *reason == missing)
                });
                assert_eq!(stats(running).auth_failures, 1);
            }
            assert_eq!(one.states(), [State::Backup, State::Active]);
            assert_eq!(two.states(), [State::Backup]);
            one.stop();
            two.wait("a resignation", |what| matches!(cause(what, State::Active), Some(Cause::Resigned(_))));
        });
    }
}
