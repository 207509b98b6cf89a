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
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use super::Lab;

use self::{
    pair::Pair,
    play::Play,
    view::{Plain, Screen, View},
};

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

/// Runs the demo; `true` = no request failed after the balancer had noticed the dead server.
///
/// # Errors
/// When its processes can not be started, or one of them fails.
pub fn run(options: &Options) -> io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(perform(options))
}

/// Who plays.
enum Cast {
    Pair(Box<Pair>),
    Alone(Box<Play>),
}

async fn perform(options: &Options) -> io::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let lab = pair::program().map_err(|error| error.to_string());
    let lab = lab.and_then(|_| Lab::new().map_err(|error| error.to_string()));
    if let Err(error) = &lab {
        writeln!(io::stderr(), "on loopback, with one balancer and without failovers: {error}")?;
    }
    let prepare = async {
        Ok::<_, io::Error>(match lab {
            Ok(lab) => Cast::Pair(Box::new(Pair::prepare(lab).await?)),
            Err(_) => Cast::Alone(Box::new(Play::prepare().await?)),
        })
    };
    let mut cast = tokio::select! {
        cast = prepare => cast?,
        _ = interrupt.recv() => return Ok(false),
        _ = terminate.recv() => return Ok(false),
    };
    let live = io::stdout().is_terminal() && !options.plain && !options.json;
    let mut view: Box<dyn View> = if live { Box::new(Screen::open()?) } else { Box::new(Plain::default()) };
    let total = Duration::from_secs(options.seconds);
    let perform = async {
        match &mut cast {
            Cast::Pair(pair) => pair.perform(total, live, &mut *view).await,
            Cast::Alone(play) => play.perform(total, &mut *view).await,
        }
    };
    let result = tokio::select! {
        result = perform => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
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
    result?;
    write!(io::stdout(), "{}", report.text())?;
    if options.json {
        writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(report.failed_after_detection == 0 && report.detect_ms.is_some())
}
