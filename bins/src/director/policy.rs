//! From ldirectord.cf to what lb-core decides on.

use lb_core::{
    desired::{self, OnFailure, Policy, Quorum, RealServer, VirtualService},
    model::{Service, ServiceTable},
};

use crate::config::ldirectord::Config;

/// What the configuration says about services and servers. Where two real servers of a service have the same
/// key, the first one counts, as in the data plane.
pub fn policy(config: &Config) -> Policy {
    let mut policy = Policy::new();
    for service in &config.virtuals {
        let on_failure = if service.quiescent { OnFailure::Quiesce } else { OnFailure::Remove };
        let mut entry = VirtualService::new(service.spec.clone());
        for real in &service.reals {
            entry.servers.entry(real.key).or_insert(RealServer { spec: real.spec, on_failure });
        }
        entry.quorum = Quorum::AnyServer;
        entry.fallback =
            service.fallback.map(|fallback| desired::Fallback { server: fallback.key, spec: fallback.spec });
        policy.entry(service.key).or_insert(entry);
    }
    policy
}

/// The table with every server in it: what a data plane has to be able to carry.
pub fn full_table(policy: &Policy) -> ServiceTable {
    let mut table = ServiceTable::new();
    for (key, service) in policy {
        let servers = service.servers.iter().map(|(server, real)| (*server, real.spec)).collect();
        table.services.insert(*key, Service { spec: service.spec.clone(), servers });
    }
    table
}
