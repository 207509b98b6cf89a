//! `keepalived.data`: configuration and state as text. Fields that lb-failover has nothing for are left out: buffers,
//! sockets, SNMP, D-Bus, and the list of all interfaces.

use std::time::Duration;

use lb_config::keepalived::model::{
    Authentication, Entry, ParamMatch, Preempt, Sending, Tracked, Tracks, Version, Weight,
};
use lb_control::event::{Condition, TrackerId};
use lb_core::Time;
use lb_runtime::clock::ctime;
use lb_vrrp::track::Status;

use super::{
    entry,
    page::{FIELD, ITEM, Page, SECTION, enabled, yes},
};
use crate::view::{GroupView, InstanceView, View};

pub(super) fn data(view: &View<'_>) -> String {
    let mut page = Page::default();
    globals(&mut page, view);
    page.header("VRRP Topology");
    view.instances.iter().for_each(|view| instance(&mut page, view));
    if !view.groups.is_empty() {
        page.header("VRRP Sync groups");
        view.groups.iter().for_each(|view| group(&mut page, view));
    }
    scripts(&mut page, view);
    files(&mut page, view);
    processes(&mut page, view);
    page.finish()
}

fn globals(page: &mut Page, view: &View<'_>) {
    let globals = &view.config.globals;
    page.header("Global definitions");
    page.field(SECTION, "Network namespace", globals.net_namespace.as_deref().unwrap_or("(default)"));
    if let Some(router_id) = &globals.router_id {
        page.field(SECTION, "Router ID", router_id);
    }
    if let Some(from) = &globals.mail.from {
        page.field(SECTION, "Email notification from", from);
    }
    page.field(SECTION, "FIFO write vrrp states on reload", globals.fifo_states_on_reload);
    page.field(SECTION, "LVS flush", globals.lvs_flush);
    page.field(SECTION, "VRRP realtime priority", globals.real_time.priority.unwrap_or(0));
    page.field(SECTION, "VRRP process priority", globals.real_time.nice.unwrap_or(0));
    page.field(SECTION, "VRRP don't swap", globals.real_time.no_swap);
    page.line(
        SECTION,
        if globals.script_security { "Script security enabled" } else { "Script security disabled" },
    );
}

fn instance(page: &mut Page, instance: &InstanceView<'_>) {
    let config = instance.config;
    page.field(SECTION, "VRRP Instance", &config.name);
    page.field(
        FIELD,
        "VRRP Version",
        match config.version {
            Version::V2 => 2,
            Version::V3 => 3,
        },
    );
    if let Some(group) = instance.group {
        page.field(FIELD, "Sync group", group);
    }
    page.field(FIELD, "State", instance.condition);
    match &config.sending {
        Sending::Unicast { .. } => {
            page.line(FIELD, "Flags:");
            page.line(ITEM, "Using unicast");
        }
        Sending::Multicast(_) => page.field_with(FIELD, "Flags:", "none"),
    }
    page.field(FIELD, "Wantstate", instance.condition);
    let since = instance.since;
    page.field(FIELD, "Last transition", format!("{} ({})", unix(since), with_micros(since)));
    page.field(FIELD, "Interface", &config.interface);
    if let Some(source) = instance.driver.as_ref().and_then(|driver| driver.source) {
        let from = if config.source.is_some() { " (from configuration)" } else { "" };
        page.field(FIELD, "Using src_ip", format!("{source}{from}"));
    }
    if let Sending::Multicast(Some(group)) = &config.sending {
        page.field_with(FIELD, "Multicast address", group);
    }
    let garp = &config.garp;
    page.field(FIELD, "Gratuitous ARP delay", garp.delay.as_secs());
    page.field(FIELD, "Gratuitous ARP repeat", garp.repeat);
    page.field(FIELD, "Gratuitous ARP refresh", garp.refresh.as_secs());
    page.field(FIELD, "Gratuitous ARP refresh repeat", garp.refresh_repeat);
    page.field(FIELD, "Gratuitous ARP lower priority delay", garp.lower_prio_delay.as_secs());
    page.field(FIELD, "Gratuitous ARP lower priority repeat", garp.lower_prio_repeat);
    page.field(FIELD, "Down timer adverts", config.down_timer_adverts);
    page.field(FIELD, "Send advert after receive lower priority advert", !config.lower_prio_no_advert);
    page.field(
        FIELD,
        "Send advert after receive higher priority advert",
        config.higher_prio_send_advert.unwrap_or_default(),
    );
    page.field(FIELD, "Virtual Router ID", config.vrid);
    page.field(FIELD, "Priority", config.priority);
    page.field(FIELD, "Effective priority", instance.priority);
    page.field(FIELD, "Total priority", instance.priority);
    let advert = config.advert_int.duration();
    if let Some((address, priority)) = instance.master() {
        page.field(FIELD, "Master router", address);
        page.field(FIELD, "Master priority", priority);
        if config.version == Version::V3 {
            page.field(FIELD, "Master advert int", format!("{:.2} sec", advert.as_secs_f64()));
            page.field(FIELD, "Master advert interval", interval(config.version, advert));
        }
    }
    page.field(FIELD, "Advert interval", interval(config.version, advert));
    page.field(FIELD, "Accept", enabled(config.accept));
    page.field(FIELD, "Preempt", enabled(config.preempt != Preempt::No));
    if let Preempt::After(delay) = config.preempt {
        page.field(FIELD, "Preempt delay", format!("{} secs", delay.as_secs_f64()));
    }
    page.field(FIELD, "Promote_secondaries", enabled(config.promote_secondaries));
    authentication(page, config.version, &config.authentication);
    addresses(page, instance);
    entries(page, "Virtual Routes", &config.routes);
    entries(page, "Virtual Rules", &config.rules);
    if let Sending::Unicast { peers, ttl } = &config.sending {
        page.field(FIELD, "Unicast TTL", ttl);
        page.line(FIELD, &format!("Check unicast src : {}", yes(config.check_unicast_src)));
        page.line(FIELD, "Unicast Peer :");
        for peer in peers {
            let (min, max) = (peer.min_ttl.unwrap_or(0), peer.max_ttl.unwrap_or(255));
            page.line(ITEM, &format!("{} min_ttl {min} max_ttl {max}", peer.address));
        }
    }
    tracks(page, &config.tracks);
    let notify = &config.notify;
    page.field(FIELD, "Using smtp notification", yes(notify.mail));
    page.field(FIELD, "Notify deleted", if notify.tells_deleted { "Deleted" } else { "Fault" });
    for (name, script) in [
        ("Backup state transition script", &notify.backup),
        ("Master state transition script", &notify.master),
        ("Fault state transition script", &notify.fault),
        ("Stop state transition script", &notify.stop),
        ("Generic state transition script", &notify.any),
        ("Master rx lower pri script", &notify.lower_priority),
    ] {
        if let Some(script) = script {
            page.field(FIELD, name, entry::command(script));
        }
    }
    page.field(FIELD, "Notify priority changes", notify.priority_changes);
}

fn authentication(page: &mut Page, version: Version, authentication: &Authentication) {
    match authentication {
        Authentication::None if version == Version::V3 => {}
        Authentication::None => page.field(FIELD, "Authentication type", "none"),
        Authentication::Pass(_) => page.field(FIELD, "Authentication type", "SIMPLE_PASSWORD"),
        Authentication::Ah(_) => page.field(FIELD, "Authentication type", "IPSEC_AH"),
        Authentication::Hmac { active, .. } => {
            page.field(FIELD, "Authentication type", format!("HMAC with key {active}"));
        }
    }
}

fn addresses(page: &mut Page, instance: &InstanceView<'_>) {
    let config = instance.config;
    let is_set = instance.condition == Condition::Master;
    page.line(FIELD, &format!("Virtual IP ({}):", config.addresses.len()));
    for address in &config.addresses {
        page.line(ITEM, &entry::address(address, config, is_set));
    }
    if !config.excluded.is_empty() {
        page.line(FIELD, "Virtual IP Excluded :");
        for address in &config.excluded {
            page.line(ITEM, &entry::address(address, config, is_set));
        }
    }
}

fn entries(page: &mut Page, name: &str, entries: &[Entry]) {
    if !entries.is_empty() {
        page.line(FIELD, &format!("{name} :"));
    }
    for entry in entries {
        page.line(ITEM, &entry.words.join(" "));
    }
}

fn tracks(page: &mut Page, tracks: &Tracks) {
    let mut list = |name: &str, tracked: &[Tracked], comma: &str| {
        if !tracked.is_empty() {
            page.line(FIELD, &format!("{name} :"));
        }
        for Tracked { name, weight } in tracked {
            page.line(ITEM, &format!("{name}{comma} weight {}", self::weight(*weight)));
        }
    };
    list("Tracked interfaces", &tracks.interfaces, "");
    list("Tracked scripts", &tracks.scripts, "");
    list("Tracked files", &tracks.files, ",");
    list("Tracked processes", &tracks.processes, ",");
}

fn group(page: &mut Page, group: &GroupView<'_>) {
    let config = group.config;
    page.field(SECTION, "VRRP Sync Group", format!("{}, {}", config.name, group.condition));
    page.line(FIELD, "VRRP member instances :");
    for member in &config.members {
        page.line(ITEM, member);
    }
    page.field(FIELD, "Using smtp notification", yes(config.notify.mail));
    tracks(page, &config.tracks);
}

fn scripts(page: &mut Page, view: &View<'_>) {
    if !view.config.scripts.is_empty() {
        page.header("VRRP Scripts");
    }
    for script in view.config.scripts.values() {
        let status = status(view, &TrackerId::Script(script.name.clone()));
        page.field(SECTION, "VRRP Script", &script.name);
        page.field(FIELD, "Command", entry::command(&script.command));
        page.field(FIELD, "Interval", format!("{} sec", script.interval.as_secs_f64()));
        page.field(FIELD, "Timeout", format!("{} sec", script.timeout.as_secs_f64()));
        page.field(FIELD, "Weight", weight(script.weight));
        page.field(FIELD, "Rise", script.rise);
        page.field(FIELD, "Fall", script.fall);
        page.field(
            FIELD,
            "Status",
            match status {
                Some(Status::Up) => "GOOD",
                Some(Status::Down | Status::Value(_)) => "BAD",
                Some(Status::Unknown) | None => "INIT",
            },
        );
        tracking(page, view, |tracks| &tracks.scripts, &script.name);
    }
}

fn files(page: &mut Page, view: &View<'_>) {
    if !view.config.files.is_empty() {
        page.header("VRRP Track files");
    }
    for file in view.config.files.values() {
        page.field(SECTION, "Track file", &file.name);
        page.field(FIELD, "File", file.path.display());
        if let Some(Status::Value(value)) = status(view, &TrackerId::File(file.name.clone())) {
            page.field(FIELD, "Status", value);
        }
        page.field(FIELD, "Weight", weight(file.weight));
        tracking(page, view, |tracks| &tracks.files, &file.name);
    }
}

fn processes(page: &mut Page, view: &View<'_>) {
    if !view.config.processes.is_empty() {
        page.header("VRRP Track processes");
    }
    for process in view.config.processes.values() {
        let status = status(view, &TrackerId::Process(process.name.clone()));
        page.field(SECTION, "VRRP Track process", &process.name);
        let (program, parameters) =
            process.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        page.field(FIELD, "Process", program);
        if !parameters.is_empty() {
            page.field(FIELD, "Parameters", parameters.join(" "));
        }
        if let Some(how) = process.parameters {
            let how = match how {
                ParamMatch::Exact => "exact",
                ParamMatch::Initial => "initial",
                ParamMatch::Partial => "partial",
            };
            page.field(FIELD, "Param match", how);
        }
        page.field(FIELD, "Min processes", if process.quorum_max == Some(0) { 0 } else { process.quorum });
        if let Some(max) = process.quorum_max {
            page.field(FIELD, "Max processes", max);
        }
        page.field(FIELD, "Have quorum", status == Some(Status::Up));
        page.field(FIELD, "Weight", weight(process.weight));
        page.field(FIELD, "Terminate delay", format!("{:.6}s", process.terminate_delay.as_secs_f64()));
        page.field(FIELD, "Fork delay", format!("{:.6}s", process.fork_delay.as_secs_f64()));
        page.field(FIELD, "Full command", process.full_command || process.parameters.is_some());
        tracking(page, view, |tracks| &tracks.processes, &process.name);
    }
}

/// Who tracks it: instances, then those whose group does.
fn tracking(page: &mut Page, view: &View<'_>, of: impl Fn(&Tracks) -> &Vec<Tracked>, name: &str) {
    page.line(FIELD, "Tracking instances :");
    let find = |tracks: &Tracks| of(tracks).iter().find(|tracked| tracked.name == name).map(|it| it.weight);
    let of_group = |instance: &InstanceView<'_>| {
        let group = view.groups.iter().find(|group| Some(group.config.name.as_str()) == instance.group)?;
        find(&group.config.tracks)
    };
    let own = view.instances.iter().map(|instance| (instance, find(&instance.config.tracks)));
    let (own, others): (Vec<_>, Vec<_>) = own.partition(|(_, weight)| weight.is_some());
    let by_group = others.into_iter().map(|(instance, _)| (instance, of_group(instance)));
    for (instance, tracked) in own.into_iter().chain(by_group) {
        if let Some(tracked) = tracked {
            page.line(ITEM, &format!("{}, weight {}", instance.config.name, weight(tracked)));
        }
    }
}

fn status(view: &View<'_>, id: &TrackerId) -> Option<Status> {
    view.trackers.iter().find(|tracker| tracker.id == id).map(|tracker| tracker.status)
}

fn weight(Weight { value, reverse }: Weight) -> String {
    format!("{value}{}", if reverse { " reverse" } else { "" })
}

fn interval(version: Version, interval: Duration) -> String {
    match version {
        Version::V2 => format!("{} sec", interval.as_secs_f64()),
        Version::V3 => format!("{} milli-sec", interval.as_millis()),
    }
}

/// `1795325694.641639`.
fn unix(time: Time) -> String {
    let micros = time.as_nanos() / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// `Sun Nov 22 05:34:54.641639 2026`.
fn with_micros(time: Time) -> String {
    let text = ctime(time);
    match text.rsplit_once(' ') {
        Some((before, year)) => format!("{before}.{:06} {year}", time.as_nanos() / 1000 % 1_000_000),
        None => text,
    }
}
