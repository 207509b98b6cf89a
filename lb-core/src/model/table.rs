//! A whole table of virtual services, ordered, so that the same content always prints the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ServerKey, ServerSpec, ServiceKey, ServiceSpec};

/// A virtual service with its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// How the service is to be.
    pub spec: ServiceSpec,
    /// Its real servers.
    #[serde(default)]
    pub servers: BTreeMap<ServerKey, ServerSpec>,
}

impl Service {
    /// A service without servers.
    pub const fn new(spec: ServiceSpec) -> Self {
        Self { spec, servers: BTreeMap::new() }
    }

    /// The same with one more server.
    #[must_use]
    pub fn with_server(mut self, key: impl Into<ServerKey>, spec: ServerSpec) -> Self {
        self.servers.insert(key.into(), spec);
        self
    }
}

/// All virtual services of a data plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceTable {
    /// By key, in listing order.
    pub services: BTreeMap<ServiceKey, Service>,
}

impl ServiceTable {
    /// An empty table.
    pub const fn new() -> Self {
        Self { services: BTreeMap::new() }
    }

    /// The same with one more service.
    #[must_use]
    pub fn with_service(mut self, key: ServiceKey, service: Service) -> Self {
        self.services.insert(key, service);
        self
    }

    /// One server's spec.
    pub fn server(&self, service: &ServiceKey, server: &ServerKey) -> Option<&ServerSpec> {
        self.services.get(service)?.servers.get(server)
    }

    /// Number of real servers over all services.
    pub fn server_count(&self) -> usize {
        self.services.values().map(|service| service.servers.len()).sum()
    }
}
