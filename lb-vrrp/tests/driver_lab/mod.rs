//! Routers in network namespaces on one bridge, without root where user namespaces are allowed, and without leftovers:
//! each test runs again in a process with namespaces of its own, each router is a thread of it in one more namespace, and
//! all of it is gone when the process is.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "not every test file uses everything")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "as in any test")]
#![allow(clippy::disallowed_methods, reason = "a test notices what hangs by the clock of the machine")]

#[path = "../support/requirements.rs"]
mod requirements;

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::IpAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use lb_vrrp::{
    Config, ConfigBuilder, Event, Interval, Priority, State, Time, Vrid,
    driver::{Control, Driver, Happening, Instance, Notice, Snapshot, Told, linux::Linux},
};
use nix::{sched, unistd};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{runtime, sync::oneshot};

use self::requirements::{NETWORK, run_isolated};
pub use self::requirements::{has_programs, succeeds};

/// Only to notice what hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const VRID: u8 = 51;
pub const VIP: &str = "10.0.0.100";
pub const VIP6: [&str; 2] = ["fe80::100", "fd00::100"];

/// Runs the body as root of new user and network namespaces.
pub fn isolated(test: &str, body: impl FnOnce()) {
    if has_programs(test, &["ip"]) {
        run_isolated(test, NETWORK, body);
    }
}

/// A network namespace, and a thread that lives in it.
pub struct Namespace {
    jobs: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    thread_id: String,
}

impl Namespace {
    fn new() -> Self {
        let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            sched::unshare(sched::CloneFlags::CLONE_NEWNET).unwrap();
            ready.send(unistd::gettid().to_string()).unwrap();
            queue.into_iter().for_each(|job| job());
        });
        Self { jobs, thread_id: is_ready.recv().unwrap() }
    }

    /// Runs something inside and waits for what it returns. Threads and processes that it starts are inside, too.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        self.jobs.send(Box::new(move || drop(answer.send(job())))).unwrap();
        result.recv().expect("the job panicked")
    }

    /// Runs `ip` inside, with these lines as a batch.
    pub fn ip(&self, lines: &str) {
        let lines = lines.to_owned();
        self.run(move || ip(&lines));
    }

    /// What `ip` prints inside.
    pub fn show(&self, arguments: &str) -> String {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        self.run(move || {
            let output = Command::new("ip").args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
    }

    /// Whether this address is on an interface inside.
    pub fn has(&self, address: &str) -> bool {
        let all = self.show("-o addr show");
        all.split_whitespace().any(|word| word.split('/').next() == Some(address))
    }

    /// Waits until an address is there or gone.
    pub fn wait_for_address(&self, address: &str, there: bool) {
        wait_until(&format!("{address} is there: {there}"), || self.has(address) == there);
    }
}

/// Runs `ip -batch`.
pub fn ip(lines: &str) {
    let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "ip -batch: {lines}");
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not so within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Routers 1 and 2 and an observer (3), each in a namespace with an `eth0` on one bridge, `v1` to `v3` of it here. Number
/// n has 10.0.0.n/24, fd00::n/64, fe80::n/64 and 02:00:00:00:00:0n.
pub struct Lab {
    pub nodes: [Namespace; 3],
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self { nodes: std::array::from_fn(|_| Namespace::new()) };
        // Without a querier, snooping would keep multicast from the ports after a while.
        ip("link set lo up\nlink add br0 type bridge mcast_snooping 0\nlink set br0 up\n");
        for (n, node) in (1..).zip(&lab.nodes) {
            ip(&format!(
                "link add v{n} type veth peer name eth0 netns {}\nlink set v{n} master br0\nlink set v{n} up\n",
                node.thread_id
            ));
            node.run(|| {
                // No link-local address besides the one that is given.
                std::fs::write("/proc/sys/net/ipv6/conf/eth0/addr_gen_mode", "1").unwrap();
            });
            node.ip(&format!(
                "link set lo up\nlink set eth0 address 02:00:00:00:00:0{n}\nlink set eth0 up\n\
                 addr add 10.0.0.{n}/24 dev eth0\naddr add fd00::{n}/64 dev eth0 nodad\n\
                 addr add fe80::{n}/64 dev eth0 nodad\n"
            ));
        }
        lab
    }

    /// Runs a driver with these instances on node 1 or 2.
    pub fn start(&self, node: usize, instances: Vec<Instance>) -> Running {
        self.start_with(node, instances, |_| {})
    }

    pub fn start_with(
        &self,
        node: usize,
        instances: Vec<Instance>,
        prepare: impl FnOnce(&mut Driver<Linux>) + Send + 'static,
    ) -> Running {
        self.nodes[node - 1].run(move || Running::start(instances, prepare))
    }

    /// Keeps the frames that node 3 sees.
    pub fn watch(&self) -> Wire {
        self.nodes[2].run(Wire::open)
    }
}

/// A driver that runs.
pub struct Running {
    pub control: Control,
    handle: runtime::Handle,
    notices: mpsc::Receiver<Told>,
    /// All that was told so far.
    pub seen: VecDeque<Notice>,
    stop: Option<oneshot::Sender<()>>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<Snapshot>>,
}

impl Running {
    /// On this thread's namespace.
    fn start(instances: Vec<Instance>, prepare: impl FnOnce(&mut Driver<Linux>) + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (kill, killed) = oneshot::channel::<()>();
        let (parts, made) = mpsc::channel();
        let thread = thread::spawn(move || {
            stay_on_one_core();
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let mut driver = Driver::new(Linux::new().unwrap());
                instances.into_iter().for_each(|instance| driver.add(instance).unwrap());
                prepare(&mut driver);
                let (control, mut notices) = driver.handles();
                let (tell, told) = mpsc::channel();
                tokio::spawn(async move {
                    while let Some(notice) = notices.next().await {
                        println!("{notice:?}");
                        drop(tell.send(notice));
                    }
                });
                parts.send((control, told, runtime::Handle::current())).unwrap();
                tokio::select! {
                    ended = driver.run(async { drop(stopped.await) }) => ended.unwrap(),
                    Ok(()) = killed => Snapshot::default(),
                }
            })
        });
        let (control, notices, handle) = made.recv().expect("the driver did not start");
        let seen = VecDeque::new();
        Self { control, handle, notices, seen, stop: Some(stop), kill: Some(kill), thread: Some(thread) }
    }

    /// Waits until this was told; returns when it was.
    pub fn wait(&mut self, what: &str, mut is_it: impl FnMut(&Happening) -> bool) -> Time {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.notices.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Told::Notice(notice)) => {
                    let at = notice.at;
                    let found = is_it(&notice.what);
                    self.seen.push_back(notice);
                    if found {
                        return at;
                    }
                }
                Ok(Told::Missed(count)) => panic!("{count} notices were missed"),
                Err(error) => panic!("{what}: {error}; seen: {:#?}", self.seen),
            }
        }
    }

    pub fn wait_for_state(&mut self, state: State) -> Time {
        self.wait(
            &format!("state {state}"),
            |what| matches!(what, Happening::Router(Event::State { to, .. }) if *to == state),
        )
    }

    pub fn wait_for_installed(&mut self) -> usize {
        let mut count = 0;
        self.wait("installed", |what| match what {
            Happening::Installed { addresses } => {
                count = *addresses;
                true
            }
            _ => false,
        });
        count
    }

    /// All state changes that were told until now.
    pub fn states(&mut self) -> Vec<State> {
        while let Ok(Told::Notice(notice)) = self.notices.try_recv() {
            self.seen.push_back(notice);
        }
        let state = |notice: &Notice| match notice.what {
            Happening::Router(Event::State { to, .. }) => Some(to),
            _ => None,
        };
        self.seen.iter().filter_map(state).collect()
    }

    /// Asks the driver something.
    pub fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.handle.block_on(question)
    }

    /// Shuts it down and waits.
    pub fn stop(mut self) -> Snapshot {
        drop(self.stop.take());
        self.thread.take().unwrap().join().expect("the driver panicked")
    }

    /// Has it do nothing any more, as if its process had been killed.
    pub fn kill(mut self) {
        self.kill.take().unwrap().send(()).unwrap();
        self.thread.take().unwrap().join().expect("the driver panicked");
    }
}

/// What an observer sees.
pub struct Wire {
    frames: mpsc::Receiver<Vec<u8>>,
    pub seen: Vec<Vec<u8>>,
}

impl Wire {
    pub fn open() -> Self {
        let every_protocol = i32::from((nix::libc::ETH_P_ALL as u16).to_be());
        let mut socket =
            Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(every_protocol))).unwrap();
        socket.set_recv_buffer_size(8 << 20).unwrap();
        let (sender, frames) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok(length) = socket.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { frames, seen: Vec::new() }
    }

    /// Waits for a frame.
    pub fn wait(&mut self, what: &str, mut is_it: impl FnMut(&[u8]) -> bool) -> usize {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.frames.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(frame) => {
                    let found = is_it(&frame);
                    self.seen.push(frame);
                    if found {
                        return self.seen.len() - 1;
                    }
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
}

/// Whether a frame is an IPv4 advertisement of this priority.
pub fn is_advert(frame: &[u8], priority: u8) -> bool {
    frame.len() > 14 + 20 + 8 && frame[12..14] == [8, 0] && frame[23] == 112 && frame[36] == priority
}

/// What one core sends over a veth pair arrives in order; what two cores send does not.
fn stay_on_one_core() {
    let here = unistd::Pid::from_raw(0);
    let allowed = sched::sched_getaffinity(here).unwrap();
    let first = (0..sched::CpuSet::count()).find(|core| allowed.is_set(*core).unwrap()).unwrap();
    let mut one = sched::CpuSet::new();
    one.set(first).unwrap();
    sched::sched_setaffinity(here, &one).unwrap();
}

pub fn config(priority: u8, interval: u16, addresses: &[&str]) -> ConfigBuilder {
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Config::v3(Vrid::new(VRID).unwrap(), addresses)
        .priority(Priority::new(priority).unwrap())
        .interval(Interval::from_centiseconds(interval).unwrap())
}

pub fn instance(config: ConfigBuilder) -> Instance {
    Instance::new("test", "eth0", config.build().unwrap())
}

/// A process that is killed when it is dropped.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
