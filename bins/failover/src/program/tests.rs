use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use nix::{sys::signal::kill, unistd::Pid};
use tokio::time::timeout;

use super::*;
use crate::testing::{PATIENCE, skip, until};

fn command(argv: &[&str]) -> ScriptCommand {
    ScriptCommand { argv: argv.iter().map(|word| (*word).to_owned()).collect(), user: None }
}

/// As this user, so that no `keepalived_script` of the machine gets in the way.
fn ours() -> Policy {
    let name = nix::unistd::geteuid().to_string();
    Policy { security: false, user: Some(User { name, group: None }) }
}

async fn start(argv: &[&str], policy: &Policy) -> Result<Running, NotRun> {
    Program::new(&command(argv), policy, &[]).start().await
}

async fn ended(argv: &[&str]) -> Ended {
    let mut running = start(argv, &ours()).await.unwrap();
    let ended = timeout(PATIENCE, running.wait()).await.unwrap().unwrap();
    running.leave();
    ended
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn appears(path: &Path) -> String {
    let read = || fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'));
    until("the file is there", || read().is_some()).await;
    read().unwrap()
}

async fn gone(pid: i32) {
    let running = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let zombie = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
        kill(Pid::from_raw(pid), None).is_ok() && !zombie
    };
    until("the process is gone", || !running(pid)).await;
}

#[tokio::test]
async fn how_it_ended_is_told() {
    assert_eq!(ended(&["/bin/sh", "-c", "exit 3"]).await.to_string(), "exited with status 3");
    assert_eq!(ended(&["sh", "-c", "kill -SEGV $$"]).await.to_string(), "killed by SIGSEGV");
    assert_eq!(ended(&["true"]).await, Ended::Exited(0));
}

#[tokio::test]
async fn what_can_not_be_run_is_an_error_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let error = start(&["/no/such/program"], &ours()).await.unwrap_err();
    assert_eq!(error.to_string(), "/no/such/program: No such file; install it, or correct its path");
    assert!(matches!(start(&["no-such-program"], &ours()).await, Err(NotRun::Missing(_))));
    assert!(matches!(start(&[], &ours()).await, Err(NotRun::Missing(_))));

    let text = folder.path().join("text");
    write(&text, "#!/bin/sh\n", 0o600);
    let error = start(&[text.to_str().unwrap()], &ours()).await.unwrap_err().to_string();
    assert!(error.contains("not executable by ") && error.contains("chmod +x"), "{error}");

    let lost = folder.path().join("lost");
    write(&lost, "#!/no/such/interpreter\n", 0o700);
    let error = start(&[lost.to_str().unwrap()], &ours()).await.unwrap_err().to_string();
    assert!(error.starts_with("the interpreter that the first line of "), "{error}");

    let policy = Policy { user: Some(User { name: "no-such-user".into(), group: None }), ..ours() };
    let error = start(&["true"], &policy).await.unwrap_err().to_string();
    assert!(error.starts_with("there is no user `no-such-user` to run true as;"), "{error}");
    let group = Some("no-such-group".to_owned());
    let policy = Policy { user: Some(User { name: "root".into(), group }), ..ours() };
    let error = start(&["true"], &policy).await.unwrap_err().to_string();
    assert!(error.contains("no group `no-such-group`"), "{error}");
    assert!(matches!(start(&["/"], &ours()).await, Err(NotRun::NotExecutable(..))));
}

#[tokio::test]
async fn a_text_without_an_interpreter_is_for_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain");
    write(&path, "[ \"$1\" = 'a b' ] && exit 7\n", 0o700);
    assert_eq!(ended(&[path.to_str().unwrap(), "a b"]).await, Ended::Exited(7));
}

#[tokio::test]
async fn nothing_of_ours_is_inherited_that_could_harm() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().file_name().unwrap().to_str().unwrap();
    let script =
        format!("ls -l /proc/$$/fd | grep -q {name} && exit 1; [ $(ps -o pgid= $$) = $$ ] || exit 2");
    assert_eq!(ended(&["/bin/sh", "-c", &script]).await, Ended::Exited(0));
}

#[test]
fn the_environment_goes_through_but_for_what_could_harm() {
    let names = ["PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "IFS", "NOTIFY_SOCKET", "LDAP", "HOME"];
    let kept: Vec<_> = names.into_iter().filter(|name| !harms(name.as_ref())).collect();
    assert_eq!(kept, ["PATH", "LDAP", "HOME"]);
}

#[tokio::test]
async fn variables_that_harm_are_not_passed_on() {
    // The tests run under cargo, which sets LD_LIBRARY_PATH; without it there is nothing to see.
    if std::env::var_os("LD_LIBRARY_PATH").is_none() {
        return skip("variables_that_harm_are_not_passed_on", "LD_LIBRARY_PATH to be set (run it by cargo)");
    }
    assert_eq!(
        ended(&["/bin/sh", "-c", "[ -z \"$LD_LIBRARY_PATH\" ] && [ -n \"$PATH\" ]"]).await,
        Ended::Exited(0)
    );
}

#[tokio::test]
async fn it_and_what_it_has_started_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, polite) in [true, false].into_iter().enumerate() {
        let pids = folder.path().join(format!("pids{number}"));
        // The inner one would survive the end of the outer one, and both the polite request.
        let trap = if polite { "" } else { "trap '' TERM; " };
        let script = format!(
            "{trap}sh -c '{trap}sleep 600; sleep 600' & echo $! $$ > {0}.new; mv {0}.new {0}; wait; wait; sleep 600",
            pids.display()
        );
        let running = start(&["/bin/sh", "-c", &script], &ours()).await.unwrap();
        let pids = appears(&pids).await;
        match number {
            0 => timeout(PATIENCE, running.end()).await.unwrap(),
            _ => drop(running),
        }
        for pid in pids.split_whitespace() {
            gone(pid.parse().unwrap()).await;
        }
    }
}

#[tokio::test]
async fn who_does_not_hear_the_request_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script =
        format!("trap '' TERM; echo > {0}.new; mv {0}.new {0}; while :; do sleep 600; done", ready.display());
    let running = start(&["/bin/sh", "-c", &script], &ours()).await.unwrap();
    appears(&ready).await;
    timeout(PATIENCE, running.end()).await.expect("it is not killed");
}

#[tokio::test]
async fn what_others_can_change_is_not_run_as_root() {
    if !nix::unistd::geteuid().is_root() {
        return skip("what_others_can_change_is_not_run_as_root", "root");
    }
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("script");
    let (path_text, strict) = (path.to_str().unwrap().to_owned(), Policy { security: true, ..ours() });
    write(&path, "#!/bin/sh\n", 0o755);
    start(&[&path_text], &strict).await.unwrap().leave();
    assert_eq!(start(&[&path_text], &ours()).await.unwrap().unsafe_place(), None);

    write(&path, "#!/bin/sh\n", 0o757);
    let error = start(&[&path_text], &strict).await.unwrap_err().to_string();
    assert!(error.contains(&format!("can change {path_text}: chown root and chmod go-w")), "{error}");
    assert_eq!(start(&[&path_text], &ours()).await.unwrap().unsafe_place(), Some(path.as_path()));

    write(&path, "#!/bin/sh\n", 0o755);
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(safety::changeable_by_others(&path), Some(inner.clone()));
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(safety::changeable_by_others(&path), None, "sticky");
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    assert_eq!(safety::changeable_by_others(&path), Some(path.clone()), "its owner");
    std::os::unix::fs::chown(&path, Some(0), Some(12345)).unwrap();
    assert_eq!(safety::changeable_by_others(&path), None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o775)).unwrap();
    assert_eq!(safety::changeable_by_others(&path), Some(path.clone()), "its group");

    // A link that others can turn elsewhere.
    let links = folder.path().join("links");
    fs::create_dir(&links).unwrap();
    fs::set_permissions(&links, fs::Permissions::from_mode(0o777)).unwrap();
    symlink("/bin/true", links.join("link")).unwrap();
    assert_eq!(safety::changeable_by_others(&links.join("link")), Some(links));
    assert_eq!(safety::changeable_by_others(Path::new("/bin/true")), None);
}

#[tokio::test]
async fn the_user_is_changed() {
    if !nix::unistd::geteuid().is_root() {
        return skip("the_user_is_changed", "root");
    }
    let policy = Policy { security: true, user: Some(User { name: "nobody".into(), group: None }) };
    let run = async |policy: &Policy, script: &str| {
        let mut running = start(&["/bin/sh", "-c", script], policy).await.unwrap();
        running.wait().await.unwrap()
    };
    let script = "[ $(id -un) = nobody ] && [ $(id -G) = $(id -g) ] && [ $(id -g) != 0 ]";
    assert_eq!(run(&policy, script).await, Ended::Exited(0));
    let policy = Policy { user: Some(User { name: "54321".into(), group: Some("12345".into()) }), ..policy };
    assert_eq!(run(&policy, "[ $(id -u):$(id -G) = 54321:12345 ]").await, Ended::Exited(0));
}

#[tokio::test]
async fn a_program_of_another_user_gets_a_clean_environment() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a_program_of_another_user_gets_a_clean_environment", "root");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let out = folder.path().join("out");
    let script = format!("env > {0}.new; mv {0}.new {0}", out.display());
    let run = async |user: &str| {
        let _ = fs::remove_file(&out);
        let policy = Policy { security: false, user: Some(User { name: user.into(), group: None }) };
        let mut running = start(&["/bin/sh", "-c", &script], &policy).await.unwrap();
        assert_eq!(timeout(PATIENCE, running.wait()).await.unwrap().unwrap(), Ended::Exited(0));
        running.leave();
        fs::read_to_string(&out).unwrap()
    };
    // cargo sets many variables for tests.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let ours = run("root").await;
    assert!(ours.contains("CARGO_MANIFEST_DIR="), "our own programs get what we have: {ours}");
    let theirs = run("nobody").await;
    let names: std::collections::BTreeSet<&str> =
        theirs.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let known =
        ["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "USER", "_", "SHLVL", "OLDPWD", "LANG", "LANGUAGE", "TZ"];
    let unknown: Vec<_> =
        names.iter().filter(|name| !known.contains(name) && !name.starts_with("LC_")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for line in
        [format!("HOME={}", nobody.dir.display()), "USER=nobody".to_owned(), "LOGNAME=nobody".to_owned()]
    {
        assert!(theirs.lines().any(|found| found == line), "{line} is not in {theirs}");
    }
    assert!(names.contains("PATH") && names.contains("SHELL"));
}
