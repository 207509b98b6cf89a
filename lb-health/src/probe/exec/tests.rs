use std::{fs, time::Duration};

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};
use tokio::time::{sleep, timeout};

use super::Exec;
use crate::{
    Failure, FailureKind, HealthCheck, Outcome, Target,
    testing::{PATIENCE, look},
};

fn target() -> Target {
    Target::new(([127, 0, 0, 1], 80).into())
}

fn shell(script: &str) -> Exec {
    Exec::new("/bin/sh", ["-c", script, "check", "10.0.0.1", "80", "10.0.0.2", "8080"])
}

async fn run(exec: &Exec) -> Outcome {
    look(exec, &target()).await
}

async fn fails(script: &str) -> Failure {
    run(&shell(script)).await.expect_err("passes")
}

#[tokio::test]
async fn the_exit_status_decides() {
    assert_eq!(run(&shell("echo; echo fine; echo more; exit 0")).await.unwrap().detail, "fine");
    let failed = fails("echo broken >&2; exit 3").await;
    assert_eq!((failed.kind, failed.detail.as_str()), (FailureKind::WrongAnswer, "exit status 3: broken"));
    assert_eq!(fails("kill -SEGV $$").await.detail, "killed by SIGSEGV");
}

#[tokio::test]
async fn arguments_go_through_as_they_are() {
    assert_eq!(run(&shell("echo $*")).await.unwrap().detail, "10.0.0.1 80 10.0.0.2 8080");
    let literal = run(&Exec::new("echo", ["$HOME; `id` *"])).await.unwrap();
    assert_eq!(literal.detail, "$HOME; `id` *");
}

#[tokio::test]
async fn nothing_of_ours_is_inherited() {
    let environment =
        run(&shell("env | cut -d= -f1 | grep -vx 'PATH\\|PWD\\|OLDPWD\\|_\\|SHLVL' | tr '\\n' ' '")).await;
    assert_eq!(environment.unwrap().detail, "", "a variable of ours is there");
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().file_name().unwrap().to_str().unwrap();
    let files = run(&shell(&format!("ls -l /proc/$$/fd | grep -c {name} || true"))).await.unwrap();
    assert_eq!(files.detail, "0", "an open file of ours is there");
    let mut exec = shell("echo $COLOUR");
    exec.environment = vec![("COLOUR".into(), "blue".into())];
    assert_eq!(run(&exec).await.unwrap().detail, "blue");
}

#[tokio::test]
async fn what_cannot_run_counts_as_failed() {
    let missing = run(&Exec::new("/no/such/program", [""; 0])).await.unwrap_err();
    assert!(
        missing.kind == FailureKind::Misconfigured && missing.detail.contains("/no/such/program"),
        "{missing}"
    );
    let folder = run(&Exec::new("/", [""; 0])).await.unwrap_err();
    assert_eq!(folder.kind, FailureKind::Misconfigured);
}

#[tokio::test]
async fn a_flood_of_output_is_not_kept() {
    let passed = run(&shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 0")).await.unwrap();
    assert!(passed.detail.len() <= Failure::DETAIL_LIMIT);
}

#[tokio::test]
async fn who_stays_behind_with_the_output_does_not_hold_us_up() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; echo done", pid.display());
    assert_eq!(run(&shell(&script)).await.unwrap().detail, "done");
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_dropped_look_kills_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // The second one would survive a kill of the first.
    let script = format!(
        "trap '' TERM; sh -c 'sleep 600; :' & echo $! $$ > {0}.new; mv {0}.new {0}; wait",
        pids.display()
    );
    let exec = shell(&script);
    let target = target();
    let mut check = Box::pin(exec.check(&target));
    let written = async {
        while !pids.exists() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = &mut check => panic!("ended: {outcome:?}"),
        done = timeout(PATIENCE, written) => done.unwrap(),
    }
    drop(check);
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        let pid = Pid::from_raw(pid.parse().unwrap());
        // The last one may wait for its funeral as a zombie, where there is no init that reaps it.
        let gone = async {
            while kill(pid, None) != Err(Errno::ESRCH) && !is_zombie(pid) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, gone).await.expect("a process is left");
    }
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}
