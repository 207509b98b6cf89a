//! From files to a configuration that can be put in force.
//!
//! What is in force afterwards is decided here, before anything is touched: it follows from what was in force and from the
//! files.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use lb_config::{
    diagnostic::{Diagnostic, LocatedDiagnostic, Severity},
    keepalived::{
        self,
        language::{self, Completeness, Replay},
        model::{Config, Instance, LvsTimeouts},
        resolve::{Area, Basis, Outcome, Resolved},
    },
};
use lb_control::protocol::{BlockFault, ProposedConfig};
use thiserror::Error;
use tokio::task::JoinHandle;

use super::{
    build,
    engine::{Options, Part},
    keys,
};

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd about it, and the errors of the blocks that were not taken.
    pub problems: Vec<LocatedDiagnostic>,
    /// The blocks that were not taken.
    pub faults: Vec<BlockFault>,
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
    /// It has errors, and nothing of it can be taken.
    #[error("{}", Lines(.0))]
    Invalid(Vec<LocatedDiagnostic>),
}

impl LoadError {
    /// Errors and warnings, if it could be read.
    pub fn problems(&self) -> &[LocatedDiagnostic] {
        match self {
            Self::Invalid(problems) => problems,
            Self::Read { .. } => &[],
        }
    }
}

struct Lines<'a>(&'a [LocatedDiagnostic]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(LocatedDiagnostic::line).collect::<Vec<_>>().join("; "))
    }
}

/// Reads and checks the files. `before` is what is in force; `None` at a start. Blocks with errors are left out, or keep
/// what was in force.
///
/// # Errors
/// All that is wrong with the files, when nothing of them can be taken.
pub fn load(options: &Options, before: Option<&Config>) -> Result<Loaded, LoadError> {
    let path = &options.config;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut advice = Vec::new();
    let mut admit = |instance: &mut Instance| {
        advice.extend(keys::read(instance, folder).map_err(|error| error.to_string())?);
        build::check(instance, &options.settings)
    };
    let none = Config::default();
    let basis = Basis { before: before.unwrap_or(&none), admit: &mut admit };
    let found = keepalived::load_beside(path, &settings(options), basis)
        .map_err(|source| LoadError::Read { path: path.clone(), source })?;
    let mut loaded = taken(found, options, before.is_some())?;
    loaded.problems.extend(advice);
    Ok(loaded)
}

/// Checks what a client has read, and opens nothing. Keys that are in files are those of the instances that run.
///
/// # Errors
/// As [`load`].
pub fn check(
    options: &Options,
    ProposedConfig { path, source, included }: ProposedConfig,
    before: &Config,
) -> Result<Loaded, LoadError> {
    let mut admit = |instance: &mut Instance| {
        keys::adopt(instance, &before.instances);
        match keys::are_known(instance) {
            true => build::check(instance, &options.settings),
            false => Ok(()),
        }
    };
    let basis = Basis { before, admit: &mut admit };
    let mut replay = Replay::new(included);
    let found = keepalived::load_source_beside(source, &path, &settings(options), &mut replay, basis);
    taken(found, options, true)
}

pub(super) fn settings(options: &Options) -> language::Settings {
    let settings = language::Settings::default();
    match &options.config_id {
        Some(id) => language::Settings { config_id: id.clone(), ..settings },
        None => settings,
    }
}

/// What can be taken of a file.
fn taken(found: keepalived::Loaded, options: &Options, is_reload: bool) -> Result<Loaded, LoadError> {
    let keepalived::Loaded { resolved, completeness, sources, problems } = found;
    let Resolved { config, faults } = resolved;
    let is_readable = match completeness {
        Completeness::Whole => true,
        Completeness::WithoutFile => !is_reload,
        Completeness::Cut => false,
    };
    let is_right = |problem: &Diagnostic| !problem.is_error() && !problem.is_mistake;
    let config = part(config, options.part);
    let faults: Vec<BlockFault> = faults
        .into_iter()
        .filter(|fault| concerns(fault.area, options.part))
        .map(|fault| BlockFault {
            block: fault.block,
            kept: fault.outcome == Outcome::Kept,
            error: fault.error.map(|error| error.locate(&sources)),
        })
        .collect();
    let is_empty = config.instances.is_empty() && config.virtual_servers.is_empty();
    let is_taken = is_readable
        && (!options.strict || problems.iter().all(is_right))
        && (is_reload || faults.is_empty() || !is_empty);
    let mut located: Vec<LocatedDiagnostic> = problems
        .into_iter()
        .map(|problem| if options.strict { problem.strictly() } else { problem })
        .map(|problem| problem.locate(&sources))
        .collect();
    if is_taken {
        return Ok(Loaded { config, problems: located, faults });
    }
    if completeness == Completeness::WithoutFile && !is_readable {
        let message = "a file that it includes cannot be read, and nothing is changed without it";
        let path = options.config.display().to_string();
        located.insert(0, LocatedDiagnostic::of_file(&path, Severity::Error, message.to_owned()));
    }
    Err(LoadError::Invalid(located))
}

/// Whether a block is about what is run.
fn concerns(area: Area, part: Part) -> bool {
    match part {
        Part::Whole => true,
        Part::Instances => area != Area::VirtualServers,
        Part::VirtualServers => area != Area::Vrrp,
    }
}

/// What of a configuration is run.
fn part(config: Config, part: Part) -> Config {
    match part {
        Part::Whole => config,
        Part::Instances => {
            let mut globals = config.globals;
            globals.lvs_timeouts = LvsTimeouts::default();
            Config { globals, virtual_servers: Vec::new(), virtual_groups: BTreeMap::new(), ..config }
        }
        Part::VirtualServers => {
            let mut globals = config.globals;
            globals.lvs_sync = globals.lvs_sync.filter(|sync| sync.instance.is_none());
            let Config { virtual_servers, virtual_groups, files, global_lines, .. } = config;
            Config { globals, virtual_servers, virtual_groups, files, global_lines, ..Config::default() }
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
    pub fn begin(&mut self, options: &Options, before: Arc<Config>) {
        let options = options.clone();
        self.task = Some(tokio::task::spawn_blocking(move || load(&options, Some(&before))));
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
