//! A relay with loopback addresses of its own, and servers for it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "every test program uses its part; a failure is a failed test"
)]

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use lb_core::{
    Change, DataPlane,
    dataplane::{Connection, DataPlaneError, ServerCounters, ServiceCounters},
    model::{SchedulerKind, ServerKey, ServerSpec, ServiceKey, ServiceSpec, Weight},
};
use lb_nat::relay::{Relay, RelayConfig};

/// Long enough for any machine; reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A relay.
pub(crate) struct World {
    pub(crate) relay: Arc<Relay>,
}

impl World {
    /// With two threads.
    pub(crate) fn new() -> Self {
        Self::with(RelayConfig::default())
    }

    /// With this configuration; two threads unless it says something else.
    pub(crate) fn with(mut config: RelayConfig) -> Self {
        config.threads = config.threads.or(NonZeroUsize::new(2));
        Self { relay: Arc::new(Relay::start(config).unwrap()) }
    }

    /// A service with these servers, weight 1 each.
    pub(crate) async fn serve(&self, scheduler: SchedulerKind, servers: &[ServerKey]) -> ServiceKey {
        self.serve_spec(ServiceSpec::new(scheduler), servers).await
    }

    pub(crate) async fn serve_spec(&self, spec: ServiceSpec, servers: &[ServerKey]) -> ServiceKey {
        let service = ServiceKey::tcp(free_address());
        let mut batch = vec![Change::AddService { service, spec }];
        // The scheduler's list is newest first, so that the first server named is the first one chosen.
        batch.extend(servers.iter().rev().map(|&server| add(service, server)));
        self.apply(&batch).await;
        service
    }

    /// Makes changes, none of which may be refused.
    pub(crate) async fn apply(&self, batch: &[Change]) {
        assert_eq!(self.relay.apply(batch).await.unwrap(), []);
    }

    /// Makes a change that must be refused.
    pub(crate) async fn refused(&self, change: Change) -> DataPlaneError {
        let mut refused = self.relay.apply(&[change]).await.unwrap();
        assert_eq!(refused.len(), 1, "the change should have been refused");
        refused.remove(0).error
    }

    pub(crate) fn connect(&self, service: &ServiceKey) -> TcpStream {
        connect(service.address().unwrap())
    }

    pub(crate) async fn service_counters(&self, service: &ServiceKey) -> ServiceCounters {
        self.relay.counters().await.unwrap().remove(service).unwrap()
    }

    pub(crate) async fn counters(&self, service: &ServiceKey, server: &ServerKey) -> ServerCounters {
        self.service_counters(service).await.servers[server]
    }

    /// Waits until the counters of a server are as expected.
    pub(crate) async fn until(
        &self,
        service: &ServiceKey,
        server: &ServerKey,
        what: &str,
        mut holds: impl FnMut(&ServerCounters) -> bool,
    ) {
        let end = Instant::now() + PATIENCE;
        loop {
            let counters = self.counters(service, server).await;
            if holds(&counters) {
                return;
            }
            assert!(Instant::now() < end, "never {what}: {counters:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// TCP connections without persistence templates.
    pub(crate) async fn connections(&self) -> Vec<Connection> {
        self.relay.connections(usize::MAX).await.unwrap()
    }
}

/// A change that adds a server of weight 1.
pub(crate) fn add(service: ServiceKey, server: ServerKey) -> Change {
    Change::AddServer { service, server, spec: ServerSpec::masq(Weight::ONE) }
}

/// A change that gives a server another weight.
pub(crate) fn weigh(service: ServiceKey, server: ServerKey, weight: u16) -> Change {
    Change::EditServer { service, server, spec: ServerSpec::masq(Weight::new(weight)) }
}

/// A loopback address that nobody else in this process uses, at a port that was free a moment ago. Test programs
/// differ in the second byte, processes in the port.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let own = NEXT.fetch_add(1, SeqCst);
    let address = Ipv4Addr::new(127, 1 + (std::process::id() % 250) as u8, (own >> 8) as u8, own as u8);
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap()
}

/// A client whose reads fail instead of hanging.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    impatient(&stream);
    stream
}

/// One exchange on an open connection.
pub(crate) fn ping(stream: &mut TcpStream) {
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
}

/// So many clients that have been served, one after the other.
pub(crate) fn pinged(world: &World, service: &ServiceKey, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let mut client = world.connect(service);
            ping(&mut client);
            client
        })
        .collect()
}

/// A client from an address of its own.
pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    impatient(&stream);
    stream
}

/// Makes reads and writes of a socket fail instead of hanging.
pub(crate) fn impatient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
}

/// A server that sends back what it gets; its threads end with the connections.
pub(crate) struct Echo {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        Self::at(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub(crate) fn at(ip: IpAddr) -> Self {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let address = serve_at(ip, move |mut stream| {
            count.fetch_add(1, SeqCst);
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        });
        Self { address, accepted }
    }

    pub(crate) fn key(&self) -> ServerKey {
        self.address.into()
    }

    /// Connections so far; one that has answered was counted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

/// A server that runs `session` in a thread for each connection.
pub(crate) fn serve(session: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    serve_at(Ipv4Addr::LOCALHOST.into(), session)
}

pub(crate) fn serve_at(ip: IpAddr, session: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let session = Arc::new(session);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = Arc::clone(&session);
            thread::spawn(move || {
                impatient(&stream);
                session(stream);
            });
        }
    });
    address
}

/// An address that refuses connections.
pub(crate) fn refusing() -> ServerKey {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().into()
}

/// Whether the peer has reset the connection; `false` when it ended in peace.
pub(crate) fn was_reset(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
            true
        }
    }
}
