//! Held against keepalived 2.2.7 with `golden/pair.conf`: against what it wrote once (`golden/keepalived.*`, by `kill -USR1`,
//! `-USR2` and `-36`), and against one that runs in a network namespace of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use lb_config::keepalived::{language, resolve::resolve};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::*;
use crate::{requirements::has_programs, testing, view::sample::Sample};

/// Fields of its text that are about its own buffers, sockets and timers, or that this daemon does not have.
const LEFT_OUT: [&str; 20] = [
    // It is there only as long as members are about to start.
    "Num member fault",
    "Number of config faults",
    "Number of interface and track script faults",
    "Number of track scripts init",
    "Read timeout",
    "Master down timer",
    "Password",
    "Multicast address 224.0.0.18",
    "Multicast address ff02",
    "fd_in",
    "Unicast checksum compatibility",
    "Using Native IPv6",
    "Result",
    "Insecure",
    "Init state",
    "Script uid",
    "VRRP instances",
    "Num member fault 0, num member init 0",
    "State",
    "Status",
];

fn ours(kind: DumpKind) -> String {
    let sample = Sample::new();
    dump(kind, &sample.view())
}

#[test]
fn what_keepalived_wrote_once_is_in_ours() {
    compare_json(include_str!("golden/keepalived.json"));
    compare_stats(include_str!("golden/keepalived.stats"));
    compare_data(include_str!("golden/keepalived.data"));
}

#[test]
fn secrets_are_not_shown() {
    for kind in [DumpKind::Data, DumpKind::Stats, DumpKind::Json] {
        assert!(!ours(kind).contains("secret1"), "{kind:?}");
    }
}

#[test]
fn version_2_of_the_json_is_an_object() {
    let mut sample = Sample::new();
    sample.config.globals.json_version_2 = true;
    let value: Value = serde_json::from_str(&dump(DumpKind::Json, &sample.view())).unwrap();
    assert_eq!(value["vrrp"].as_array().unwrap().len(), 4);
    assert!(value["track_process"].as_array().unwrap().is_empty());
}

#[test]
fn states_have_their_numbers() {
    let value: Value = serde_json::from_str(&ours(DumpKind::Json)).unwrap();
    let states: Vec<u64> =
        value.as_array().unwrap().iter().map(|i| i["data"]["state"].as_u64().unwrap()).collect();
    assert_eq!(states, [2, 2, 1, 3]);
    assert_eq!(value[2]["data"]["master_priority"], 100);
    assert_eq!(value[2]["data"]["effective_priority"], 40);
    assert_eq!(value[2]["data"]["adver_int"], 0.5);
    assert_eq!(value[0]["data"]["adver_int"], 1);
}

#[test]
fn what_a_running_keepalived_writes_is_in_ours() {
    const TEST: &str = "what_a_running_keepalived_writes_is_in_ours";
    let Some(keepalived) = Keepalived::start(TEST) else { return };
    keepalived.dump(
        Signal::SIGUSR1 as i32,
        "keepalived.data",
        |text| text.contains("VRRP Scripts"),
        compare_data,
    );
    keepalived.dump(Signal::SIGUSR2 as i32, "keepalived.stats", |text| text.contains("VI_6"), compare_stats);
    // SIGRTMIN+2
    keepalived.dump(36, "keepalived.json", |text| serde_json::from_str::<Value>(text).is_ok(), compare_json);
}

/// Each field of theirs is in ours, with the same type.
fn compare_json(theirs: &str) {
    let (theirs, ours): (Value, Value) =
        (serde_json::from_str(theirs).unwrap(), serde_json::from_str(&ours(DumpKind::Json)).unwrap());
    let (theirs, ours) = (theirs.as_array().unwrap(), ours.as_array().unwrap());
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(ours) {
        for part in ["data", "stats"] {
            for (field, value) in theirs[part].as_object().unwrap() {
                let own = ours[part].get(field);
                let own = own.unwrap_or_else(|| panic!("{}: no {part}.{field}", theirs["data"]["iname"]));
                assert_eq!(kind(own), kind(value), "{part}.{field}: {own} where keepalived has {value}");
            }
        }
        for field in
            ["iname", "vrid", "version", "base_priority", "adver_int", "garp_delay", "accept", "auth_type"]
        {
            assert_eq!(ours["data"][field], theirs["data"][field], "{field}");
        }
    }
    let set = |list: &Value| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|s| s.as_str().unwrap().trim_end_matches(" set").to_owned())
            .collect()
    };
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert_eq!(set(&ours["data"]["vips"]), set(&theirs["data"]["vips"]));
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "truth",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// The same text but for the numbers.
fn compare_stats(theirs: &str) {
    let without_numbers = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect()
    };
    // The names of instances end in digits too, and are all there.
    let names = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("VRRP")).map(str::to_owned).collect()
    };
    let ours = ours(DumpKind::Stats);
    assert_eq!(without_numbers(&ours), without_numbers(theirs));
    assert_eq!(names(&ours), names(theirs));
}

/// Each field of an instance, group or tracker of theirs is in ours, at the same indentation.
fn compare_data(theirs: &str) {
    let theirs = fields(theirs);
    let sample = Sample::new();
    let mut view = sample.view();
    // Who is Backup at that moment depends on how fast it is asked.
    for instance in &mut view.instances {
        let section = &theirs[&format!("VRRP Instance = {}", instance.config.name)];
        let knows_a_master = section.contains("   Master router");
        let master = ([10, 9, 0, 2].into(), lb_vrrp::Priority::new(100).unwrap());
        instance.driver.as_mut().unwrap().active = knows_a_master.then_some(master);
    }
    let ours = fields(&dump(DumpKind::Data, &view));
    assert!(theirs.len() >= 7, "four instances, a group, two scripts: {:?}", theirs.keys());
    for (section, fields) in &theirs {
        let Some(own) = ours.get(section) else { panic!("no section {section:?}") };
        let missing: Vec<_> = fields
            .difference(own)
            .filter(|field| !LEFT_OUT.iter().any(|out| field.trim().starts_with(out)))
            .collect();
        assert!(missing.is_empty(), "{section}: {missing:?}");
    }
}

/// The names of the fields, with their indentation, of each instance, group, script and file.
fn fields(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (mut all, mut section) = (BTreeMap::<String, BTreeSet<String>>::new(), None);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match indent {
            0 => section = None,
            1 => {
                let about = ["VRRP Instance", "VRRP Sync Group", "VRRP Script", "Track file"];
                let is = about.iter().any(|about| line.trim().starts_with(about));
                // A group's state stands behind its name.
                let name = line.split(',').next().unwrap_or(line);
                section = is.then(|| name.trim().to_owned());
            }
            3 => {
                if let Some(section) = &section {
                    let name = line.split_once(" = ").map_or(line, |(name, _)| name);
                    all.entry(section.clone()).or_default().insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
    all
}

/// A keepalived in namespaces of its own, whose `/tmp` is a folder of ours. Its `/run` is its own, too: no option names all of its
/// pid files, and with one of another keepalived it does not start.
struct Keepalived {
    child: Child,
    folder: tempfile::TempDir,
}

impl Keepalived {
    fn start(test: &str) -> Option<Self> {
        if !has_programs(test, &["keepalived", "unshare", "ip", "mount", "kill"]) {
            return None;
        }
        if !nix::unistd::geteuid().is_root() {
            testing::skip(test, "root, for a network namespace");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pair.conf"), include_str!("golden/pair.conf")).unwrap();
        fs::write(folder.path().join("tf"), "0\n").unwrap();
        let script = format!(
            "mount -t tmpfs tmpfs /run && mount --bind {} /tmp && ip link set lo up && ip link add eth0 type veth peer name eth1 && \
             ip addr add 10.9.0.1/24 dev eth0 && ip link set eth0 up && ip link set eth1 up && \
             exec keepalived -n -l -f /tmp/pair.conf -p /tmp/k.pid -r /tmp/v.pid -c /tmp/c.pid",
            folder.path().display()
        );
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", &script])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Self { child, folder };
        started.wait("the start", || {
            let log = fs::read_to_string(started.folder.path().join("log")).unwrap_or_default();
            log.contains("(VI_6) Entering")
        });
        Some(started)
    }

    /// Asks for a file by a signal until it is whole, since keepalived does not say when it is.
    fn dump(&self, signal: i32, name: &str, is_whole: impl Fn(&str) -> bool, compare: impl Fn(&str)) {
        let path = self.folder.path().join(name);
        self.signal(signal);
        let mut text = String::new();
        self.wait(name, || {
            text = fs::read_to_string(&path).unwrap_or_default();
            is_whole(&text)
        });
        compare(&text);
    }

    fn signal(&self, signal: i32) {
        // Real-time signals have no name in nix.
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(120), "{what}: not in time:\n{}", log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // Its parent process ends the others.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

#[test]
fn addresses_are_shown_as_keepalived_shows_them() {
    // `kill -36`, keepalived 2.2.7.
    let shown = [
        ("192.0.2.11/24 brd 192.0.2.99", "192.0.2.11/24 brd 192.0.2.99 dev vrrp.52@eth0 scope global"),
        ("192.0.2.12/24 noprefixroute", "192.0.2.12/24 dev vrrp.52@eth0 scope global noprefixroute"),
        (
            "192.0.2.20/24 noprefixroute autojoin no_track label eth0:1",
            "192.0.2.20/24 dev vrrp.52@eth0 scope global label eth0:1 noprefixroute autojoin no_track",
        ),
        ("192.0.2.14/24 dev eth1 scope host", "192.0.2.14/24 dev eth1 scope host"),
        ("2001:db8:7::1/64", "2001:db8:7::1/64 dev vrrp.52@eth0 scope global preferred_lft forever"),
        (
            "2001:db8:7::2/64 noprefixroute home mngtmpaddr autojoin -nodad no_track preferred_lft 100",
            "2001:db8:7::2/64 dev vrrp.52@eth0 scope global home -nodad mngtmpaddr noprefixroute autojoin no_track \
             preferred_lft 100",
        ),
        ("2001:db8:7::3", "2001:db8:7::3 dev vrrp.52@eth0 scope global deprecated"),
        (
            "2001:db8:7::9/128 preferred_lft forever",
            "2001:db8:7::9 dev vrrp.52@eth0 scope global preferred_lft forever",
        ),
    ];
    let addresses: String = shown.iter().map(|(given, _)| format!("{given}\n")).collect();
    let text = format!(
        "vrrp_instance B {{\ninterface eth0\nuse_vmac vrrp.52\nvirtual_router_id 52\nvirtual_ipaddress {{\n\
         192.0.2.1/24\n}}\nvirtual_ipaddress_excluded {{\n{addresses}}}\n}}\n"
    );
    let settings = language::Settings::default();
    let (document, _, mut problems) =
        language::read_text(&text, Path::new("f"), &settings, &mut language::Machine::default());
    let config = resolve(&document, &mut problems);
    assert!(!problems.any_error(), "{:?}", problems.finish());
    let instance = &config.instances[0];
    for (address, (given, expected)) in instance.excluded.iter().zip(shown) {
        assert_eq!(entry::address(address, instance, false), expected, "{given}");
        assert_eq!(entry::address(address, instance, true), format!("{expected} set"));
    }
}
