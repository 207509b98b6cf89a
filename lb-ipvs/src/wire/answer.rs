//! What the kernel says, message by message.

use lb_core::model::Family;

use super::{
    Daemon, DecodeError, DestinationEntry, Info, ServiceEntry, Timeouts,
    attribute::{Attributes, Put},
    consts::{command as nr, top},
    message,
};

/// One message of the kernel.
///
/// [`Self::encode`] makes the bytes that a kernel would send, so that programs can be tried with a
/// [`Replay`](crate::transport::Replay) in the kernel's place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A service.
    Service(ServiceEntry),
    /// A server of the service that was asked for.
    Destination(DestinationEntry),
    /// A sync daemon that runs.
    Daemon(Daemon),
    /// Timeouts.
    Timeouts(Timeouts),
    /// Version and table size.
    Info(Info),
}

impl Answer {
    /// From command, version, two zeroes, and attributes. `family` is that of the service that was asked for: kernels
    /// before 3.18 do not say a server's own.
    ///
    /// # Errors
    /// When it is none, or cut off.
    pub fn decode(message: &[u8], family: Family) -> Result<Self, DecodeError> {
        let [command, _, _, _, attributes @ ..] = message else {
            return Err(DecodeError::Cut);
        };
        let attributes = Attributes(attributes);
        let inside = |kind, missing| attributes.inside(kind, missing);
        Ok(match *command {
            nr::NEW_SERVICE => Self::Service(ServiceEntry::parse(inside(top::SERVICE, "the service")?)?),
            nr::NEW_DEST => {
                Self::Destination(DestinationEntry::parse(inside(top::DEST, "the server")?, family)?)
            }
            nr::NEW_DAEMON => Self::Daemon(Daemon::parse(inside(top::DAEMON, "the sync daemon")?)?),
            nr::SET_CONFIG => Self::Timeouts(Timeouts::parse(attributes)?),
            nr::SET_INFO => Self::Info(Info::parse(attributes)?),
            command => {
                return Err(DecodeError::Value { what: "answer of the kernel", value: command.into() });
            }
        })
    }

    /// Command, version, two zeroes, and attributes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        message::put_generic(&mut out, self.command());
        match self {
            Self::Service(entry) => out.put_plain(top::SERVICE, |out| entry.emit(out)),
            Self::Destination(entry) => out.put_plain(top::DEST, |out| entry.emit(out)),
            Self::Daemon(daemon) => out.put_plain(top::DAEMON, |out| daemon.emit(out)),
            Self::Timeouts(timeouts) => timeouts.emit(&mut out),
            Self::Info(info) => info.emit(&mut out),
        }
        out
    }

    const fn command(&self) -> u8 {
        match self {
            Self::Service(_) => nr::NEW_SERVICE,
            Self::Destination(_) => nr::NEW_DEST,
            Self::Daemon(_) => nr::NEW_DAEMON,
            Self::Timeouts(_) => nr::SET_CONFIG,
            Self::Info(_) => nr::SET_INFO,
        }
    }
}
