//! A virtual machine, for what needs a kernel that this machine does not have: IPVS above all.
//!
//! QEMU emulates the processor, so that neither KVM nor privileges are needed: a few seconds to start, and then some ten times
//! slower than this machine. The kernel is Debian's, fetched once. The file system is the one of this machine, read only, below
//! a layer in memory: every program that is here is there, at the same path, and what is written there is gone with the machine.
//! There is no network but what is made inside, by a [`Lab`](super::Lab) for one. Programs inside are root and read what the user
//! who starts the machine can read: as root that is every file.
//!
//! ```no_run
//! use lb_lab::vm::Machine;
//! use std::{process::Command, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let machine = Machine::prepare()?;
//! let mut command = Command::new("sh");
//! command.args(["-c", "ipvsadm -A -t 10.0.0.1:80 -s rr && ipvsadm -Ln"]);
//! let status = machine.run(&command, Duration::from_secs(60), |line| println!("{line}"))?;
//! assert_eq!(status, 0);
//! # Ok(())
//! # }
//! ```

mod initramfs;
mod kernel;

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use nix::unistd::geteuid;

use self::kernel::Kernel;
use super::{
    error::{Error, Result},
    namespaces::{find, search_path, starting},
};

/// What is run here; `busybox` is the first program inside.
const NEEDED: [(&str, &str); 8] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("modprobe", "kmod"),
    ("setpriv", "util-linux"),
    ("ip", "iproute2"),
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
];
/// How many machines of one user run at once.
const SLOTS: usize = 3;
const MEMORY: &str = "1024M";
const PROCESSORS: &str = "2";

/// What a machine is started from. Each command runs in a new one.
#[derive(Debug)]
pub struct Machine {
    kernel: Kernel,
    initramfs: PathBuf,
    cache: PathBuf,
}

impl Machine {
    /// Makes ready what every machine needs; the first time the kernel is fetched, about 70 MB.
    ///
    /// Everything is kept in [`cache`].
    ///
    /// # Errors
    /// When a program is missing, with the package that has it, or there is no kernel and none can be fetched.
    pub fn prepare() -> Result<Self> {
        for (program, package) in NEEDED {
            find(program).ok_or(Error::Missing { program, package })?;
        }
        let cache = cache();
        create_cache(&cache)?;
        let _alone = lock(&cache.join("lock"))?;
        let kernel = Kernel::find_or_fetch(&cache)?;
        let initramfs = initramfs::build(&kernel, &cache)?;
        Ok(Self { kernel, initramfs, cache })
    }

    /// Runs a command in a new machine, as root, and passes on what it prints, line by line. Returns its exit status; what is
    /// over 125 is 125. The environment is the command's own, and nothing else. It is in the command's folder, or else in the
    /// one of this process.
    ///
    /// Waits while three other machines of this user run. The machine ends with the thread that called this, whatever that dies of.
    ///
    /// # Errors
    /// When the machine does not start, dies, or prints nothing for as long as `silence`.
    pub fn run(&self, command: &Command, silence: Duration, mut line: impl FnMut(&str)) -> Result<i32> {
        let slot = self.slot()?;
        let mut qemu = self.qemu(&slot, &format!("exec </dev/null\n{}", script(command)))?;
        qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running(qemu.spawn().map_err(|source| starting(&qemu, source))?);
        let (sender, receiver) = mpsc::channel();
        if let Some(stdout) = running.0.stdout.take() {
            thread::spawn(move || read_lines(stdout, |text| sender.send(text).is_ok()));
        }
        let mut last = String::new();
        loop {
            match receiver.recv_timeout(silence) {
                Ok(text) => {
                    line(&text);
                    last = text;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let problem = format!("has printed nothing for {} s", silence.as_secs());
                    return Err(Error::Machine { problem, said: last });
                }
            }
        }
        if let Some(stderr) = running.0.stderr.take() {
            // QEMU's own complaints.
            read_lines(stderr, |text| {
                last = text;
                true
            });
        }
        let status = running.0.wait().map_err(|source| starting(&qemu, source))?;
        guest_status(status.code(), last)
    }

    /// Runs a command, or a shell, in a new machine with this terminal.
    ///
    /// # Errors
    /// When the machine does not start or dies.
    pub fn attach(&self, command: &Command) -> Result<i32> {
        if !io::stdin().is_terminal() {
            const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
            return self.run(command, WEEK, |line| {
                let _ = writeln!(io::stdout(), "{line}");
            });
        }
        let slot = self.slot()?;
        // The terminal is the command's, so that what runs in it can be interrupted. Without one it must not be: when who has a
        // terminal ends, what is not printed yet is dropped.
        let script = format!("exec setsid --ctty --wait sh -c {}", quoted(&script(command)));
        let mut qemu = self.qemu(&slot, &script)?;
        let mut running = Running(qemu.spawn().map_err(|source| starting(&qemu, source))?);
        let status = running.0.wait().map_err(|source| starting(&qemu, source))?;
        guest_status(status.code(), String::new())
    }

    /// A command that is QEMU, and ends with the thread that starts it. The script has the environment of a command, which
    /// a list of processes must not show: it is handed over in a file.
    fn qemu(&self, slot: &Slot, script: &str) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.env("PATH", search_path()).args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", PROCESSORS, "-m", MEMORY]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.args(["-chardev", "stdio,id=terminal,signal=off", "-serial", "chardev:terminal"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]);
        command.args([
            "-virtfs",
            "local,path=/,mount_tag=other,security_model=none,readonly=on,multidevs=remap",
        ]);
        command.arg("-kernel").arg(self.kernel.image()).arg("-initrd").arg(&self.initramfs);
        command
            .arg("-append")
            .arg("console=ttyS0 panic=-1 quiet loglevel=1 random.trust_cpu=on mitigations=off net.ifnames=0");
        for (name, text) in [("modules", &*self.kernel.modules().to_string_lossy()), ("script", script)] {
            let path = self.cache.join(format!("{name}.{}", slot.number));
            write_private(&path, text).map_err(|source| file_error(&path, source))?;
            // A comma stands for the end of the option, two for one.
            let path = path.to_string_lossy().replace(',', ",,");
            command.arg("-fw_cfg").arg(format!("name=opt/lb/{name},file={path}"));
        }
        Ok(command)
    }

    /// Waits until another machine may run.
    fn slot(&self) -> Result<Slot> {
        let path = |number: usize| self.cache.join(format!("slot.{number}"));
        for number in 0..SLOTS {
            let path = path(number);
            let lock = File::create(&path).map_err(|source| file_error(&path, source))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Slot { number, _lock: lock }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(file_error(&path, source)),
            }
        }
        let number = std::process::id() as usize % SLOTS;
        Ok(Slot { number, _lock: lock(&path(number))? })
    }
}

/// A place for one machine, and its files in the cache; free again when this is dropped.
#[derive(Debug)]
struct Slot {
    number: usize,
    _lock: File,
}

/// Writes a file that only this user can read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = fs::remove_file(path);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Kills the machine when it is not waited for.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The status that the first process has written to the port of `isa-debug-exit`, which makes `2 n + 1` of it; what it writes is
/// one more than the status, since QEMU's own failures are 1.
fn guest_status(code: Option<i32>, said: String) -> Result<i32> {
    match code {
        Some(code) if code >= 3 && code % 2 == 1 => Ok((code - 1) / 2 - 1),
        Some(1) => Err(Error::Machine { problem: "could not be started".to_owned(), said }),
        _ => Err(Error::Machine { problem: "has died".to_owned(), said }),
    }
}

fn read_lines(from: impl io::Read, mut each: impl FnMut(String) -> bool) {
    for line in BufReader::new(from).split(b'\n').map_while(io::Result::ok) {
        let text = String::from_utf8_lossy(&line);
        if !each(text.trim_end_matches('\r').to_owned()) {
            return;
        }
    }
}

/// A command as a script for the shell.
fn script(command: &Command) -> String {
    let folder = command.get_current_dir().map(Path::to_owned).or_else(|| std::env::current_dir().ok());
    let mut text = String::new();
    if let Some(folder) = folder {
        text += &format!("cd {} || exit\n", quoted(&folder.to_string_lossy()));
    }
    text += "exec env";
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            text += &format!(" {}={}", name.to_string_lossy(), quoted(&value.to_string_lossy()));
        }
    }
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        text += &format!(" {}", quoted(&word.to_string_lossy()));
    }
    text + "\n"
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where kernel and initramfs are kept between runs: `lb-lab` in the user's cache folder (`$XDG_CACHE_HOME`, `~/.cache`), or
/// `lb-lab-UID` in the folder for temporary files.
pub fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))) {
        Some(cache) => cache.join("lb-lab"),
        None => std::env::temp_dir().join(format!("lb-lab-{}", geteuid())),
    }
}

/// Makes the folder for this user alone. One that is there already must be safe from others, who could put their own kernel
/// into it, and that kernel reads every file that this user can read.
fn create_cache(folder: &Path) -> Result<()> {
    let failed = |source| file_error(folder, source);
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(failed)?;
    let found = fs::symlink_metadata(folder).map_err(failed)?;
    let owner = found.uid();
    let problem = if !found.is_dir() {
        "it is not a folder".to_owned()
    } else if owner != geteuid().as_raw() {
        format!("it belongs to user {owner}")
    } else if found.mode() & 0o002 != 0 {
        format!("others can write to it (mode {:03o})", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    let text = format!("{problem}; remove it, or set XDG_CACHE_HOME to a folder of your own");
    Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, text)))
}

/// Waits until nobody else has the lock; it is held until the file is closed.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(|source| file_error(path, source))?;
    file.lock().map_err(|source| file_error(path, source))?;
    Ok(file)
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests;
