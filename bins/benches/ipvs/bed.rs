//! One round: what everybody does to the same table.

use std::{
    io::Write as _,
    net::UdpSocket,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use lb_core::{DataPlane, Reconciler, model::ServiceTable};
use lb_ipvs::{Client, Ipvs, Namespace, transport::Netlink};
use nix::sched::{CloneFlags, unshare};
use tempfile::NamedTempFile;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Result,
    counting::Counting,
    program::Program::{self, Ipvsadm, Lbctl, Namesake},
    report::Report,
    table::{ENTRIES, table, with_changed_weight},
};

/// Of the peer's time, see the report.
const HALF: f64 = 0.5;
const START: &str = "One question, and what it takes to start a program";
const LOAD: &str = "Load of 1,000 services x 10 servers into an empty table";
const READ: &str = "That table read and compared, or saved";
const LIST: &str = "That table listed";
const COUNT: &str = "Counters of all of it";
const CONNECTIONS: &str = "Its connections";

/// A network namespace, and what is loaded into it.
pub(crate) struct Bed {
    runtime: Runtime,
    plane: Arc<dyn DataPlane>,
    sent: Arc<AtomicUsize>,
    table: ServiceTable,
    lines: String,
    /// The same as a file.
    file: NamedTempFile,
}

impl Bed {
    pub(crate) fn new() -> Result<Self> {
        // This is the only thread; all others come from it.
        unshare(CloneFlags::CLONE_NEWNET)?;
        // Before that no address is one that a server may have.
        ip("link set lo up")?;
        let (transport, sent) = Counting::new(Netlink::open()?);
        let client = Client::with_transport(transport)?;
        let plane = Arc::new(Ipvs::new(client.into(), Namespace::own()));
        let (table, lines) = table();
        let mut file = NamedTempFile::new()?;
        file.write_all(lines.as_bytes())?;
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            plane,
            sent,
            table,
            lines,
            file,
        })
    }

    /// Loads and reads by everybody.
    pub(crate) fn round(&mut self, report: &mut Report) -> Result<()> {
        self.by_program(Ipvsadm, report)?;
        self.by_program(Namesake, report)?;
        self.by_program(Lbctl, report)?;
        self.by_plane(report)
    }

    fn by_program(&self, program: Program, report: &mut Report) -> Result<()> {
        let [start, load, save, list, count] = match program {
            Ipvsadm => ["-L --timeout", "-R", "-S -n", "-L -n", "-L -n --stats"],
            Namesake => ["-L --timeout", "-R", "-S -n", "-L -n", "-L -n --stats"],
            Lbctl => ["list --timeout", "restore", "save", "list -n", "list -n --stats"],
        };
        report.add(START, program.named(start), program.run(start, None)?.0);
        self.clear()?;
        report.add(LOAD, program.named(load), program.run(load, Some(self.file.path()))?.0);
        let (seconds, saved) = program.run(save, None)?;
        if saved != self.lines {
            return Err(format!("{program:?} {save}: not what was loaded").into());
        }
        report.add(READ, program.named(save), seconds);
        report.add(LIST, program.named(list), program.run(list, None)?.0);
        report.add(COUNT, program.named(count), program.run(count, None)?.0);
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        Ipvsadm.run("-C", None).map(drop)
    }

    /// What the daemons do.
    fn by_plane(&self, report: &mut Report) -> Result<()> {
        self.clear()?;
        let mut reconciler = Reconciler::new(self.plane.clone());
        let (seconds, done) = self.timed(reconciler.sync(&self.table))?;
        wanted("applied when loaded", done.applied.len(), ENTRIES)?;
        report.add_barred(LOAD, "Reconciler::sync", HALF, seconds);

        let (seconds, done) = self.timed(reconciler.full_sync(&self.table))?;
        wanted("applied or found after that", done.applied.len() + done.interference.len(), 0)?;
        report.add_barred(READ, "Reconciler::full_sync", HALF, seconds);

        let changed = with_changed_weight(self.table.clone());
        let before = self.sent.load(Ordering::Relaxed);
        let (_, done) = self.timed(reconciler.sync(&changed))?;
        wanted("applied for one weight", done.applied.len(), 1)?;
        let messages = self.sent.load(Ordering::Relaxed) - before;
        report.count("Messages to the kernel for one changed weight", messages, 1);

        let (seconds, counters) = self.timed(self.plane.counters())?;
        wanted("counters of services", counters.len(), self.table.services.len())?;
        report.add(COUNT, "DataPlane::counters", seconds);
        Ok(())
    }

    fn timed<T, E: Into<Box<dyn std::error::Error>>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<(f64, T)> {
        let begin = Instant::now();
        let done = self.runtime.block_on(work).map_err(Into::into)?;
        Ok((begin.elapsed().as_secs_f64(), done))
    }

    /// Opens connections to a service of its own, whose servers are this host.
    pub(crate) fn connect(&self, count: u16) -> Result<()> {
        const FIRST: u16 = 10_000;
        ip("addr add 10.2.0.1/32 dev lo")?;
        ip("addr add 192.168.0.1/24 dev lo")?;
        self.clear()?;
        for line in ["--set 0 0 86400", "-A -u 10.2.0.1:53 -s rr", "-a -u 10.2.0.1:53 -r 192.168.0.1:53 -m"] {
            Ipvsadm.run(line, None)?;
        }
        // Takes what comes, so that nobody is told that there is no such port.
        let _server = UdpSocket::bind("0.0.0.0:53")?;
        for port in FIRST..FIRST + count {
            UdpSocket::bind(("10.2.0.1", port))?.send_to(b"a question", "10.2.0.1:53")?;
        }
        Ok(())
    }

    /// Lists them by everybody.
    pub(crate) fn list_connections(&self, count: u16, report: &mut Report) -> Result<()> {
        let count = usize::from(count);
        for (program, line) in [(Ipvsadm, "-L -n -c"), (Namesake, "-L -n -c")] {
            let (seconds, listed) = program.run(line, None)?;
            // Two lines are the head.
            wanted("connections listed", listed.lines().count() - 2, count)?;
            report.add(CONNECTIONS, program.named(line), seconds);
        }
        let (seconds, found) = self.timed(self.plane.connections(usize::MAX))?;
        wanted("connections", found.len(), count)?;
        report.add(CONNECTIONS, "DataPlane::connections", seconds);
        Ok(())
    }
}

fn ip(line: &str) -> Result<()> {
    let status = Command::new("ip").args(line.split(' ')).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip {line}: {status}").into()) }
}

fn wanted(what: &str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found}, not {wanted}").into()) }
}
