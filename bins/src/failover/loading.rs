//! From files to a configuration that can be put in force.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use tokio::task::JoinHandle;

use super::{
    engine::{Options, Part},
    keys::{self, KeyError},
};
use crate::{
    config::{
        diagnostic::LocatedDiagnostic,
        keepalived::{
            self,
            language::{self, Replay},
            model::{Config, Instance, LvsTimeouts},
        },
    },
    control::protocol::ProposedConfig,
};

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it.
    pub warnings: Vec<LocatedDiagnostic>,
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
    #[error("{}", Lines(.0))]
    Invalid(Vec<LocatedDiagnostic>),
}

impl LoadError {
    /// Errors and warnings, if it could be read.
    pub fn problems(&self) -> &[LocatedDiagnostic] {
        match self {
            Self::Invalid(problems) => problems,
            Self::Read { .. } | Self::Key(_) => &[],
        }
    }
}

struct Lines<'a>(&'a [LocatedDiagnostic]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(LocatedDiagnostic::line).collect::<Vec<_>>().join("; "))
    }
}

/// Reads and checks the files.
///
/// # Errors
/// All that is wrong with them, at once.
pub fn load(options: &Options) -> Result<Loaded, LoadError> {
    let path = &options.config;
    let found = keepalived::load(path, &settings(options))
        .map_err(|source| LoadError::Read { path: path.clone(), source })?;
    let mut loaded = resolved(found, options)?;
    keys::read(&mut loaded.config, path.parent().unwrap_or(Path::new("")))?;
    Ok(loaded)
}

/// Checks what a client has read, and opens nothing. Keys that are in files are those of the instances that run.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn check(
    options: &Options,
    ProposedConfig { path, source, included }: ProposedConfig,
    running: &[Instance],
) -> Result<Loaded, LoadError> {
    let found = keepalived::load_source(source, &path, &settings(options), &mut Replay::new(included));
    let mut loaded = resolved(found, options)?;
    keys::adopt(&mut loaded.config, running);
    Ok(loaded)
}

pub(super) fn settings(options: &Options) -> language::Settings {
    let settings = language::Settings::default();
    match &options.config_id {
        Some(id) => language::Settings { config_id: id.clone(), ..settings },
        None => settings,
    }
}

fn resolved(found: keepalived::Loaded, options: &Options) -> Result<Loaded, LoadError> {
    let problems = found.problems.iter().map(|problem| problem.locate(&found.sources)).collect();
    match found.config {
        Some(config) => Ok(Loaded { config: part(config, options.part), warnings: problems }),
        None => Err(LoadError::Invalid(problems)),
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
