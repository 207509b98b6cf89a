//! What the daemon knows, put together for those who ask: `lbctl status`, `lbctl explain` and the dumps are functions of it
//! and of the journal.
//!
//! It borrows nearly everything, so that a view of one instance among thousands costs what one instance costs.

#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod status;

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use lb_config::keepalived::model::{Config, Group, Instance};
use lb_control::{
    event::{Condition, Dropped, TrackerId, Why},
    protocol::Maintenance,
    wording::LastAdvert,
};
use lb_core::Time;
use lb_vrrp::{Priority, driver, router::RouterStats, track};

/// The daemon as of now.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Now.
    pub now: Time,
    /// Now by the wall clock.
    pub wall: Time,
    /// When the daemon started.
    pub started: Time,
    /// The configuration file.
    pub path: &'a Path,
    /// The configuration that is in force.
    pub config: &'a Config,
    /// Why the newest configuration was not taken.
    pub config_error: Option<&'a str>,
    /// Set while the whole node is in maintenance.
    pub maintenance: Option<&'a Maintenance>,
    /// Those instances that are asked for, in the order of the file.
    pub instances: Vec<InstanceView<'a>>,
    /// Those groups that are asked for, in the order of the file.
    pub groups: Vec<GroupView<'a>>,
    /// What is watched, as far as it is asked for.
    pub trackers: Vec<TrackerView<'a>>,
}

/// An instance.
#[derive(Clone, Debug)]
pub struct InstanceView<'a> {
    /// Its configuration.
    pub config: &'a Instance,
    /// The sync group that it is in.
    pub group: Option<&'a str>,
    /// Its state.
    pub condition: Condition,
    /// Since when.
    pub since: Time,
    /// Why.
    pub why: &'a Why,
    /// The last advertisement of another router before that.
    pub last_advert: Option<LastAdvert>,
    /// What was received and dropped before that, most of all.
    pub dropped_before: Option<Dropped>,
    /// The priority that it runs with.
    pub priority: Priority,
    /// Why the operator handed it over; `None` once it was MASTER again.
    pub handed_over: Option<&'a str>,
    /// What its trackers do to it.
    pub shares: Vec<Share<'a>>,
    /// When a MASTER was heard last, by this instance as Backup.
    pub heard: Option<Time>,
    /// What the protocol says; `None` when it does not have it.
    pub driver: Option<Driven>,
}

/// What the protocol says of an instance: of [`driver::Status`] as much as is shown.
#[derive(Clone, Debug)]
pub struct Driven {
    /// The MASTER as a Backup sees it: address and priority.
    pub active: Option<(IpAddr, Priority)>,
    /// Where its advertisements come from; `None` as long as the interface was never ready.
    pub source: Option<IpAddr>,
    /// Whether its interface can be used.
    pub link: driver::LinkState,
    /// How many addresses are installed.
    pub installed: usize,
    /// Its counters.
    pub stats: RouterStats,
    /// What was dropped lately, and how long ago the latest one was.
    pub dropped: Vec<(Dropped, Duration)>,
    /// Another router that stays MASTER although this one is, its priority, and for how long.
    pub rival: Option<(IpAddr, Priority, Duration)>,
    /// Why none of its adverts can be sent.
    pub unsent: Option<Arc<str>>,
}

impl From<&driver::Status> for Driven {
    fn from(status: &driver::Status) -> Self {
        Self {
            active: status.active,
            source: status.source,
            link: status.link,
            installed: status.installed,
            stats: status.stats,
            dropped: status.dropped.iter().map(|one| ((*one).into(), status.at.since(one.last))).collect(),
            rival: status.rival.map(|rival| (rival.source, rival.priority, status.at.since(rival.since))),
            unsent: status.unsent.clone(),
        }
    }
}

/// What a tracker does to an instance.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// Which tracker.
    pub tracker: &'a TrackerId,
    /// Its weight, what it was found to be, and what follows.
    pub contribution: track::Contribution,
    /// What was seen: `exited with status 1`. Empty when there is nothing to add.
    pub detail: &'a str,
}

/// A sync group.
#[derive(Clone, Copy, Debug)]
pub struct GroupView<'a> {
    /// Its configuration.
    pub config: &'a Group,
    /// Its state.
    pub condition: Condition,
    /// Since when.
    pub since: Time,
    /// Why.
    pub why: &'a Why,
}

/// Something that is watched.
#[derive(Clone, Copy, Debug)]
pub struct TrackerView<'a> {
    /// What.
    pub id: &'a TrackerId,
    /// What it was found to be.
    pub status: track::Status,
    /// Since when it is that.
    pub since: Time,
    /// What was seen.
    pub detail: &'a str,
}

impl<'a> View<'a> {
    /// The instance of this name.
    pub fn instance(&self, name: &str) -> Option<&InstanceView<'a>> {
        self.instances.iter().find(|instance| instance.config.name == name)
    }
}

impl InstanceView<'_> {
    /// The MASTER as a Backup sees it: its address and priority.
    pub fn master(&self) -> Option<(IpAddr, Priority)> {
        self.driver.as_ref().and_then(|driver| driver.active)
    }
}
