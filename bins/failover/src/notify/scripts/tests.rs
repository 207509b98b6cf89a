use std::fs;

use lb_config::keepalived::model::User;
use lb_runtime::{clock::Clock, log::Target};

use super::*;
use crate::testing::{PATIENCE, until};

struct Bench {
    folder: tempfile::TempDir,
    scripts: Scripts,
    progress: mpsc::Receiver<Progress>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(Target::File(folder.path().join("log")), Clock::start(), "test");
        let (sender, progress) = mpsc::channel(64);
        Self { folder, scripts: Scripts::start(log, sender), progress }
    }

    fn run(&self, name: &str, script: &str) {
        let about = (Some(Kind::Instance), name.into());
        let script = format!("cd {}; {script}", self.folder.path().display());
        let argv = ["/bin/sh", "-c", script.as_str(), "notify"].map(str::to_owned).to_vec();
        let user = Some(User { name: nix::unistd::geteuid().to_string(), group: None });
        let command = ScriptCommand { argv, user };
        let policy = Policy::default();
        self.scripts.run(about, &format!("notify of {name}"), &command, &policy, &["further".to_owned()]);
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }
}

#[tokio::test]
async fn one_instance_is_in_order_and_others_do_not_wait_for_it() {
    let bench = Bench::new();
    // Without order the later ones would be first.
    bench.run("A", "while [ ! -e go ]; do sleep 0.01; done; echo 1 >> order");
    for number in 2..=9 {
        bench.run("A", &format!("echo {number} >> order"));
    }
    bench.run("B", "echo $1 > other");
    until("the other instance is served", || bench.read("other") == "further\n").await;
    assert_eq!(bench.read("order"), "");
    fs::write(bench.folder.path().join("go"), "").unwrap();
    until("all are run", || bench.read("order").lines().count() == 9).await;
    assert_eq!(bench.read("order").replace('\n', ""), "123456789");
}

#[tokio::test]
async fn what_fails_is_in_the_log_and_stops_nobody() {
    let mut bench = Bench::new();
    bench.run("A", "exit 3");
    bench.run("A", "echo > done");
    until("the next one is run", || bench.read("done") == "\n").await;
    let mut told = Vec::new();
    while told.len() < 4 {
        let progress = tokio::time::timeout(PATIENCE, bench.progress.recv()).await.unwrap().unwrap();
        assert_eq!((progress.of, &*progress.name, &*progress.script), (Kind::Instance, "A", "notify of A"));
        told.push(progress.ended.unwrap_or_default());
    }
    assert_eq!(told, ["", "exited with status 3", "", "exited with status 0"]);
    assert!(bench.read("log").contains("notify of A failed: exited with status 3"), "{}", bench.read("log"));
}

#[tokio::test]
async fn too_many_are_left_out_and_the_last_one_counts() {
    let bench = Bench::new();
    bench.run("A", "echo > runs; while [ ! -e go ]; do sleep 0.01; done");
    until("it runs", || bench.read("runs") == "\n").await;
    for number in 1..=200 {
        bench.run("A", &format!("echo {number} >> order"));
    }
    fs::write(bench.folder.path().join("go"), "").unwrap();
    until("the last one is run", || bench.read("order").ends_with("200\n")).await;
    timeout(PATIENCE, bench.scripts.shared.idle()).await.unwrap();
    assert_eq!(bench.read("order").lines().count(), super::super::lanes::WAITING);
    let log = bench.read("log");
    assert_eq!(log.matches("older notifications are left out").count(), 1, "{log}");
    assert!(log.contains("notifications of A were left out"), "{log}");
}

#[tokio::test]
async fn the_last_words_are_heard_even_behind_one_that_hangs() {
    let bench = Bench::new();
    let hangs = "trap 'echo > asked; exit' TERM; echo > hangs; sleep 600 & wait";
    bench.run("A", hangs);
    until("it hangs", || bench.read("hangs") == "\n").await;
    bench.run("A", "echo > stopped");
    timeout(PATIENCE, async {
        let finish = bench.scripts.finish();
        tokio::pin!(finish);
        loop {
            tokio::select! {
                () = &mut finish => panic!("one hangs"),
                () = tokio::time::sleep(Duration::from_millis(10)) => if bench.read("stopped") == "\n" { break },
            }
        }
    })
    .await
    .expect("notify_stop is not run");
    assert_eq!(bench.read("asked"), "");
    bench.scripts.part();
    until("it is asked to end", || bench.read("asked") == "\n").await;
}
