//! `lbctl`'s end of the control socket.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::protocol::{Answer, Request};

/// How long a daemon may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

/// Why a daemon could not be asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error("no daemon answers on {path}: {source}; is the daemon running, and with this --socket?")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The daemon went away, or did not answer in time.
    #[error("the daemon on {path} did not answer: {source}")]
    Lost {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The answer is of another version.
    #[error("the daemon on {path} answers in a form that this version does not know: {source}")]
    Version {
        /// The socket.
        path: PathBuf,
        /// What is unknown.
        source: serde_json::Error,
    },
    /// The daemon says no.
    #[error("{0}")]
    Denied(String),
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let error = |source| ClientError::Connect { path: path.to_owned(), source };
        let stream = UnixStream::connect(path).map_err(error)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(error)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(error)?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned() })
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError::Lost`], [`ClientError::Version`], and [`ClientError::Denied`] for [`Answer::Error`].
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let lost = |source| ClientError::Lost { path: self.path.clone(), source };
        let version = |source| ClientError::Version { path: self.path.clone(), source };
        let mut line = serde_json::to_string(request).map_err(version)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(lost)?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer).map_err(lost)? == 0 {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&answer).map_err(version)? {
            Answer::Error(text) => Err(ClientError::Denied(text)),
            answer => Ok(answer),
        }
    }
}
