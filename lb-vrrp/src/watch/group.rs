//! One virtual router as it is seen from outside: who speaks for it, who is Active, and what does not fit together.

use alloc::{collections::BTreeSet, vec::Vec};
use core::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use serde::Serialize;

use crate::{
    Family, Interval, Priority, Time, Version,
    watch::{Findings, Key, finding::Finding, finding::TakeoverCause, packet::Carried},
    wire::{Advert, Authentication, ChecksumForm, Mac, virtual_mac},
};

/// Most speakers of one virtual router that are remembered.
pub const MAX_SPEAKERS: usize = 16;
/// Whoever was not heard for so long is compared with no more.
const MEMORY: Duration = Duration::from_secs(3600);
/// Two take turns as Active so often before they count as both Active: an ordinary takeover has up to two turns.
const TURNS: u8 = 3;

/// A virtual router that was seen.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// Which one.
    pub router: Key,
    /// Who spoke last as Active; `None` as long as only resignations were heard.
    pub active: Option<IpAddr>,
    /// Whether that one was not heard for the longest down interval, and none took over.
    pub silent: bool,
    /// Who was heard, in the order of their first message, at most [`MAX_SPEAKERS`].
    pub speakers: Vec<Speaker>,
    #[serde(skip)]
    watch: Watch,
}

/// A router in one version. One that speaks both is there twice.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Speaker {
    /// Its address.
    pub source: IpAddr,
    /// Its version.
    pub version: Version,
    /// The Ethernet address that it sends from, when there was an Ethernet header.
    pub mac: Option<Mac>,
    /// Its priority; `None` when its last message was a resignation.
    pub priority: Option<Priority>,
    /// Its interval.
    pub interval: Interval,
    /// The addresses that it lists.
    pub addresses: Vec<IpAddr>,
    /// What its checksum covers.
    pub checksum: ChecksumForm,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// When it was heard last.
    pub last_seen: Time,
    /// How many advertisements were heard.
    pub adverts: u64,
}

#[derive(Clone, Debug, Default)]
struct Watch {
    /// When the Active router was heard last.
    heard: Time,
    /// When the Active router counts as silent; `None` when it already does.
    silent_at: Option<Time>,
    /// How often a router that was Active spoke again after another that is Active too.
    turns: u8,
    /// Which conditions of routers hold and were told, whatever version they speak.
    told_of_routers: BTreeSet<(Condition, IpAddr, IpAddr)>,
    /// Which conditions of pairs of speakers hold and were told.
    told_of_pairs: BTreeSet<(Condition, Speaking, Speaking)>,
}

type Speaking = (IpAddr, Version);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Resigned,
    Ttl,
    SourceMac,
    ClearText,
    FirstAddress,
    Form,
    BothVersions,
    Versions,
    Owners,
    Addresses,
    Intervals,
    Forms,
    TwoActive,
}

impl Group {
    pub(super) fn new(router: Key) -> Self {
        Self { router, active: None, silent: false, speakers: Vec::new(), watch: Watch::default() }
    }

    /// When this is to be looked at although no message comes.
    pub(super) fn silent_at(&self) -> Option<Time> {
        self.watch.silent_at
    }

    pub(super) fn handle_timeout(&mut self, now: Time, findings: &mut Findings) {
        if self.watch.silent_at.is_some_and(|at| at <= now) {
            self.watch.silent_at = None;
            self.silent = true;
            if let Some(source) = self.active {
                findings.push(Finding::Silent { router: self.router, source });
            }
        }
    }

    pub(super) fn hear(
        &mut self,
        now: Time,
        carried: &Carried<'_>,
        (advert, form): (&Advert<'_>, ChecksumForm),
        findings: &mut Findings,
    ) {
        self.handle_timeout(now, findings);
        let source = carried.envelope.source;
        let before = self.speakers.iter().find(|before| before.speaking() == (source, advert.version));
        let adverts = before.map_or(0, |before| before.adverts).saturating_add(1);
        // It may have been configured anew with another version.
        self.forget(|other| {
            let age = now.since(other.last_seen);
            other.source == source
                && other.version != advert.version
                && age > longest_down_interval(other.interval)
        });
        let speaker = Speaker {
            source,
            version: advert.version,
            mac: carried.link.mac,
            priority: advert.priority,
            interval: advert.interval,
            addresses: advert.addresses.iter().collect(),
            checksum: form,
            ttl: carried.envelope.ttl,
            last_seen: now,
            adverts,
        };
        match speaker.priority {
            None => self.note_resignation(now, &speaker, findings),
            Some(priority) => self.note_active(now, &speaker, priority, findings),
        }
        self.judge_alone(&speaker, carried.envelope.destination, advert.authentication, findings);
        self.judge_together(now, &speaker, findings);
        self.remember(speaker);
    }

    fn note_resignation(&mut self, now: Time, speaker: &Speaker, findings: &mut Findings) {
        if self.begins(true, Condition::Resigned, speaker.source) {
            findings.push(Finding::Resigned { router: self.router, source: speaker.source });
        }
        if self.active == Some(speaker.source) {
            self.watch.heard = now;
            self.watch.silent_at = Some(now + longest_down_interval(speaker.interval));
        }
    }

    fn note_active(&mut self, now: Time, speaker: &Speaker, priority: Priority, findings: &mut Findings) {
        let (router, source) = (self.router, speaker.source);
        self.begins(false, Condition::Resigned, source);
        match self.active.filter(|active| *active != source) {
            Some(from) => {
                let gap = now.since(self.watch.heard);
                let before = self.speakers.iter().filter(|before| before.source == from);
                let interval = before.map(|before| before.interval.duration()).min().unwrap_or_default();
                let cause = match self.latest(from) {
                    Some(latest) if latest.priority.is_none() => TakeoverCause::Resignation,
                    // Nobody takes silence for less than three intervals as such.
                    _ if gap <= interval * 3 => TakeoverCause::Preemption,
                    _ => TakeoverCause::Silence,
                };
                let is_back = self.latest(source).is_some_and(|earlier| earlier.is_active(now));
                if is_back && cause == TakeoverCause::Preemption {
                    self.note_turn(source, from, findings);
                } else {
                    self.watch.turns = 0;
                    findings.push(Finding::TookOver { router, from, to: source, gap, cause });
                }
            }
            None if self.active.is_none() => findings.push(Finding::Active { router, source, priority }),
            None => {
                if self.silent {
                    findings.push(Finding::Returned { router, source, gap: now.since(self.watch.heard) });
                }
                if !self.speakers.iter().any(|other| other.source != source && other.is_active(now)) {
                    self.note_alone(source, findings);
                }
            }
        }
        self.active = Some(source);
        self.silent = false;
        self.watch.heard = now;
        self.watch.silent_at = Some(now + longest_down_interval(speaker.interval));
    }

    fn note_turn(&mut self, source: IpAddr, other: IpAddr, findings: &mut Findings) {
        self.watch.turns = self.watch.turns.saturating_add(1);
        let entry = (Condition::TwoActive, source.min(other), source.max(other));
        if self.watch.turns >= TURNS && self.watch.told_of_routers.insert(entry) {
            findings.push(Finding::TwoActive { router: self.router, source, other });
        }
    }

    fn note_alone(&mut self, source: IpAddr, findings: &mut Findings) {
        self.watch.turns = 0;
        let told = &mut self.watch.told_of_routers;
        let before = told.len();
        told.retain(|(condition, ..)| *condition != Condition::TwoActive);
        if told.len() < before {
            findings.push(Finding::Settled { router: self.router, source });
        }
    }

    /// The last message of a router, in whatever version.
    fn latest(&self, source: IpAddr) -> Option<&Speaker> {
        self.speakers.iter().filter(|speaker| speaker.source == source).max_by_key(|it| it.last_seen)
    }

    /// What is odd about a message by itself.
    fn judge_alone(
        &mut self,
        speaker: &Speaker,
        destination: IpAddr,
        authentication: Authentication,
        findings: &mut Findings,
    ) {
        let (router, source) = (self.router, speaker.source);
        let mut tell = |group: &mut Self, holds, condition, finding| {
            if group.begins(holds, condition, source) {
                findings.push(finding);
            }
        };
        let ttl = speaker.ttl.unwrap_or(u8::MAX);
        tell(self, ttl != u8::MAX, Condition::Ttl, Finding::Ttl { router, source, destination, ttl });
        if let Some(mac) = speaker.mac {
            let holds = mac != virtual_mac(router.family, router.vrid);
            tell(self, holds, Condition::SourceMac, Finding::SourceMac { router, source, mac });
        }
        let is_text = matches!(authentication, Authentication::Text(_));
        tell(self, is_text, Condition::ClearText, Finding::ClearText { router, source });
        let first = speaker.addresses.first();
        let is_global = matches!(first, Some(IpAddr::V6(first)) if !Ipv6Addr::is_unicast_link_local(first));
        let finding = Finding::FirstAddressNotLinkLocal { router, source };
        tell(self, is_global, Condition::FirstAddress, finding);
        let speaks_both =
            self.speakers.iter().any(|other| other.source == source && other.version != speaker.version);
        tell(self, speaks_both, Condition::BothVersions, Finding::BothVersions { router, source });
        if has_two_forms(router, speaker) {
            let form = speaker.checksum;
            let is_new = self.begins(true, Condition::Form, source);
            let mut others = self.speakers.iter().filter(|before| before.checksum != form);
            if is_new || others.any(|before| before.is_same(speaker)) {
                findings.push(Finding::ChecksumForm { router, source, form });
            }
        }
    }

    /// What does not fit to what others send.
    fn judge_together(&mut self, now: Time, speaker: &Speaker, findings: &mut Findings) {
        let router = self.router;
        let source = speaker.source;
        for index in 0..self.speakers.len() {
            let before = &self.speakers[index];
            if before.source == source || now.since(before.last_seen) > MEMORY {
                continue;
            }
            let before = before.clone();
            let other = before.source;
            let mut tell = |group: &mut Self, holds, condition, finding| {
                if group.begins_between(holds, condition, speaker.speaking(), before.speaking()) {
                    findings.push(finding);
                }
            };
            let version = speaker.version;
            let no_common = !self.speaks(source, before.version) && !self.speaks(other, version);
            let finding = Finding::VersionMismatch { router, source, version, other };
            // The first message of a router that speaks both does not show it.
            let is_known = speaker.adverts > 1 && before.adverts > 1;
            tell(self, before.version != version && no_common && is_known, Condition::Versions, finding);

            let owners = [speaker, &before].iter().all(|s| s.priority == Some(Priority::OWNER));
            tell(self, owners, Condition::Owners, Finding::TwoOwners { router, source, other });

            let differ = speaker.addresses != before.addresses;
            let has_common = speaker.addresses.iter().any(|address| before.addresses.contains(address));
            let finding = match has_common {
                true => Finding::AddressMismatch { router, source, other },
                false => Finding::Clash { router, source, other, free: None },
            };
            tell(self, differ, Condition::Addresses, finding);

            if before.version != version {
                continue;
            }
            let (interval, other_interval) = (speaker.interval, before.interval);
            let finding =
                Finding::IntervalMismatch { router, version, source, interval, other, other_interval };
            tell(self, interval != other_interval, Condition::Intervals, finding);

            let (form, other_form) = (speaker.checksum, before.checksum);
            let holds = has_two_forms(router, speaker) && form != other_form;
            let finding = Finding::ChecksumMismatch { router, source, form, other, other_form };
            tell(self, holds, Condition::Forms, finding);
        }
    }

    /// Whether a condition of a router begins to hold, and so is to be told.
    fn begins(&mut self, holds: bool, condition: Condition, source: IpAddr) -> bool {
        turn(&mut self.watch.told_of_routers, holds, (condition, source, source))
    }

    /// Whether a condition between two begins to hold, and so is to be told once for both.
    fn begins_between(&mut self, holds: bool, condition: Condition, a: Speaking, b: Speaking) -> bool {
        turn(&mut self.watch.told_of_pairs, holds, (condition, a.min(b), a.max(b)))
    }

    fn speaks(&self, source: IpAddr, version: Version) -> bool {
        self.speakers.iter().any(|speaker| speaker.speaking() == (source, version))
    }

    fn remember(&mut self, speaker: Speaker) {
        if let Some(before) = self.speakers.iter_mut().find(|before| before.is_same(&speaker)) {
            *before = speaker;
            return;
        }
        self.speakers.push(speaker);
        if self.speakers.len() > MAX_SPEAKERS {
            let oldest = self.speakers.iter().min_by_key(|speaker| speaker.last_seen).map(Speaker::speaking);
            self.forget(|speaker| Some(speaker.speaking()) == oldest);
        }
    }

    fn forget(&mut self, is_gone: impl Fn(&Speaker) -> bool) {
        if !self.speakers.iter().any(&is_gone) {
            return;
        }
        self.speakers.retain(|speaker| !is_gone(speaker));
        let Self { speakers, watch, .. } = self;
        let is_known = |source| speakers.iter().any(|speaker| speaker.source == source);
        watch.told_of_routers.retain(|(_, a, b)| is_known(*a) && is_known(*b));
        let is_known = |speaking| speakers.iter().any(|speaker| speaker.speaking() == speaking);
        watch.told_of_pairs.retain(|(_, a, b)| is_known(*a) && is_known(*b));
    }
}

/// Whether an entry is new in a set, in which it is to be as long as something holds.
fn turn<T: Ord>(set: &mut BTreeSet<T>, holds: bool, entry: T) -> bool {
    match holds {
        true => set.insert(entry),
        false => {
            set.remove(&entry);
            false
        }
    }
}

impl Speaker {
    /// Whether it spoke as Active so lately that it still is.
    pub fn is_active(&self, now: Time) -> bool {
        self.priority.is_some() && now.since(self.last_seen) <= longest_down_interval(self.interval)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.speaking() == other.speaking()
    }

    fn speaking(&self) -> Speaking {
        (self.source, self.version)
    }
}

/// The down interval of a Backup with the lowest priority: three intervals, and a skew time of up to one (RFC 9568
/// §6.1).
fn longest_down_interval(interval: Interval) -> Duration {
    interval.duration() * 4
}

fn has_two_forms(router: Key, speaker: &Speaker) -> bool {
    router.family == Family::V4 && speaker.version == Version::V3
}
