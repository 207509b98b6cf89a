//! What is measured, and the bars that the relay has to reach.

use crate::{
    Result,
    forwarder::{Backends, Forwarder, Kind},
    measure::Sample,
    tcp_load, udp,
};

/// Connections that are held open to see what one costs in memory.
const IDLE: usize = 4000;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) load: Load,
    pub(crate) bar: Bar,
}

/// How it is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    Tcp(tcp_load::Shape),
    Idle,
    Udp(udp::Shape),
}

/// What the relay's cost is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    /// Peers of which the best counts.
    pub(crate) peers: &'static [Kind],
    /// How many times the relay's cost theirs has to be, at least.
    pub(crate) ratio: f64,
}

const fn haproxy(ratio: f64) -> Bar {
    Bar { peers: &[Kind::HaProxy, Kind::HaProxySplice], ratio }
}

const fn nginx(ratio: f64) -> Bar {
    Bar { peers: &[Kind::Nginx], ratio }
}

const fn tcp(connections: usize, request: usize, answer: usize, keep: bool) -> Load {
    Load::Tcp(tcp_load::Shape { connections, request, answer, keep })
}

const fn datagrams(flows: usize, window: usize, length: usize, trains: bool) -> Load {
    Load::Udp(udp::Shape { flows, window, length, trains })
}

const MICROS: &str = "CPU us/op";

/// All rows, in the order of the table.
pub(crate) const WORKLOADS: [Workload; 10] = [
    Workload { name: "tcp new connection", unit: MICROS, load: tcp(64, 64, 64, false), bar: haproxy(1.1) },
    Workload { name: "tcp keep-alive 64 B", unit: MICROS, load: tcp(64, 64, 64, true), bar: haproxy(1.0) },
    Workload {
        name: "tcp answer 16 KiB",
        unit: MICROS,
        load: tcp(16, 64, 16 << 10, true),
        bar: haproxy(1.1),
    },
    Workload { name: "tcp answer 1 MiB", unit: MICROS, load: tcp(8, 64, 1 << 20, true), bar: haproxy(1.1) },
    Workload { name: "tcp idle memory", unit: "bytes/conn", load: Load::Idle, bar: haproxy(5.0) },
    Workload { name: "udp 64 B, 1 flow", unit: MICROS, load: datagrams(1, 32, 64, false), bar: nginx(1.4) },
    Workload {
        name: "udp 64 B, 64 flows",
        unit: MICROS,
        load: datagrams(64, 16, 64, false),
        bar: nginx(1.4),
    },
    Workload {
        name: "udp 64 B, 256 flows by ones",
        unit: MICROS,
        load: datagrams(256, 1, 64, false),
        bar: nginx(1.4),
    },
    Workload {
        name: "udp 1400 B, 4 flows",
        unit: MICROS,
        load: datagrams(4, 64, 1400, false),
        bar: nginx(1.4),
    },
    Workload {
        name: "udp 1400 B trains, 4 flows",
        unit: MICROS,
        load: datagrams(4, 64, 1400, true),
        bar: nginx(8.0),
    },
];

impl Workload {
    /// HAProxy 2.6 forwards no datagrams.
    pub(crate) fn suits(&self, kind: Kind) -> bool {
        !matches!(self.load, Load::Udp(_)) || matches!(kind, Kind::Relay | Kind::Nginx)
    }

    /// Measures one forwarder once. Memory is measured on a fresh process, since none gives all of it back.
    pub(crate) fn run(&self, forwarder: &Forwarder, backends: &Backends, seconds: f64) -> Result<Sample> {
        match self.load {
            Load::Tcp(shape) => tcp_load::run(shape, forwarder.tcp, forwarder.pid(), seconds),
            Load::Idle => {
                let fresh = Forwarder::start(forwarder.kind, backends)?;
                tcp_load::idle(fresh.tcp, fresh.pid(), IDLE)
            }
            Load::Udp(shape) => {
                let target = if shape.trains { forwarder.trains } else { forwarder.udp };
                udp::run(shape, target, forwarder.pid(), seconds)
            }
        }
    }
}
