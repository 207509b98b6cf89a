//! One worker thread: its epoll instance, its listeners, its connections.

mod accept;
mod orders;
mod transfer;

use std::sync::Arc;

use lb_core::Time;
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventFlags},
    },
    fd::{AsFd, OwnedFd},
    io::{self, Errno},
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime},
};

use super::{
    conn::{Conn, Side, Stage, TICK, tick},
    mailbox::Mailbox,
    pump::Pump,
    service::Service,
    shared::{Context, Shared, now},
    slab::Slab,
    token::Token,
    udp::UdpEngine,
};

/// Events fetched at once.
const EVENTS: usize = 256;
/// Ticks in which every connection is looked at once.
const SWEEP_TICKS: u32 = 5;
/// Ticks after which persistent clients whose time is over are forgotten.
const TEMPLATE_TICKS: u32 = 100;

/// Everything that one thread owns.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    /// The first worker also does what is needed once for all.
    first: bool,
    epoll: OwnedFd,
    /// An event ten times a second, while there is something that time can end.
    ticker: OwnedFd,
    ticking: bool,
    now: Time,
    tick: u32,
    /// The last tick that was swept in.
    swept: u32,
    listeners: Slab<Listener>,
    /// No listener is watched until the next tick: something has run out that all need.
    paused: bool,
    /// Some listeners are not watched until the next tick: there is no place for their clients.
    waiting: bool,
    /// Connections whose client was accepted when there was no descriptor left for the server.
    starved: Vec<u32>,
    conns: Slab<Conn>,
    /// Connections whose turn was over before their data was.
    again: Vec<u32>,
    /// Where the sweep goes on.
    cursor: u32,
    pump: Pump,
    udp: UdpEngine,
    stopped: bool,
}

/// A listening socket of this thread.
#[derive(Debug)]
struct Listener {
    service: Arc<Service>,
    socket: OwnedFd,
    is_watched: bool,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, mailbox: Arc<Mailbox>, first: bool) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*mailbox, Token::Wake.into(), EventFlags::IN)?;
        let ticker =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &ticker, Token::Tick.into(), EventFlags::IN)?;
        let now = now();
        Ok(Self {
            ticker,
            ticking: false,
            pump: Pump::new(shared.config.splice, shared.pipes_per_thread, shared.config.buffer_budget),
            udp: UdpEngine::new(&shared),
            shared,
            mailbox,
            first,
            epoll,
            now,
            tick: tick(now),
            swept: tick(now),
            listeners: Slab::new(),
            paused: false,
            waiting: false,
            starved: Vec::new(),
            conns: Slab::new(),
            again: Vec::new(),
            cursor: 0,
            stopped: false,
        })
    }

    /// Works until it is told to stop.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        while !self.stopped {
            events.clear();
            let patience = self.patience()?;
            match epoll::wait(&self.epoll, spare_capacity(&mut events), patience.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            // At once, since the sleep may have been long and what begins now must not look old.
            self.now = now();
            self.tick = tick(self.now);
            for event in &events {
                let flags = event.flags;
                match Token::from(event.data) {
                    Token::Client(index) => self.on_socket(index, Side::Client, flags),
                    Token::Server(index) => self.on_socket(index, Side::Server, flags),
                    Token::Listener(index) => self.accept(index),
                    Token::Udp(token) => {
                        let (context, udp) = self.udp();
                        udp.on_ready(&context, token, flags);
                    }
                    Token::Wake => self.obey(),
                    // A timer runs on only once it was read.
                    Token::Tick => _ = io::read(&self.ticker, &mut [0_u8; 8]),
                }
            }
            for index in std::mem::take(&mut self.again) {
                self.resume(index);
            }
            self.conns.recycle();
            self.listeners.recycle();
            if self.swept != self.tick {
                self.swept = self.tick;
                self.on_tick();
                if self.ticking && self.is_idle() {
                    self.set_ticker(false)?;
                }
            }
        }
        Ok(())
    }

    /// How long to sleep when there are no events: until there are, but the ticker is one.
    ///
    /// A time-out of every wait would have the kernel set and clear a timer each time: a few percent of a small
    /// exchange when there is little to do.
    fn patience(&mut self) -> io::Result<Option<Timespec>> {
        if !self.ticking && !self.is_idle() {
            self.set_ticker(true)?;
        }
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok((!self.again.is_empty()).then_some(at_once))
    }

    /// Whether nothing happens with time.
    fn is_idle(&self) -> bool {
        self.conns.is_empty() && self.udp.is_idle() && !self.paused && !self.waiting
    }

    fn set_ticker(&mut self, on: bool) -> io::Result<()> {
        let nanos = if on { TICK.as_nanos() as i64 } else { 0 };
        let interval = Timespec { tv_sec: 0, tv_nsec: nanos };
        let value = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&self.ticker, TimerfdTimerFlags::empty(), &value)?;
        self.ticking = on;
        Ok(())
    }

    /// What UDP works with.
    fn udp(&mut self) -> (Context<'_>, &mut UdpEngine) {
        (Context { shared: &self.shared, epoll: self.epoll.as_fd(), now: self.now }, &mut self.udp)
    }

    fn on_tick(&mut self) {
        self.unpause();
        let (context, udp) = self.udp();
        udp.sweep(&context);
        let span = self.conns.span();
        for _ in 0..span.div_ceil(SWEEP_TICKS) {
            self.cursor = if self.cursor + 1 < span { self.cursor + 1 } else { 0 };
            self.expire(self.cursor);
        }
        if self.first && self.tick.is_multiple_of(TEMPLATE_TICKS) {
            for listener in self.listeners.iter() {
                listener.service.expire(self.now);
            }
        }
    }

    /// Ends a connection on which nothing has moved for too long, or asks the next server.
    fn expire(&mut self, index: u32) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.age(self.tick) <= conn.timeout() {
            return;
        }
        if conn.stage == Stage::Connecting { self.connect_failed(index) } else { self.end(index) }
    }

    /// Ends a connection.
    fn end(&mut self, index: u32) {
        if let Some(mut conn) = self.conns.remove(index) {
            for half in &mut conn.halves {
                self.pump.discard(half);
            }
            conn.close(self.now, &self.shared.limits);
        }
    }

    /// Ends a connection with RST on what is left of it.
    fn reset(&mut self, index: u32) {
        if let Some(conn) = self.conns.get_mut(index) {
            conn.reset = true;
            self.end(index);
        }
    }
}

impl Drop for Worker {
    /// Also after a panic: the servers' counts are shared with the threads that go on.
    fn drop(&mut self) {
        for index in 0..self.conns.span() {
            self.end(index);
        }
    }
}
