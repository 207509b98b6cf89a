//! The demo in a lab: a client, two directors, three web servers at one switch.

mod director;

use std::{
    io,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use lb_control::{event::Condition, protocol::ServerStatus};
use lb_core::{desired::ServerState, model::ServerKey, overrides::Action};
use lb_lab::{Host, Lab, meter::Meter};
use nix::sys::signal::Signal;

use self::director::Director;
use super::{
    STEP,
    load::{Seen, Told},
    play::{Actor, Ending, Scene},
    report::{Failover, Report, millis},
    roles::Process,
    view::View,
};

/// A failover is over after so long.
const SETTLED: Duration = Duration::from_secs(2);
/// The address that the directors share.
const VIP: [u8; 4] = [10, 0, 0, 100];
/// The server that dies, and the one that is drained.
const VICTIM: usize = 1;
const DRAINED: usize = 0;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Break,
    Mend,
    Drain,
    Undrain,
    Kill,
    Revive,
    Switch,
    Split,
    Heal,
    Reload,
    Explain,
}

/// In thousandths of the whole.
const ACTS: [(u32, Act); 7] = [
    (100, Act::Break),
    (300, Act::Mend),
    (420, Act::Drain),
    (500, Act::Undrain),
    (550, Act::Kill),
    (750, Act::Revive),
    (880, Act::Switch),
];
const KEYS: &str = "k kills a director, s splits them, m moves the address, b breaks a server, d drains one, r reloads, \
                    e explains, ";

/// Hosts, processes, and what was seen of them.
pub(super) struct Pair {
    servers: Vec<Server>,
    directors: [Director; 2],
    clients: Process,
    meter: Meter,
    lab: Lab,
    seen: Seen,
    started: Instant,
    killed: Option<Instant>,
    noticed: Option<Instant>,
    split: bool,
    drained: bool,
    moving: Option<(String, Instant)>,
    failovers: Vec<Failover>,
    story: Vec<(Duration, String)>,
}

struct Server {
    name: String,
    host: Host,
    address: SocketAddr,
    /// None = broken.
    process: Option<Process>,
}

impl Server {
    async fn start(&mut self) -> io::Result<()> {
        let address = self.address.to_string();
        self.process = Some(launch(&self.host, &["lab", "web", &self.name, &address]).await?);
        Ok(())
    }
}

/// This program in another role on a host.
async fn launch(host: &Host, arguments: &[&str]) -> io::Result<Process> {
    Process::launch(host.enter(Command::new(std::env::current_exe()?).args(arguments))).await
}

impl Pair {
    /// Builds everything and waits until the first director has the address, and both have seen all servers.
    pub(super) async fn prepare(lab: Lab) -> io::Result<Self> {
        lab.switch("lan").map_err(io::Error::other)?;
        let join = |name: &str, last: u8| -> Result<Host, Box<dyn std::error::Error + Send + Sync>> {
            let host = lab.host(name)?;
            lab.link(&host, "lan", "eth0", &[format!("10.0.0.{last}/24").parse()?])?;
            Ok(host)
        };
        let mut servers = Vec::new();
        for number in 1..=3 {
            let (name, last) = (format!("web{number}"), 20 + number);
            let host = join(&name, last).map_err(io::Error::other)?;
            let address = SocketAddr::from(([10, 0, 0, last], 80));
            let mut server = Server { name, host, address, process: None };
            server.start().await?;
            servers.push(server);
        }
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        let front = SocketAddr::from((VIP, 80));
        let mut directors = [(1, 150), (2, 100)].map(|(number, priority)| {
            let host = join(&format!("lb{number}"), number).map_err(io::Error::other)?;
            Ok::<_, io::Error>(Director::new(host, priority, front, &addresses))
        });
        for director in directors.iter_mut().flatten() {
            director.start()?;
        }
        let [one, two] = directors;
        let client = join("client", 10).map_err(io::Error::other)?;
        let meter = Meter::start(&client, &std::env::current_exe()?, front.ip()).map_err(io::Error::other)?;
        let directors = await_all([one?, two?], servers.len()).await?;
        let clients = launch(&client, &["lab", "load", &front.to_string()]).await?;
        let mut pair = Self {
            servers,
            directors,
            clients,
            meter,
            lab,
            seen: Seen::default(),
            started: Instant::now(),
            killed: None,
            noticed: None,
            split: false,
            drained: false,
            moving: None,
            failovers: Vec::new(),
            story: Vec::new(),
        };
        pair.tell(format!(
            "three web servers behind {front}, which two directors share; clients ask all the time"
        ));
        Ok(pair)
    }

    /// Plays for this long; a person before a screen may take over by the first key.
    pub(super) async fn perform(&mut self, total: Duration, view: &mut dyn View) -> io::Result<Ending> {
        let mut acts = ACTS.iter().peekable();
        let mut by_hand = false;
        let mut beat = tokio::time::interval(STEP);
        while by_hand || self.started.elapsed() < total {
            beat.tick().await;
            let due = |(part, _): &&(u32, Act)| self.started.elapsed() >= total * *part / 1000;
            if let Some((_, act)) =
                acts.peek().filter(|next| !by_hand && due(next) && self.may(next.1)).copied()
            {
                acts.next();
                self.act(*act).await?;
            }
            for key in view.keys() {
                if let Some(act) = self.meant(key) {
                    by_hand = true;
                    self.act(act).await?;
                }
            }
            self.look().await?;
            if !view.draw(&self.scene(total))? {
                return Ok(Ending::Quit);
            }
        }
        Ok(Ending::Over)
    }

    /// What a key means now.
    fn meant(&self, key: char) -> Option<Act> {
        Some(match key {
            'k' if self.directors.iter().any(Director::is_dead) => Act::Revive,
            'k' => Act::Kill,
            's' if self.split => Act::Heal,
            's' => Act::Split,
            'm' => Act::Switch,
            'b' if self.servers[VICTIM].process.is_none() => Act::Mend,
            'b' => Act::Break,
            'd' if self.drained => Act::Undrain,
            'd' => Act::Drain,
            'r' => Act::Reload,
            'e' => Act::Explain,
            _ => return None,
        })
    }

    /// Some acts wait for the consequences of others.
    fn may(&self, act: Act) -> bool {
        let leads = |index: usize| self.directors[index].state() == Some(Condition::Master);
        match act {
            Act::Mend => self.noticed.is_some(),
            Act::Kill | Act::Switch => leads(0),
            Act::Revive => leads(1),
            _ => true,
        }
    }

    async fn act(&mut self, act: Act) -> io::Result<()> {
        match act {
            Act::Break => {
                if let Some(mut process) = self.servers[VICTIM].process.take() {
                    process.kill().await?;
                }
                self.killed.get_or_insert_with(Instant::now);
                self.tell(format!("{} is killed", self.servers[VICTIM].name));
            }
            Act::Mend => {
                self.servers[VICTIM].start().await?;
                self.tell(format!("{} is started again", self.servers[VICTIM].name));
            }
            Act::Drain | Act::Undrain => {
                let action = (act == Act::Drain).then_some(Action::Drain);
                self.drained = action.is_some();
                for director in &mut self.directors {
                    director.order(self.servers[DRAINED].address, action);
                }
                let what = if self.drained { "is drained: no new connections" } else { "is let in again" };
                self.tell(format!("{} {what}", self.servers[DRAINED].name));
            }
            Act::Kill => {
                let index = self.leader();
                let name = self.directors[index].name().to_owned();
                self.moves(&format!("{name} dies, its cable is cut"))?;
                // In this order: a machine that dies refuses no connection.
                self.lab.cut(self.directors[index].host(), "eth0").map_err(io::Error::other)?;
                self.directors[index].kill()?;
            }
            Act::Revive => {
                self.moves("the director that was dead is back, with a higher priority")?;
                self.lab.heal().map_err(io::Error::other)?;
                for director in self.directors.iter_mut().filter(|director| director.is_dead()) {
                    director.start()?;
                }
            }
            Act::Switch => {
                let index = self.leader();
                self.moves(&format!("lbctl failover on {}", self.directors[index].name()))?;
                if let Err(why) = self.directors[index].hand_over() {
                    self.tell(why);
                }
            }
            Act::Split | Act::Heal => {
                self.split = act == Act::Split;
                let what =
                    if self.split { "the directors hear nothing of each other" } else { "the split heals" };
                self.moves(what)?;
                let [one, two] = [0, 1].map(|index| self.directors[index].host());
                let done = if self.split { self.lab.isolate(&[one, two]) } else { self.lab.heal() };
                done.map_err(io::Error::other)?;
            }
            Act::Reload => {
                self.directors.iter_mut().for_each(|director| director.signal(Signal::SIGHUP));
                self.tell("both directors read their configuration again".to_owned());
            }
            Act::Explain => {
                let text = self.directors[self.leader()].explain();
                text.lines().for_each(|line| self.tell(line.to_owned()));
            }
        }
        Ok(())
    }

    /// The director that has the address.
    fn leader(&self) -> usize {
        usize::from(self.directors[0].state() != Some(Condition::Master))
    }

    /// From now on the address moves.
    fn moves(&mut self, cause: &str) -> io::Result<()> {
        self.moved()?;
        self.meter.lap().map_err(io::Error::other)?;
        self.moving = Some((cause.to_owned(), Instant::now()));
        self.tell(cause.to_owned());
        Ok(())
    }

    /// If it was moving, it has.
    fn moved(&mut self) -> io::Result<()> {
        let Some((cause, began)) = self.moving.take() else { return Ok(()) };
        let outage_ms = millis(self.meter.lap().map_err(io::Error::other)?.longest_gap);
        // A request that was sent just before may be lost, too, but counts for one failover only.
        let before = began.checked_sub(Duration::from_secs(1)).unwrap_or(began);
        let before = self.failovers.last().map_or(before, |last| before.max(last.during.end));
        self.tell(format!("nobody answered for {outage_ms:.1} ms"));
        self.failovers.push(Failover { cause, outage_ms, failed: 0, during: before..Instant::now() });
        Ok(())
    }

    /// Asks everybody how it is.
    async fn look(&mut self) -> io::Result<()> {
        let told: Told = serde_json::from_str(&self.clients.ask("").await?)?;
        self.seen = told.into();
        self.directors.iter_mut().for_each(Director::look);
        if self.moving.as_ref().is_some_and(|(_, began)| began.elapsed() > SETTLED) {
            self.moved()?;
        }
        let down = self.server(VICTIM).filter(|server| server.state == ServerState::Down);
        if let Some(cause) = down.map(|server| server.cause.clone())
            && self.killed.is_some()
            && self.noticed.is_none()
        {
            self.noticed = Some(Instant::now());
            self.tell(format!("{} is out: {cause}", self.servers[VICTIM].name));
        }
        Ok(())
    }

    fn server(&self, index: usize) -> Option<&ServerStatus> {
        self.directors[self.leader()].server(ServerKey::from(self.servers[index].address))
    }

    fn tell(&mut self, text: String) {
        self.story.push((self.started.elapsed(), text));
    }

    fn scene(&self, total: Duration) -> Scene {
        let servers = self.servers.iter().enumerate().map(|(index, server)| Actor {
            name: server.name.clone(),
            address: server.address,
            requests: self.seen.by_server.get(&server.name).copied().unwrap_or(0),
            status: self.server(index).cloned(),
        });
        Scene {
            title: format!(
                "lbctl demo: http://{}/ balanced over three servers; {KEYS}q ends it",
                SocketAddr::from((VIP, 80))
            ),
            notice: None,
            elapsed: self.started.elapsed(),
            total,
            servers: servers.collect(),
            detect: self.killed.zip(self.noticed).map(|(killed, noticed)| noticed - killed),
            story: self.story.clone(),
            nodes: self.directors.iter().map(Director::summary).collect(),
            seen: self.seen.clone(),
        }
    }

    /// Ends everything, and says how it was.
    pub(super) async fn finish(mut self) -> Report {
        // What can not be asked any more has nothing to add.
        let _ = self.look().await;
        let _ = self.moved();
        Report::new(&self.seen, self.killed, self.noticed).with(self.failovers, &self.seen, self.noticed)
    }
}

/// Waits until the first director has the address, and both have seen all servers.
async fn await_all(mut directors: [Director; 2], servers: usize) -> io::Result<[Director; 2]> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let start = Instant::now();
    loop {
        directors.iter_mut().for_each(Director::look);
        let seen = directors.iter().all(|director| director.active() == servers);
        if seen && directors[0].state() == Some(Condition::Master) {
            return Ok(directors);
        }
        if start.elapsed() > PATIENCE {
            let logs: String = directors.iter().map(Director::log).collect();
            return Err(io::Error::other(format!("the directors did not get ready in time\n{logs}")));
        }
        tokio::time::sleep(STEP).await;
    }
}
