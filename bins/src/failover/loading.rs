//! From files to a configuration that can be put in force.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;
use tokio::task::JoinHandle;

use super::engine::Options;
use crate::config::keepalived::model::Config;

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
    let source = io::Error::other("not yet");
    Err(LoadError::Read { path: options.config.clone(), source })
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
