//! Connections that are never quiet: each is asked again and again, whatever else happens.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use lb_core::model::{ServerKey, ServiceKey};
use socket2::{Domain, Socket, Type};

use crate::site::{Net, VIP, patiently};

/// A real server in a virtual service.
pub(super) type Place = (ServiceKey, ServerKey);

/// Long enough for a connection that works.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that are asked at once.
const BATCH: usize = 20;

/// Greet each connection with a number, and answer every byte with it.
#[derive(Default)]
pub(super) struct Greeters {
    listeners: Vec<TcpListener>,
    /// By client.
    guests: Arc<Mutex<HashMap<SocketAddr, Arc<TcpStream>>>>,
}

impl Greeters {
    pub(super) fn listen(&mut self, net: &Net, port: u16, number: u8) {
        let listener = net.on(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        let (accepting, guests) = (listener.try_clone().unwrap(), self.guests.clone());
        self.listeners.push(listener);
        thread::spawn(move || {
            for stream in accepting.incoming().map_while(Result::ok) {
                let stream = Arc::new(stream);
                guests.lock().unwrap().insert(stream.peer_addr().unwrap(), stream.clone());
                thread::spawn(move || greet(&stream, number));
            }
        });
    }

    /// Lets a client go whose farewell does not get here, since the way is cut.
    fn forget(&self, client: &Open) {
        if let Some(stream) = self.guests.lock().unwrap().remove(&client.stream.local_addr().unwrap()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Greeters {
    fn drop(&mut self) {
        for listener in &self.listeners {
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
    }
}

/// Until the client has enough.
fn greet(mut stream: &TcpStream, number: u8) {
    let mut byte = [0];
    while stream.write_all(&[number]).is_ok() && stream.read_exact(&mut byte).is_ok() {}
}

/// The connections, and a thread that asks.
pub(super) struct Crowd {
    shared: Arc<Shared>,
    greeters: Greeters,
    thread: Option<JoinHandle<()>>,
    opened: usize,
}

#[derive(Default)]
struct Shared {
    people: Mutex<People>,
    asked: AtomicU64,
    /// How many are to be asked in all.
    due: AtomicU64,
    end: AtomicBool,
}

#[derive(Default)]
struct People {
    /// Who is asked next comes last.
    open: Vec<Open>,
    broken: Vec<Broken>,
    /// Number of the change that is being made.
    change: usize,
}

struct Open {
    place: Place,
    number: u8,
    stream: TcpStream,
}

/// A connection that did not answer as before.
pub(super) struct Broken {
    open: Open,
    /// During which change that was noticed.
    change: usize,
    why: io::Error,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open: Open { place: (service, server), .. }, change, why } = self;
        write!(f, "{server} of {service}, during change {change}: {why}")
    }
}

impl Crowd {
    pub(super) fn start(greeters: Greeters) -> Self {
        let shared = Arc::<Shared>::default();
        let asking = shared.clone();
        let thread = thread::spawn(move || {
            while !asking.end.load(SeqCst) {
                if asking.asked.load(SeqCst) < asking.due.load(SeqCst) {
                    let count = asking.people.lock().unwrap().ask();
                    asking.asked.fetch_add(count, SeqCst);
                }
                // Who else wants to have the lock gets it.
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { shared, greeters, thread: Some(thread), opened: 0 }
    }

    /// Opens connections from the client to these ports in turn until there are so many.
    pub(super) fn fill(&mut self, client: &Net, ports: &[u16], count: usize) {
        let missing = count.saturating_sub(self.len());
        if missing == 0 || ports.is_empty() {
            return;
        }
        let first = self.opened;
        let new: Vec<Open> = client.on(|| {
            let numbers = first..first + missing;
            let connect = |number| {
                let port = ports[number % ports.len()];
                Open::connect(number, port).unwrap_or_else(|error| panic!("to port {port}: {error}"))
            };
            numbers.map(connect).collect()
        });
        self.opened += new.len();
        // They are asked first.
        self.shared.people.lock().unwrap().open.extend(new);
    }

    pub(super) fn len(&self) -> usize {
        self.shared.people.lock().unwrap().open.len()
    }

    /// So many have been opened in all, and so many questions answered.
    pub(super) fn totals(&self) -> (usize, u64) {
        (self.opened, self.shared.asked.load(SeqCst))
    }

    /// Connections at each place.
    pub(super) fn places(&self) -> BTreeMap<Place, u32> {
        let mut places = BTreeMap::new();
        for open in &self.shared.people.lock().unwrap().open {
            *places.entry(open.place).or_default() += 1;
        }
        places
    }

    /// What is noticed from now on is noticed during this change.
    pub(super) fn during(&self, change: usize) {
        self.shared.people.lock().unwrap().change = change;
    }

    /// Has so many more asked, from now on.
    pub(super) fn ask(&self, count: u64) {
        self.shared.due.fetch_add(count, SeqCst);
    }

    /// Waits until all have been asked who were to be.
    pub(super) fn wait(&self) {
        let (asked, due) = (&self.shared.asked, &self.shared.due);
        patiently("answers", || {
            // Nobody may be there to be asked.
            let over = asked.load(SeqCst) >= due.load(SeqCst) || self.len() == 0;
            over.then_some(()).ok_or_else(|| format!("{asked:?} of {due:?}"))
        });
    }

    /// Closes those at these places, and gives up those that are broken there; how many they were.
    ///
    /// # Errors
    /// Those that are broken elsewhere.
    pub(super) fn leave(&self, places: &BTreeSet<Place>) -> Result<usize, String> {
        let mut people = self.shared.people.lock().unwrap();
        let elsewhere = people.broken.iter().filter(|broken| !places.contains(&broken.open.place));
        let elsewhere: Vec<String> = elsewhere.map(ToString::to_string).collect();
        if !elsewhere.is_empty() {
            return Err(elsewhere.join("\n"));
        }
        let mut away: Vec<Open> = people.broken.drain(..).map(|broken| broken.open).collect();
        away.extend(people.open.extract_if(.., |open| places.contains(&open.place)));
        away.iter().for_each(|open| self.greeters.forget(open));
        Ok(away.len())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.end.store(true, SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl People {
    /// Asks some that have waited longest; how many.
    fn ask(&mut self) -> u64 {
        let some = self.open.split_off(self.open.len().saturating_sub(BATCH));
        let count = some.len();
        let sent: Vec<(Open, io::Result<()>)> = some
            .into_iter()
            .map(|mut open| {
                let sent = open.stream.write_all(b"?");
                (open, sent)
            })
            .collect();
        let mut answered = Vec::with_capacity(count);
        for (mut open, sent) in sent {
            match sent.and_then(|()| open.answer()) {
                Ok(()) => answered.push(open),
                Err(why) => self.broken.push(Broken { open, change: self.change, why }),
            }
        }
        self.open.splice(0..0, answered);
        count as u64
    }
}

impl Open {
    /// From one of the client's addresses, so that persistence does not make them all one client's.
    fn connect(number: usize, port: u16) -> io::Result<Self> {
        let service = SocketAddr::new(VIP.parse().unwrap(), port);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let source = CLIENTS[number % CLIENTS.len()];
        socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into())?;
        socket.connect_timeout(&service.into(), PATIENCE)?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let [number] = byte;
        let server = ServerKey::new(Ipv4Addr::new(192, 168, 0, number).into(), port);
        Ok(Self { place: (ServiceKey::tcp(service), server), number, stream })
    }

    /// Asks again after a while: the way may have been cut behind a question that had got there, and who says nothing more
    /// is not told.
    fn answer(&mut self) -> io::Result<()> {
        let (mut byte, mut owed, mut asked) = ([0], 1, 1);
        while owed > 0 {
            match self.stream.read_exact(&mut byte) {
                Ok(()) if byte == [self.number] => owed -= 1,
                Ok(()) => return Err(io::Error::other("another server answers")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && asked < PATIENCE.as_secs() => {
                    self.stream.write_all(b"?")?;
                    (owed, asked) = (owed + 1, asked + 1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Addresses that the client has.
pub(super) const CLIENTS: [Ipv4Addr; 8] = {
    let mut all = [Ipv4Addr::UNSPECIFIED; 8];
    let mut index = 0;
    while index < 8 {
        all[index] = Ipv4Addr::new(10, 0, 0, 32 * index as u8 + 2);
        index += 1;
    }
    all
};
