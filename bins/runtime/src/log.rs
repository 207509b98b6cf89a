//! Where log lines go: a file, syslog, or standard error.

mod queue;

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lb_core::Time;
use thiserror::Error;
use tracing_subscriber::fmt::MakeWriter;

use self::queue::{Batch, Queue};
use super::{
    clock::{Clock, ctime},
    printable::is_obeyed,
};

/// Takes one line at a time, from any thread. Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Log {
    writer: Arc<Writer>,
    clock: Clock,
    /// Lines for a thread that writes them.
    queue: Option<Arc<Queue>>,
}

#[derive(Debug)]
struct Writer {
    target: Target,
    name: Name,
    /// Lines that are missing in the file since it cannot be written to.
    missing: AtomicUsize,
}

/// What names a daemon in its lines.
#[derive(Clone, Debug)]
enum Name {
    /// The configuration, as ldirectord does it.
    Configuration(Arc<str>),
    /// The program, as keepalived does it.
    Program(Arc<str>),
}

/// Where lines go.
#[derive(Debug)]
pub enum Target {
    /// Appended to a file, which is opened for every line, so that it can be rotated at any time.
    File(PathBuf),
    /// To the system's log by this facility, such as `local0`.
    Syslog(Facility),
    /// To standard error: in the foreground, and under systemd.
    Stderr,
}

/// A facility of syslog (RFC 5424 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

/// A facility that syslog does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no facility of syslog; there are kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp and local0 to local7"
)]
pub struct UnknownFacility(pub String);

impl std::str::FromStr for Facility {
    type Err = UnknownFacility;

    fn from_str(name: &str) -> Result<Self, UnknownFacility> {
        const NAMES: [&str; 12] = [
            "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
            "ftp",
        ];
        let local = name.strip_prefix("local").and_then(|n| n.parse::<u8>().ok()).filter(|n| *n < 8);
        NAMES
            .iter()
            .position(|known| *known == name)
            .and_then(|index| u8::try_from(index).ok())
            .or(local.map(|n| 16 + n))
            .map(Self)
            .ok_or_else(|| UnknownFacility(name.to_owned()))
    }
}

impl Facility {
    /// That of daemons without one of their own.
    pub const DAEMON: Self = Self(3);
}

impl Log {
    /// A log whose lines are marked with `tag`, as those of ldirectord.
    pub fn new(target: Target, clock: Clock, tag: &str) -> Self {
        Self::named(target, clock, Name::Configuration(tag.into()))
    }

    /// A log whose lines are those of a program of this name, in the manner of keepalived.
    pub fn of_program(name: &str, target: Target, clock: Clock) -> Self {
        Self::named(target, clock, Name::Program(name.into()))
    }

    fn named(target: Target, clock: Clock, name: Name) -> Self {
        Self { writer: Arc::new(Writer { target, name, missing: AtomicUsize::new(0) }), clock, queue: None }
    }

    /// The same log, with a thread of its own that does the writing: nobody waits for a system log or a terminal that is
    /// slow, and it loses nothing then. What does not fit into 16 MiB is counted and left out. To be
    /// [flushed](Self::flush) at the end.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn behind(mut self) -> io::Result<Self> {
        let (writer, clock) = (self.writer.clone(), self.clock);
        let write = move |batch: Batch| writer.write(&batch, &clock);
        self.queue = Some(Arc::new(Queue::start(write)?));
        Ok(self)
    }

    /// Waits until everything is written, but not for longer than this.
    pub fn flush(&self, patience: Duration) {
        if let Some(queue) = &self.queue {
            queue.flush(patience);
        }
    }

    /// Writes one line, whatever is in it: what a terminal would obey becomes blanks. A log that can not be written to stops nobody;
    /// the line goes to standard error then.
    pub fn line(&self, text: &str) {
        let printable = |c: char| if c.is_control() || is_obeyed(c) { ' ' } else { c };
        let text: String = text.trim_end().chars().map(printable).collect();
        let at = self.clock.now();
        match &self.queue {
            Some(queue) => queue.add(at, &text),
            None => self.writer.line(at, &text),
        }
    }
}

impl Writer {
    fn line(&self, at: Time, text: &str) {
        let written = match &self.target {
            Target::File(path) => self.append(path, at, text),
            Target::Syslog(facility) => self.send(*facility, at, text),
            Target::Stderr => Err(io::ErrorKind::Other.into()),
        };
        if written.is_err() {
            let _ = writeln!(io::stderr(), "{}", self.stamped(at, text));
        }
    }

    /// Writes many lines, and waits as long as it takes.
    fn write(&self, batch: &Batch, clock: &Clock) {
        match &self.target {
            Target::File(_) => batch.lines().for_each(|(at, line)| self.line(at, line)),
            Target::Syslog(facility) => {
                let socket = unconnected();
                for (at, line) in batch.lines() {
                    let message = self.message(*facility, at, line);
                    let sent = socket
                        .as_ref()
                        .is_ok_and(|socket| socket.send_to(message.as_bytes(), SYSLOG).is_ok());
                    if !sent {
                        let _ = writeln!(io::stderr(), "{}", self.stamped(at, line));
                    }
                }
            }
            Target::Stderr => {
                let mut output = io::BufWriter::new(io::stderr());
                for (at, line) in batch.lines() {
                    let _ = writeln!(output, "{}", self.stamped(at, line));
                }
                let _ = output.flush();
            }
        }
        if batch.lost > 0 {
            self.line(
                clock.now(),
                &format!("{} lines were left out: the log takes them too slowly", batch.lost),
            );
        }
    }

    /// `[Sat Nov 21 21:01:51 2026|ldirectord.cf|172] text` or `Sat Nov 21 21:01:51 2026: text`.
    fn stamped(&self, at: Time, text: &str) -> String {
        let time = ctime(at);
        match &self.name {
            Name::Configuration(tag) => format!("[{time}|{tag}|{}] {text}", std::process::id()),
            Name::Program(_) => format!("{time}: {text}"),
        }
    }

    /// Says once that it cannot, in the system's log too since a daemon's standard error is nowhere; and in the file that lines
    /// are missing.
    fn append(&self, path: &Path, at: Time, text: &str) -> io::Result<()> {
        let missing = self.missing.load(Ordering::Relaxed);
        let note = match missing {
            0 => String::new(),
            count => {
                let note = format!("The log file could not be written to: {count} lines are missing");
                format!("{}\n", self.stamped(at, &note))
            }
        };
        let open = || OpenOptions::new().create(true).append(true).open(path);
        let lines = format!("{note}{}\n", self.stamped(at, text));
        let written = open().and_then(|mut file| file.write_all(lines.as_bytes()));
        match &written {
            Ok(()) => self.missing.store(0, Ordering::Relaxed),
            Err(error) => {
                if self.missing.fetch_add(1, Ordering::Relaxed) == 0 {
                    let note = format!("The log file {} cannot be written to: {error}", path.display());
                    let _ = writeln!(io::stderr(), "{}", self.stamped(at, &note));
                    let _ = self.send(Facility::DAEMON, at, &note);
                }
            }
        }
        written
    }

    /// To the system's log; one that is stuck holds nobody up.
    fn send(&self, facility: Facility, at: Time, text: &str) -> io::Result<()> {
        let socket = unconnected()?;
        socket.set_nonblocking(true)?;
        socket.send_to(self.message(facility, at, text).as_bytes(), SYSLOG).map(drop)
    }

    /// As RFC 3164 has it.
    fn message(&self, facility: Facility, at: Time, text: &str) -> String {
        const INFO: u8 = 6;
        let stamp = ctime(at);
        // Month, day and time, without weekday and year.
        let stamp = stamp.get(4..19).unwrap_or_default();
        let priority = u32::from(facility.0) * 8 + u32::from(INFO);
        let pid = std::process::id();
        match &self.name {
            Name::Configuration(tag) => format!("<{priority}>{stamp} lb-director[{pid}]: [{tag}] {text}"),
            Name::Program(name) => format!("<{priority}>{stamp} {name}[{pid}]: {text}"),
        }
    }
}

/// Where the system's log takes messages.
const SYSLOG: &str = "/dev/log";

/// Not connected, so that it survives a system log that is started again.
fn unconnected() -> io::Result<UnixDatagram> {
    UnixDatagram::unbound()
}

/// One event of `tracing` becomes one line.
pub struct LineWriter {
    log: Log,
    line: Vec<u8>,
}

impl io::Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.log.line(&String::from_utf8_lossy(&self.line));
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { log: self.clone(), line: Vec::new() }
    }
}

/// How long a panic waits until its line is written, since it may be the last.
const PANIC_FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// Sends what the libraries have to say, from warnings on (or as `RUST_LOG` says), and panics to this log.
pub fn capture(log: &Log) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .without_time()
        .with_writer(log.clone())
        .finish();
    // A second daemon in the same process (a test) keeps the first one's.
    let _ = tracing::subscriber::set_global_default(subscriber);
    // The default hook waits for standard error, and a probe that panics ends nothing but itself.
    let log = log.clone();
    std::panic::set_hook(Box::new(move |panic| {
        log.line(&panic.to_string());
        log.flush(PANIC_FLUSH_TIMEOUT);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_those_of_ldirectord() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::new(Target::File(path.clone()), Clock::start(), "web.cf");
        log.line("Added virtual server: 10.0.0.100:80\n");
        let text = std::fs::read_to_string(path).unwrap();
        let pattern = format!("|web.cf|{}] Added virtual server: 10.0.0.100:80\n", std::process::id());
        assert!(text.starts_with('[') && text.ends_with(&pattern), "{text}");
        // [Sat Nov 21 21:01:51 2026|
        assert_eq!(text.find('|'), Some(25), "{text}");
    }

    #[test]
    fn lines_of_a_program_look_like_those_of_keepalived() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::of_program("lb-failover", Target::File(path.clone()), Clock::start());
        log.line("(VI_1) Entering MASTER STATE");
        let text = std::fs::read_to_string(path).unwrap();
        // Sat Nov 21 21:01:51 2026: (VI_1) …
        assert_eq!(text.find(": ("), Some(24), "{text}");
    }

    #[test]
    fn a_line_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::new(Target::File(path.clone()), Clock::start(), "web.cf");
        log.line("drained: disk\n[forged|web.cf|1] \x1b[2J\n");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.ends_with("] drained: disk [forged|web.cf|1]  [2J\n"), "{text:?}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_file_that_could_be_written_to_again_says_how_many_lines_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder/log");
        let log = Log::new(Target::File(path.clone()), Clock::start(), "web.cf");
        log.line("one");
        log.line("two");
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        log.line("three");
        log.line("four");
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
        assert_eq!(lines, ["The log file could not be written to: 2 lines are missing", "three", "four"]);
    }

    #[test]
    fn facilities_have_their_numbers() {
        assert_eq!("daemon".parse(), Ok(Facility(3)));
        assert_eq!("local0".parse(), Ok(Facility(16)));
        assert_eq!("local7".parse(), Ok(Facility(23)));
        assert!("local8".parse::<Facility>().unwrap_err().to_string().contains("local0 to local7"));
    }
}
