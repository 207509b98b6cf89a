//! Two routers at a bridge, in network namespaces that end with the process: without root where user namespaces are
//! allowed. Each case runs in a process of its own, which is the first of its process namespace, so that whatever it
//! started ends with it.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::signal::{Signal, kill},
    unistd::{Pid, gettid},
};

use crate::{
    LAB,
    requirements::{has_programs, unshare_command},
};

/// Only to notice what hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Set in the process of a case to its name.
const INSIDE: &str = "LB_INTEROP_CASE";

/// Runs all cases at once, each in namespaces of its own, and fails when one of them does. `programs` are those of the peer.
pub(crate) fn run_cases(test: &str, programs: &[&str], cases: &[(&'static str, fn())]) {
    if let Ok(name) = std::env::var(INSIDE) {
        let (_, case) = cases.iter().find(|(case, _)| *case == name).unwrap();
        return case();
    }
    if !has_programs(test, &LAB) || !has_programs(test, programs) {
        return;
    }
    let namespaces: &[&str] =
        &["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
    let choices = [namespaces, &namespaces[2..]];
    if unshare_command(test, &choices).is_none() {
        return;
    }
    let start = |(name, _): &(&'static str, fn())| {
        let child = unshare_command(test, &choices)
            .unwrap()
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(INSIDE, name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        (*name, child)
    };
    let running: Vec<(&str, Child)> = cases.iter().map(start).collect();
    let waiting = running.into_iter().map(|(name, child)| (name, thread::spawn(|| child.wait_with_output())));
    let mut failed = Vec::new();
    for (name, waiting) in waiting.collect::<Vec<_>>() {
        let Output { status, stdout, stderr } = waiting.join().unwrap().unwrap();
        let out = String::from_utf8_lossy(&stdout);
        println!("== {name}\n{out}{}", String::from_utf8_lossy(&stderr));
        if !status.success() || !out.contains("1 passed") {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

/// A bridge with two routers; a recorder and our monitor listen at it.
pub(crate) struct Lab {
    pub(crate) ours: Namespace,
    pub(crate) theirs: Namespace,
    pub(crate) folder: tempfile::TempDir,
    recorder: Child,
    watcher: Child,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Daemons leave files there.
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]));
        run(Command::new("ip").args(["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]));
        run(Command::new("ip").args(["link", "set", "br0", "up"]));
        let recorder = Command::new("dumpcap")
            .args([
                "-q",
                "-P",
                "-i",
                "br0",
                "-f",
                "ip proto 112 or ip proto 51 or ip6 proto 112 or arp or icmp6",
                "-w",
            ])
            .arg(folder.path().join("wire.pcap"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let watcher = Command::new(env!("CARGO_BIN_EXE_vrrp-watch"))
            .args(["--json", "br0"])
            .stdout(std::fs::File::create(folder.path().join("watch.json")).unwrap())
            .spawn()
            .unwrap();
        let lab = Self { ours: Namespace::new(1), theirs: Namespace::new(2), folder, recorder, watcher };
        // The header of the file stands before there is anything to record.
        until("the recorder listens", || std::fs::metadata(lab.capture()).is_ok_and(|file| file.len() > 0));
        lab
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is recorded so far.
    pub(crate) fn capture(&self) -> PathBuf {
        self.file("wire.pcap")
    }

    /// Whether the routers reach each other. The bridge hears both either way.
    pub(crate) fn connect(&self, connected: bool) {
        for port in ["p1", "p2"] {
            let isolated = if connected { "off" } else { "on" };
            run(Command::new("bridge").args(["link", "set", "dev", port, "isolated", isolated]));
        }
    }

    /// How often our monitor has told such a finding.
    pub(crate) fn told(&self, finding: &str) -> usize {
        let text = std::fs::read_to_string(self.file("watch.json")).unwrap();
        text.lines().filter(|line| line.contains(&format!("\"finding\":\"{finding}\""))).count()
    }

    /// Ends the recording, and says where it is, and what our monitor said while it went on.
    pub(crate) fn recorded(&mut self) -> (PathBuf, String) {
        for child in [&mut self.recorder, &mut self.watcher] {
            signal(child, Signal::SIGINT);
            child.wait().unwrap();
        }
        (self.capture(), std::fs::read_to_string(self.file("watch.json")).unwrap())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in [&mut self.recorder, &mut self.watcher] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A network namespace, and a thread that lives in it.
pub(crate) struct Namespace(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Namespace {
    /// With `eth0` at the bridge: 192.0.2.N, and a link-local address made of 02:00:00:00:00:0N.
    fn new(n: u8) -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ready.send(gettid().to_string()).unwrap();
            queue.into_iter().for_each(|job| job());
        });
        let thread_id = is_ready.recv().unwrap();
        let namespace = Self(jobs);
        ip(&format!(
            "link add p{n} type veth peer name eth0 netns {thread_id}\nlink set p{n} master br0\nlink set p{n} up\n"
        ));
        namespace.run(move || {
            // Addresses are to be usable at once.
            for name in ["all", "default", "eth0"] {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_dad"), "0").unwrap();
            }
            ip(&format!(
                "link set lo up\nlink set eth0 address 02:00:00:00:00:0{n}\naddr add 192.0.2.{n}/24 dev eth0\n\
                 link set eth0 up\n"
            ));
        });
        namespace
    }

    /// Runs something inside and waits for what it returns.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        self.0.send(Box::new(move || drop(answer.send(job())))).unwrap();
        result.recv().expect("the job panicked")
    }

    /// Starts a program inside.
    pub(crate) fn spawn(&self, mut command: Command) -> Child {
        command.stdin(Stdio::null());
        let name = format!("{command:?}");
        self.run(move || command.spawn()).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether any interface has the address.
    pub(crate) fn has(&self, address: &str) -> bool {
        let text = self.run(|| run(Command::new("ip").args(["-oneline", "address", "show"])));
        text.split_ascii_whitespace().any(|word| word.split('/').next() == Some(address))
    }
}

/// Runs a program that has to succeed, for what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs commands of `ip`, one a line.
pub(crate) fn ip(batch: &str) {
    let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{batch}");
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
