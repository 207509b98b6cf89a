//! `lb-core`'s data plane on the kernel's IP Virtual Server.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use lb_core::{
    Change, DataPlane,
    dataplane::{self, Connection, DataPlaneError, ServiceCounters},
    model::{self, ServerKey, ServiceKey, ServiceTable},
};

use crate::{
    AsyncClient, Client, Command, Error, ErrorKind, Namespace, connections,
    transport::{Netlink, Transport},
    wire::{Destination, Service},
};

/// The kernel's table of virtual services as a [`DataPlane`].
///
/// A batch goes to the kernel in few system calls; one changed weight is one message. What others did to the table is
/// in the snapshot, and stays.
pub struct Ipvs<T = Netlink> {
    client: AsyncClient<T>,
    namespace: Namespace,
}

impl Ipvs {
    /// In a network namespace. Loads the kernel's module where that is allowed, and makes sure that the privilege
    /// suffices.
    ///
    /// # Errors
    /// [`ErrorKind::NotLoaded`] without ip_vs, [`ErrorKind::Denied`] without CAP_NET_ADMIN.
    pub async fn open(namespace: Namespace) -> Result<Self, Error> {
        let client = AsyncClient::open_in(&namespace).await?;
        // Finding the family needs no privilege, everything else does.
        client.call(Client::info).await?;
        Ok(Self::new(client, namespace))
    }
}

impl<T: Transport + 'static> Ipvs<T> {
    /// On a client; `namespace`, which is its own, is where connections are read.
    pub const fn new(client: AsyncClient<T>, namespace: Namespace) -> Self {
        Self { client, namespace }
    }

    /// The client, for what a data plane does not have: timeouts, sync daemons, zeroing.
    pub const fn client(&self) -> &AsyncClient<T> {
        &self.client
    }

    /// Gives a server weight 0 and leaves the rest of it as it is: it gets no new connections, and keeps those that it
    /// has. Clients that persistence has bound to it still come, unless `expire_quiescent_template` is set.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchServer`]; as all commands.
    pub async fn quiesce(&self, service: ServiceKey, server: ServerKey) -> Result<(), Error> {
        self.client
            .call(move |client| {
                let found =
                    find(client, &service, &server)?.ok_or_else(|| no_such_server(&service, &server))?;
                client.edit_destination(&service, &found.destination.with_weight(0))
            })
            .await
    }

    /// Waits until a server has no connection left, active or inactive, or is gone; it is looked at every `period`.
    /// A connection that has ended counts as inactive for two more minutes (TIME_WAIT), ten seconds after a reset. There
    /// is no end to this as long as a client keeps its connection: set a limit around it.
    ///
    /// # Errors
    /// As all queries.
    pub async fn drained(
        &self,
        service: ServiceKey,
        server: ServerKey,
        period: Duration,
    ) -> Result<(), Error> {
        loop {
            let found = self.client.call(move |client| find(client, &service, &server)).await?;
            if found.is_none_or(|entry| entry.active == 0 && entry.inactive == 0) {
                return Ok(());
            }
            tokio::time::sleep(period).await;
        }
    }
}

fn find<T: Transport>(
    client: &mut Client<T>,
    service: &ServiceKey,
    server: &ServerKey,
) -> Result<Option<crate::DestinationEntry>, Error> {
    Ok(client.destinations(service)?.into_iter().find(|entry| entry.destination.key == *server))
}

fn no_such_server(service: &ServiceKey, server: &ServerKey) -> Error {
    let operation = format!("quiesce server {server} of {}", crate::command::Named(service));
    Error::new(ErrorKind::NoSuchServer, operation, "the service has no such server")
}

#[async_trait]
impl<T: Transport + 'static> DataPlane for Ipvs<T> {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    async fn snapshot(&self) -> Result<ServiceTable, DataPlaneError> {
        let table = self.client.call(Client::table).await?;
        let services = table.into_iter().map(|(key, (entry, servers))| {
            let servers = servers
                .into_iter()
                .map(|server| (server.destination.key, server.destination.spec()))
                .collect();
            (key, model::Service { spec: entry.service.spec(), servers })
        });
        Ok(ServiceTable { services: services.collect() })
    }

    async fn apply(&self, batch: &[Change]) -> Result<Vec<dataplane::Refused>, DataPlaneError> {
        // A kind of change that this version does not know is refused.
        let mut refused = Vec::new();
        let mut commands = Vec::with_capacity(batch.len());
        let mut indices = Vec::with_capacity(batch.len());
        for (index, change) in batch.iter().enumerate() {
            match command(change) {
                Some(command) => {
                    commands.push(command);
                    indices.push(index);
                }
                None => {
                    let error = DataPlaneError::new(dataplane::ErrorKind::Unsupported, change.to_string());
                    refused.push(dataplane::Refused { index, error });
                }
            }
        }
        for refusal in self.client.call(move |client| client.apply(&commands)).await? {
            refused.push(dataplane::Refused { index: indices[refusal.index], error: refusal.error.into() });
        }
        refused.sort_by_key(|refusal| refusal.index);
        Ok(refused)
    }

    async fn counters(&self) -> Result<BTreeMap<ServiceKey, ServiceCounters>, DataPlaneError> {
        let table = self.client.call(Client::table).await?;
        Ok(table.iter().map(|(key, (entry, servers))| (*key, entry.counters(servers))).collect())
    }

    async fn connections(&self, limit: usize) -> Result<Vec<Connection>, DataPlaneError> {
        let namespace = self.namespace.clone();
        let found = self
            .client
            .call(move |_| {
                connections::connections(&namespace, limit)
                    .map_err(|error| Error::transport("read the connections", error))
            })
            .await?;
        Ok(found.iter().filter_map(connections::ConnectionEntry::to_model).collect())
    }
}

fn command(change: &Change) -> Option<Command> {
    Some(match change {
        Change::AddService { service, spec } => Command::AddService(Service::from_spec(*service, spec)),
        Change::EditService { service, spec } => Command::EditService(Service::from_spec(*service, spec)),
        Change::RemoveService { service } => Command::DeleteService(*service),
        Change::AddServer { service, server, spec } => {
            Command::AddDestination(*service, Destination::from_spec(*server, spec))
        }
        Change::EditServer { service, server, spec } => {
            Command::EditDestination(*service, Destination::from_spec(*server, spec))
        }
        Change::RemoveServer { service, server } => Command::DeleteDestination(*service, *server),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
