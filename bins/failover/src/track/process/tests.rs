use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use super::{pattern::tests::process, *};
use crate::testing::{PATIENCE, skip};

fn next_to_nothing() -> (watch::Sender<Wanted>, watch::Receiver<Wanted>) {
    watch::channel(Wanted::default())
}

fn wanted(process: Process) -> Wanted {
    Wanted::from([(process.name.clone(), process)])
}

/// What a process that sleeps is called on the command line, so that nobody else's is counted.
fn name(test: &str) -> String {
    format!("lb-sleeper-{test}-{}", std::process::id())
}

fn sleeper(name: &str) -> Sleeper {
    let mut command = Command::new("/bin/sleep");
    Sleeper(command.arg0(name).arg("600").stdin(Stdio::null()).spawn().unwrap())
}

#[derive(Debug)]
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn next(reports: &mut UnboundedReceiver<Report>) -> (Status, String) {
    loop {
        let report = timeout(PATIENCE, reports.recv()).await.expect("nothing is reported").unwrap();
        if !report.detail.starts_with(NOTE) {
            return (report.status, report.detail);
        }
    }
}

/// Whatever way we hear of processes, this is what is found.
async fn quorum_is_gained_and_lost(connector: io::Result<Connector>, test: &str) {
    let name = name(test);
    let kind = Process { full_command: true, quorum: 2, quorum_max: Some(3), ..process(&name, None) };
    let (sender, receiver) = next_to_nothing();
    let (reports, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let work = tokio::spawn(watch_by(connector, receiver, reports));
    sender.send(wanted(kind)).unwrap();
    assert_eq!(next(&mut heard).await, (Status::Down, "0 running, quorum 2".to_owned()));
    let mut sleepers = vec![sleeper(&name), sleeper(&name)];
    assert_eq!(next(&mut heard).await, (Status::Up, "2 running".to_owned()));
    sleepers.pop();
    assert_eq!(next(&mut heard).await, (Status::Down, "1 running, quorum 2".to_owned()));
    sleepers.push(sleeper(&name));
    assert_eq!(next(&mut heard).await.0, Status::Up);
    sleepers.extend([sleeper(&name), sleeper(&name)]);
    assert_eq!(next(&mut heard).await, (Status::Down, "4 running, at most 3 may".to_owned()));
    drop(sleepers.pop());
    assert_eq!(next(&mut heard).await, (Status::Up, "3 running".to_owned()));
    drop(sender);
    timeout(PATIENCE, work).await.expect("it goes on though nobody wants it").unwrap();
}

#[tokio::test]
async fn processes_are_counted_by_looking() {
    let refused = Err(io::ErrorKind::ConnectionRefused.into());
    quorum_is_gained_and_lost(refused, "look").await;
}

#[tokio::test]
async fn processes_are_counted_by_what_the_kernel_tells() {
    match Connector::open() {
        Ok(connector) => quorum_is_gained_and_lost(Ok(connector), "told").await,
        Err(error) => skip(
            "processes_are_counted_by_what_the_kernel_tells",
            &format!("root of the first user and network namespaces, and CONFIG_PROC_EVENTS ({error})"),
        ),
    }
}

#[tokio::test]
async fn that_the_kernel_does_not_tell_is_said_once() {
    let (sender, receiver) = next_to_nothing();
    let (reports, mut heard) = tokio::sync::mpsc::unbounded_channel();
    sender.send_replace(wanted(process("nothing-is-so", None)));
    let refused = Err(io::ErrorKind::ConnectionRefused.into());
    let work = tokio::spawn(watch_by(refused, receiver, reports));
    assert_eq!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap().status, Status::Down);
    let note = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    assert_eq!(
        note.detail,
        "note: the kernel does not tell of processes here (connection refused), so /proc is read every 1 s"
    );
    sender.send_replace(wanted(process("nothing-is-so-either", None)));
    assert_eq!(next(&mut heard).await.0, Status::Down);
    drop(sender);
    timeout(PATIENCE, work).await.unwrap().unwrap();
    assert!(heard.recv().await.is_none());
}

#[tokio::test]
async fn a_process_that_changes_is_looked_at_again() {
    let Ok(connector) = Connector::open() else {
        return skip(
            "a_process_that_changes_is_looked_at_again",
            "root of the first user and network namespaces, and CONFIG_PROC_EVENTS",
        );
    };
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let short = format!("lb-{}", std::process::id());
    let (sender, receiver) = next_to_nothing();
    let (reports, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let _work = tokio::spawn(watch_by(Ok(connector), receiver, reports));
    sender.send_replace(wanted(process(&short, None)));
    assert_eq!(next(&mut heard).await.0, Status::Down);
    // Neither a new process nor another program: only its name changes (PR_SET_NAME, by way of /proc).
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.02; done; printf %s {short} > /proc/$$/comm; sleep 600; :",
        go.display()
    );
    let shell =
        Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).process_group(0).spawn().unwrap();
    let group = lb_runtime::group::Group::of(Some(shell.id()));
    let mut shell = Sleeper(shell);
    fs::write(go, "").unwrap();
    assert_eq!(next(&mut heard).await.0, Status::Up);
    drop(group);
    let _ = shell.0.wait();
    assert_eq!(next(&mut heard).await.0, Status::Down);
}

#[test]
fn delays_follow_the_direction() {
    let second = Duration::from_secs(1);
    let kind = Process {
        fork_delay: second,
        terminate_delay: 10 * second,
        quorum_max: Some(1),
        ..process("x", None)
    };
    let mut state = State::new(&kind);
    let start = Instant::now();
    let mut see = |count, after| state.see(count, start + after * second).map(|(status, _)| status);
    assert_eq!(see(0, 0), Some(Status::Down));
    assert_eq!((see(1, 0), see(1, 1)), (None, Some(Status::Up)), "it grew");
    assert_eq!((see(2, 2), see(2, 3)), (None, Some(Status::Down)), "it grew");
    assert_eq!((see(1, 4), see(1, 13), see(1, 14)), (None, None, Some(Status::Up)), "it shrank");
    assert_eq!((see(0, 15), see(1, 20), see(0, 21), see(0, 30)), (None, None, None, None));
    assert_eq!(see(0, 31), Some(Status::Down), "it shrank");
}

#[test]
fn none_at_all_may_be_what_is_wanted() {
    let mut state = State::new(&Process { quorum_max: Some(0), ..process("x", None) });
    let now = Instant::now();
    assert_eq!(state.see(0, now).unwrap().0, Status::Up);
    assert_eq!(state.see(1, now).unwrap().0, Status::Down);
}
