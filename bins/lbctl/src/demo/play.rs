//! What happens in the demo, and when.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use lb_control::protocol::{Answer, Request, ServerStatus, Status};
use lb_core::{desired::ServerState, model::ServerKey, overrides::Action};
use tokio::task::JoinSet;

use super::{
    STEP,
    load::{self, Seen, Tallies},
    report::{ALONE, Report},
    roles::Process,
    view::View,
};

/// The processes, and what was seen of them.
pub(super) struct Play {
    servers: Vec<Server>,
    director: Process,
    /// Why there is no pair.
    reason: String,
    front: SocketAddr,
    tallies: Tallies,
    clients: JoinSet<()>,
    started: Instant,
    killed: Option<Instant>,
    noticed: Option<Instant>,
    status: Option<Status>,
    /// What has happened, newest last.
    story: Vec<(Duration, String)>,
}

struct Server {
    name: String,
    address: SocketAddr,
    process: Process,
}

/// How a demo has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself.
    Over,
    /// The user had seen enough.
    Quit,
}

/// What a view shows.
#[derive(Default)]
pub(super) struct Scene {
    /// What this is, and what the keys do.
    pub(super) title: String,
    /// What the user should know of the whole demo, such as why it runs on loopback.
    pub(super) notice: Option<String>,
    pub(super) elapsed: Duration,
    pub(super) total: Duration,
    pub(super) servers: Vec<Actor>,
    pub(super) seen: Seen,
    pub(super) detect: Option<Duration>,
    pub(super) story: Vec<(Duration, String)>,
    /// What each node is, in words; none where there is only one balancer.
    pub(super) nodes: Vec<String>,
}

/// One server in a scene.
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) requests: u64,
    pub(super) status: Option<ServerStatus>,
}

/// What is done to the servers, at which part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Kill,
    Return,
    Drain,
    Undrain,
}

/// In thousandths of the whole.
const ACTS: [(u32, Act); 4] = [(200, Act::Kill), (500, Act::Return), (700, Act::Drain), (850, Act::Undrain)];
/// The server that dies, and the one that is drained.
const VICTIM: usize = 1;
const DRAINED: usize = 0;

impl Play {
    /// Starts servers, balancer and clients on loopback, for the reason that there can be no pair.
    pub(super) async fn prepare(reason: String) -> io::Result<Self> {
        let mut servers = Vec::new();
        for name in ["web1", "web2", "web3"] {
            let process = Process::start(&["lab", "web", name, "127.0.0.1:0"]).await?;
            let address = process.greeting.parse().map_err(io::Error::other)?;
            servers.push(Server { name: name.to_owned(), address, process });
        }
        let front = free_address()?;
        let text = configuration(front, servers.iter().map(|server| server.address));
        let director = Process::start(&["lab", "director", &text]).await?;
        if director.greeting != "ready" {
            return Err(io::Error::other(director.greeting.clone()));
        }
        let mut play = Self {
            servers,
            director,
            reason,
            front,
            tallies: Tallies::default(),
            clients: JoinSet::new(),
            started: Instant::now(),
            killed: None,
            noticed: None,
            status: None,
            story: Vec::new(),
        };
        play.wait_for_servers().await?;
        play.started = Instant::now();
        play.clients = load::start(front, &play.tallies);
        play.tell(format!("three web servers behind {front}, clients ask all the time"));
        Ok(play)
    }

    /// The balancer has to have seen every server once.
    async fn wait_for_servers(&mut self) -> io::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(20);
        while !(0..self.servers.len()).all(|index| self.state(index) == Some(ServerState::Active)) {
            if self.started.elapsed() > PATIENCE {
                return Err(io::Error::other("the balancer did not find its servers in time"));
            }
            tokio::time::sleep(STEP).await;
            self.look().await?;
        }
        Ok(())
    }

    /// Plays for this long, or until the user quits.
    pub(super) async fn perform(&mut self, total: Duration, view: &mut dyn View) -> io::Result<Ending> {
        let mut acts = ACTS.iter().peekable();
        let mut beat = tokio::time::interval(STEP);
        while self.started.elapsed() < total {
            beat.tick().await;
            let due = |(part, _): &&(u32, Act)| self.started.elapsed() >= total * *part / 1000;
            if let Some((_, act)) = acts.peek().filter(|next| due(next) && self.may(next.1)).copied() {
                acts.next();
                self.act(*act).await?;
            }
            self.look().await?;
            if !view.draw(&self.scene(total))? {
                return Ok(Ending::Quit);
            }
        }
        Ok(Ending::Over)
    }

    /// The dead server comes back only after its death was noticed.
    const fn may(&self, act: Act) -> bool {
        !matches!(act, Act::Return) || self.noticed.is_some()
    }

    async fn act(&mut self, act: Act) -> io::Result<()> {
        let (name, address) = {
            let index = if matches!(act, Act::Kill | Act::Return) { VICTIM } else { DRAINED };
            (self.servers[index].name.clone(), self.servers[index].address)
        };
        match act {
            Act::Kill => {
                self.servers[VICTIM].process.kill().await?;
                self.killed = Some(Instant::now());
                self.tell(format!("{name} is killed"));
            }
            Act::Return => {
                let process = Process::start(&["lab", "web", &name, &address.to_string()]).await?;
                self.servers[VICTIM].process = process;
                self.tell(format!("{name} is started again"));
            }
            Act::Drain => {
                self.order(address, Some(Action::Drain)).await?;
                self.tell(format!("{name} is drained: no new connections"));
            }
            Act::Undrain => {
                self.order(address, None).await?;
                self.tell(format!("{name} is let in again"));
            }
        }
        Ok(())
    }

    async fn order(&mut self, address: SocketAddr, action: Option<Action>) -> io::Result<()> {
        let order = Request::Order {
            server: address.into(),
            service: None,
            action,
            reason: "demo".into(),
            lasting: None,
        };
        self.ask(&order).await.map(drop)
    }

    async fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let answer = self.director.ask(&serde_json::to_string(request)?).await?;
        match serde_json::from_str(&answer)? {
            Answer::Error(text) => Err(io::Error::other(text)),
            answer => Ok(answer),
        }
    }

    /// Asks the balancer how it is.
    async fn look(&mut self) -> io::Result<()> {
        match self.ask(&Request::Status).await? {
            Answer::Status(status) => self.status = Some(*status),
            answer => return Err(io::Error::other(format!("unexpected answer {answer:?}"))),
        }
        if self.killed.is_some() && self.noticed.is_none() && self.state(VICTIM) == Some(ServerState::Down) {
            self.noticed = Some(Instant::now());
            let cause = self.server_status(VICTIM).map_or_else(String::new, |server| server.cause.clone());
            self.tell(format!("{} is out: {cause}", self.servers[VICTIM].name));
        }
        Ok(())
    }

    fn server_status(&self, index: usize) -> Option<&ServerStatus> {
        let key = ServerKey::from(self.servers[index].address);
        let services = &self.status.as_ref()?.services;
        services.iter().flat_map(|service| &service.servers).find(|server| server.server == key)
    }

    fn state(&self, index: usize) -> Option<ServerState> {
        Some(self.server_status(index)?.state)
    }

    fn tell(&mut self, text: String) {
        self.story.push((self.started.elapsed(), text));
    }

    fn scene(&self, total: Duration) -> Scene {
        let seen = self.tallies.seen();
        let servers = self.servers.iter().enumerate().map(|(index, server)| Actor {
            name: server.name.clone(),
            address: server.address,
            requests: seen.by_server.get(&server.name).copied().unwrap_or(0),
            status: self.server_status(index).cloned(),
        });
        Scene {
            title: format!("lbctl demo: http://{}/ balanced over three servers; q ends it", self.front),
            notice: Some(notice(&self.reason)),
            elapsed: self.started.elapsed(),
            total,
            servers: servers.collect(),
            detect: self.killed.zip(self.noticed).map(|(killed, noticed)| noticed - killed),
            story: self.story.clone(),
            nodes: Vec::new(),
            seen,
        }
    }

    pub(super) fn report(&mut self) -> Report {
        self.clients.abort_all();
        let report = Report::new(&self.tallies.seen(), self.killed, self.noticed);
        report.alone(self.reason.clone())
    }

    /// Ends all processes.
    pub(super) async fn finish(self) {
        self.director.finish().await;
        for server in self.servers {
            server.process.finish().await;
        }
    }
}

/// The reason in one line, for the view; the report has it whole.
fn notice(reason: &str) -> String {
    format!("{ALONE}: {}", reason.lines().next().unwrap_or_default())
}

/// An address on loopback that nobody listens on at the moment.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn configuration(front: SocketAddr, servers: impl Iterator<Item = SocketAddr>) -> String {
    let mut text =
        format!("checkinterval=1\nchecktimeout=2\nnegotiatetimeout=2\nquiescent=no\nvirtual={front}\n");
    for server in servers {
        text += &format!("\treal={server} masq\n");
    }
    text + "\tservice=http\n\tchecktype=negotiate\n\trequest=\"/\"\n\treceive=\"web\"\n\tscheduler=rr\n\tprotocol=tcp\n"
}
