use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
};

use lb_runtime::{clock::Clock, log::Target};

use super::*;
use crate::testing::{PATIENCE, skip, until};

struct Bench {
    folder: tempfile::TempDir,
    fifos: Fifos,
    globals: Globals,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(Target::File(folder.path().join("log")), Clock::start(), "test");
        let path = folder.path().join("all");
        let globals =
            Globals { fifo: Some(model::Fifo { path, owner: None, script: None }), ..Globals::default() };
        Self { folder, fifos: Fifos::new(log), globals }
    }

    fn configure(&mut self) {
        let user = Some(User { name: nix::unistd::geteuid().to_string(), group: None });
        self.fifos.configure(&self.globals, &Policy { security: false, user });
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    async fn is_pipe(&self, file: &str) {
        let path = self.path(file);
        until("the pipe is there", || path.metadata().is_ok_and(|found| found.file_type().is_fifo())).await;
    }

    /// Reads lines on a thread, since that waits.
    async fn lines(&self, file: &str, number: usize) -> Vec<String> {
        let path = self.path(file);
        let read = move || {
            let file = BufReader::new(File::open(path).unwrap());
            file.lines().take(number).map(Result::unwrap).collect::<Vec<_>>()
        };
        tokio::time::timeout(PATIENCE, task::spawn_blocking(read)).await.expect("lines are missing").unwrap()
    }
}

#[tokio::test]
async fn lines_come_through_in_order_and_whoever_wants_them_gets_them() {
    let mut bench = Bench::new();
    let fifo = |path| Some(model::Fifo { path, owner: None, script: None });
    bench.globals.vrrp_fifo = fifo(bench.path("vrrp"));
    bench.globals.lvs_fifo = fifo(bench.path("lvs"));
    bench.configure();
    bench.is_pipe("all").await;
    assert_eq!(bench.path("all").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    bench.fifos.vrrp("INSTANCE \"VI_1\" MASTER 150");
    bench.fifos.lvs("VS [1.2.3.4]:tcp:80 UP");
    bench.fifos.vrrp("GROUP \"G\nx\" BACKUP 0");
    assert_eq!(
        bench.lines("all", 3).await,
        ["INSTANCE \"VI_1\" MASTER 150", "VS [1.2.3.4]:tcp:80 UP", "GROUP \"G x\" BACKUP 0"]
    );
    assert_eq!(bench.lines("vrrp", 2).await[1], "GROUP \"G x\" BACKUP 0");
    assert_eq!(bench.lines("lvs", 1).await, ["VS [1.2.3.4]:tcp:80 UP"]);
}

#[tokio::test]
async fn a_pipe_stays_open_over_reloads() {
    let mut bench = Bench::new();
    bench.configure();
    bench.is_pipe("all").await;
    let inode = bench.path("all").metadata().unwrap().ino();
    let reader =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(bench.path("all")).unwrap();
    for number in 0..20 {
        bench.configure();
        bench.fifos.vrrp(&format!("line {number}"));
    }
    tokio::time::timeout(PATIENCE, bench.fifos.finish()).await.unwrap();
    bench.configure();
    // A reader of a pipe that was closed by its writer would find its end.
    let mut lines = BufReader::new(reader);
    let mut text = String::new();
    for _ in 0..20 {
        lines.read_line(&mut text).unwrap();
    }
    assert!(text.starts_with("line 0\n") && text.ends_with("line 19\n"), "{text}");
    let end = lines.read_line(&mut text).unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::WouldBlock, "the pipe was closed");
    assert_eq!(bench.path("all").metadata().unwrap().ino(), inode);
    bench.globals.fifo = None;
    bench.configure();
    until("the pipe is closed", || lines.read_line(&mut text).is_ok_and(|read| read == 0)).await;
    assert!(bench.path("all").exists(), "who reads it next time finds it");
}

#[tokio::test]
async fn a_full_pipe_is_waited_for_and_what_is_left_out_is_counted() {
    let mut bench = Bench::new();
    bench.configure();
    bench.is_pipe("all").await;
    // 40 kB fit: all that a slow reader has not read yet is there when it comes.
    let (some, many) = (1000, 9000);
    let line = |number: usize| format!("{number:040}");
    (0..some).for_each(|number| bench.fifos.vrrp(&line(number)));
    tokio::time::timeout(PATIENCE, bench.fifos.finish()).await.unwrap();
    let mut written = some;
    while !bench.read("log").contains("Nobody reads ") {
        assert!(written < many, "there is no end to the queue");
        bench.fifos.vrrp(&line(written));
        written += 1;
        task::yield_now().await;
    }
    bench.fifos.vrrp(&line(written));
    let path = bench.path("all");
    let last = line(written);
    let read = move || {
        let mut lines = Vec::new();
        for line in BufReader::new(File::open(path).unwrap()).lines() {
            lines.push(line.unwrap());
            if lines.last() == Some(&last) {
                return lines;
            }
        }
        lines
    };
    let lines = tokio::time::timeout(PATIENCE, task::spawn_blocking(read)).await.unwrap().unwrap();
    let numbers: Vec<usize> = lines.iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order, or torn");
    assert_eq!(numbers[..some], (0..some).collect::<Vec<_>>());
    let lost = written + 1 - numbers.len();
    assert!(lost > 0);
    let said = format!("is read again; {lost} lines were left out");
    until("it is said how many", || bench.read("log").contains(&said)).await;
    assert_eq!(bench.read("log").matches("Nobody reads ").count(), 1);
}

#[tokio::test]
async fn a_script_reads_it_and_is_started_again() {
    let mut bench = Bench::new();
    let out = bench.path("out");
    let script = format!("echo start >> {0}; read line < \"$2\"; echo \"$1 $line\" >> {0}", out.display());
    let argv = ["/bin/sh", "-c", script.as_str(), "script", "first"].map(str::to_owned).to_vec();
    bench.globals.fifo.as_mut().unwrap().script = Some(ScriptCommand { argv, user: None });
    bench.configure();
    until("the script runs", || bench.read("out") == "start\n").await;
    bench.configure();
    bench.fifos.vrrp("a line");
    until("it reads", || bench.read("out").starts_with("start\nfirst a line\nstart\n")).await;
    assert!(bench.read("log").contains("which reads a pipe: exited with status 0; again in 1 s"));
    bench.fifos.part();
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.fifos.vrrp("another");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.read("out"), "start\nfirst a line\nstart\n", "it goes on");
}

#[tokio::test]
async fn something_else_in_its_place_is_said_once() {
    let mut bench = Bench::new();
    fs::write(bench.path("all"), "important").unwrap();
    bench.configure();
    bench.fifos.vrrp("a line");
    until("it is said", || bench.read("log").contains("can not be opened")).await;
    assert!(bench.read("log").contains("if it is something else, remove it; it is tried again every 1 s"));
    fs::remove_file(bench.path("all")).unwrap();
    assert_eq!(
        {
            bench.is_pipe("all").await;
            bench.lines("all", 1).await
        },
        ["a line"]
    );
    assert_eq!(bench.read("log").lines().count(), 1, "{}", bench.read("log"));
}

#[tokio::test]
async fn it_belongs_to_whom_it_is_to_belong() {
    if !nix::unistd::geteuid().is_root() {
        return skip("it_belongs_to_whom_it_is_to_belong", "root");
    }
    let mut bench = Bench::new();
    let owner = User { name: "12345".into(), group: Some("54321".into()) };
    bench.globals.fifo.as_mut().unwrap().owner = Some(owner);
    bench.configure();
    let path = bench.path("all");
    until("it has its owner", || {
        path.metadata().is_ok_and(|found| (found.uid(), found.gid()) == (12345, 54321))
    })
    .await;
    bench.globals.vrrp_fifo = Some(model::Fifo {
        path: bench.path("vrrp"),
        owner: Some(User { name: "no-such".into(), group: None }),
        script: None,
    });
    bench.configure();
    until("it is said", || bench.read("log").contains("there is no user `no-such`")).await;
}

#[tokio::test]
async fn a_pipe_that_others_decide_about_is_not_used_and_no_script_reads_it() {
    let mut bench = Bench::new();
    let shared = bench.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let pipe = bench.path("theirs");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    std::os::unix::fs::symlink(&pipe, shared.join("link")).unwrap();
    let out = bench.path("out");
    let argv = ["/bin/sh", "-c", &format!("echo ran >> {}", out.display())].map(str::to_owned).to_vec();
    let script = Some(ScriptCommand { argv, user: None });
    bench.globals.fifo = Some(model::Fifo { path: shared.join("link"), owner: None, script });
    bench.configure();
    bench.fifos.vrrp("a line");
    until("it is said", || {
        bench.read("log").contains("is a symbolic link in a folder that others can write to")
    })
    .await;
    assert!(!out.exists(), "the script reads what others write");
    fs::remove_file(shared.join("link")).unwrap();
    until("the script reads another one", || out.exists()).await;
}
