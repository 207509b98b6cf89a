//! The client, whose calls wait for the kernel.

use std::collections::BTreeMap;

use lb_core::model::{ServerKey, ServiceKey};

use crate::{
    Namespace,
    command::{Command, Query},
    error::{Error, ErrorKind, errno},
    exchange::Exchange,
    transport::{Netlink, Transport},
    wire::{
        Answer, Daemon, DaemonRole, DecodeError, Destination, DestinationEntry, Info, Service, ServiceEntry,
        Timeouts,
        attribute::{Attributes, Put},
        consts::{control, netlink},
        message,
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

/// How often a dump is tried that the kernel calls a mixture.
const ATTEMPTS: u32 = 5;
/// As the kernel registers it.
const FAMILY_NAME: &str = "IPVS";
/// A datagram is sent when it is that long, so that it fits the socket's send buffer.
const DATAGRAM: usize = 64 << 10;

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

    /// All services, in the kernel's order, which is none.
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

    /// Makes many changes in order, with few system calls. One that the kernel refuses is reported and does not keep
    /// the others from being made.
    ///
    /// # Errors
    /// When nothing can be said about some of them, as when no answer comes. Read the table again then.
    pub fn apply(&mut self, batch: &[Command]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        let mut from = 0;
        while from < batch.len() {
            from += self.send_some(batch, from, &mut refused)?;
        }
        refused.sort_by_key(|refused| refused.index);
        Ok(refused)
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

// How requests are carried.
impl<T: Transport> Client<T> {
    /// Sends as much of the batch from `from` on as fits a datagram and the window, and waits for its answers. Says how
    /// many commands that were.
    fn send_some(
        &mut self,
        batch: &[Command],
        from: usize,
        refused: &mut Vec<Refused>,
    ) -> Result<usize, Error> {
        let window = self.transport.window().max(1);
        let first = self.sequence.wrapping_add(1);
        // Those that are sent; others can not even be put into a message.
        let mut sent = Vec::new();
        let mut taken = 0;
        self.outgoing.clear();
        for command in &batch[from..] {
            if sent.len() == window || self.outgoing.len() > DATAGRAM {
                break;
            }
            let index = from + taken;
            taken += 1;
            let length = self.outgoing.len();
            let sequence = first.wrapping_add(sent.len() as u32);
            let flags = netlink::REQUEST | netlink::ACK;
            let mut fits = Ok(());
            message::put(&mut self.outgoing, self.family, flags, sequence, |out| fits = command.emit(out));
            match fits {
                Ok(()) => sent.push(index),
                Err(why) => {
                    self.outgoing.truncate(length);
                    let error = Error::new(ErrorKind::Invalid, command, why.to_string());
                    refused.push(Refused { index, error });
                }
            }
        }
        let Some(operation) = sent.first().and_then(|index| batch.get(*index)) else {
            return Ok(taken);
        };
        let exchange = self.exchange(&operation, sent.len(), |_| Ok(()))?;
        for (index, end) in sent.into_iter().zip(exchange.ends()) {
            if end != 0 {
                refused.push(Refused { index, error: Error::command(&batch[index], end) });
            }
        }
        Ok(taken)
    }

    /// Any number of answers.
    fn dump<R>(&mut self, query: Query, pick: impl Fn(Answer) -> Option<R>) -> Result<Vec<R>, Error> {
        for _ in 0..ATTEMPTS {
            let mut found = Vec::new();
            if !self.query(query, |answer| found.extend(pick(answer)))? {
                return Ok(found);
            }
        }
        let reason = format!("the table changed each of the {ATTEMPTS} times that it was read");
        Err(Error::new(ErrorKind::Interrupted, query, reason))
    }

    /// One answer.
    fn one<R>(&mut self, query: Query, pick: impl Fn(Answer) -> Option<R>) -> Result<R, Error> {
        let mut found = None;
        self.query(query, |answer| found = pick(answer))?;
        found.ok_or_else(|| Error::new(ErrorKind::Malformed, query, "the kernel answered without an answer"))
    }

    /// Says whether a dump was interrupted.
    fn query(&mut self, query: Query, mut take: impl FnMut(Answer)) -> Result<bool, Error> {
        let flags = netlink::REQUEST | netlink::ACK | if query.is_dump() { netlink::DUMP } else { 0 };
        self.outgoing.clear();
        let sequence = self.sequence.wrapping_add(1);
        message::put(&mut self.outgoing, self.family, flags, sequence, |out| query.emit(out));
        let exchange = self.exchange(&query, 1, |message| {
            take(Answer::decode(message, query.family())?);
            Ok(())
        })?;
        match exchange.ends().find(|end| *end != 0) {
            Some(end) => Err(Error::query(&query, end)),
            None => Ok(exchange.interrupted()),
        }
    }

    /// Sends `self.outgoing`, which holds `count` requests, and receives until all are answered.
    fn exchange(
        &mut self,
        operation: &dyn std::fmt::Display,
        count: usize,
        mut reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<Exchange, Error> {
        let mut exchange = Exchange::new(self.sequence.wrapping_add(1), count);
        self.sequence = self.sequence.wrapping_add(count as u32);
        self.transport.send(&self.outgoing).map_err(|error| Error::transport(operation, error))?;
        while !exchange.is_done() {
            self.transport.receive(&mut self.incoming).map_err(|error| Error::transport(operation, error))?;
            exchange
                .receive(&self.incoming, |message| reply(message.payload))
                .map_err(|error| Error::malformed(operation, error))?;
        }
        Ok(exchange)
    }

    /// Asks for the family's number.
    fn resolve(&mut self) -> Result<(), Error> {
        const OPERATION: &str = "look for the kernel's IP Virtual Server";
        self.outgoing.clear();
        let sequence = self.sequence.wrapping_add(1);
        message::put(&mut self.outgoing, control::FAMILY, netlink::REQUEST | netlink::ACK, sequence, |out| {
            message::put_generic(out, control::GET_FAMILY);
            out.put_text(control::FAMILY_NAME, FAMILY_NAME);
        });
        let mut family = None;
        let exchange = self.exchange(&OPERATION, 1, |message| {
            for attribute in Attributes(message.get(4..).unwrap_or_default()) {
                let attribute = attribute?;
                if attribute.kind() == control::FAMILY_ID {
                    family = Some(attribute.u16()?);
                }
            }
            Ok(())
        })?;
        match (exchange.ends().find(|end| *end != 0), family) {
            (None, Some(family)) => {
                self.family = family;
                Ok(())
            }
            (None, None) | (Some(errno::ENOENT), _) => Err(Error::not_loaded(OPERATION)),
            (Some(end), _) => Err(Error::system(OPERATION, end)),
        }
    }
}

fn service_entry(answer: Answer) -> Option<ServiceEntry> {
    match answer {
        Answer::Service(entry) => Some(entry),
        _ => None,
    }
}
