use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use rustix::fd::AsFd;

use super::*;

/// A direction between two connected pairs: what is written to `writer` is to come out of `reader`.
struct Path {
    writer: UnixStream,
    source: UnixStream,
    target: UnixStream,
    reader: UnixStream,
    half: Half,
}

impl Path {
    fn new() -> Self {
        let (writer, source) = UnixStream::pair().unwrap();
        let (target, reader) = UnixStream::pair().unwrap();
        for socket in [&writer, &source, &target] {
            socket.set_nonblocking(true).unwrap();
        }
        Self { writer, source, target, reader, half: Half::new(false) }
    }

    /// Writes until the socket takes no more.
    fn fill(&mut self) -> usize {
        let mut total = 0;
        while let Ok(written) = self.writer.write(&[5; 1 << 16]) {
            total += written;
        }
        total
    }

    fn run(&mut self, pump: &mut Pump) -> Outcome {
        pump.run(&mut self.half, self.source.as_fd(), self.target.as_fd(), true)
    }
}

#[test]
fn a_stalled_reader_stops_the_reading() {
    let mut pump = Pump::new(SpliceMode::Never, 0, 1 << 20);
    let mut path = Path::new();
    while path.fill() > 0 {
        path.run(&mut pump);
    }
    assert!(path.half.is_blocked());
    let waiting = pump.waiting;
    assert!(waiting > 0 && waiting <= BUFFER_SIZE, "{waiting}");
    assert_eq!(path.run(&mut pump), Outcome::Blocked);
    assert_eq!(pump.waiting, waiting, "nothing more is read");
    pump.discard(&mut path.half);
    assert_eq!(pump.waiting, 0);
}

#[test]
fn many_stalled_readers_keep_within_the_budget() {
    const BUDGET: usize = 1 << 20;
    let mut pump = Pump::new(SpliceMode::Never, 0, BUDGET);
    let mut paths: Vec<Path> = (0..100).map(|_| Path::new()).collect();
    for path in &mut paths {
        while path.fill() > 0 {
            path.run(&mut pump);
        }
    }
    let bound = BUDGET + BUFFER_SIZE + paths.len() * FRUGAL_READ;
    assert!(pump.waiting >= BUDGET && pump.waiting <= bound, "{} of {bound}", pump.waiting);

    // Every one of them still gets all that was written.
    for path in &mut paths {
        path.writer.shutdown(std::net::Shutdown::Write).unwrap();
        path.reader.set_nonblocking(true).unwrap();
        let mut sink = vec![0; 1 << 20];
        while path.run(&mut pump) != Outcome::Ended {
            while matches!(path.reader.read(&mut sink), Ok(1..)) {}
        }
    }
    assert_eq!(pump.waiting, 0);
}

#[test]
fn without_a_free_pipe_bulk_is_copied() {
    let mut pump = Pump::new(SpliceMode::Always, 1, 1 << 20);
    let (mut first, mut second) = (Path::new(), Path::new());
    while first.fill() > 0 {
        first.run(&mut pump);
    }
    assert!(matches!(first.half.backlog, Backlog::Piped { .. }), "the only pipe waits with its content");
    second.writer.write_all(b"copied").unwrap();
    assert_eq!(second.run(&mut pump), Outcome::Idle);
    let mut received = [0; 6];
    second.reader.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"copied");
    pump.discard(&mut first.half);
    assert!(pump.pipes.take().is_some(), "its place is free again");
}

#[test]
fn a_direction_becomes_bulk_and_small_talk_again() {
    let mut pump = Pump::new(SpliceMode::Adaptive, 4, 1 << 20);
    let mut path = Path::new();
    let mut sink = vec![0; 1 << 20];
    path.reader.set_nonblocking(true).unwrap();
    let mut exchange = |path: &mut Path, size: usize| {
        let (mut written, mut read) = (0, 0);
        let data = vec![1; size];
        while read < size {
            written += path.writer.write(&data[written..]).unwrap_or(0);
            path.run(&mut pump);
            read += path.reader.read(&mut sink).unwrap_or(0);
        }
    };
    exchange(&mut path, 100);
    assert_eq!(path.half.bulk, 0);
    exchange(&mut path, 8 << 20);
    assert!(path.half.bulk >= SPLICE_AT);
    for _ in 0..8 {
        exchange(&mut path, 100);
    }
    assert_eq!(path.half.bulk, 0);
    let (bytes, reads) = path.half.take_counts();
    assert_eq!(bytes, 100 + (8 << 20) + 800);
    assert!(reads > 9);
    assert_eq!(path.half.take_counts(), (0, 0));
}
