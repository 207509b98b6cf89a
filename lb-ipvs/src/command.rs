//! What the kernel can be asked: commands change something, queries read.

use std::fmt;

use lb_core::model::{Family, ServerKey, ServiceKey};

use crate::{
    error::{Error, ErrorKind},
    wire::{
        Daemon, DaemonRole, DecodeError, Destination, DestinationEntry, Service, ServiceEntry, Timeouts,
        attribute::{Attributes, Put},
        consts::{command as nr, top},
        dest, message, service,
    },
};

/// A change of the kernel's table.
///
/// Its `Display` says in words what is to be done: `add server 192.168.0.1:80 to TCP 10.0.0.100:80`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// A new virtual service.
    AddService(Service),
    /// Another scheduler, flags or persistence for one that exists; its servers and connections stay.
    EditService(Service),
    /// The service goes with its servers; connections that it has are forgotten when the next packet comes.
    DeleteService(ServiceKey),
    /// A new real server.
    AddDestination(ServiceKey, Destination),
    /// Another weight, forwarding method or limits for one that exists. All of them are set, none is merged.
    EditDestination(ServiceKey, Destination),
    /// The server goes; packets of its connections are dropped, unless `expire_nodest_conn` is set.
    DeleteDestination(ServiceKey, ServerKey),
    /// Statistics of one service with its servers, or of all, begin at 0 again.
    Zero(Option<ServiceKey>),
    /// All services of the network namespace go (`ipvsadm -C`).
    Flush,
    /// How long idle connections are kept.
    SetTimeouts(Timeouts),
    /// Starts copying connections to a peer, or from it.
    StartDaemon(Daemon),
    /// Stops it.
    StopDaemon(DaemonRole),
}

/// Something to read. [`Client`](crate::Client) has a call for each; a [`Replay`](crate::transport::Replay) is told by them
/// what it will be asked.
///
/// Its `Display` says in words what is read: `read the servers of TCP 10.0.0.100:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// Version and size of the connection table.
    Info,
    /// How long idle connections are kept.
    Timeouts,
    /// The sync daemons that run.
    Daemons,
    /// All services.
    Services,
    /// One service.
    Service(ServiceKey),
    /// The servers of a service.
    Destinations(ServiceKey),
}

/// Why a command can not be put into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("`{0}` is no name that the kernel can hold: at most 15 bytes, none of them NUL")]
    Name(NameOf),
    #[error("its unknown attributes are longer than a message can be")]
    TooLong,
}

/// Which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameOf {
    Interface,
    Scheduler,
}

impl fmt::Display for NameOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interface => "interface",
            Self::Scheduler => "scheduler",
        })
    }
}

/// `IFNAMSIZ` and `IP_VS_SCHEDNAME_MAXLEN`, without the NUL.
const NAME: usize = 15;

impl Command {
    /// Command, version, two zeroes, and attributes: a request without netlink's own header.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a name that is too long or has a NUL in it, and for unknown attributes that are longer
    /// than a message can be.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(192);
        self.emit(&mut out).map_err(|why| Error::new(ErrorKind::Invalid, self, why.to_string()))?;
        Ok(out)
    }

    /// From such a request, as of another program.
    ///
    /// # Errors
    /// When it is none that changes anything, or cut off.
    pub fn decode(request: &[u8]) -> Result<Self, DecodeError> {
        let [command, _, _, _, attributes @ ..] = request else {
            return Err(DecodeError::Cut);
        };
        let attributes = Attributes(attributes);
        let key = || service::parse_key(attributes.inside(top::SERVICE, "the service")?);
        let full = || {
            ServiceEntry::parse(attributes.inside(top::SERVICE, "the service")?).map(|entry| entry.service)
        };
        let server = || attributes.inside(top::DEST, "the server");
        let daemon = || Daemon::parse(attributes.inside(top::DAEMON, "the sync daemon")?);
        let destination = |key: &ServiceKey| {
            DestinationEntry::parse(server()?, key.family()).map(|entry| entry.destination)
        };
        Ok(match *command {
            nr::NEW_SERVICE => Self::AddService(full()?),
            nr::SET_SERVICE => Self::EditService(full()?),
            nr::DEL_SERVICE => Self::DeleteService(key()?),
            nr::NEW_DEST => {
                let key = key()?;
                Self::AddDestination(key, destination(&key)?)
            }
            nr::SET_DEST => {
                let key = key()?;
                Self::EditDestination(key, destination(&key)?)
            }
            nr::DEL_DEST => {
                let key = key()?;
                Self::DeleteDestination(key, dest::parse_key(server()?, key.family())?)
            }
            nr::ZERO if attributes.0.is_empty() => Self::Zero(None),
            nr::ZERO => Self::Zero(Some(key()?)),
            nr::FLUSH => Self::Flush,
            nr::SET_CONFIG => Self::SetTimeouts(Timeouts::parse(attributes)?),
            nr::NEW_DAEMON => Self::StartDaemon(daemon()?),
            nr::DEL_DAEMON => Self::StopDaemon(daemon()?.role),
            command => return Err(DecodeError::Value { what: "command", value: command.into() }),
        })
    }

    /// Appends command and attributes to a message, without netlink's own header.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) -> Result<(), Unsendable> {
        let start = out.len();
        message::put_generic(out, self.number());
        match self {
            Self::AddService(service) | Self::EditService(service) => {
                name(service.scheduler.name(), NameOf::Scheduler)?;
                out.put_nested(top::SERVICE, |out| service.emit(out));
            }
            Self::DeleteService(key) | Self::Zero(Some(key)) => put_service(key, out),
            Self::AddDestination(key, destination) | Self::EditDestination(key, destination) => {
                put_service(key, out);
                out.put_nested(top::DEST, |out| destination.emit(out));
            }
            Self::DeleteDestination(key, server) => {
                put_service(key, out);
                out.put_nested(top::DEST, |out| dest::put_key(server, out));
            }
            Self::Zero(None) | Self::Flush => {}
            Self::SetTimeouts(timeouts) => timeouts.emit(out),
            Self::StartDaemon(daemon) => {
                name(&daemon.interface, NameOf::Interface)?;
                out.put_nested(top::DAEMON, |out| daemon.emit(out));
            }
            Self::StopDaemon(role) => {
                // The kernel wants all three, and looks at the first.
                out.put_nested(top::DAEMON, |out| Daemon::new(*role, "", 0).emit(out));
            }
        }
        if out.len() - start > usize::from(u16::MAX) {
            return Err(Unsendable::TooLong);
        }
        Ok(())
    }

    const fn number(&self) -> u8 {
        match self {
            Self::AddService(_) => nr::NEW_SERVICE,
            Self::EditService(_) => nr::SET_SERVICE,
            Self::DeleteService(_) => nr::DEL_SERVICE,
            Self::AddDestination(..) => nr::NEW_DEST,
            Self::EditDestination(..) => nr::SET_DEST,
            Self::DeleteDestination(..) => nr::DEL_DEST,
            Self::Zero(_) => nr::ZERO,
            Self::Flush => nr::FLUSH,
            Self::SetTimeouts(_) => nr::SET_CONFIG,
            Self::StartDaemon(_) => nr::NEW_DAEMON,
            Self::StopDaemon(_) => nr::DEL_DAEMON,
        }
    }
}

fn name(text: &str, of: NameOf) -> Result<(), Unsendable> {
    if text.len() <= NAME && !text.as_bytes().contains(&0) { Ok(()) } else { Err(Unsendable::Name(of)) }
}

fn put_service(key: &ServiceKey, out: &mut Vec<u8>) {
    out.put_nested(top::SERVICE, |out| service::put_key(key, out));
}

impl Query {
    /// Command, version, two zeroes, and attributes: a request without netlink's own header.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.emit(&mut out);
        out
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        message::put_generic(
            out,
            match self {
                Self::Info => nr::GET_INFO,
                Self::Timeouts => nr::GET_CONFIG,
                Self::Daemons => nr::GET_DAEMON,
                Self::Services | Self::Service(_) => nr::GET_SERVICE,
                Self::Destinations(_) => nr::GET_DEST,
            },
        );
        if let Self::Service(key) | Self::Destinations(key) = self {
            put_service(key, out);
        }
    }

    /// That of the service that is asked for, where there is one.
    pub(crate) const fn family(&self) -> Family {
        match self {
            Self::Service(key) | Self::Destinations(key) => key.family(),
            _ => Family::V4,
        }
    }

    /// Whether any number of answers come.
    pub(crate) const fn is_dump(&self) -> bool {
        matches!(self, Self::Daemons | Self::Services | Self::Destinations(_))
    }
}

/// `TCP 10.0.0.100:80`, `firewall mark 7`, `firewall mark 8 (IPv6)`.
pub(crate) struct Named<'a>(pub(crate) &'a ServiceKey);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ServiceKey::Address { protocol, .. } => {
                let name = protocol.name().to_uppercase();
                match self.0.address() {
                    Some(address) => write!(f, "{name} {address}"),
                    None => f.write_str(&name),
                }
            }
            ServiceKey::FwMark { mark, family: Family::V4 } => write!(f, "firewall mark {mark}"),
            ServiceKey::FwMark { mark, family: Family::V6 } => write!(f, "firewall mark {mark} (IPv6)"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => {
                write!(f, "add service {} with scheduler {}", Named(&service.key), service.scheduler)
            }
            Self::EditService(service) => {
                write!(f, "edit service {} with scheduler {}", Named(&service.key), service.scheduler)
            }
            Self::DeleteService(key) => write!(f, "delete service {}", Named(key)),
            Self::AddDestination(key, server) => write!(f, "add server {} to {}", server.key, Named(key)),
            Self::EditDestination(key, server) => write!(f, "edit server {} of {}", server.key, Named(key)),
            Self::DeleteDestination(key, server) => write!(f, "delete server {server} from {}", Named(key)),
            Self::Zero(None) => f.write_str("zero all statistics"),
            Self::Zero(Some(key)) => write!(f, "zero the statistics of {}", Named(key)),
            Self::Flush => f.write_str("delete all services"),
            Self::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
                write!(f, "set the timeouts to {tcp} {tcp_fin} {udp}")
            }
            Self::StartDaemon(daemon) => {
                write!(f, "start the {} sync daemon on {}", daemon.role, daemon.interface)
            }
            Self::StopDaemon(role) => write!(f, "stop the {role} sync daemon"),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Info => f.write_str("read version and table size"),
            Self::Timeouts => f.write_str("read the timeouts"),
            Self::Daemons => f.write_str("read the sync daemons"),
            Self::Services => f.write_str("read all services"),
            Self::Service(key) => write!(f, "read service {}", Named(key)),
            Self::Destinations(key) => write!(f, "read the servers of {}", Named(key)),
        }
    }
}
