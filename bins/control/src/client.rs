//! `lbctl`'s end of the control socket.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use lb_config::diagnostic::LocatedDiagnostic;
use lb_runtime::printable::{make_printable, printable};
use thiserror::Error;

use super::protocol::{Answer, MAX_PROPOSAL, Request};

/// How long a daemon may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer in bytes: enough for the status of 65,000 instances, or for 100,000 connections.
const MAX_ANSWER: u64 = 128 << 20;

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
    /// The answer does not end.
    #[error(
        "the daemon on {path} answers with more than {MAX_ANSWER} bytes; is another program listening there?"
    )]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The answer is of another version.
    #[error("the daemon on {path} answers in a form that this version does not know: {source}")]
    Version {
        /// The socket.
        path: PathBuf,
        /// What is unknown.
        source: serde_json::Error,
    },
    /// The request is longer than what the daemon takes.
    #[error("the request has {length} bytes, and the daemon takes at most {limit}{}", hint(.limit))]
    TooLarge {
        /// How long it is.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The daemon says no.
    #[error("{0}")]
    Denied(String),
    /// The daemon refuses a configuration.
    #[error("{message}")]
    Refused {
        /// What it says.
        message: String,
        /// What is wrong with the configuration.
        problems: Vec<LocatedDiagnostic>,
    },
}

const fn hint(limit: &usize) -> &'static str {
    if *limit == MAX_PROPOSAL { "; --config-test and --check have no such limit" } else { "" }
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

    /// Asks, and waits for the answer. All texts in it are fit for a terminal.
    ///
    /// # Errors
    /// [`ClientError::Lost`], [`ClientError::TooLong`], [`ClientError::Version`], and what the daemon
    /// says no with: [`ClientError::Denied`] and [`ClientError::Refused`].
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let line = self.exchange(request)?;
        let mut value = serde_json::from_slice(&line).map_err(|source| self.version(source))?;
        make_printable(&mut value);
        self.accept(serde_json::from_value(value))
    }

    /// The same for what may take the daemon so much longer than other answers.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_within(&mut self, request: &Request, longer: Duration) -> Result<Answer, ClientError> {
        let set = |client: &Self, limit| {
            client.stream.get_ref().set_read_timeout(Some(limit)).map_err(|source| client.lost(source))
        };
        set(self, PATIENCE + longer)?;
        let answer = self.ask(request);
        set(self, PATIENCE)?;
        answer
    }

    /// The same with all texts as they are: for programs, and for answers of many lines.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_raw(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let line = self.exchange(request)?;
        self.accept(serde_json::from_slice(&line))
    }

    /// Sends a request, and reads the line that answers it.
    fn exchange(&mut self, request: &Request) -> Result<Vec<u8>, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|source| self.version(source))?;
        line.push(b'\n');
        let (length, limit) = (line.len(), request.limit());
        if length > limit {
            return Err(ClientError::TooLarge { length, limit });
        }
        self.stream.get_mut().write_all(&line).map_err(|source| self.lost(source))?;
        let mut answer = Vec::new();
        let mut bounded = (&mut self.stream).take(MAX_ANSWER);
        match bounded.read_until(b'\n', &mut answer) {
            Err(source) => Err(self.lost(source)),
            Ok(_) if answer.last() == Some(&b'\n') => Ok(answer),
            Ok(read) if read as u64 == MAX_ANSWER => Err(ClientError::TooLong { path: self.path.clone() }),
            Ok(_) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn accept(&self, answer: Result<Answer, serde_json::Error>) -> Result<Answer, ClientError> {
        match answer.map_err(|source| self.version(source))? {
            Answer::Error(text) => Err(ClientError::Denied(printable(&text).into_owned())),
            Answer::Refused { message, problems } => Err(ClientError::Refused { message, problems }),
            answer => Ok(answer),
        }
    }

    fn lost(&self, source: io::Error) -> ClientError {
        ClientError::Lost { path: self.path.clone(), source }
    }

    fn version(&self, source: serde_json::Error) -> ClientError {
        ClientError::Version { path: self.path.clone(), source }
    }
}
