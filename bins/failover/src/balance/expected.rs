//! Addresses that virtual servers listen at before they are on this host, so that a takeover refuses no client.

use lb_config::keepalived::model::Config;
use lb_nat::relay::{AddressSet, Freebind};

/// Which addresses the relay may listen at before they are on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreebindPolicy {
    /// Those that the configuration brings to this host: of instances, and static ones. Any other address is a mistake.
    #[default]
    Configured,
    /// All: another daemon brings them.
    Any,
}

/// The addresses that are expected on this host.
pub(super) struct ExpectedAddresses(Freebind);

impl ExpectedAddresses {
    pub(super) fn new(policy: FreebindPolicy) -> Self {
        Self(match policy {
            FreebindPolicy::Configured => Freebind::Only(AddressSet::default()),
            FreebindPolicy::Any => Freebind::Always,
        })
    }

    /// Follows a configuration.
    pub(super) fn follow(&self, config: &Config) {
        let Freebind::Only(addresses) = &self.0 else { return };
        let of_instances = config.instances.iter().flat_map(|one| one.addresses.iter().chain(&one.excluded));
        addresses
            .set(of_instances.chain(&config.statics.addresses).map(|address| address.net.addr()).collect());
    }

    /// What the relay is started with.
    pub(super) fn freebind(&self) -> Freebind {
        self.0.clone()
    }
}
