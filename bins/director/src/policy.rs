//! From ldirectord.cf to what lb-core decides on.

use lb_config::ldirectord::Config;
use lb_core::desired::{self, OnFailure, Policy, Quorum, RealServer, VirtualService};

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
        entry.fallback = service.fallback.map(|fallback| desired::Fallback::new(fallback.key, fallback.spec));
        policy.entry(service.key).or_insert(entry);
    }
    policy
}
