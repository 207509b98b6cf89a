//! Where the cases run: here, or in a virtual machine that runs this program once more.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock},
    thread,
    time::Duration,
};

use lb_ipvs::Client;
use lb_lab::vm::Machine;
use nix::{
    sched::{CloneFlags, unshare},
    unistd::geteuid,
};

use crate::{
    hang, selftest,
    support::{has_programs, skip},
};

/// How long a machine may be silent: longer than a case may take, after which the machine reports that it hangs.
const SILENCE: Duration = Duration::from_secs(15 * 60);
/// Virtual machines that share the cases; each runs one after the other.
const MACHINES: usize = 2;
/// In a machine, which of them it is. Where it is not set, all cases run.
const SHARE: &str = "LB_VM_SHARE";
/// In a machine that replaces another one, the cases that have ended in that.
const ENDED: &str = "LB_VM_ENDED";

/// Runs a case where IPVS is.
pub(crate) fn on_ipvs<F: FnOnce()>(case: F) {
    place(case, || TABLES.read().unwrap_or_else(PoisonError::into_inner));
}

/// Runs a case that counts on listings of long tables, while no other case changes its own. The kernel resumes a listing by
/// position, and counts the services of all networks: when elsewhere one comes or goes, one may be missing, or be there twice.
pub(crate) fn alone_on_ipvs<F: FnOnce()>(case: F) {
    place(case, || TABLES.write().unwrap_or_else(PoisonError::into_inner));
}

/// Here, behind a lock, or in a machine.
fn place<F: FnOnce(), L>(case: F, lock: impl FnOnce() -> L) {
    if !has_programs(name_of::<F>(), &["ip", "ipvsadm"]) {
        return;
    }
    if !has_ipvs() {
        in_guest::<F>();
    } else if is_ours::<F>() {
        let _held = lock();
        hang::guard(name_of::<F>(), case);
    }
}

/// The tables of this kernel.
static TABLES: RwLock<()> = RwLock::new(());

/// Has the case run in its virtual machine.
fn in_guest<F: FnOnce()>() {
    static GUESTS: [OnceLock<Result<Arc<Guest>, String>>; MACHINES] = [const { OnceLock::new() }; MACHINES];
    let name = name_of::<F>();
    let share = share_of(name);
    let guest = GUESTS[share].get_or_init(|| {
        let machine = Machine::prepare().map_err(|error| error.to_string())?;
        // In there is no network to fetch it by; a test says so when it is missing.
        let _ = selftest::script();
        Ok(Guest::start(machine, Some(share), selection(std::env::args().skip(1)), &[]))
    });
    match guest {
        Ok(guest) => guest.await_case(name),
        Err(lack) => skip(name, &format!("IPVS in the kernel and root, or a virtual machine: {lack}")),
    }
}

/// Which of the machines runs the case.
fn share_of(name: &str) -> usize {
    name.bytes().map(usize::from).sum::<usize>() % MACHINES
}

/// Whether the case is neither another machine's, nor has ended in one that this machine replaces.
fn is_ours<F>() -> bool {
    let name = name_of::<F>();
    let has_ended = |ended: String| ended.split(' ').any(|other| other == name);
    std::env::var(SHARE).map_or(true, |share| share == share_of(name).to_string())
        && !std::env::var(ENDED).is_ok_and(has_ended)
}

/// Whether there can be namespaces here in which IPVS may be set up. Nothing outside of these is touched, so that cases may run
/// on any machine, and beside each other.
fn has_ipvs() -> bool {
    let try_it = || {
        let writable = || fs::OpenOptions::new().write(true).open("/proc/sys/net/ipv4/ip_forward").is_ok();
        unshare(CloneFlags::CLONE_NEWNET).is_ok()
            && writable()
            && Client::open().and_then(|mut client| client.info()).is_ok()
    };
    static HAS: OnceLock<bool> = OnceLock::new();
    // Without root the question alone could load the module.
    let is_there = || geteuid().is_root() && Path::new("/proc/net/ip_vs").exists();
    *HAS.get_or_init(|| is_there() && thread::spawn(try_it).join().unwrap())
}

/// Whether this is the machine that [`on_ipvs`] starts, or a shell in one.
pub(crate) fn in_machine() -> bool {
    Path::new("/sys/firmware/qemu_fw_cfg/by_name/opt/lb").exists()
}

/// Whether the kernel has these modules. Each of them puts an interface into every network, so it is loaded in a machine of our
/// own only; elsewhere the case is skipped without it.
pub(crate) fn has_modules(case: &str, modules: &[&str]) -> bool {
    if in_machine() {
        let status = Command::new("modprobe").arg("-a").args(modules).status().unwrap();
        assert!(status.success(), "modprobe {modules:?}");
    }
    let missing: Vec<&str> =
        modules.iter().copied().filter(|name| !Path::new("/sys/module").join(name).exists()).collect();
    if !missing.is_empty() {
        let modprobe = format!("modprobe -a {}", missing.join(" "));
        skip(case, &format!("modules that add interfaces to this machine ({modprobe})"));
    }
    missing.is_empty()
}

/// The name of the test that a closure stands in.
fn name_of<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_program, path)| path);
    path.split_once("::{{closure}}").map_or(path, |(name, _)| name)
}

/// What is known of a machine that tests wait for.
#[derive(Default)]
pub(crate) struct Guest {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    /// By name of the test, whether it has passed, and what was printed meanwhile.
    outcomes: BTreeMap<String, (bool, String)>,
    /// The test that runs.
    running: Option<String>,
    /// What has been printed since the last outcome.
    text: String,
    /// Why nothing more will be told.
    end: Option<String>,
}

impl Guest {
    /// Runs these tests in a machine, with these variables: those of a share, or all.
    pub(crate) fn start(
        machine: Machine,
        share: Option<usize>,
        tests: Vec<String>,
        variables: &[(&str, &str)],
    ) -> Arc<Self> {
        let guest = Arc::new(Self::default());
        let running = guest.clone();
        let mut command = Command::new("sh");
        command.args(["-c", "modprobe ip_vs && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        command.args(tests).args(["--test-threads=1", "--nocapture", "--color=never"]);
        command.envs(variables.iter().copied()).envs(share.map(|share| (SHARE, share.to_string())));
        for name in ["HOME", "XDG_CACHE_HOME", "LB_REQUIRE_ALL", "LB_VM_CHANGES", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        thread::spawn(move || running.run(&machine, command));
        guest
    }

    /// Runs the tests to the end. A test with which the machine ends has failed, and the others run in the next machine.
    fn run(&self, machine: &Machine, mut command: Command) {
        loop {
            let ended = machine.run(&command, SILENCE, |line| self.tell(|told| told.line(line)));
            let end = match ended {
                Ok(status) => format!("the program in the machine ended with status {status}"),
                Err(error) => error.to_string(),
            };
            let mut has_more = false;
            self.tell(|told| has_more = told.machine_ended(&end));
            if !has_more {
                return;
            }
            let ended: Vec<String> = self.told.lock().unwrap().outcomes.keys().cloned().collect();
            command.env(ENDED, ended.join(" "));
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until a case has ended: whether it has passed, and what it has printed.
    pub(crate) fn outcome(&self, name: &str) -> (bool, String) {
        let pending = |told: &mut Told| told.end.is_none() && !told.outcomes.contains_key(name);
        let told = self.changed.wait_while(self.told.lock().unwrap(), pending).unwrap();
        let unfinished = || (false, format!("{}\n{}", told.text, told.end.as_deref().unwrap_or_default()));
        told.outcomes.get(name).cloned().unwrap_or_else(unfinished)
    }

    /// Waits until a case has ended, and prints and ends as it did.
    fn await_case(&self, name: &str) {
        let (passed, text) = self.outcome(name);
        assert!(passed, "in the machine:\n{text}");
        for (test, needs) in
            text.lines().filter_map(|line| line.strip_prefix("skipped: ")?.split_once(": needs "))
        {
            skip(test, needs);
        }
        print!("{text}");
    }
}

impl Told {
    /// A line of what the test program prints, which runs one test after the other and catches nothing:
    /// `test NAME ... ` and then what the test prints, and `ok` or `FAILED`.
    fn line(&mut self, line: &str) {
        let mut rest = line;
        if let Some((name, printed)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            self.running = Some(name.to_owned());
            self.text.clear();
            rest = printed;
        }
        let passed = match rest {
            "ok" => true,
            "FAILED" => false,
            _ => {
                self.text += rest;
                self.text.push('\n');
                return;
            }
        };
        if let Some(name) = self.running.take() {
            // In a machine that replaces another one, a case that has ended there passes without being run.
            self.outcomes.entry(name).or_insert((passed, std::mem::take(&mut self.text)));
        }
    }

    /// Whether a machine has ended within a test, which has failed by that, so that others remain.
    fn machine_ended(&mut self, end: &str) -> bool {
        match self.running.take() {
            // Not twice for the same test, so that this comes to an end.
            Some(name) if !self.outcomes.contains_key(&name) => {
                let text = format!("{}{end}", std::mem::take(&mut self.text));
                self.outcomes.insert(name, (false, text));
                true
            }
            _ => {
                self.end = Some(end.to_owned());
                false
            }
        }
    }
}

/// Of this program's arguments, those that say which tests are to run.
fn selection(arguments: impl Iterator<Item = String>) -> Vec<String> {
    const WITH_VALUE: [&str; 6] =
        ["--test-threads", "--format", "--logfile", "--color", "-Z", "--shuffle-seed"];
    let (mut selected, mut arguments) = (Vec::new(), arguments);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--skip" => selected.extend([argument].into_iter().chain(arguments.next())),
            "--exact" | "--ignored" | "--include-ignored" => selected.push(argument),
            option if WITH_VALUE.contains(&option) => drop(arguments.next()),
            option if option.starts_with('-') && !option.starts_with("--skip=") => {}
            _ => selected.push(argument),
        }
    }
    selected
}

#[test]
fn what_the_machine_tells_is_understood() {
    let mut told = Told::default();
    let lines = [
        "running 3 tests",
        "test a::b ... ok",
        "test a::c ... first",
        "ok, second",
        "FAILED",
        "test d ... ",
        "12 picks",
    ];
    lines.iter().for_each(|line| told.line(line));
    let outcome = |passed, text: &str| Some((passed, text.to_owned()));
    assert_eq!(told.outcomes.get("a::b").cloned(), outcome(true, ""));
    assert_eq!(told.outcomes.get("a::c").cloned(), outcome(false, "first\nok, second\n"));
    assert_eq!((told.outcomes.len(), &*told.text), (2, "\n12 picks\n"));
    told.line("ok");
    assert_eq!(told.outcomes.get("d").cloned(), outcome(true, "\n12 picks\n"));
}

#[test]
fn a_test_with_which_a_machine_ends_has_failed_and_no_other_has() {
    let mut told = Told::default();
    for line in ["test a ... ok", "test b ... half", "a line"] {
        told.line(line);
    }
    assert!(told.machine_ended("the virtual machine has died"));
    for line in ["test a ... ok", "test b ... ok", "test c ... ok"] {
        told.line(line);
    }
    assert!(!told.machine_ended("the end"));
    let failed: Vec<_> = told.outcomes.iter().filter(|(_, (passed, _))| !passed).collect();
    assert_eq!(
        failed,
        [(&"b".to_owned(), &(false, "half\na line\nthe virtual machine has died".to_owned()))]
    );
    assert_eq!(told.outcomes.len(), 3);
}

#[test]
fn the_machine_runs_what_is_selected_here() {
    let selected = |line: &str| selection(line.split_whitespace().map(str::to_owned)).join(" ");
    assert_eq!(
        selected("--test-threads 2 nat --exact -q --skip a --nocapture b --skip=c"),
        "nat --exact --skip a b --skip=c"
    );
    assert_eq!(name_of::<fn()>(), "fn()");
    fn of<F: FnOnce()>(_: F) -> &'static str {
        name_of::<F>()
    }
    assert_eq!(of(|| ()), "guest::the_machine_runs_what_is_selected_here");
}
