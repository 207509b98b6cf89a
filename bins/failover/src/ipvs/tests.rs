//! What is done, whatever the kernel has; and what is said where it can not be done.

use std::time::Duration;

use lb_balancer::plane::Choice;
use lb_config::keepalived::model::{Globals, LvsSync, LvsTimeouts};
use lb_ipvs::{Command, Daemon, DaemonRole, Timeouts};
use lb_runtime::{
    clock::Clock,
    log::{Log, Target},
};

use super::{
    Ipvs,
    wanted::{Ours, Wanted},
};
use crate::inventory::{Inventory, Recorder};

const DEFAULTS: Timeouts = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };

/// A kernel that does what it is told, as Linux does.
struct Kernel {
    daemons: Vec<Daemon>,
    timeouts: Timeouts,
    ours: Ours,
}

impl Kernel {
    fn new() -> Self {
        Self { daemons: Vec::new(), timeouts: DEFAULTS, ours: Ours::default() }
    }

    /// Takes the steps to what is wanted, after which there is no further one; returns them in short.
    fn follow(&mut self, wanted: &Wanted) -> String {
        self.ours.take(wanted, &self.timeouts);
        let steps = self.ours.steps(wanted, &self.daemons, &self.timeouts);
        for step in &steps {
            self.take(step);
        }
        assert_eq!(self.ours.steps(wanted, &self.daemons, &self.timeouts), []);
        self.ours.release(wanted);
        let words = steps.iter().map(|step| match step {
            Command::StartDaemon(daemon) => {
                format!("+{} {} {}", daemon.role, daemon.interface, daemon.sync_id)
            }
            Command::StopDaemon(role) => format!("-{role}"),
            Command::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => format!("{tcp}/{tcp_fin}/{udp}"),
            other => panic!("{other}"),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn take(&mut self, step: &Command) {
        match step {
            Command::StartDaemon(daemon) => {
                assert!(self.daemons.iter().all(|other| other.role != daemon.role), "it runs already");
                let mut daemon = daemon.clone();
                let room = if daemon.role == DaemonRole::Backup { 1024 } else { 1 };
                daemon.max_length = Some(daemon.max_length.unwrap_or(1472).max(room));
                daemon.group.get_or_insert("224.0.0.81".parse().unwrap());
                daemon.port.get_or_insert(8848);
                daemon.ttl.get_or_insert(1);
                self.daemons.push(daemon);
            }
            Command::StopDaemon(role) => {
                let before = self.daemons.len();
                self.daemons.retain(|daemon| daemon.role != *role);
                assert_eq!(self.daemons.len() + 1, before, "it does not run");
            }
            Command::SetTimeouts(set) => {
                let into = |slot: &mut u32, set: u32| *slot = if set == 0 { *slot } else { set };
                into(&mut self.timeouts.tcp, set.tcp);
                into(&mut self.timeouts.tcp_fin, set.tcp_fin);
                into(&mut self.timeouts.udp, set.udp);
            }
            other => panic!("{other}"),
        }
    }
}

fn sync(instance: Option<&str>) -> LvsSync {
    LvsSync {
        interface: "eth1".to_owned(),
        instance: instance.map(str::to_owned),
        id: 51,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    }
}

fn copies(master: bool) -> Wanted {
    Wanted { sync: Some(sync(Some("VI"))), master, ..Wanted::default() }
}

fn nothing() -> Wanted {
    Wanted::default()
}

#[test]
fn copies_are_sent_by_the_master_and_taken_by_the_others() {
    let mut kernel = Kernel::new();
    assert_eq!(kernel.follow(&copies(false)), "+backup eth1 51");
    assert_eq!(kernel.follow(&copies(false)), "");
    assert_eq!(kernel.follow(&copies(true)), "-backup, +master eth1 51");
    assert_eq!(kernel.follow(&copies(true)), "");
    assert_eq!(kernel.follow(&copies(false)), "-master, +backup eth1 51");
    assert_eq!(kernel.follow(&nothing()), "-backup");
    assert!(kernel.ours.is_empty());
    let both = Wanted { sync: Some(sync(None)), ..Wanted::default() };
    assert_eq!(kernel.follow(&both), "+master eth1 51, +backup eth1 51");
    assert_eq!(kernel.follow(&Wanted { master: true, ..both }), "");
    assert_eq!(kernel.follow(&nothing()), "-master, -backup");
}

#[test]
fn what_others_did_to_the_daemons_is_put_right() {
    let mut kernel = Kernel::new();
    kernel.follow(&copies(true));
    kernel.daemons.clear();
    assert_eq!(kernel.follow(&copies(true)), "+master eth1 51");
    for change in [
        |daemon: &mut Daemon| daemon.interface = "eth0".to_owned(),
        |daemon: &mut Daemon| daemon.sync_id = 9,
        |daemon: &mut Daemon| daemon.port = Some(9000),
        |daemon: &mut Daemon| daemon.ttl = Some(2),
        |daemon: &mut Daemon| daemon.group = Some("224.0.0.99".parse().unwrap()),
    ] {
        change(&mut kernel.daemons[0]);
        assert_eq!(kernel.follow(&copies(true)), "-master, +master eth1 51");
    }
    kernel.take(&Command::StartDaemon(Daemon::new(DaemonRole::Backup, "eth0", 9)));
    assert_eq!(kernel.follow(&copies(true)), "-backup");
}

#[test]
fn what_the_file_says_of_a_daemon_is_followed() {
    let mut kernel = Kernel::new();
    kernel.follow(&copies(false));
    let mut wanted = copies(false);
    for change in [
        |sync: &mut LvsSync| sync.max_length = Some(1000),
        |sync: &mut LvsSync| sync.max_length = Some(1400),
        |sync: &mut LvsSync| sync.port = Some(9000),
        |sync: &mut LvsSync| sync.ttl = Some(2),
        |sync: &mut LvsSync| sync.group = Some("ff02::81".parse().unwrap()),
    ] {
        change(wanted.sync.as_mut().unwrap());
        assert_eq!(kernel.follow(&wanted), "-backup, +backup eth1 51");
        let (daemon, sync) = (&kernel.daemons[0], wanted.sync.as_ref().unwrap());
        assert_eq!(daemon.max_length, sync.max_length.map(|length| length.max(1024)));
    }
    wanted.master = true;
    wanted.sync.as_mut().unwrap().max_length = Some(600);
    assert_eq!(kernel.follow(&wanted), "-backup, +master eth1 51");
    assert_eq!(kernel.daemons[0].max_length, Some(600));
}

/// Kernels before 4.3 know nothing of length, group, port and time to live.
#[test]
fn what_a_kernel_does_not_tell_is_taken_to_be_right() {
    let mut kernel = Kernel::new();
    let mut wanted = copies(true);
    wanted.sync.as_mut().unwrap().port = Some(9000);
    kernel.daemons.push(Daemon::new(DaemonRole::Master, "eth1", 51));
    kernel.ours.take(&wanted, &DEFAULTS);
    assert_eq!(kernel.ours.steps(&wanted, &kernel.daemons, &DEFAULTS), []);
}

#[test]
fn daemons_of_others_are_left_alone_where_the_file_has_none() {
    let mut kernel = Kernel::new();
    kernel.take(&Command::StartDaemon(Daemon::new(DaemonRole::Master, "eth0", 9)));
    let timeouts = Wanted { timeouts: LvsTimeouts { tcp: Some(600), ..LvsTimeouts::default() }, ..nothing() };
    assert_eq!(kernel.follow(&timeouts), "600/0/0");
    assert_eq!(kernel.follow(&nothing()), "900/0/0");
    assert_eq!(kernel.daemons.len(), 1);
}

#[test]
fn timeouts_are_set_put_right_and_set_back() {
    let wanted = |tcp, udp| Wanted { timeouts: LvsTimeouts { tcp, tcp_fin: None, udp }, ..nothing() };
    let mut kernel = Kernel::new();
    assert_eq!(kernel.follow(&wanted(Some(600), None)), "600/0/0");
    kernel.timeouts = Timeouts { tcp: 700, tcp_fin: 70, udp: 70 };
    assert_eq!(kernel.follow(&wanted(Some(600), None)), "600/0/0", "the others are not ours");
    assert_eq!(kernel.follow(&wanted(Some(601), Some(30))), "601/0/30");
    // As it was before the daemon, or this keyword, came.
    assert_eq!(kernel.follow(&wanted(None, Some(30))), "900/0/0");
    kernel.timeouts.tcp = 800;
    assert_eq!(kernel.follow(&wanted(None, Some(30))), "");
    assert_eq!(kernel.follow(&nothing()), "0/0/70");
    assert_eq!(kernel.timeouts, Timeouts { tcp: 800, tcp_fin: 70, udp: 70 });
    assert!(kernel.ours.is_empty());
}

#[test]
fn what_can_not_be_done_is_named_by_its_keywords() {
    let timeouts = LvsTimeouts { tcp: Some(600), ..LvsTimeouts::default() };
    assert_eq!(copies(true).undone("no"), "lvs_sync_daemon is not acted on: no");
    assert_eq!(Wanted { timeouts, ..nothing() }.undone("no"), "lvs_timeouts is not acted on: no");
    let both = Wanted { timeouts, ..copies(true) };
    assert_eq!(both.undone("no"), "lvs_sync_daemon and lvs_timeouts are not acted on: no");
    assert_eq!(nothing().undone("no"), "sync daemons and timeouts of IPVS can not be set back: no");
}

/// One line, however often it is tried; nothing as long as nothing is wanted.
#[tokio::test]
async fn without_ipvs_it_is_said_that_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = Log::of_program("test", Target::File(path.clone()), Clock::start());
    let mut ipvs =
        Ipvs::start(Choice::Nft, Duration::from_millis(1), log, Recorder::default(), &Inventory::new());
    ipvs.set(&Globals::default(), false);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ipvs.troubles(), [""; 0]);
    let globals = Globals { lvs_sync: Some(sync(None)), ..Globals::default() };
    ipvs.set(&globals, false);
    ipvs.troubles.changed().await.unwrap();
    let trouble = "lvs_sync_daemon is not acted on: the data plane nft has nothing of the kind";
    assert_eq!(ipvs.troubles(), [trouble]);
    // It is tried again at once.
    ipvs.set(&globals, true);
    tokio::time::sleep(Duration::from_millis(20)).await;
    ipvs.finish().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(trouble).count(), 1, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
