//! The client, whose calls wait for the kernel.

mod carry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lb_core::model::{ServerKey, ServiceKey};

#[cfg(doc)]
use crate::ErrorKind;
use crate::{
    Namespace,
    command::{Command, Query},
    error::Error,
    transport::{Netlink, Transport},
    wire::{
        Answer, Daemon, DaemonRole, Destination, DestinationEntry, Info, Service, ServiceEntry, Timeouts,
    },
};

/// Speaks with the kernel's IP Virtual Server.
///
/// A call returns when the kernel has answered, usually within microseconds: it works inside the call that asks. A
/// scheduler's module that has to be loaded takes milliseconds. For async programs there is
/// [`AsyncClient`](crate::AsyncClient).
pub struct Client<T = Netlink> {
    transport: T,
    family: u16,
    sequence: u32,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

/// All services with their servers, as [`Client::table`] reads them.
pub type Table = BTreeMap<ServiceKey, (ServiceEntry, Vec<DestinationEntry>)>;

/// A command of a batch that the kernel did not take.
#[derive(Debug)]
pub struct Refused {
    /// Index in the batch.
    pub index: usize,
    /// Why.
    pub error: Error,
}

impl Client {
    /// In the network namespace of the calling thread. Loads the kernel's module where that is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`] when the kernel has no IP Virtual Server.
    pub fn open() -> Result<Self, Error> {
        Self::open_in(&Namespace::own())
    }

    /// In another network namespace. The calling thread stays where it is.
    ///
    /// # Errors
    /// As [`Self::open`], and when the namespace can not be entered.
    pub fn open_in(namespace: &Namespace) -> Result<Self, Error> {
        let socket = namespace
            .within(Netlink::open)
            .map_err(|error| Error::transport("open a netlink socket", error))?;
        Self::with_transport(socket)
    }
}

impl<T: Transport> Client<T> {
    /// Over any transport.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn with_transport(transport: T) -> Result<Self, Error> {
        let mut client =
            Self { transport, family: 0, sequence: 0, outgoing: Vec::new(), incoming: Vec::new() };
        client.resolve()?;
        Ok(client)
    }

    /// The transport.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Version and size of the connection table.
    ///
    /// # Errors
    /// As all queries: denied, not loaded, no answer in time.
    pub fn info(&mut self) -> Result<Info, Error> {
        self.one(Query::Info, |answer| match answer {
            Answer::Info(info) => Some(info),
            _ => None,
        })
    }

    /// All services, in the kernel's order, which is none. The kernel resumes a long listing by position: while others
    /// add and delete services, one that stays may be missing from a listing, or be in it twice.
    ///
    /// # Errors
    /// As all queries.
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        self.dump(Query::Services, service_entry)
    }

    /// One service.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchService`]; as all queries.
    pub fn service(&mut self, key: &ServiceKey) -> Result<ServiceEntry, Error> {
        self.one(Query::Service(*key), service_entry)
    }

    /// The servers of a service, in the order in which the kernel's schedulers see them: the newest first. None for
    /// a service that does not exist, as the kernel says so.
    ///
    /// # Errors
    /// As all queries.
    pub fn destinations(&mut self, service: &ServiceKey) -> Result<Vec<DestinationEntry>, Error> {
        self.dump(Query::Destinations(*service), |answer| match answer {
            Answer::Destination(entry) => Some(entry),
            _ => None,
        })
    }

    /// All services with their servers.
    ///
    /// # Errors
    /// As all queries.
    pub fn table(&mut self) -> Result<Table, Error> {
        let services = self.services()?;
        services
            .into_iter()
            .map(|entry| {
                let key = entry.service.key;
                Ok((key, (entry, self.destinations(&key)?)))
            })
            .collect()
    }

    /// How long idle connections are kept.
    ///
    /// # Errors
    /// As all queries.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.one(Query::Timeouts, |answer| match answer {
            Answer::Timeouts(timeouts) => Some(timeouts),
            _ => None,
        })
    }

    /// The sync daemons that run: none, one, or both.
    ///
    /// # Errors
    /// As all queries.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        self.dump(Query::Daemons, |answer| match answer {
            Answer::Daemon(daemon) => Some(daemon),
            _ => None,
        })
    }

    /// Makes one change.
    ///
    /// # Errors
    /// Whatever the kernel says, by [`ErrorKind`].
    pub fn execute(&mut self, command: &Command) -> Result<(), Error> {
        match self.apply(std::slice::from_ref(command))?.pop() {
            Some(refused) => Err(refused.error),
            None => Ok(()),
        }
    }

    /// Adds a service.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`], [`ErrorKind::NoSuchScheduler`], [`ErrorKind::Unsupported`], [`ErrorKind::Invalid`].
    pub fn add_service(&mut self, service: &Service) -> Result<(), Error> {
        self.execute(&Command::AddService(service.clone()))
    }

    /// Changes scheduler, flags and persistence of a service.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchService`], and as [`Self::add_service`].
    pub fn edit_service(&mut self, service: &Service) -> Result<(), Error> {
        self.execute(&Command::EditService(service.clone()))
    }

    /// Deletes a service with its servers.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchService`].
    pub fn delete_service(&mut self, service: &ServiceKey) -> Result<(), Error> {
        self.execute(&Command::DeleteService(*service))
    }

    /// Adds a server to a service.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`], [`ErrorKind::NoSuchService`], [`ErrorKind::Range`], [`ErrorKind::Invalid`].
    pub fn add_destination(&mut self, service: &ServiceKey, server: &Destination) -> Result<(), Error> {
        self.execute(&Command::AddDestination(*service, server.clone()))
    }

    /// Changes a server: weight, forwarding method and thresholds are all set to what is given.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchServer`], and as [`Self::add_destination`].
    pub fn edit_destination(&mut self, service: &ServiceKey, server: &Destination) -> Result<(), Error> {
        self.execute(&Command::EditDestination(*service, server.clone()))
    }

    /// Deletes a server from a service.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchService`], [`ErrorKind::NoSuchServer`].
    pub fn delete_destination(&mut self, service: &ServiceKey, server: &ServerKey) -> Result<(), Error> {
        self.execute(&Command::DeleteDestination(*service, *server))
    }

    /// Sets how long idle connections are kept; 0 leaves one as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        self.execute(&Command::SetTimeouts(timeouts))
    }

    /// Statistics of one service with its servers, or of all, begin at 0 again.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchService`].
    pub fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error> {
        self.execute(&Command::Zero(service.copied()))
    }

    /// Deletes all services of the network namespace.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.execute(&Command::Flush)
    }

    /// Starts to copy connections to a peer, or from it.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`], [`ErrorKind::NoDevice`], [`ErrorKind::Invalid`].
    pub fn start_daemon(&mut self, daemon: &Daemon) -> Result<(), Error> {
        self.execute(&Command::StartDaemon(daemon.clone()))
    }

    /// Stops it.
    ///
    /// # Errors
    /// [`ErrorKind::NoDaemon`].
    pub fn stop_daemon(&mut self, role: DaemonRole) -> Result<(), Error> {
        self.execute(&Command::StopDaemon(role))
    }
}

fn service_entry(answer: Answer) -> Option<ServiceEntry> {
    match answer {
        Answer::Service(entry) => Some(entry),
        _ => None,
    }
}
