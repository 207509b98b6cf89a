//! One step from a table towards another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ServerKey, ServerSpec, Service, ServiceKey, ServiceSpec, ServiceTable};

/// One step from a table towards another. A data plane applies a batch of them in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// A new virtual service, without servers yet.
    AddService {
        /// Which service.
        service: ServiceKey,
        /// How it is to be.
        spec: ServiceSpec,
    },
    /// Another scheduler, flags or persistence for a service that exists; its servers and connections stay.
    EditService {
        /// Which service.
        service: ServiceKey,
        /// How it is to be from now on.
        spec: ServiceSpec,
    },
    /// The service goes, with all servers that it still has.
    RemoveService {
        /// Which service.
        service: ServiceKey,
    },
    /// A new real server.
    AddServer {
        /// Of which service.
        service: ServiceKey,
        /// Which server.
        server: ServerKey,
        /// How it is to be.
        spec: ServerSpec,
    },
    /// Another weight, forwarding method or thresholds for a server that exists; its connections stay.
    EditServer {
        /// Of which service.
        service: ServiceKey,
        /// Which server.
        server: ServerKey,
        /// How it is to be from now on.
        spec: ServerSpec,
    },
    /// The server goes; what happens to its connections is the data plane's to say.
    RemoveServer {
        /// Of which service.
        service: ServiceKey,
        /// Which server.
        server: ServerKey,
    },
}

impl Change {
    /// The service that the change is about.
    pub const fn service(&self) -> &ServiceKey {
        match self {
            Self::AddService { service, .. }
            | Self::EditService { service, .. }
            | Self::RemoveService { service }
            | Self::AddServer { service, .. }
            | Self::EditServer { service, .. }
            | Self::RemoveServer { service, .. } => service,
        }
    }

    /// The server that the change is about; `None` when it is about the service itself.
    pub const fn server(&self) -> Option<&ServerKey> {
        match self {
            Self::AddServer { server, .. }
            | Self::EditServer { server, .. }
            | Self::RemoveServer { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Makes the change to a table in memory, by the rules of every data plane: what is added must not be there,
    /// what is edited or removed must be.
    pub fn apply(&self, table: &mut ServiceTable) -> Result<(), ChangeError> {
        let services = &mut table.services;
        match self {
            Self::AddService { service, spec } => {
                if services.contains_key(service) {
                    return Err(ChangeError::Exists);
                }
                services.insert(*service, Service::new(spec.clone()));
            }
            Self::EditService { service, spec } => {
                services.get_mut(service).ok_or(ChangeError::NoSuchService)?.spec = spec.clone();
            }
            Self::RemoveService { service } => {
                services.remove(service).ok_or(ChangeError::NoSuchService)?;
            }
            Self::AddServer { service, server, spec } => {
                let servers = &mut services.get_mut(service).ok_or(ChangeError::NoSuchService)?.servers;
                if servers.contains_key(server) {
                    return Err(ChangeError::Exists);
                }
                servers.insert(*server, *spec);
            }
            Self::EditServer { service, server, spec } => {
                let servers = &mut services.get_mut(service).ok_or(ChangeError::NoSuchService)?.servers;
                *servers.get_mut(server).ok_or(ChangeError::NoSuchServer)? = *spec;
            }
            Self::RemoveServer { service, server } => {
                let servers = &mut services.get_mut(service).ok_or(ChangeError::NoSuchService)?.servers;
                servers.remove(server).ok_or(ChangeError::NoSuchServer)?;
            }
        }
        Ok(())
    }
}

/// Why a change does not fit the table that it is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// What is to be added is there already.
    #[error("exists already")]
    Exists,
    /// The service is not there.
    #[error("no such service")]
    NoSuchService,
    /// The server is not there.
    #[error("no such server")]
    NoSuchServer,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService { service, spec } => write!(f, "add service {service} {}", spec.scheduler),
            Self::EditService { service, spec } => write!(f, "edit service {service} {}", spec.scheduler),
            Self::RemoveService { service } => write!(f, "remove service {service}"),
            Self::AddServer { service, server, spec } => {
                write!(f, "add server {server} to {service} ({} weight {})", spec.forwarding, spec.weight)
            }
            Self::EditServer { service, server, spec } => {
                write!(f, "edit server {server} of {service} ({} weight {})", spec.forwarding, spec.weight)
            }
            Self::RemoveServer { service, server } => write!(f, "remove server {server} from {service}"),
        }
    }
}
