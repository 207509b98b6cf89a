//! How long nobody answered, as a client sees it: echo requests at a steady pace, and the longest time between two that were
//! answered.
//!
//! The meter is a process in the client's host, this program in the role [`measure`]. It prints one line for each that it
//! reads, and ends when there are no more.

mod echo;
mod record;

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::IpAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use lb_vrrp::driver::realtime;

use self::{echo::Echo, record::Record};
use super::{
    error::{Error, Result},
    host::Host,
    namespaces::starting,
};

pub use record::Lap;

/// Pace of the requests.
pub const PACE: Duration = Duration::from_millis(1);

/// A meter that runs in a host. It ends when this is dropped.
#[derive(Debug)]
pub struct Meter {
    child: Child,
    orders: Option<ChildStdin>,
    laps: BufReader<ChildStdout>,
}

impl Meter {
    /// Starts to ask an address from a host. `lbctl` is the program of that name.
    ///
    /// # Errors
    /// When it can not be started.
    pub fn start(host: &Host, lbctl: &Path, address: IpAddr) -> Result<Self> {
        let mut command = host.enter(Command::new(lbctl).args(["lab", "meter", &address.to_string()]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| starting(&command, source))?;
        let (Some(orders), Some(laps)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(starting(&command, io::ErrorKind::BrokenPipe.into()));
        };
        let mut meter = Self { child, orders: Some(orders), laps: BufReader::new(laps) };
        // It answers as soon as it asks.
        meter.lap()?;
        Ok(meter)
    }

    /// What was seen since the last lap, or since the start.
    ///
    /// # Errors
    /// When the meter has ended, mostly because it may not send echo requests.
    pub fn lap(&mut self) -> Result<Lap> {
        self.ask().map_err(|source| Error::Start { command: "lbctl lab meter".to_owned(), source })
    }

    fn ask(&mut self) -> io::Result<Lap> {
        let Some(orders) = &mut self.orders else { return Err(io::ErrorKind::BrokenPipe.into()) };
        orders.write_all(b"lap\n")?;
        let mut line = String::new();
        if self.laps.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}

/// The meter itself: asks the address until standard input ends.
///
/// # Errors
/// When echo requests can not be sent.
pub fn measure(address: IpAddr) -> io::Result<()> {
    let echo = Arc::new(Echo::new(address)?);
    let start = Instant::now();
    let record = Arc::new(Mutex::new(Record::default()));
    let lock = |record: &Mutex<Record>, act: &mut dyn FnMut(&mut Record)| {
        act(&mut record.lock().unwrap_or_else(PoisonError::into_inner));
    };

    let (receiver, heard) = (echo.clone(), record.clone());
    thread::spawn(move || {
        // Where it is allowed: the pace is to hold on a busy machine.
        let _ = realtime::set_priority(10);
        loop {
            if let Some(number) = receiver.receive() {
                lock(&heard, &mut |record| record.answered(number));
            }
        }
    });
    let sent = record.clone();
    thread::spawn(move || {
        let _ = realtime::set_priority(10);
        let mut due = start;
        loop {
            let mut number = 0;
            lock(&sent, &mut |record| number = record.sent(start.elapsed()));
            echo.send(number);
            due += PACE;
            match due.checked_duration_since(Instant::now()) {
                Some(pause) => thread::sleep(pause),
                // What was missed is not made up for in a burst.
                None => due = Instant::now(),
            }
        }
    });
    for line in io::stdin().lines() {
        line?;
        let mut lap = Lap::default();
        lock(&record, &mut |record| lap = record.lap());
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(&lap)?)?;
        stdout.flush()?;
    }
    Ok(())
}
