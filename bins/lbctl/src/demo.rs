//! `lbctl demo`: a client, two directors that share an address, three web servers behind them, and what befalls them.
//!
//! It plays in a [`Lab`]. Where there are no namespaces it plays on loopback, with one balancer and without
//! failovers. Either way its processes end with this one, and no file is left behind.

mod director;
mod load;
mod pair;
mod play;
mod report;
mod roles;
mod view;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::{Args, Subcommand};
use lb_lab::Lab;
use lb_runtime::limits;
use tokio::signal::unix::{SignalKind, signal};

use self::{
    pair::Pair,
    play::{Ending, Play, Scene},
    view::View,
};

/// How often the view is drawn and the balancers are asked.
const STEP: Duration = Duration::from_millis(50);
/// With fewer open files the relay of a director can not hold the connections of all clients.
const PAIR_OPEN_FILES: u64 = 512;

/// How the demo is to run.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How long it lasts, in seconds
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(4..=3600))]
    seconds: u64,
    /// Plain lines, and one JSON object with the result on the last one
    #[arg(long)]
    json: bool,
    /// Plain lines, even on a terminal
    #[arg(long)]
    plain: bool,
}

/// The roles in which the demo starts this program again.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// A small web server that answers with its name
    #[command(hide = true)]
    Web {
        /// The name
        name: String,
        /// Where it listens
        address: std::net::SocketAddr,
    },
    /// Clients that say what they have seen for each line that they read
    #[command(hide = true)]
    Load {
        /// Whom they ask
        address: std::net::SocketAddr,
    },
    /// The balancer of the demo on loopback, with its configuration as text
    #[command(hide = true)]
    Director {
        /// The text of an ldirectord.cf
        configuration: String,
    },
}

/// Runs a role until the parent process is gone.
///
/// # Errors
/// When the role can not be taken.
pub fn run_role(role: &Role) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match role {
        Role::Web { name, address } => runtime.block_on(roles::web(name, *address)),
        Role::Load { address } => runtime.block_on(load::run(*address)),
        Role::Director { configuration } => runtime.block_on(director::run(configuration)),
    }
}

/// Runs the demo; `true` = the user quit, or no request failed after the balancer had noticed the dead server.
///
/// # Errors
/// When its processes can not be started, or one of them fails.
pub fn run(options: &Options) -> io::Result<bool> {
    let open_files = limits::raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(options, open_files))
}

/// Who plays.
enum Cast {
    Pair(Box<Pair>),
    Alone(Box<Play>),
}

impl Cast {
    /// The pair, or else one balancer, with the reason.
    async fn prepare(open_files: u64) -> io::Result<Self> {
        Ok(match Self::pair(open_files).await {
            Ok(pair) => Self::Pair(Box::new(pair)),
            Err(reason) => Self::Alone(Box::new(Play::prepare(reason).await?)),
        })
    }

    async fn pair(open_files: u64) -> Result<Pair, String> {
        if open_files < PAIR_OPEN_FILES {
            return Err(format!(
                "{open_files} open files are too few for two directors; raise the limit, `ulimit -Hn`, to {PAIR_OPEN_FILES}"
            ));
        }
        let lab = Lab::new().map_err(|error| error.to_string())?;
        Pair::prepare(lab).await.map_err(|error| error.to_string())
    }
}

async fn perform(options: &Options, open_files: u64) -> io::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut view = view::open(options.plain || options.json);
    let total = Duration::from_secs(options.seconds);
    let mut cast = {
        let prepare = Cast::prepare(open_files);
        let waiting = wait(&mut *view, total);
        tokio::select! {
            // So that there is a picture before anything is built.
            biased;
            waiting = waiting => return waiting.map(|()| true),
            _ = interrupt.recv() => return Ok(false),
            _ = terminate.recv() => return Ok(false),
            cast = prepare => cast?,
        }
    };
    let perform = async {
        match &mut cast {
            Cast::Pair(pair) => pair.perform(total, &mut *view).await,
            Cast::Alone(play) => play.perform(total, &mut *view).await,
        }
    };
    let ending = tokio::select! {
        ending = perform => ending,
        _ = interrupt.recv() => Ok(Ending::Over),
        _ = terminate.recv() => Ok(Ending::Over),
    };
    drop(view);
    let report = match cast {
        Cast::Pair(pair) => pair.finish().await,
        Cast::Alone(mut play) => {
            let report = play.report();
            play.finish().await;
            report
        }
    };
    let ending = ending?;
    write!(io::stdout(), "{}", report.text())?;
    if options.json {
        writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(ending == Ending::Quit || (report.failed_after_detection == 0 && report.detect_ms.is_some()))
}

/// Shows that something comes, until the user has enough of it.
async fn wait(view: &mut dyn View, total: Duration) -> io::Result<()> {
    let scene = Scene {
        title: "lbctl demo: a client, two directors and three web servers get ready; q ends it".to_owned(),
        total,
        ..Scene::default()
    };
    let mut beat = tokio::time::interval(STEP);
    loop {
        beat.tick().await;
        if !view.draw(&scene)? {
            return Ok(());
        }
    }
}
