//! A daemon with the instances of `dump/golden/pair.conf`, for tests of what is shown.

#![allow(clippy::new_without_default, clippy::unwrap_used, reason = "it is for tests")]

use std::{collections::BTreeMap, path::Path, time::Duration};

use lb_config::keepalived::model::{
    Authentication, Config, Entry, Group, InitialState, Instance, Notify, Peer, Preempt, Script,
    ScriptCommand, Secret, Seldom, Sending, TrackFile, Tracked, Tracks, Version, VirtualAddress, Weight,
};
use lb_control::{
    event::{Condition, TrackerId, Why},
    wording::LastAdvert,
};
use lb_core::Time;
use lb_vrrp::{
    Cause, Family, Interval, Priority, Vrid,
    driver::LinkState,
    router::RouterStats,
    track::{Contribution, Effect, Status},
};

use super::{Driven, GroupView, InstanceView, Share, TrackerView, View};

/// When it is: 2026-11-22 05:35:00 UTC.
pub const NOW: Time = Time::from_secs(1_795_325_700);

/// What a view borrows from.
pub struct Sample {
    /// What the daemon runs with.
    pub config: Config,
    trackers: Vec<(TrackerId, Status, &'static str)>,
    silence: Why,
    higher: Why,
    fault: Why,
    started: Why,
}

impl Sample {
    /// A pair with its groups, trackers and virtual servers.
    pub fn new() -> Self {
        Self {
            config: config(),
            trackers: vec![
                (TrackerId::Script("chk".to_owned()), Status::Up, "exited with status 0"),
                (TrackerId::Script("wgt".to_owned()), Status::Down, "exited with status 1"),
                (TrackerId::File("tf".to_owned()), Status::Value(0), ""),
            ],
            silence: Why::Protocol(Cause::Silence),
            higher: Why::Protocol(Cause::HigherPriority([10, 9, 0, 2].into(), priority(100))),
            fault: Why::Interface("eth0 is down or has no carrier".to_owned()),
            started: Why::Protocol(Cause::Startup),
        }
    }

    /// VI_1 and VI_2 are MASTER; VI_3 is BACKUP, since a script takes 60 off its priority; VI_6 is in FAULT.
    pub fn view(&self) -> View<'_> {
        let [one, two, three, six] = &self.config.instances[..] else { panic!("four instances") };
        let ago = |millis: u64| NOW.as_nanos() - millis * 1_000_000;
        let view = |config, condition, why, millis| InstanceView {
            config,
            group: None,
            condition,
            since: Time::from_nanos(ago(millis)),
            why,
            last_advert: None,
            dropped_before: None,
            priority: config.priority,
            handed_over: None,
            shares: Vec::new(),
            heard: None,
            driver: Some(driven(config, condition)),
        };
        let mut instances = vec![
            view(one, Condition::Master, &self.silence, 5_358),
            view(two, Condition::Master, &self.silence, 5_339),
            view(three, Condition::Backup, &self.higher, 45_114),
            view(six, Condition::Fault, &self.fault, 43_034),
        ];
        instances[0].group = Some("G");
        instances[0].last_advert = Some(LastAdvert {
            source: [10, 9, 0, 2].into(),
            priority: priority(100),
            age: Duration::from_millis(3_415),
        });
        instances[1].group = Some("G");
        instances[2].priority = priority(40);
        instances[2].heard = Some(Time::from_nanos(ago(300)));
        instances[2].shares = vec![Share {
            tracker: &self.trackers[1].0,
            contribution: Contribution {
                weight: lb_vrrp::track::Weight::new(-60).unwrap(),
                status: Status::Down,
                effect: Effect::Change(-60),
            },
            detail: self.trackers[1].2,
        }];
        if let Some(driven) = &mut instances[2].driver {
            driven.active = Some(([10, 9, 0, 2].into(), priority(100)));
        }
        if let Some(driven) = &mut instances[3].driver {
            driven.link = LinkState::Down;
        }
        let started = Time::from_nanos(ago(60_000));
        View {
            now: NOW,
            wall: NOW,
            started,
            path: Path::new("/etc/keepalived/keepalived.conf"),
            config: &self.config,
            config_error: None,
            maintenance: None,
            instances,
            groups: vec![GroupView {
                config: &self.config.groups[0],
                condition: Condition::Master,
                since: Time::from_nanos(ago(5_339)),
                why: &self.started,
            }],
            trackers: self
                .trackers
                .iter()
                .map(|(id, status, detail)| TrackerView { id, status: *status, since: started, detail })
                .collect(),
        }
    }
}

fn priority(priority: u8) -> Priority {
    Priority::new(priority).unwrap()
}

fn driven(config: &Instance, condition: Condition) -> Driven {
    let is_master = condition == Condition::Master;
    let addresses = config.addresses.len() + config.excluded.len();
    Driven {
        active: None,
        source: Some([10, 9, 0, 1].into()),
        link: LinkState::Ready,
        installed: if is_master { addresses } else { 0 },
        stats: RouterStats {
            became_active: 3,
            released: 2,
            received: 6,
            sent: 33,
            priority_zero_sent: 2,
            dropped: 1,
            ..RouterStats::default()
        },
        dropped: Vec::new(),
        rival: None,
        unsent: None,
    }
}

fn config() -> Config {
    let mut config = Config {
        instances: vec![
            instance("VI_1", 51, &["10.9.0.100/24", "10.9.0.101/32"]),
            instance("VI_2", 52, &["10.9.0.110/24"]),
            instance("VI_3", 53, &["10.9.0.120/24"]),
            instance("VI_6", 56, &["fe80::56/128", "fd00:9::56/64"]),
        ],
        ..Config::default()
    };
    config.globals.router_id = Some("A".to_owned());
    config.globals.script_security = true;
    let test = |file: &str| command(&["/usr/bin/test", "!", "-e", file]);
    config.scripts = BTreeMap::from([
        ("chk".to_owned(), script("chk", test("/tmp/fail"), 0)),
        ("wgt".to_owned(), script("wgt", test("/tmp/low"), -60)),
    ]);
    let weight = Weight { value: 1, reverse: false };
    config.files = BTreeMap::from([(
        "tf".to_owned(),
        TrackFile { name: "tf".to_owned(), path: "/tmp/tf".into(), weight, init: None },
    )]);
    config.groups = vec![Group {
        name: "G".to_owned(),
        members: vec!["VI_1".to_owned(), "VI_2".to_owned()],
        missing: Vec::new(),
        tracks: Tracks { scripts: vec![tracked("chk", 0)], ..Tracks::default() },
        notify: Notify::default(),
    }];
    let one = &mut config.instances[0];
    one.state = InitialState::Master;
    one.priority = priority(150);
    one.authentication = Authentication::Pass(Secret::new("secret1"));
    one.addresses[0].device = Some("eth0".to_owned());
    one.addresses[0].label = Some("eth0:1".to_owned());
    one.excluded = vec![VirtualAddress::new("10.9.1.5/32".parse().unwrap())];
    one.routes = vec![entry("10.77.0.0/16 via 10.9.0.1 dev eth0")];
    one.rules = vec![entry("from 10.77.0.0/16 table 100 priority 500")];
    one.tracks.interfaces = vec![tracked("eth1", -20)];
    one.tracks.scripts = vec![tracked("wgt", -60)];
    one.tracks.files = vec![tracked("tf", 1)];
    one.notify.master = Some(command(&["/bin/true", "m"]));
    one.notify.any = Some(command(&["/bin/true", "any"]));
    config.instances[1].priority = priority(150);
    let three = &mut config.instances[2];
    three.version = Version::V3;
    three.advert_int = Interval::from_centiseconds(50).unwrap();
    three.preempt = Preempt::After(Duration::from_secs(3));
    three.source = Some([10, 9, 0, 1].into());
    let peer = Peer { address: [10, 9, 0, 2].into(), min_ttl: None, max_ttl: None };
    three.sending = Sending::Unicast { peers: vec![peer], ttl: 255 };
    three.tracks.scripts = vec![tracked("wgt", -60)];
    let six = &mut config.instances[3];
    six.version = Version::V3;
    six.family = Family::V6;
    config
}

/// An instance with nothing but these, on eth0.
pub(crate) fn instance(name: &str, vrid: u8, addresses: &[&str]) -> Instance {
    Instance {
        name: name.to_owned(),
        state: InitialState::Backup,
        interface: "eth0".to_owned(),
        vrid: Vrid::new(vrid).unwrap(),
        family: Family::V4,
        version: Version::V2,
        priority: priority(100),
        advert_int: Interval::DEFAULT,
        addresses: addresses.iter().map(|net| VirtualAddress::new(net.parse().unwrap())).collect(),
        excluded: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        sending: Sending::Multicast(None),
        source: None,
        track_source: false,
        authentication: Authentication::None,
        vmac: None,
        accept: true,
        strict: false,
        preempt: Preempt::Yes,
        down_timer_adverts: 3,
        garp: Seldom::default(),
        lower_prio_no_advert: false,
        higher_prio_send_advert: None,
        check_unicast_src: false,
        skip_check_adv_addr: false,
        owner_ignore_adverts: false,
        step_down_when_late: false,
        v3_checksum_as_v2: false,
        promote_secondaries: false,
        dont_track_primary: false,
        tracks: Seldom::default(),
        notify: Seldom::default(),
    }
}

fn command(argv: &[&str]) -> ScriptCommand {
    ScriptCommand { argv: argv.iter().map(|word| (*word).to_owned()).collect(), user: None }
}

fn script(name: &str, command: ScriptCommand, weight: i16) -> Script {
    let second = Duration::from_secs(1);
    let weight = Weight { value: weight, reverse: false };
    let name = name.to_owned();
    Script { name, command, interval: second, timeout: second, weight, rise: 1, fall: 1, init_fail: false }
}

fn tracked(name: &str, weight: i16) -> Tracked {
    Tracked { name: name.to_owned(), weight: Weight { value: weight, reverse: false } }
}

fn entry(words: &str) -> Entry {
    let words = words.split(' ').map(str::to_owned).collect();
    Entry { family: Family::V4, words, tracked: true }
}
