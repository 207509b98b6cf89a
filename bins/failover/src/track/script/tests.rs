use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use lb_config::keepalived::model::{Config, Group, ScriptCommand, Tracked, Tracks, User};
use tempfile::TempDir;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use super::*;
use crate::{
    testing::{PATIENCE, skip, until},
    track::Trackers,
};

fn script(name: &str, argv: &[&str]) -> Script {
    let command = ScriptCommand { argv: argv.iter().map(|word| (*word).to_owned()).collect(), user: None };
    Script {
        name: name.to_owned(),
        command,
        interval: Duration::from_millis(20),
        timeout: PATIENCE,
        weight: Weight::default(),
        rise: 1,
        fall: 1,
        init_fail: false,
    }
}

fn shell(name: &str, text: &str) -> Script {
    script(name, &["/bin/sh", "-c", text])
}

/// A configuration in which a group tracks all of these.
fn config(scripts: impl IntoIterator<Item = Script>) -> Config {
    let scripts: BTreeMap<_, _> = scripts.into_iter().map(|script| (script.name.clone(), script)).collect();
    let tracked = |name: &String| Tracked { name: name.clone(), weight: Weight::default() };
    let tracks = Tracks { scripts: scripts.keys().map(tracked).collect(), ..Tracks::default() };
    let mut config = Config {
        scripts,
        groups: vec![Group { name: "G".into(), tracks, ..Group::default() }],
        ..Config::default()
    };
    let name = nix::unistd::geteuid().to_string();
    config.globals.script_user = Some(User { name, group: None });
    config
}

/// The next report, but none of a run that was skipped: on a busy machine any run may still be going on when the next is due.
async fn next(reports: &mut UnboundedReceiver<Report>) -> (String, Status, String) {
    loop {
        let report = timeout(PATIENCE, reports.recv()).await.expect("nothing is reported").unwrap();
        let line = report.id.wording(report.status, &report.detail);
        let TrackerId::Script(name) = report.id else { panic!("{:?}", report.id) };
        if !line.ends_with("skipping run") {
            return (name, report.status, line);
        }
    }
}

async fn lines(reports: &mut UnboundedReceiver<Report>, number: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..number {
        lines.push(next(reports).await.2);
    }
    lines
}

/// A script that counts its runs, and returns what stands in a file.
fn counting(folder: &TempDir) -> Script {
    let path = folder.path().display();
    shell("chk", &format!("echo >> {path}/runs; exit $(cat {path}/code)"))
}

fn runs(folder: &TempDir) -> usize {
    fs::read_to_string(folder.path().join("runs")).unwrap_or_default().lines().count()
}

async fn runs_reach(folder: &TempDir, number: usize) {
    until("it is run", || runs(folder) >= number).await;
}

fn returns(folder: &TempDir, code: i32) {
    let new = folder.path().join("new");
    fs::write(&new, code.to_string()).unwrap();
    fs::rename(new, folder.path().join("code")).unwrap();
}

#[tokio::test]
async fn what_it_returns_is_reported_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    returns(&folder, 0);
    let (mut trackers, mut reports) = Trackers::start();
    trackers.set(&config([Script { fall: 2, ..counting(&folder) }]));
    assert_eq!(next(&mut reports).await, ("chk".into(), Status::Up, "VRRP_Script(chk) succeeded".into()));
    returns(&folder, 4);
    assert_eq!(
        lines(&mut reports, 2).await,
        ["Script `chk` now returning 4", "VRRP_Script(chk) failed (exited with status 4)"]
    );
    returns(&folder, 0);
    assert_eq!(lines(&mut reports, 2).await, ["Script `chk` now returning 0", "VRRP_Script(chk) succeeded"]);
}

#[tokio::test]
async fn too_long_a_run_has_failed_and_is_ended() {
    let (mut trackers, mut reports) = Trackers::start();
    let folder = tempfile::tempdir().unwrap();
    let slow = shell(
        "slow",
        &format!("trap 'echo > {}/term; exit' TERM; sleep 600 & wait", folder.path().display()),
    );
    trackers.set(&config([Script { timeout: Duration::from_millis(300), ..slow }]));
    assert_eq!(next(&mut reports).await, ("slow".into(), Status::Down, "VRRP_Script(slow) timed_out".into()));
    until("it is asked to end", || folder.path().join("term").exists()).await;
}

#[tokio::test]
async fn runs_do_not_overlap_and_that_is_said_once() {
    let (mut trackers, mut reports) = Trackers::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    // Another run at the same time would find the directory.
    let text = format!("mkdir {path}/lock || exit 9; sleep 0.2; rmdir {path}/lock; echo >> {path}/runs");
    trackers.set(&config([shell("long", &text)]));
    runs_reach(&folder, 4).await;
    trackers.set(&config([]));
    drop(trackers);
    let mut all = Vec::new();
    while let Some(report) = timeout(PATIENCE, reports.recv()).await.unwrap() {
        all.push(report.id.wording(report.status, &report.detail));
    }
    assert_eq!(
        all,
        ["VRRP_Script(long) succeeded", "Track script long is already running, expect idle - skipping run"]
    );
}

#[tokio::test]
async fn what_can_not_be_run_has_failed_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chk");
    let text = path.to_str().unwrap();
    let (mut trackers, mut reports) = Trackers::start();
    trackers.set(&config([script("chk", &[text])]));
    let (_, status, line) = next(&mut reports).await;
    assert_eq!(status, Status::Down);
    assert_eq!(
        line,
        format!("VRRP_Script(chk) failed ({text}: No such file; install it, or correct its path)")
    );

    write(&path, "#!/bin/sh\nexit 0\n", 0o600);
    let (_, status, line) = next(&mut reports).await;
    assert!(status == Status::Down && line.contains("not executable"), "{line}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let (_, status, line) = next(&mut reports).await;
    assert_eq!(status, Status::Up, "{line}");
    fs::remove_file(&path).unwrap();
    let (_, status, line) = next(&mut reports).await;
    assert!(status == Status::Down && line.contains("No such file"), "{line}");
}

/// Written by another process: a child that some other test forks at this moment would have our file open for writing, and
/// what is open for writing can not be executed.
fn write(path: &Path, text: &str, mode: u32) {
    let new = path.with_extension("new");
    let mut command = std::process::Command::new("/bin/sh");
    let done = command.args(["-c", r#"printf %s "$1" > "$0""#]).arg(&new).arg(text).status();
    assert!(done.unwrap().success());
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn what_others_can_change_is_reported_once_or_refused() {
    if !nix::unistd::geteuid().is_root() {
        return skip("what_others_can_change_is_reported_once_or_refused", "root");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chk");
    let runs = format!("#!/bin/sh\necho >> {}/runs\n", folder.path().display());
    write(&path, &runs, 0o777);
    let (mut trackers, mut reports) = Trackers::start();
    let mut config = config([script("chk", &[path.to_str().unwrap()])]);
    trackers.set(&config);
    let (_, status, line) = next(&mut reports).await;
    assert!(status == Status::Unknown && line.contains("others than root can change"), "{line}");
    assert_eq!(next(&mut reports).await.1, Status::Up);
    runs_reach(&folder, 3).await;
    config.globals.script_security = true;
    trackers.set(&config);
    let (_, status, line) = next(&mut reports).await;
    assert!(status == Status::Down && line.contains("is not run as root, since others"), "{line}");
}

#[tokio::test]
async fn it_counts_as_down_at_first_if_that_is_wanted() {
    let (mut trackers, mut reports) = Trackers::start();
    let slow = Script { init_fail: true, rise: 2, ..shell("chk", "sleep 0.1") };
    trackers.set(&config([slow.clone()]));
    assert_eq!(next(&mut reports).await.1, Status::Down);
    while next(&mut reports).await.1 != Status::Up {}
    // But not when it is changed while it runs.
    trackers.set(&config([Script { rise: 1, ..slow }]));
    assert_eq!(next(&mut reports).await.1, Status::Up);
}

#[tokio::test]
async fn a_new_configuration_leaves_alone_what_stays() {
    let folder = tempfile::tempdir().unwrap();
    returns(&folder, 0);
    let (mut trackers, mut reports) = Trackers::start();
    let stays = Script { interval: Duration::from_secs(3600), ..counting(&folder) };
    trackers.set(&config([stays.clone(), shell("goes", "true")]));
    let mut first = [next(&mut reports).await.0, next(&mut reports).await.0];
    first.sort();
    assert_eq!(first, ["chk", "goes"]);
    // Each of these would run it at once if it restarted it.
    for weight in 0..50 {
        let weight = lb_config::keepalived::model::Weight { value: weight, reverse: false };
        trackers.set(&config([Script { weight, ..stays.clone() }]));
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    assert_eq!(runs(&folder), 1);
    returns(&folder, 1);
    let stays = Script { interval: Duration::from_millis(20), ..stays };
    trackers.set(&config([stays.clone()]));
    assert_eq!(lines(&mut reports, 2).await[1], "VRRP_Script(chk) failed (exited with status 1)");
    // What nobody tracks is not run.
    let mut unused = config([stays]);
    unused.groups.clear();
    trackers.set(&unused);
    let stopped = async {
        loop {
            let before = runs(&folder);
            tokio::time::sleep(Duration::from_millis(300)).await;
            if runs(&folder) == before {
                return;
            }
        }
    };
    timeout(PATIENCE, stopped).await.expect("it is still run");
}

#[test]
fn many_that_start_together_are_spread() {
    let second = Duration::from_secs(1);
    assert_eq!(offset(0, second), Duration::ZERO);
    assert_eq!(offset(3, second), 3 * STAGGER);
    assert!((0..10_000).all(|place| offset(place, second) < second));
}

#[test]
fn runs_that_were_due_are_left_out() {
    let ms = Duration::from_millis;
    assert_eq!(missed(ms(0), ms(100), false), 0);
    assert_eq!(missed(ms(0), ms(100), true), 1);
    assert_eq!(missed(ms(99), ms(100), true), 1);
    assert_eq!(missed(ms(250), ms(100), true), 3);
}
