//! What can go wrong with a lab.

use std::{io, process::ExitStatus};

use thiserror::Error;

/// Why a lab could not do something.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel or a security policy allows no namespaces to this user.
    #[error("namespaces are not allowed here: {said}; {remedy}")]
    Denied {
        /// What `unshare` said.
        said: String,
        /// What to do.
        remedy: String,
    },
    /// A program that the lab is made with is not installed.
    #[error("a lab needs {program} (apt-get install {package})")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package of Debian that has it.
        package: &'static str,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command.
        command: String,
        /// The system's error.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("`{command}` failed with {status}: {said}")]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// A file of the lab or of a host could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// Nothing in the lab has this name.
    #[error("there is no {kind} `{name}` in this lab")]
    Unknown {
        /// `host`, `switch` or `interface`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Something in the lab has this name already, or nothing can have it.
    #[error("{kind} `{name}`: {problem}")]
    Name {
        /// `host`, `switch` or `interface`.
        kind: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A process is not there any more.
    #[error("`{command}` has ended with {status}")]
    Ended {
        /// The command.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The virtual machine did not do what it was to do.
    #[error("the virtual machine {problem}: {said}")]
    Machine {
        /// What happened.
        problem: String,
        /// Its last words.
        said: String,
    },
    /// Something took longer than anything should.
    #[error("waited in vain for {0}")]
    InVain(String),
}

/// What a method of the lab returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
