//! keepalived and lb-failover with one file, each in namespaces of its own, and what they say of it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::requirements::{has_programs, skip};

/// The folder of the case is `/tmp` inside. There are `eth0` and `eth2`, with their other ends, and scripts that can be run.
const NAMESPACE: &str = "mount --bind \"$0\" /tmp && mount -t tmpfs none /run && ip -batch /tmp/links && cd /tmp && \
    exec env SNMP_PERSISTENT_DIR=/tmp/snmp LD_PRELOAD=\"$STUB\" \"$@\" >/tmp/log 2>&1";
const LINKS: &str = "link set lo up
link add eth0 type veth peer name eth1
link add eth2 type veth peer name eth3
addr add 192.0.2.1/24 dev eth0
addr add 2001:db8::1/64 dev eth0 nodad
addr add 198.51.100.1/24 dev eth2
link set eth0 up
link set eth1 up
link set eth2 up
link set eth3 up
";
/// Longer than any daemon takes on a busy machine; nothing is compared with it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a daemon says of a file.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Whether it runs with it.
    pub(crate) runs: bool,
    /// What it logs.
    pub(crate) log: String,
    /// Instances as JSON.
    pub(crate) json: String,
    /// Instances, groups and trackers as text.
    pub(crate) data: String,
    /// Virtual servers as text.
    pub(crate) check: String,
}

/// Whether both can be run here; says what is missing.
pub(crate) fn available(test: &str) -> bool {
    if !has_programs(test, &["keepalived", "unshare", "ip", "mount", "kill", "cc"]) {
        return false;
    }
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        skip(test, "root, for network namespaces");
    }
    is_root
}

/// Whether keepalived starts with a file, and what it logs.
pub(crate) fn starts(text: &[u8]) -> Answer {
    let (daemon, runs) = start_keepalived(text);
    Answer { runs, log: daemon.log(), ..Answer::default() }
}

/// This kernel may lack IPVS: a stub says yes to what it is asked, so that keepalived starts its checks.
fn start_keepalived(text: &[u8]) -> (Daemon, bool) {
    let arguments = ["keepalived", "-n", "-l", "-D", "-i", "main", "-f", "/tmp/a.conf"];
    let mut daemon = Daemon::start(text, &arguments, stub());
    let runs = daemon.wait(|daemon| daemon.log().contains("Startup complete"));
    (daemon, runs)
}

/// keepalived's answer.
pub(crate) fn keepalived(text: &[u8]) -> Answer {
    let (mut daemon, runs) = start_keepalived(text);
    let mut answer = Answer { runs, ..Answer::default() };
    if runs {
        let children = daemon.children();
        let has = |part: &str| daemon.log().contains(&format!("Starting {part} child"));
        let mut files = Vec::new();
        if has("VRRP") {
            files.extend(["keepalived.data", "keepalived.json"]);
        }
        if has("Healthcheck") {
            files.push("keepalived_check.data");
        }
        for child in &children {
            // SIGUSR1 and SIGRTMIN+2: the real-time signals have no names in nix.
            for signal in ["-10", "-36"] {
                let _ =
                    Command::new("kill").args([signal, &child.to_string()]).stderr(Stdio::null()).status();
            }
        }
        answer.runs = daemon.wait(|daemon| files.iter().all(|file| daemon.has_written(file, &children)));
        answer.json = daemon.read("keepalived.json");
        answer.data = daemon.read("keepalived.data");
        answer.check = daemon.read("keepalived_check.data");
    }
    answer.log = daemon.log();
    answer
}

/// The answer of lb-failover.
pub(crate) fn lb_failover(text: &[u8]) -> Answer {
    let arguments = [
        env!("CARGO_BIN_EXE_lb-failover"),
        "-n",
        "-l",
        "-D",
        "-i",
        "main",
        "-f",
        "/tmp/a.conf",
        "-p",
        "/tmp/pid",
        "--socket",
        "/tmp/socket",
        "--state-dir",
        "/tmp/state",
        "--data-plane",
        "memory",
        "--dont-respawn",
    ];
    let mut daemon = Daemon::start(text, &arguments, Path::new(""));
    let socket = daemon.folder.path().join("socket");
    let ask = |kind: &str| {
        let mut ctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
        let output = ctl.arg("--socket").arg(&socket).args(["dump", kind]).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut json = None;
    let runs = daemon.wait(|daemon| {
        if daemon.folder.path().join("socket").exists() {
            json = ask("json");
        }
        json.is_some()
    });
    let mut answer = Answer { runs, ..Answer::default() };
    if runs {
        answer.json = json.unwrap_or_default();
        answer.data = ask("data").unwrap_or_default();
        answer.check = ask("check-data").unwrap_or_default();
    }
    answer.log = daemon.log();
    answer
}

/// Both answers to each of these files, some at a time.
pub(crate) fn both<T: Sync>(cases: &[T], text: impl Fn(&T) -> &[u8] + Sync) -> Vec<(Answer, Answer)> {
    in_parallel(cases, |case| (keepalived(text(case)), lb_failover(text(case))))
}

/// Does something with each of these, some at a time.
pub(crate) fn in_parallel<T: Sync, R: Send>(cases: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const AT_ONCE: usize = 6;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    while let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
                        && let Some(case) = cases.get(index)
                    {
                        done.push((index, work(case)));
                    }
                    done
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// The library that stands for IPVS, made once.
fn stub() -> &'static Path {
    static STUB: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = STUB.get_or_init(|| {
        // Not in /tmp, which is another one inside.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("ipvs_stub.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keepalived_conf/ipvs_stub.c");
        let status =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&path).arg(source).status().unwrap();
        assert!(status.success());
        (folder, path)
    });
    path
}

/// A daemon in namespaces that end with it.
struct Daemon {
    process: Child,
    folder: TempDir,
}

impl Daemon {
    fn start(text: &[u8], command: &[&str], stub: &Path) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
        write("a.conf", text);
        write("links", LINKS.as_bytes());
        write("tf", b"0\n");
        let log = File::create(folder.path().join("unshare.log")).unwrap();
        let process = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", NAMESPACE])
            .arg(folder.path())
            .args(command)
            .env("STUB", stub)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { process, folder }
    }

    /// Waits for something; `false` when the daemon, or one of its processes, has ended before.
    fn wait(&mut self, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        let start = Instant::now();
        loop {
            if is_so(self) {
                return true;
            }
            let has_crashed = self.log().contains("exited due to segmentation fault");
            if has_crashed || self.process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "{}\n{}", self.read("a.conf"), self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap_or_default()).into_owned()
    }

    fn log(&self) -> String {
        self.read("unshare.log") + &self.read("log")
    }

    /// The processes that the daemon has started.
    fn children(&self) -> Vec<u32> {
        let of = |pid: u32| -> Vec<u32> {
            let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
        };
        of(self.process.id()).into_iter().flat_map(of).collect()
    }

    /// Whether a file is there, and none of these processes has it open any more.
    fn has_written(&self, file: &str, children: &[u32]) -> bool {
        let is_open = |pid: &u32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|path| path.ends_with(file))
        };
        self.folder.path().join(file).exists() && !children.iter().any(is_open)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The first process of its namespace dies with it, and all others with that.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
