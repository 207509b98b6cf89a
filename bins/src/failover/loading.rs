//! From files to a configuration that can be put in force.

use std::{
    fmt, io,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tokio::task::JoinHandle;

use super::{
    engine::{Options, Part},
    keys::{self, KeyError},
};
use crate::config::{
    diagnostic::{Colors, Diagnostic},
    keepalived::{
        self, language,
        model::{Config, LvsTimeouts},
    },
};

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it, one line each, with its place.
    pub warnings: Vec<String>,
}

/// Why files are no configuration.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It can not be read.
    #[error("{path} can not be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file with a key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It has errors.
    #[error("{}", Lines(lines))]
    Invalid {
        /// All of them and the warnings, one line each, with their places.
        lines: Vec<String>,
        /// The same with the text that each is about, for people.
        rendered: String,
    },
}

struct Lines<'a>(&'a [String]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// Reads and checks the files.
///
/// # Errors
/// All that is wrong with them, at once.
pub fn load(options: &Options) -> Result<Loaded, LoadError> {
    let mut settings = language::Settings::default();
    if let Some(id) = &options.config_id {
        settings.config_id.clone_from(id);
    }
    let path = &options.config;
    let found =
        keepalived::load(path, &settings).map_err(|source| LoadError::Read { path: path.clone(), source })?;
    let lines = found.problems.iter().map(|problem| problem.line(&found.sources)).collect();
    match found.config {
        Some(config) => {
            let mut config = part(config, options.part);
            keys::read(&mut config, path.parent().unwrap_or(Path::new("")))?;
            Ok(Loaded { config, warnings: lines })
        }
        None => {
            let colors = if io::stderr().is_terminal() { Colors::Yes } else { Colors::No };
            let render = |problem: &Diagnostic| problem.render(&found.sources, colors) + "\n";
            Err(LoadError::Invalid { lines, rendered: found.problems.iter().map(render).collect() })
        }
    }
}

/// What of a configuration is run.
fn part(config: Config, part: Part) -> Config {
    match part {
        Part::Whole => config,
        Part::Instances => {
            let mut globals = config.globals;
            globals.lvs_timeouts = LvsTimeouts::default();
            Config { globals, virtual_servers: Vec::new(), ..config }
        }
        Part::VirtualServers => {
            let mut globals = config.globals;
            globals.lvs_sync = globals.lvs_sync.filter(|sync| sync.instance.is_none());
            Config { globals, virtual_servers: config.virtual_servers, ..Config::default() }
        }
    }
}

/// Loads beside everything else: files may be many, and large.
#[derive(Debug, Default)]
pub struct Loader {
    task: Option<JoinHandle<Result<Loaded, LoadError>>>,
}

impl Loader {
    /// Begins to load. A load that is under way is given up: files may have changed since. Must be called inside a tokio
    /// runtime.
    pub fn begin(&mut self, options: &Options) {
        let options = options.clone();
        self.task = Some(tokio::task::spawn_blocking(move || load(&options)));
    }

    /// Waits for the result; for ever, when nothing is being loaded. Cancel safe.
    pub async fn result(&mut self) -> Result<Loaded, LoadError> {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let result = task.await;
        self.task = None;
        match result {
            Ok(result) => result,
            // A bug in the parser: it shall be seen, as if it had happened here.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

#[cfg(test)]
mod tests;
