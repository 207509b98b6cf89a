use std::{fs, path::PathBuf};

use lb_config::keepalived::model::{Fifo, ScriptCommand, User};
use lb_runtime::{clock::Clock, log::Target};

use super::*;
use crate::testing::{PATIENCE, until};

fn notification(what: Happened) -> Notification {
    Notification { of: Kind::Instance, name: "VI_1".into(), what, priority: 150, peer: None }
}

#[tokio::test]
async fn everybody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let log = Log::new(Target::File(path("log")), Clock::start(), "test");
    let (mut notifier, _progress) = Notifier::start(log);
    let user = Some(User { name: nix::unistd::geteuid().to_string(), group: None });
    let fifo = Some(Fifo { path: path("fifo"), owner: None, script: None });
    notifier.configure(&Globals { fifo, script_user: user, ..Globals::default() });
    let script = |text: &str| {
        let text = format!("echo {text} $* >> {}", path("out").display());
        Some(ScriptCommand { argv: ["/bin/sh", "-c", &text, "sh"].map(str::to_owned).to_vec(), user: None })
    };
    let wanted =
        Notify { master: script("own"), any: script("any"), stop: script("stop"), ..Notify::default() };
    notifier.tell(&notification(Happened::Master), &wanted);
    notifier.tell(&notification(Happened::MasterPriority), &wanted);
    notifier.tell_lvs("VS [1.2.3.4]:tcp:80 UP");
    notifier.tell(&notification(Happened::Stop), &wanted);
    let read = || fs::read_to_string(path("out")).unwrap_or_default();
    let expected = "own\nany INSTANCE VI_1 MASTER 150\nstop\nany INSTANCE VI_1 STOP 150\n";
    until("all scripts are run", || read() == expected).await;
    timeout(PATIENCE, notifier.finish()).await.expect("it does not end");
    let mut pipe = fs::File::open(path("fifo")).unwrap();
    drop(notifier);
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut pipe, &mut text).map(|_| text)
    });
    assert_eq!(
        timeout(PATIENCE, text).await.unwrap().unwrap().unwrap(),
        "INSTANCE \"VI_1\" MASTER 150\nVS [1.2.3.4]:tcp:80 UP\nINSTANCE \"VI_1\" STOP 150\n"
    );
}

#[tokio::test]
async fn the_end_waits_for_a_while_only() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(Target::File(folder.path().join("log")), Clock::start(), "test");
    let (mut notifier, _progress) = Notifier::start(log);
    let argv = ["/bin/sleep", "600"].map(str::to_owned).to_vec();
    let user = Some(User { name: nix::unistd::geteuid().to_string(), group: None });
    let wanted = Notify { stop: Some(ScriptCommand { argv, user }), ..Notify::default() };
    notifier.tell(&notification(Happened::Stop), &wanted);
    timeout(PATIENCE, notifier.finish()).await.expect("it does not end");
}
