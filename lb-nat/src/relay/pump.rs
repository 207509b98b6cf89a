//! Moves payload from one socket to the other.
//!
//! Small reads go through one buffer per thread and straight on; only what the reader does not take is kept, in as
//! many bytes as that is. A direction that fills the buffer twice running is spliced through a pipe of the pool: the
//! payload then never enters user space. A pipe is always emptied before it is filled again, so `EAGAIN` when filling
//! can only mean that the socket is empty, never that the pipe has no slot left.

use rustix::{
    fd::BorrowedFd,
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send, sockopt::set_tcp_nodelay},
    pipe::{SpliceFlags, splice},
};

use super::{
    config::SpliceMode,
    pipes::{PIPE_SIZE, Pipe, PipePool},
};

/// Twice this moved a mebibyte no cheaper, half of it cost a tenth more.
const BUFFER_SIZE: usize = 256 << 10;
/// A read of this size counts as bulk.
const BULK: usize = 64 << 10;
/// A splice below this size counts against bulk.
const TRICKLE: usize = 16 << 10;
/// Score from which a direction is spliced, and the highest.
const SPLICE_AT: u8 = 2;
const MAX_SCORE: u8 = 4;
/// Reads for directions that are new to the backlog while its budget is used up.
const FRUGAL_READ: usize = 4 << 10;
/// Reads in one go, then others get their turn.
const ROUNDS: usize = 16;

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Half {
    backlog: Backlog,
    bytes: u64,
    reads: u32,
    bulk: u8,
    nagle: Nagle,
    /// The source has said that nothing will follow what its socket holds.
    pub(super) fin_seen: bool,
    /// There is more to read; no event will tell.
    pub(super) more: bool,
    /// The source's end was read.
    pub(super) ended: bool,
    /// Nothing will be moved any more: the end was passed on, or the target is gone.
    pub(super) done: bool,
}

/// What was read and not taken yet.
#[derive(Debug)]
enum Backlog {
    Empty,
    Copied { bytes: Box<[u8]>, sent: usize },
    Piped { pipe: Pipe, len: usize },
}

/// Whether the target socket may hold small segments back. The first write is never held back, so `TCP_NODELAY` can
/// wait for the second: connections with one request save a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nagle {
    Unwritten,
    Written,
    Off,
}

/// Why [`Pump::run`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The source is empty; an event will tell when it is not.
    Idle,
    /// The target is full; an event will tell when it is not.
    Blocked,
    /// The turn is over; there may be more.
    More,
    /// The source has ended and everything was taken.
    Ended,
    /// The source was reset.
    SourceGone,
    /// The target was reset.
    TargetGone,
}

/// The buffers of one thread.
#[derive(Debug)]
pub(super) struct Pump {
    buffer: Box<[u8]>,
    pipes: PipePool,
    mode: SpliceMode,
    /// Bytes in backlogs in memory, and how many there may be.
    waiting: usize,
    budget: usize,
}

impl Half {
    /// A direction of which the target may hold small segments back, or not.
    pub(super) const fn new(nagle: bool) -> Self {
        Self {
            backlog: Backlog::Empty,
            bytes: 0,
            reads: 0,
            bulk: 0,
            nagle: if nagle { Nagle::Unwritten } else { Nagle::Off },
            fin_seen: false,
            more: false,
            ended: false,
            done: false,
        }
    }

    /// Whether something waits until the target can be written to.
    pub(super) const fn is_blocked(&self) -> bool {
        !matches!(self.backlog, Backlog::Empty)
    }

    /// Bytes and reads since the last time.
    pub(super) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.reads).into())
    }

    fn allow_write(&mut self, target: BorrowedFd<'_>) {
        match self.nagle {
            Nagle::Off => {}
            Nagle::Unwritten => self.nagle = Nagle::Written,
            Nagle::Written => {
                // Only a socket that is gone refuses, and then so does the write.
                let _ = set_tcp_nodelay(target, true);
                self.nagle = Nagle::Off;
            }
        }
    }

    const fn count(&mut self, read: usize) {
        self.bytes += read as u64;
        self.reads = self.reads.saturating_add(1);
    }
}

impl Pump {
    pub(super) fn new(mode: SpliceMode, max_pipes: usize, budget: usize) -> Self {
        Self {
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
            pipes: PipePool::new(max_pipes),
            mode,
            waiting: 0,
            budget,
        }
    }

    /// Puts bytes before everything that will be read from the source.
    pub(super) fn prepend(&mut self, half: &mut Half, bytes: &[u8]) {
        self.waiting += bytes.len();
        half.backlog = Backlog::Copied { bytes: bytes.into(), sent: 0 };
    }

    /// Forgets what waits for a target that is gone.
    pub(super) fn discard(&mut self, half: &mut Half) {
        match std::mem::replace(&mut half.backlog, Backlog::Empty) {
            Backlog::Empty => {}
            Backlog::Copied { bytes, .. } => self.waiting -= bytes.len(),
            Backlog::Piped { pipe, .. } => self.pipes.discard(pipe),
        }
    }

    /// Moves what can be moved without waiting. `short_is_empty`: a read that does not fill the buffer has emptied the
    /// socket, so that the next one can be saved.
    pub(super) fn run(
        &mut self,
        half: &mut Half,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        short_is_empty: bool,
    ) -> Outcome {
        half.more = false;
        for _ in 0..ROUNDS {
            if let Some(stop) = self.flush(half, target) {
                return stop;
            }
            if half.ended {
                return Outcome::Ended;
            }
            if let Some(pipe) = self.pipe_for(half) {
                match self.splice(half, pipe, source) {
                    Ok(true) => continue,
                    // The end, or urgent data, which splice(2) does not pass: recv(2) can tell.
                    Ok(false) => {}
                    Err(stop) => return stop,
                }
            }
            if let Some(stop) = self.copy(half, source, target, short_is_empty) {
                return stop;
            }
        }
        half.more = true;
        Outcome::More
    }

    /// Writes the backlog; `None` when it is empty.
    fn flush(&mut self, half: &mut Half, target: BorrowedFd<'_>) -> Option<Outcome> {
        if matches!(half.backlog, Backlog::Empty) {
            return None;
        }
        half.allow_write(target);
        let written = match &half.backlog {
            Backlog::Empty => return None,
            Backlog::Copied { bytes, sent } => {
                send(target, bytes.get(*sent..).unwrap_or_default(), SendFlags::NOSIGNAL)
            }
            Backlog::Piped { pipe, len } => {
                splice(&pipe.read, None, target, None, *len, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
            }
        };
        let written = match written {
            Ok(written) => written,
            Err(Errno::AGAIN) => return Some(Outcome::Blocked),
            Err(_) => return Some(Outcome::TargetGone),
        };
        match &mut half.backlog {
            Backlog::Empty => {}
            Backlog::Copied { bytes, sent } => {
                *sent += written;
                if *sent < bytes.len() {
                    return Some(Outcome::Blocked);
                }
                self.waiting -= bytes.len();
            }
            Backlog::Piped { len, .. } => {
                *len = len.saturating_sub(written);
                if *len > 0 {
                    return Some(Outcome::Blocked);
                }
            }
        }
        if let Backlog::Piped { pipe, .. } = std::mem::replace(&mut half.backlog, Backlog::Empty) {
            self.pipes.put(pipe);
        }
        None
    }

    /// A pipe when this direction is to be spliced and there is one.
    fn pipe_for(&mut self, half: &Half) -> Option<Pipe> {
        let wanted = match self.mode {
            SpliceMode::Adaptive => half.bulk >= SPLICE_AT,
            SpliceMode::Always => true,
            SpliceMode::Never => false,
        };
        if wanted { self.pipes.take() } else { None }
    }

    /// `Ok(false)` when nothing came, though the socket is not empty.
    fn splice(&mut self, half: &mut Half, pipe: Pipe, source: BorrowedFd<'_>) -> Result<bool, Outcome> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        match splice(source, None, &pipe.write, None, PIPE_SIZE, flags) {
            Ok(read @ 1..) => {
                half.count(read);
                half.bulk = if read < TRICKLE { half.bulk.saturating_sub(1) } else { MAX_SCORE };
                half.backlog = Backlog::Piped { pipe, len: read };
                Ok(true)
            }
            Ok(_) => {
                self.pipes.put(pipe);
                Ok(false)
            }
            Err(error) => {
                self.pipes.put(pipe);
                Err(after_failed_read(error))
            }
        }
    }

    fn copy(
        &mut self,
        half: &mut Half,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        short_is_empty: bool,
    ) -> Option<Outcome> {
        let room = if self.waiting < self.budget { BUFFER_SIZE } else { FRUGAL_READ };
        let buffer = self.buffer.get_mut(..room)?;
        let read = match recv(source, &mut *buffer, RecvFlags::empty()) {
            Ok((read, _)) => read,
            Err(error) => return Some(after_failed_read(error)),
        };
        if read == 0 {
            half.ended = true;
            return None;
        }
        half.count(read);
        half.bulk = if read >= BULK { (half.bulk + 1).min(MAX_SCORE) } else { 0 };
        let short = read < room && short_is_empty;
        // Nothing can follow what was there when the source announced its end.
        half.ended = short && half.fin_seen;
        half.allow_write(target);
        let data = buffer.get(..read)?;
        let written = match send(target, data, SendFlags::NOSIGNAL) {
            Ok(written) => written,
            Err(Errno::AGAIN) => 0,
            Err(_) => return Some(Outcome::TargetGone),
        };
        let rest = data.get(written..)?;
        if !rest.is_empty() {
            self.waiting += rest.len();
            half.backlog = Backlog::Copied { bytes: rest.into(), sent: 0 };
            return Some(Outcome::Blocked);
        }
        (short && !half.ended).then_some(Outcome::Idle)
    }
}

const fn after_failed_read(error: Errno) -> Outcome {
    match error {
        Errno::AGAIN => Outcome::Idle,
        _ => Outcome::SourceGone,
    }
}

#[cfg(test)]
mod tests;
