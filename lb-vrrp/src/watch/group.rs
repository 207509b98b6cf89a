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
    /// Which conditions hold and were told.
    told: BTreeSet<(Condition, Speaking, Speaking)>,
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
            other.source == source && other.version != advert.version && !other.is_active(now)
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
        if self.begins(true, Condition::Resigned, speaker, speaker) {
            findings.push(Finding::Resigned { router: self.router, source: speaker.source });
        }
        if self.active == Some(speaker.source) {
            self.watch.heard = now;
            self.watch.silent_at = Some(now + longest_down_interval(speaker.interval));
        }
    }

    fn note_active(&mut self, now: Time, speaker: &Speaker, priority: Priority, findings: &mut Findings) {
        let (router, source) = (self.router, speaker.source);
        self.begins(false, Condition::Resigned, speaker, speaker);
        match self.active.filter(|active| *active != source) {
            Some(from) => {
                let before = self.latest(from);
                let gap = now.since(self.watch.heard);
                let cause = match before {
                    Some(before) if before.priority.is_none() => TakeoverCause::Resignation,
                    // Nobody takes silence for less than three intervals as such.
                    Some(before) if gap <= before.interval.duration() * 3 => TakeoverCause::Preemption,
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
        // Whatever their versions are.
        let pair = ((source.min(other), Version::V3), (source.max(other), Version::V3));
        if self.watch.turns >= TURNS && self.watch.told.insert((Condition::TwoActive, pair.0, pair.1)) {
            findings.push(Finding::TwoActive { router: self.router, source, other });
        }
    }

    fn note_alone(&mut self, source: IpAddr, findings: &mut Findings) {
        self.watch.turns = 0;
        let before = self.watch.told.len();
        self.watch.told.retain(|(condition, ..)| *condition != Condition::TwoActive);
        if self.watch.told.len() < before {
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
            if group.begins(holds, condition, speaker, speaker) {
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
        if has_two_forms(router, speaker) {
            let form = speaker.checksum;
            let is_new = self.begins(true, Condition::Form, speaker, speaker);
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
            if before.is_same(speaker) || now.since(before.last_seen) > MEMORY {
                continue;
            }
            let before = before.clone();
            let other = before.source;
            let mut tell = |group: &mut Self, holds, condition, finding| {
                if group.begins(holds, condition, speaker, &before) {
                    findings.push(finding);
                }
            };
            if other == source {
                tell(self, true, Condition::BothVersions, Finding::BothVersions { router, source });
                continue;
            }
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

    /// Whether a condition begins to hold, and so is to be told.
    fn begins(&mut self, holds: bool, condition: Condition, a: &Speaker, b: &Speaker) -> bool {
        let (a, b) = (a.speaking(), b.speaking());
        let entry = (condition, a.min(b), a.max(b));
        match holds {
            true => self.watch.told.insert(entry),
            false => {
                self.watch.told.remove(&entry);
                false
            }
        }
    }

    fn speaks(&self, source: IpAddr, version: Version) -> bool {
        self.speakers.iter().any(|speaker| speaker.speaking() == (source, version))
    }

    fn remember(&mut self, speaker: Speaker) {
        if let Some(before) = self.speakers.iter_mut().find(|before| before.is_same(&speaker)) {
            *before = speaker;
            return;
        }
        if self.speakers.len() == MAX_SPEAKERS {
            let oldest = self.speakers.iter().min_by_key(|speaker| speaker.last_seen).map(Speaker::speaking);
            self.forget(|speaker| Some(speaker.speaking()) == oldest);
        }
        self.speakers.push(speaker);
    }

    fn forget(&mut self, is_gone: impl Fn(&Speaker) -> bool) {
        let told = &mut self.watch.told;
        self.speakers.retain(|speaker| {
            let (is_gone, it) = (is_gone(speaker), speaker.speaking());
            if is_gone {
                told.retain(|(_, a, b)| *a != it && *b != it);
            }
            !is_gone
        });
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
