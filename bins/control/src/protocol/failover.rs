//! What lb-failover has to say: instances, groups, trackers, and how a change of state came about.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use lb_runtime::clock::wall_time;
use lb_vrrp::{Family, Priority, Vrid, router::RouterStats, track};
use serde::{Deserialize, Serialize};

use crate::{
    event::{Condition, Event, TrackerId},
    story::Story,
};

/// A virtual router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: Condition,
    /// Seconds for which it has been that.
    pub since: f64,
    /// Why.
    pub why: String,
    /// The interface.
    pub interface: String,
    /// What is wrong with the interface; empty when it can be used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// The virtual router identifier.
    pub vrid: Vrid,
    /// IPv4 or IPv6.
    pub family: Family,
    /// VRRP 2 or 3.
    pub version: u8,
    /// Seconds between advertisements.
    pub advert_interval: f64,
    /// The configured priority.
    pub base_priority: Priority,
    /// The one that it runs with.
    pub priority: Priority,
    /// Why the operator handed it over: it takes over again only when nobody else is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<String>,
    /// It does not preempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nopreempt: bool,
    /// Seconds until it preempts a lower priority.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub preempt_delay: f64,
    /// What each tracker does to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trackers: Vec<ShareStatus>,
    /// The MASTER as a Backup sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<MasterStatus>,
    /// Where its advertisements come from; `None` as long as the interface was never ready.
    pub source: Option<IpAddr>,
    /// The addresses that it has as MASTER.
    pub addresses: Vec<IpNet>,
    /// How many of them are installed.
    pub installed: usize,
    /// The sync group that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its counters.
    pub counters: RouterStats,
    /// What is wrong with it, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What was received and dropped lately; a few entries at the most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<DroppedStatus>,
}

/// Adverts of one sender that were dropped for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DroppedStatus {
    /// Who sent them, or so they say.
    pub source: IpAddr,
    /// The priority that the latest one says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Why the latest one was dropped.
    pub reason: String,
    /// How many there were.
    pub count: u64,
    /// Seconds since the latest one.
    pub latest: f64,
}

/// What a tracker does to an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareStatus {
    /// Which one.
    pub tracker: TrackerId,
    /// Its weight, what it was found to be, and what follows.
    #[serde(flatten)]
    pub contribution: track::Contribution,
    /// What was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The MASTER as a Backup sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasterStatus {
    /// Its address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Seconds since it was heard last.
    pub heard: Option<f64>,
}

/// A sync group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: Condition,
    /// Seconds for which it has been that.
    pub since: f64,
    /// Why.
    pub why: String,
    /// Its instances.
    pub members: Vec<String>,
}

/// Something that is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackerStatus {
    /// What.
    pub tracker: TrackerId,
    /// What it was found to be.
    pub status: track::Status,
    /// Seconds for which it has been that.
    pub since: f64,
    /// What was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Why an instance is what it is, and how it came to be that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The instance as it is.
    pub instance: InstanceStatus,
    /// The time that was asked for, by the wall clock; `None` = now. The instance is shown as it is now nevertheless.
    #[serde(default, with = "wall_time::option", skip_serializing_if = "Option::is_none")]
    pub at: Option<lb_core::Time>,
    /// How its last change of state came about, up to that time.
    pub story: Story,
    /// What happened at that time to its group, to what it tracks, and to the daemon; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Event>,
}

/// A hand-over is answered within this time: a strict VRRPv3 router listens for four of the longest intervals.
pub const MAX_HAND_OVER: Duration = Duration::from_secs(170);

/// The whole node gives up its addresses and takes none, until it is told otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Why.
    pub reason: String,
    /// Who ordered it: a user of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when, by the wall clock.
    #[serde(with = "wall_time")]
    pub since: lb_core::Time,
    /// Until when, by the wall clock; `None` = until `lbctl maintenance off`.
    #[serde(default, with = "wall_time::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<lb_core::Time>,
}

impl Maintenance {
    /// The reason with the operator's name: `new disk (by root)`.
    pub fn words(&self) -> String {
        match &self.by {
            Some(by) => format!("{} (by {by})", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// What can be dumped.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Ord, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DumpKind {
    /// Configuration and state as text, as `keepalived.data`.
    Data,
    /// Virtual servers and their checks as text, as `keepalived_check.data`.
    CheckData,
    /// Counters as text, as `keepalived.stats`.
    Stats,
    /// Both as JSON, as `keepalived.json`.
    Json,
}
