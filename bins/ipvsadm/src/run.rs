//! Orders are carried out.

use std::{
    io::{self, BufRead, Write},
    ops::ControlFlow,
};

use lb_core::model::ServiceKey;
use lb_ipvs::{
    Client, Command as Change, Error, ErrorKind, Namespace,
    connections::connections,
    format::{self, Entry, Listing, Names, Row},
    transport::{Netlink, Transport},
};
use thiserror::Error as ThisError;

use super::{
    command::{Command, List, Listed},
    fault::{Fault, Problem},
    help,
    lines::Lines,
    names::SystemNames,
    parse::parse,
    refusal,
};

/// What ipvsadm's exit status is when the kernel refuses something.
pub(super) const REFUSED: u8 = 255;
/// When something can not be listed.
pub(super) const UNLISTED: u8 = 1;
/// When the command line is wrong, or the kernel has no IP Virtual Server.
pub(super) const WRONG: u8 = 2;

/// In whose words the kernel's refusals are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// ipvsadm's, to the letter.
    Ipvsadm,
    /// With what was being done, why not, and what to do.
    Lbctl,
}

impl Voice {
    fn of_change(self, change: &Change, error: &Error) -> String {
        match self {
            Self::Ipvsadm => refusal::of_change(change, error),
            Self::Lbctl => format!("lbctl ipvs: {error}"),
        }
    }

    fn of_query(self, error: &Error) -> String {
        match self {
            Self::Ipvsadm => refusal::of_query(error),
            Self::Lbctl => format!("lbctl ipvs: {error}"),
        }
    }
}

/// Where an order is carried out, and who hears of it.
pub(super) struct Session<'a, T = Netlink> {
    pub(super) voice: Voice,
    pub(super) names: SystemNames,
    pub(super) client: Client<T>,
    pub(super) input: &'a mut dyn BufRead,
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
}

/// What keeps an order from being told of: standard output or standard error is gone.
#[derive(Debug, ThisError)]
#[error(transparent)]
pub(super) struct Unheard(#[from] io::Error);

impl<T: Transport> Session<'_, T> {
    /// Does what the words say, as ipvsadm; returns its exit status.
    pub(super) fn line(&mut self, words: &[String]) -> Result<u8, Unheard> {
        let list = ["-L".to_owned()];
        let words = if words.is_empty() { &list } else { words };
        match parse(words, &self.names) {
            Ok(command) => self.order(&command),
            Err(problem) => self.wrong(&problem),
        }
    }

    fn wrong(&mut self, problem: &Problem) -> Result<u8, Unheard> {
        writeln!(self.err, "{}", problem.fault)?;
        Ok(problem.fault.status())
    }

    /// Carries an order out; returns ipvsadm's exit status.
    pub(super) fn order(&mut self, command: &Command) -> Result<u8, Unheard> {
        match command {
            Command::Change(change) => self.changes(std::slice::from_ref(change)),
            Command::List(list) => self.list(list),
            Command::Save { numeric } => self.save(*numeric),
            Command::Restore => self.restore(),
            Command::Help => self.say(help::USAGE),
            Command::Version => self.say(help::VERSION),
        }
    }

    pub(super) fn say(&mut self, text: &str) -> Result<u8, Unheard> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()?;
        Ok(0)
    }

    /// Makes changes in few system calls. Each that is refused is told; the status is that of the last one.
    fn changes(&mut self, changes: &[Change]) -> Result<u8, Unheard> {
        let mut status = 0;
        match self.client.apply(changes) {
            Ok(refused) => {
                for refused in refused {
                    writeln!(self.err, "{}", self.voice.of_change(&changes[refused.index], &refused.error))?;
                    status = if refused.index + 1 == changes.len() { REFUSED } else { 0 };
                }
            }
            Err(error) => {
                writeln!(self.err, "{}", self.voice.of_query(&error))?;
                status = REFUSED;
            }
        }
        Ok(status)
    }

    fn list(&mut self, list: &List) -> Result<u8, Unheard> {
        match self.listing(list) {
            Ok(text) => self.say(&text),
            Err(words) => {
                writeln!(self.err, "{words}")?;
                Ok(UNLISTED)
            }
        }
    }

    fn listing(&mut self, list: &List) -> Result<String, String> {
        let voice = self.voice;
        let kernel = |error: Error| voice.of_query(&error);
        match list.what {
            Listed::Services { view, only, exact, unsorted } => {
                // Of a single service the version is not told.
                let header = match only {
                    None => format::header(&self.client.info().map_err(kernel)?) + "\n",
                    Some(_) => String::new(),
                };
                let mut entries = self.entries(only).map_err(kernel)?;
                if !unsorted {
                    format::sort(&mut entries);
                }
                Ok(header + &Listing { names: self.named(list.numeric), view, exact }.render(&entries))
            }
            Listed::Connections { engines } => {
                let found = connections(&Namespace::own(), usize::MAX).map_err(|error| error.to_string())?;
                let rows = found.iter().map(|entry| Row {
                    protocol: &entry.protocol,
                    expires: entry.expires,
                    state: &entry.state,
                    source: entry.source,
                    virtual_address: entry.virtual_address,
                    destination: entry.destination,
                    engine: entry.engine.as_ref().map(|(name, data)| (&**name, &**data)),
                });
                Ok(format::connections(rows, self.named(list.numeric), engines))
            }
            Listed::Timeouts => Ok(format::timeouts(&self.client.timeouts().map_err(kernel)?)),
            Listed::Daemons => Ok(format::daemons(&self.client.daemons().map_err(kernel)?)),
        }
    }

    fn named(&self, numeric: bool) -> Names<'_> {
        if numeric { Names::Numeric } else { Names::Known(&self.names) }
    }

    /// One service, or all in the kernel's order.
    pub(super) fn entries(&mut self, only: Option<ServiceKey>) -> Result<Vec<Entry>, Error> {
        let services = match only {
            Some(key) => vec![self.client.service(&key)?],
            None => self.client.services()?,
        };
        let mut entries = Vec::with_capacity(services.len());
        for service in services {
            match self.client.destinations(&service.service.key) {
                Ok(servers) => entries.push((service, servers)),
                // It has gone meanwhile.
                Err(error) if error.kind() == ErrorKind::NoSuchService => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn save(&mut self, numeric: bool) -> Result<u8, Unheard> {
        match self.entries(None) {
            Ok(mut entries) => {
                format::sort(&mut entries);
                let text = format::save(&entries, self.named(numeric));
                self.say(&text)
            }
            Err(error) => {
                writeln!(self.err, "{}", self.voice.of_query(&error))?;
                Ok(UNLISTED)
            }
        }
    }

    /// What the kernel refuses is told, and the next line is next; a line that is wrong ends it.
    fn restore(&mut self) -> Result<u8, Unheard> {
        self.lines(|_| true)
    }

    /// `ipvsadm-restore`: the table is emptied first, and lines that begin with `#` are left out.
    pub(super) fn replace(&mut self) -> Result<u8, Unheard> {
        self.changes(&[Change::Flush])?;
        self.lines(|line| !line.starts_with('#'))
    }

    fn lines(&mut self, wanted: fn(&str) -> bool) -> Result<u8, Unheard> {
        let (mut lines, mut status) = (Lines::default(), 0);
        loop {
            let text = match lines.read(self.input) {
                Ok(Some(text)) => text,
                Ok(None) => return Ok(status),
                Err(error) => {
                    writeln!(self.err, "standard input: {error}")?;
                    return Ok(WRONG);
                }
            };
            match self.batch(text.lines().filter(|line| wanted(line)), status)? {
                ControlFlow::Continue(so_far) => status = so_far,
                ControlFlow::Break(status) => return Ok(status),
            }
        }
    }

    /// Changes that follow each other go to the kernel together. Words that are `ipvsadm` are left out. Says with which
    /// status it goes on, or ends.
    fn batch<'b>(
        &mut self,
        lines: impl Iterator<Item = &'b str>,
        mut status: u8,
    ) -> Result<ControlFlow<u8, u8>, Unheard> {
        let mut changes = Vec::new();
        for line in lines {
            let all = line.split_ascii_whitespace().filter(|word| *word != "ipvsadm");
            let words: Vec<String> = all.map(str::to_owned).collect();
            if words.is_empty() {
                continue;
            }
            let parsed = parse(&words, &self.names);
            if let Ok(Command::Change(change)) = parsed {
                changes.push(change);
                continue;
            }
            self.changes(&std::mem::take(&mut changes))?;
            status = match &parsed {
                Ok(Command::Restore) => self.wrong(&Problem { at: None, fault: Fault::NoCommand })?,
                Ok(command) => self.order(command)?,
                Err(problem) => self.wrong(problem)?,
            };
            // A word that is no switch at all is passed over; whatever else is wrong is the end.
            let passed = match parsed {
                Ok(command) => status == 0 && !matches!(command, Command::Help | Command::Version),
                Err(problem) => matches!(problem.fault, Fault::Misfit(..)),
            };
            if !passed {
                return Ok(ControlFlow::Break(status));
            }
        }
        if !changes.is_empty() {
            status = self.changes(&changes)?;
        }
        Ok(ControlFlow::Continue(status))
    }
}

#[cfg(test)]
mod tests;
