//! `keepalived.json`: version 1 is an array of instances, version 2 an object. Truth is 0 and 1 in some fields and
//! `true` and `false` in others, as there.

use lb_config::keepalived::model::{
    Authentication, Entry, Preempt, ScriptCommand, Tracked, Version, VirtualAddress,
};
use lb_control::event::{Condition, TrackerId};
use lb_vrrp::{router::RouterStats, track::Status};
use serde::{Serialize, Serializer};

use super::entry;
use crate::view::{InstanceView, View};

pub(super) fn json(view: &View<'_>) -> String {
    let instances: Vec<Instance<'_>> = view.instances.iter().map(|instance| of(instance, view)).collect();
    // Strings and numbers only: nothing that can not be written.
    let text = match view.config.globals.json_version_2 {
        false => serde_json::to_string(&instances),
        true => serde_json::to_string(&Version2 { vrrp: instances, track_process: processes(view) }),
    };
    text.unwrap_or_default() + "\n"
}

#[derive(Serialize)]
struct Version2<'a> {
    vrrp: Vec<Instance<'a>>,
    track_process: Vec<Process<'a>>,
}

#[derive(Serialize)]
struct Process<'a> {
    name: &'a str,
    process: String,
    min_procs: u32,
    have_quorum: bool,
    weight: i16,
}

fn processes<'a>(view: &View<'a>) -> Vec<Process<'a>> {
    let processes = view.config.processes.values();
    let is_up = |name: &str| {
        let tracker = view.trackers.iter().find(|tracker| *tracker.id == TrackerId::Process(name.to_owned()));
        tracker.is_some_and(|tracker| tracker.status == Status::Up)
    };
    processes
        .map(|process| Process {
            name: &process.name,
            process: process.command.join(" "),
            min_procs: process.quorum,
            have_quorum: is_up(&process.name),
            weight: process.weight.value,
        })
        .collect()
}

#[derive(Serialize)]
struct Instance<'a> {
    data: Data<'a>,
    stats: Stats,
}

#[derive(Serialize)]
struct Data<'a> {
    iname: &'a str,
    dont_track_primary: u8,
    skip_check_adv_addr: u8,
    strict_mode: u8,
    vmac_ifname: String,
    ifp_ifname: &'a str,
    master_priority: u8,
    last_transition: Seconds,
    garp_delay: u64,
    garp_refresh: u64,
    garp_rep: u8,
    garp_refresh_rep: u8,
    garp_lower_prio_delay: u64,
    garp_lower_prio_rep: u8,
    lower_prio_no_advert: u8,
    higher_prio_send_advert: u8,
    vrid: u8,
    base_priority: u8,
    effective_priority: u8,
    vipset: bool,
    promote_secondaries: bool,
    adver_int: Seconds,
    master_adver_int: Seconds,
    accept: u8,
    nopreempt: bool,
    preempt_delay: Seconds,
    state: u8,
    wantstate: u8,
    version: u8,
    smtp_alert: bool,
    notify_deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_master: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_stop: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_deleted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    script_master_rx_lower_pri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evips: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vroutes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vrules: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_ifp: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_script: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    track_process: Vec<&'a str>,
    auth_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_data: Option<&'static str>,
}

#[derive(Serialize)]
struct Stats {
    advert_rcvd: u64,
    advert_sent: u64,
    become_master: u64,
    release_master: u64,
    packet_len_err: u64,
    advert_interval_err: u64,
    ip_ttl_err: u64,
    invalid_type_rcvd: u64,
    addr_list_err: u64,
    invalid_authtype: u64,
    authtype_mismatch: u64,
    auth_failure: u64,
    pri_zero_rcvd: u64,
    pri_zero_sent: u64,
}

/// A number without a point when it is whole, as keepalived writes it.
struct Seconds(f64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            whole if whole.fract() == 0.0 && whole < 1e15 => serializer.serialize_u64(whole as u64),
            part => serializer.serialize_f64(part),
        }
    }
}

fn of<'a>(instance: &InstanceView<'a>, view: &View<'a>) -> Instance<'a> {
    let config = instance.config;
    let driver = instance.driver.as_ref();
    let is_master = instance.condition == Condition::Master;
    let state = number(instance.condition);
    let shown = |addresses: &[VirtualAddress]| -> Vec<String> {
        addresses.iter().map(|address| entry::address(address, config, is_master)).collect()
    };
    let words = |entries: &[Entry]| entries.iter().map(|entry| entry.words.join(" ")).collect();
    let script = |script: &Option<ScriptCommand>| script.as_ref().map(entry::command);
    let names = |tracks: &'a [Tracked]| tracks.iter().map(|tracked| tracked.name.as_str()).collect();
    let interval = config.advert_int.duration().as_secs_f64();
    let (auth_type, auth_data) = match &config.authentication {
        Authentication::None | Authentication::Hmac { .. } => (0, None),
        Authentication::Pass(_) => (1, Some("***")),
        Authentication::Ah(_) => (2, Some("***")),
    };
    let tracked_commands = config.tracks.scripts.iter().filter_map(|tracked| {
        view.config.scripts.get(&tracked.name).map(|script| entry::command(&script.command))
    });
    let data = Data {
        iname: &config.name,
        dont_track_primary: config.dont_track_primary.into(),
        skip_check_adv_addr: config.skip_check_adv_addr.into(),
        strict_mode: config.strict.into(),
        vmac_ifname: instance.config.vmac.as_ref().and_then(|vmac| vmac.name.clone()).unwrap_or_default(),
        ifp_ifname: &config.interface,
        master_priority: instance.master().map_or(0, |(_, priority)| priority.get()),
        last_transition: Seconds((instance.since.as_nanos() / 1000) as f64 / 1e6),
        garp_delay: config.garp.delay.as_secs(),
        garp_refresh: config.garp.refresh.as_secs(),
        garp_rep: config.garp.repeat,
        garp_refresh_rep: config.garp.refresh_repeat,
        garp_lower_prio_delay: config.garp.lower_prio_delay.as_secs(),
        garp_lower_prio_rep: config.garp.lower_prio_repeat,
        lower_prio_no_advert: config.lower_prio_no_advert.into(),
        higher_prio_send_advert: config.higher_prio_send_advert.unwrap_or_default().into(),
        vrid: config.vrid.get(),
        base_priority: config.priority.get(),
        effective_priority: instance.priority.get(),
        vipset: is_master,
        promote_secondaries: config.promote_secondaries,
        adver_int: Seconds(interval),
        master_adver_int: Seconds(interval),
        accept: config.accept.into(),
        nopreempt: config.preempt == Preempt::No,
        preempt_delay: match config.preempt {
            Preempt::After(delay) => Seconds(delay.as_secs_f64()),
            Preempt::Yes | Preempt::No => Seconds(0.0),
        },
        state,
        wantstate: state,
        version: match config.version {
            Version::V2 => 2,
            Version::V3 => 3,
        },
        smtp_alert: config.notify.mail,
        notify_deleted: config.notify.tells_deleted,
        script_backup: script(&config.notify.backup),
        script_master: script(&config.notify.master),
        script_fault: script(&config.notify.fault),
        script_stop: script(&config.notify.stop),
        script_deleted: script(&config.notify.deleted),
        script: script(&config.notify.any),
        script_master_rx_lower_pri: script(&config.notify.lower_priority),
        vips: shown(&config.addresses),
        evips: shown(&config.excluded),
        vroutes: words(&config.routes),
        vrules: words(&config.rules),
        track_ifp: names(&config.tracks.interfaces),
        track_script: tracked_commands.collect(),
        track_process: names(&config.tracks.processes),
        auth_type,
        auth_data,
    };
    Instance { data, stats: counters(&driver.map(|driver| driver.stats).unwrap_or_default()) }
}

fn counters(stats: &RouterStats) -> Stats {
    Stats {
        advert_rcvd: stats.received,
        advert_sent: stats.sent,
        become_master: stats.became_active,
        release_master: stats.released,
        packet_len_err: stats.length_errors,
        advert_interval_err: stats.interval_errors,
        ip_ttl_err: stats.ttl_errors,
        invalid_type_rcvd: stats.invalid_type,
        addr_list_err: stats.address_list_errors,
        invalid_authtype: stats.invalid_auth_type,
        authtype_mismatch: stats.auth_type_mismatch,
        auth_failure: stats.auth_failures,
        pri_zero_rcvd: stats.priority_zero_received,
        pri_zero_sent: stats.priority_zero_sent,
    }
}

fn number(condition: Condition) -> u8 {
    match condition {
        Condition::Init => 0,
        Condition::Backup => 1,
        Condition::Master => 2,
        Condition::Fault => 3,
    }
}
