//! What can go wrong, by what a caller can do about it.

use std::{fmt, io};

use lb_core::dataplane::{DataPlaneError, ErrorKind as PlaneErrorKind};

use crate::{
    command::{Command, Query},
    wire::DecodeError,
};

/// What went wrong, what was being done, and what to do next, in one line.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// `add server 192.168.0.1:80 to TCP 10.0.0.100:80`.
    operation: String,
    reason: String,
    cause: Option<Cause>,
}

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The service, the server or the sync daemon is there already.
    Exists,
    /// There is no such service.
    NoSuchService,
    /// The service has no such server.
    NoSuchServer,
    /// The kernel has no such scheduler or persistence engine, and could not load one.
    NoSuchScheduler,
    /// The sync daemon does not run.
    NoDaemon,
    /// There is no such network interface.
    NoDevice,
    /// CAP_NET_ADMIN in the initial user namespace is missing.
    Denied,
    /// The kernel has no IP Virtual Server, or it is not loaded.
    NotLoaded,
    /// This kernel can not do that, as IPv6 without `CONFIG_IP_VS_IPV6`.
    Unsupported,
    /// The values make no sense to the kernel.
    Invalid,
    /// A number is too large or too small, such as a lower threshold above the upper one.
    Range,
    /// The kernel did not answer in time. What was asked may have been done.
    Timeout,
    /// Answers were lost, since the receive buffer was full. What was asked may have been done.
    Overrun,
    /// The table changed whenever it was read.
    Interrupted,
    /// The kernel's answer is not understood.
    Malformed,
    /// Anything else that the system says.
    Other,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Decode(DecodeError),
}

impl Error {
    /// What a caller can act on.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was being done, in words: `add server 192.168.0.1:80 to TCP 10.0.0.100:80`.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The kernel's error number, where it gave one.
    pub fn errno(&self) -> Option<i32> {
        match &self.cause {
            Some(Cause::Io(error)) => error.raw_os_error(),
            _ => None,
        }
    }

    pub(crate) fn new(kind: ErrorKind, operation: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self { kind, operation: operation.to_string(), reason: reason.into(), cause: None }
    }

    fn because(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    pub(crate) fn malformed(operation: impl fmt::Display, error: DecodeError) -> Self {
        let reason = format!("the kernel's answer is not understood: {error}");
        Self::new(ErrorKind::Malformed, operation, reason).because(Cause::Decode(error))
    }

    /// Sending or receiving failed.
    pub(crate) fn transport(operation: impl fmt::Display, error: io::Error) -> Self {
        let (kind, reason) = match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock, _) => (
                ErrorKind::Timeout,
                "the kernel did not answer in time; it may have been done nevertheless".to_owned(),
            ),
            (_, Some(errno::ENOBUFS)) => (
                ErrorKind::Overrun,
                "answers were lost, since the socket's buffer was full; it may have been done nevertheless"
                    .to_owned(),
            ),
            (io::ErrorKind::PermissionDenied, _) => (ErrorKind::Denied, DENIED.to_owned()),
            _ => (ErrorKind::Other, error.to_string()),
        };
        Self::new(kind, operation, reason).because(Cause::Io(error))
    }

    /// The kernel refused a command.
    pub(crate) fn command(command: &Command, number: i32) -> Self {
        let (kind, reason) = match number {
            errno::EEXIST => (
                ErrorKind::Exists,
                match command {
                    Command::StartDaemon(_) => "it runs already",
                    _ => "it is there already",
                }
                .to_owned(),
            ),
            errno::ESRCH => match command {
                Command::StopDaemon(_) => (ErrorKind::NoDaemon, "it does not run".to_owned()),
                _ => (ErrorKind::NoSuchService, "there is no such service".to_owned()),
            },
            errno::ENOENT => match command {
                Command::AddService(service) | Command::EditService(service) => {
                    (ErrorKind::NoSuchScheduler, scheduler(service))
                }
                _ => (ErrorKind::NoSuchServer, "the service has no such server".to_owned()),
            },
            errno::ERANGE => (
                ErrorKind::Range,
                match command {
                    Command::AddDestination(..) | Command::EditDestination(..) => {
                        "the weight must be below 2^31, and the lower threshold not above the upper one"
                    }
                    _ => "a number is out of range",
                }
                .to_owned(),
            ),
            errno::EINVAL => (ErrorKind::Invalid, invalid(command).to_owned()),
            _ => return Self::system(command, number),
        };
        Self::new(kind, command, reason).because(Cause::Io(io::Error::from_raw_os_error(number)))
    }

    /// The kernel refused to answer a question.
    pub(crate) fn query(query: &Query, number: i32) -> Self {
        match (query, number) {
            (Query::Service(_) | Query::Destinations(_), errno::ESRCH) => {
                Self::new(ErrorKind::NoSuchService, query, "there is no such service")
                    .because(Cause::Io(io::Error::from_raw_os_error(number)))
            }
            _ => Self::system(query, number),
        }
    }

    /// What a number means whatever was asked.
    pub(crate) fn system(operation: impl fmt::Display, number: i32) -> Self {
        let error = io::Error::from_raw_os_error(number);
        let (kind, reason) = match number {
            errno::EPERM | errno::EACCES => (ErrorKind::Denied, DENIED.to_owned()),
            errno::ENODEV => (ErrorKind::NoDevice, "there is no such network interface".to_owned()),
            errno::EAFNOSUPPORT => (
                ErrorKind::Unsupported,
                "this kernel's IP Virtual Server lacks that address family".to_owned(),
            ),
            errno::EOPNOTSUPP | errno::EPROTONOSUPPORT => {
                (ErrorKind::Unsupported, "this kernel can not do that".to_owned())
            }
            _ => (ErrorKind::Other, error.to_string()),
        };
        Self::new(kind, operation, reason).because(Cause::Io(error))
    }

    pub(crate) fn not_loaded(operation: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotLoaded, operation, NOT_LOADED)
    }
}

/// The kernel asks for the capability over the machine: GENL_ADMIN_PERM.
const DENIED: &str = "CAP_NET_ADMIN is needed, and in the initial user namespace: root of a user namespace or of an \
                      unprivileged container does not do";
const NOT_LOADED: &str =
    "the kernel has no IP Virtual Server: run `modprobe ip_vs`; in a container, on the host";

fn scheduler(service: &crate::wire::Service) -> String {
    let name = service.scheduler.name();
    let mut reason = format!(
        "the kernel has no scheduler `{name}`: run `modprobe ip_vs_{name}`; if there is no such module, install the \
         kernel's package of modules (Debian: linux-image-amd64; Fedora: kernel-modules)"
    );
    if let Some(engine) = &service.engine {
        reason += &format!("; or no persistence engine `{engine}`: run `modprobe ip_vs_pe_{engine}`");
    }
    reason
}

const fn invalid(command: &Command) -> &'static str {
    match command {
        Command::AddDestination(..) | Command::EditDestination(..) => {
            "the kernel takes only a unicast address, a port for a GUE tunnel, and another address family only with \
             tunnels and without a sync daemon"
        }
        Command::AddService(_) | Command::EditService(_) => {
            "the kernel wants an IPv6 prefix of 1 to 128, and does not know every flag for every scheduler"
        }
        Command::StartDaemon(_) => "the kernel wants a multicast group, and an interface with an address",
        _ => "the kernel takes it for invalid",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.reason)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Some(Cause::Io(error)) => Some(error),
            Some(Cause::Decode(error)) => Some(error),
            None => None,
        }
    }
}

impl From<Error> for DataPlaneError {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Exists => PlaneErrorKind::Exists,
            ErrorKind::NoSuchService | ErrorKind::NoSuchServer | ErrorKind::NoDaemon => {
                PlaneErrorKind::NotFound
            }
            ErrorKind::NoSuchScheduler | ErrorKind::Unsupported => PlaneErrorKind::Unsupported,
            ErrorKind::Denied => PlaneErrorKind::Denied,
            ErrorKind::Invalid | ErrorKind::Range | ErrorKind::NoDevice => PlaneErrorKind::Invalid,
            _ => PlaneErrorKind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

/// Numbers of `errno.h`, which are the same on all of Linux's architectures that matter here but for a few of MIPS,
/// Alpha, PA-RISC and SPARC; those come from the system's own header.
pub(crate) mod errno {
    use nix::libc;

    pub(crate) const EPERM: i32 = libc::EPERM;
    pub(crate) const ENOENT: i32 = libc::ENOENT;
    pub(crate) const ESRCH: i32 = libc::ESRCH;
    pub(crate) const EACCES: i32 = libc::EACCES;
    pub(crate) const EEXIST: i32 = libc::EEXIST;
    pub(crate) const ENODEV: i32 = libc::ENODEV;
    pub(crate) const EINVAL: i32 = libc::EINVAL;
    pub(crate) const ERANGE: i32 = libc::ERANGE;
    pub(crate) const EPROTONOSUPPORT: i32 = libc::EPROTONOSUPPORT;
    pub(crate) const EOPNOTSUPP: i32 = libc::EOPNOTSUPP;
    pub(crate) const EAFNOSUPPORT: i32 = libc::EAFNOSUPPORT;
    pub(crate) const ENOBUFS: i32 = libc::ENOBUFS;
}
