//! Random groups of routers, and what happens to them.

use std::{fmt, net::IpAddr, time::Duration};

use lb_vrrp::{
    Config, Family, Farewell, Interval, Preempt, Priority, Profile, Time, VersionMode, Vrid,
    router::ChecksumPolicy,
    sim::{Chance, Fault, Injection, Lan, LanId, Node, NodeId, Random, Schedule, World},
};

pub(crate) const VRID: u8 = 51;

/// What one router is. The configuration does not tell its options, and the oracle needs them.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub version: VersionMode,
    pub source: IpAddr,
    pub virtual_addresses: Vec<IpAddr>,
    pub priority: Priority,
    pub interval: Interval,
    pub preempt: Preempt,
    pub profile: Profile,
    pub checksum: Option<ChecksumPolicy>,
    pub peers: Option<Vec<IpAddr>>,
    pub auth_text: Option<&'static str>,
    pub accept_interval_mismatch: bool,
    pub resignation_of_active_only: bool,
    pub reassert_v2: bool,
    pub max_learned_interval: Option<Interval>,
    pub down_adverts: u8,
    pub step_down_when_late: bool,
    pub only_backup: bool,
    pub preempt_after_skew: bool,
    pub drift_ppm: i32,
    pub latency: Duration,
    pub buffer: usize,
}

impl Spec {
    pub(crate) fn config(&self) -> Config {
        let vrid = Vrid::new(VRID).unwrap();
        let addresses = self.virtual_addresses.iter().copied();
        let builder = match self.version {
            VersionMode::V2 => Config::v2(vrid, addresses),
            VersionMode::V3 => Config::v3(vrid, addresses),
            VersionMode::Dual => Config::dual(vrid, addresses),
        };
        let mut builder = builder
            .priority(self.priority)
            .interval(self.interval)
            .preempt(self.preempt)
            .profile(self.profile)
            .down_adverts(self.down_adverts)
            .step_down_when_late(self.step_down_when_late)
            .only_backup(self.only_backup)
            .preempt_after_skew(self.preempt_after_skew);
        // The strict profile has none of these.
        if self.profile == Profile::Compatible {
            builder = builder
                .accept_interval_mismatch(self.accept_interval_mismatch)
                .resignation_of_active_only(self.resignation_of_active_only)
                .reassert_v2(self.reassert_v2);
        }
        if let Some(checksum) = self.checksum {
            builder = builder.checksum(checksum);
        }
        if let Some(cap) = self.max_learned_interval {
            builder = builder.max_learned_interval(cap);
        }
        if let Some(peers) = &self.peers {
            builder = builder.unicast(peers.iter().copied());
        }
        if let Some(text) = self.auth_text {
            builder = builder.auth_text(text);
        }
        builder.build().unwrap()
    }

    pub(crate) fn node(&self) -> Node {
        Node::new(self.config(), self.source)
            .drift_ppm(self.drift_ppm)
            .latency(Duration::ZERO..=self.latency)
            .buffer(self.buffer)
            .stopped()
    }
}

/// A group of routers that can agree, and a time of trouble that ends.
pub(crate) struct Case {
    pub seed: u64,
    pub specs: Vec<Spec>,
    pub lan: Lan,
    pub trouble: Schedule,
    /// When everything works again.
    pub calm: Time,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, calm from {}, {:?}", self.seed, self.calm, self.lan)?;
        for spec in &self.specs {
            writeln!(f, "{spec:?}")?;
        }
        self.trouble.fmt(f)
    }
}

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let specs = group(random);
        let shortest = specs.iter().map(|spec| spec.interval.duration()).min().unwrap();
        let longest = specs.iter().map(|spec| spec.interval.duration()).max().unwrap();
        let lan = lan(random, shortest);
        let calm = Time::ZERO + longest * (6 + random.below(8) as u32);
        let trouble = trouble(random, &specs, calm);
        Self { seed, specs, lan, trouble, calm }
    }

    pub(crate) fn world(&self) -> World {
        let mut world = World::new(self.seed, self.lan.clone());
        for spec in &self.specs {
            world.add(spec.node()).unwrap();
        }
        world.schedule(self.trouble.clone());
        world.schedule(self.recovery());
        world
    }

    /// Everyone runs and hears everyone.
    fn recovery(&self) -> Schedule {
        let quiet = Lan { delay: self.lan.delay.clone(), ..Lan::default() };
        let mut schedule =
            Schedule::new().at(self.calm, Fault::Heal).at(self.calm, Fault::Lan(LanId::default(), quiet));
        for node in nodes(&self.specs) {
            for fault in [Fault::Wake(node), Fault::Resume(node), Fault::Start(node)] {
                schedule.push(self.calm, fault);
            }
        }
        schedule
    }

    pub(crate) fn longest_interval(&self) -> Duration {
        self.specs.iter().map(|spec| spec.interval.duration()).max().unwrap()
    }

    /// No router waits longer than this before it takes over.
    pub(crate) fn longest_down(&self) -> Duration {
        let adverts = self.specs.iter().map(|spec| spec.down_adverts).max().unwrap();
        // The skew time is below one interval; below a second in VRRPv2.
        self.longest_interval().max(Duration::from_secs(u64::from(self.speaks_v2())))
            * (u32::from(adverts) + 1)
    }

    pub(crate) fn longest_preempt_delay(&self) -> Duration {
        let delay =
            |spec: &Spec| if let Preempt::After(delay) = spec.preempt { delay } else { Duration::ZERO };
        self.specs.iter().map(delay).max().unwrap()
    }

    fn speaks_v2(&self) -> bool {
        self.specs.iter().any(|spec| spec.version != VersionMode::V3)
    }
}

fn nodes(specs: &[Spec]) -> impl Iterator<Item = NodeId> + use<> {
    (0..specs.len() as u16).map(NodeId::new)
}

fn often(random: &mut Random, percent: u8) -> bool {
    random.happens(Chance::percent(percent))
}

fn centiseconds(value: u16) -> Interval {
    Interval::from_centiseconds(value).unwrap()
}

/// Address of a node; those from `20` on are for changes.
fn source(family: Family, index: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([192, 0, 2, 1 + index]),
        Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1 + u16::from(index)]),
    }
}

fn group(random: &mut Random) -> Vec<Spec> {
    let count = 2 + [0, 0, 0, 1, 1, 1, 2, 3][random.below(8) as usize];
    let family = if often(random, 25) { Family::V6 } else { Family::V4 };
    let versions: &[VersionMode] = match (family, random.below(10)) {
        (Family::V6, _) | (_, 0..=3) => &[VersionMode::V3],
        (_, 4..=5) => &[VersionMode::V2],
        (_, 6) => &[VersionMode::Dual],
        (_, 7) => &[VersionMode::Dual, VersionMode::V2],
        _ => &[VersionMode::Dual, VersionMode::V3],
    };
    // Who speaks both versions is first, and there is always one where the others differ.
    let has_v2 = versions.contains(&VersionMode::V2);
    let v2_mismatch = versions == [VersionMode::V2] && often(random, 20);
    let base = *random.one_of(&[2_u16, 10, 25, 100]).unwrap();
    let intervals: &[Interval] = match (has_v2, v2_mismatch, random.below(3)) {
        (true, true, _) => &[centiseconds(100), centiseconds(200)],
        (true, false, _) => &[centiseconds(100)],
        (false, _, 0) => &[centiseconds(base), centiseconds(base * 2), centiseconds(base * 4)],
        (false, ..) => &[centiseconds(base)],
    };
    let longest = intervals.iter().max().copied().unwrap();
    let unicast = often(random, 25);
    let text = (versions == [VersionMode::V2] && often(random, 30)).then_some("secret");
    let virtual_addresses = match family {
        Family::V4 => vec![IpAddr::from([192, 0, 2, 100])],
        Family::V6 => vec![
            IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x100]),
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100]),
        ],
    };
    let top = 1 + random.below(254) as u8;
    let sources: Vec<IpAddr> = (0..count).map(|index| source(family, index)).collect();
    let mut specs: Vec<Spec> = Vec::new();
    for index in 0..count {
        let own = sources[usize::from(index)];
        let peers = sources.iter().copied().filter(|peer| *peer != own).collect();
        let priority = match random.below(12) {
            0 if index == 0 || often(random, 20) => 255,
            1..=3 => top,
            _ => 1 + random.below(254) as u8,
        };
        let owner = priority == 255;
        let profile = if often(random, 40) && !v2_mismatch { Profile::Strict } else { Profile::Compatible };
        let beyond = profile == Profile::Compatible;
        let interval = *random.one_of(intervals).unwrap();
        specs.push(Spec {
            version: versions[usize::from(index) % versions.len()],
            source: own,
            virtual_addresses: virtual_addresses.clone(),
            priority: Priority::new(priority).unwrap(),
            interval,
            preempt: match random.below(10) {
                0..=1 if !owner => Preempt::No,
                2..=3 if !owner => Preempt::After(longest.duration() * random.below(5) as u32),
                _ => Preempt::Yes,
            },
            profile,
            checksum: random
                .one_of(&[
                    None,
                    Some(ChecksumPolicy::Auto),
                    Some(ChecksumPolicy::MessageOnly),
                    Some(ChecksumPolicy::PseudoHeader),
                ])
                .copied()
                .unwrap(),
            peers: unicast.then_some(peers),
            auth_text: text,
            accept_interval_mismatch: v2_mismatch,
            resignation_of_active_only: often(random, 50),
            reassert_v2: often(random, 50),
            max_learned_interval: often(random, 20).then_some(longest),
            down_adverts: if beyond && often(random, 20) { 2 + random.below(4) as u8 } else { 3 },
            step_down_when_late: often(random, 20),
            only_backup: beyond && often(random, 15),
            preempt_after_skew: beyond && often(random, 15),
            drift_ppm: if often(random, 50) { random.below(401) as i32 - 200 } else { 0 },
            latency: if often(random, 30) { interval.duration() / 20 } else { Duration::ZERO },
            buffer: if often(random, 10) { 4 } else { 256 },
        });
    }
    specs
}

fn lan(random: &mut Random, shortest: Duration) -> Lan {
    if often(random, 20) {
        return Lan::default();
    }
    Lan {
        delay: Duration::from_micros(50)..=shortest / (10 + random.below(90) as u32),
        loss: Chance::percent(*random.one_of(&[0, 0, 1, 10, 30, 60]).unwrap()),
        duplication: Chance::percent(*random.one_of(&[0, 0, 5, 50]).unwrap()),
        reordering: Chance::percent(*random.one_of(&[0, 0, 5, 50]).unwrap()),
        hold: shortest * random.below(4) as u32,
        loops_back: often(random, 10),
    }
}

fn trouble(random: &mut Random, specs: &[Spec], calm: Time) -> Schedule {
    let mut schedule = Schedule::new();
    for node in nodes(specs) {
        if !often(random, 10) {
            let start = random.duration(&(Duration::ZERO..=(calm - Time::ZERO) / 4));
            schedule.push(Time::ZERO + start, Fault::Start(node));
        }
    }
    for change in 0..2 + random.below(9) as u8 {
        let at = Time::ZERO + random.duration(&(Duration::ZERO..=calm - Time::ZERO));
        schedule.push(at, fault(random, specs, change));
    }
    schedule
}

fn fault(random: &mut Random, specs: &[Spec], change: u8) -> Fault {
    let one = |random: &mut Random| NodeId::new(random.below(specs.len() as u64) as u16);
    let (node, other) = (one(random), one(random));
    let spec = &specs[usize::from(node.index())];
    let peer = specs[usize::from(other.index())].source;
    let farewell = *random.one_of(&[Farewell::Silent, Farewell::Resign, Farewell::Linger]).unwrap();
    match random.below(25) {
        0..=1 => Fault::Crash(node),
        2..=3 => Fault::Start(node),
        4 => Fault::Stop { node, farewell },
        5 => Fault::Pause(node),
        6 => Fault::Resume(node),
        7 => Fault::Sleep(node),
        8 => Fault::Wake(node),
        9 => Fault::Replace(node),
        10..=11 if !spec.priority.is_owner() => {
            Fault::Priority(node, Priority::new(1 + random.below(254) as u8).unwrap())
        }
        // A peer that changes its address is a stranger to unicast peers.
        12 if spec.peers.is_none() => Fault::Source(node, source(Family::of(spec.source), 20 + change)),
        13 => Fault::PeerDown(node, peer),
        14 => Fault::TakeOver(node),
        15 => Fault::StepDown { node, farewell },
        16 => Fault::Announce(node),
        17..=18 => Fault::Cut { from: node, to: other },
        19 => Fault::Mend { from: node, to: other },
        20..=21 => Fault::Partition(vec![node]),
        22 => Fault::Heal,
        23 => Fault::HandOver(node),
        _ => Fault::Inject(Injection {
            lan: LanId::default(),
            source: peer,
            destination: Family::of(spec.source).multicast_group(),
            ttl: 255,
            payload: (0..random.below(40)).map(|_| random.number() as u8).collect(),
        }),
    }
}
