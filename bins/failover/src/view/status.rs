//! What goes over the control socket.

use std::{collections::BTreeSet, time::Duration};

use ipnet::IpNet;
use lb_config::keepalived::model::{Preempt, Version};
use lb_control::{
    event::{Condition, Dropped, Event, Subject, What, Why},
    protocol::{
        DroppedStatus, Explanation, GroupStatus, InstanceStatus, MasterStatus, ShareStatus, Status,
        TrackerStatus,
    },
    wording,
};
use lb_core::Time;

use super::{GroupView, InstanceView, Share, TrackerView, View};
use crate::journal::Journal;

impl View<'_> {
    /// The answer to `lbctl status`, without virtual servers.
    pub fn status(&self) -> Status {
        let now = self.now;
        Status {
            program: "lb-failover".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: seconds(self.wall, Time::ZERO),
            uptime: seconds(now, self.started),
            config: self.path.to_owned(),
            config_id: None,
            config_error: self.config_error.map(str::to_owned),
            data_plane: None,
            services: Vec::new(),
            foreign: Default::default(),
            faults: Vec::new(),
            problems: Vec::new(),
            maintenance: self.maintenance.cloned(),
            orders: Vec::new(),
            instances: self.instances.iter().map(|instance| instance.status(now)).collect(),
            groups: self.groups.iter().map(|group| group.status(now)).collect(),
            trackers: self.trackers.iter().map(|tracker| tracker.status(now)).collect(),
        }
    }

    /// The answer to `lbctl explain INSTANCE`; `None` when this instance is not in the view.
    pub fn explain(&self, instance: &str, journal: &Journal) -> Option<Explanation> {
        let instance = self.instance(instance)?;
        let story =
            journal.story(&Subject::Instance(instance.config.name.as_str().into())).unwrap_or_default();
        let mut related = Vec::new();
        for subject in self.related(instance, story.change.as_ref()) {
            if let Some(story) = journal.story(&subject) {
                related.extend(story.before.into_iter().chain(story.change).chain(story.after));
            }
            related.extend(journal.lately(&subject));
        }
        related.sort_by_key(|event| event.at);
        related.dedup();
        Some(Explanation { instance: instance.status(self.now), at: None, story, related })
    }

    /// What has to do with what the instance is; nothing when it is not in the view.
    pub fn concerning(&self, instance: &str) -> Vec<Subject> {
        self.instance(instance).map_or_else(Vec::new, |instance| self.related(instance, None))
    }

    /// What else has to do with a change of state, and with what the instance is.
    fn related(&self, instance: &InstanceView<'_>, change: Option<&Event>) -> Vec<Subject> {
        let mut subjects = vec![Subject::Daemon];
        subjects.extend(instance.group.map(|group| Subject::Group(group.into())));
        subjects.extend(instance.shares.iter().map(|share| Subject::Tracker(share.tracker.clone())));
        let why = change.and_then(|change| match &change.what {
            What::State { why, .. } => Some(why),
            _ => None,
        });
        if let Some(Why::Tracker(id)) = why {
            subjects.push(Subject::Tracker(id.clone()));
        }
        subjects.sort();
        subjects.dedup();
        subjects
    }
}

impl InstanceView<'_> {
    /// The instance for `lbctl status`.
    pub fn status(&self, now: Time) -> InstanceStatus {
        let driver = self.driver.as_ref();
        let config = self.config;
        let master = self.master().map(|(address, priority)| MasterStatus {
            address,
            priority,
            heard: self.heard.map(|heard| seconds(now, heard)),
        });
        InstanceStatus {
            name: config.name.clone(),
            state: self.condition,
            since: seconds(now, self.since),
            why: self.reason(),
            interface: config.interface.clone(),
            link: driver
                .filter(|driver| driver.link != lb_vrrp::driver::LinkState::Ready)
                .map_or_else(String::new, |driver| driver.link.to_string()),
            vrid: config.vrid,
            family: config.family,
            version: match config.version {
                Version::V2 => 2,
                Version::V3 => 3,
            },
            advert_interval: config.advert_int.duration().as_secs_f64(),
            base_priority: config.priority,
            priority: self.priority,
            handed_over: self.handed_over.map(str::to_owned),
            nopreempt: config.preempt == Preempt::No,
            preempt_delay: match config.preempt {
                Preempt::After(delay) => delay.as_secs_f64(),
                Preempt::Yes | Preempt::No => 0.0,
            },
            trackers: self.shares.iter().map(Share::status).collect(),
            master,
            source: driver.and_then(|driver| driver.source),
            addresses: self.addresses(),
            installed: driver.map_or(0, |driver| driver.installed),
            group: self.group.map(str::to_owned),
            counters: driver.map(|driver| driver.stats).unwrap_or_default(),
            problems: self.problems(),
            dropped: driver.iter().flat_map(|driver| &driver.dropped).map(dropped_status).collect(),
        }
    }
}

impl InstanceView<'_> {
    /// Why it is what it is, as of now: a BACKUP is that because of the MASTER that it hears, whatever made it one.
    fn reason(&self) -> String {
        match (self.condition, self.handed_over, self.master()) {
            (Condition::Backup, Some(reason), _) => format!("the operator handed it over: {reason}"),
            (Condition::Backup, None, Some((source, theirs))) if theirs > self.priority => {
                format!("{source} has a higher priority ({theirs} over {})", self.priority)
            }
            (Condition::Backup, None, Some((source, _))) => format!("{source} is MASTER"),
            _ => {
                let (last, dropped) = (self.last_advert, self.dropped_before);
                wording::reason(self.condition, self.why, self.priority, last, dropped)
            }
        }
    }

    /// What is wrong with it, in words.
    fn problems(&self) -> Vec<String> {
        let Some(driver) = &self.driver else { return Vec::new() };
        let unsent = driver.unsent.iter().map(|error| format!("its adverts can not be sent: {error}"));
        let rival = driver.rival.map(|(source, priority, lasts)| wording::rival(source, priority, lasts));
        let dropped = driver.dropped.iter().map(|(dropped, age)| {
            format!("{}, the latest {:.1} s ago", wording::dropped(dropped), age.as_secs_f64())
        });
        unsent.chain(rival).chain(dropped).collect()
    }

    /// Addresses that it has as MASTER, each once.
    fn addresses(&self) -> Vec<IpNet> {
        let mut seen = BTreeSet::new();
        let all = self.config.addresses.iter().chain(&self.config.excluded);
        let first_time = all.filter(|address| seen.insert((address.net.addr(), &address.device)));
        first_time.map(|address| address.net).collect()
    }
}

fn dropped_status((dropped, age): &(Dropped, Duration)) -> DroppedStatus {
    DroppedStatus {
        source: dropped.source,
        priority: dropped.priority,
        reason: dropped.reason.to_string(),
        count: dropped.count,
        latest: age.as_secs_f64(),
    }
}

impl Share<'_> {
    fn status(&self) -> ShareStatus {
        ShareStatus {
            tracker: self.tracker.clone(),
            contribution: self.contribution,
            detail: self.detail.to_owned(),
        }
    }
}

impl GroupView<'_> {
    /// The group for `lbctl status`.
    pub fn status(&self, now: Time) -> GroupStatus {
        GroupStatus {
            name: self.config.name.clone(),
            state: self.condition,
            since: seconds(now, self.since),
            why: wording::why(self.condition, self.why),
            members: self.config.members.clone(),
        }
    }
}

impl TrackerView<'_> {
    fn status(&self, now: Time) -> TrackerStatus {
        TrackerStatus {
            tracker: self.id.clone(),
            status: self.status,
            since: seconds(now, self.since),
            detail: self.detail.to_owned(),
        }
    }
}

fn seconds(now: Time, then: Time) -> f64 {
    now.since(then).as_secs_f64()
}
