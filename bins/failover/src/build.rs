//! From what the file says of an instance to what the driver runs.

use std::{net::IpAddr, sync::Arc};

use lb_config::keepalived::model::{self, Authentication, HmacMode, Sending, Version};
use lb_vrrp::{
    Config, Interval, Preempt, Priority, Profile,
    driver::{AddressAttributes, Announcing, Instance, VirtualAddress, VirtualMac, linux},
    router::{ChecksumPolicy, ConfigErrors},
    wire::{
        Mac, ah,
        hmac::{self, Keyring, KeyringError},
    },
};
use thiserror::Error;

/// What the file does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether there are just two nodes, so that a resignation is taken at once, without waiting for others who might win.
    /// An instance with one unicast peer has just two in any case.
    pub pair: bool,
}

/// Why an instance can not be run.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The virtual router can not be.
    #[error("({instance}) {source}")]
    Config {
        /// The instance.
        instance: String,
        /// Why not.
        source: ConfigErrors,
    },
    /// The keys of `auth_hmac` do not fit together.
    #[error("({instance}) auth_hmac: {source}")]
    Keys {
        /// The instance.
        instance: String,
        /// Why not.
        source: KeyringError,
    },
}

/// An instance for the driver, which runs with `priority` in place of the configured one.
///
/// # Errors
/// What was not found when the file was checked.
pub fn build(
    model: &model::Instance,
    priority: Priority,
    settings: &Settings,
) -> Result<Instance, BuildError> {
    let (advertised, excess) = model.addresses.split_at(advertised(model, linux::mtu_of));
    let config = config(model, advertised, priority, settings)?;
    let mut instance = Instance::new(&*model.name, &*model.interface, config);
    instance.addresses = advertised.iter().map(virtual_address).collect();
    instance.unadvertised = excess.iter().chain(&model.excluded).map(virtual_address).collect();
    instance.starts = false;
    instance.source = model.source;
    instance.heeds_link = !model.dont_track_primary;
    // Nothing leaves by unicast from an address that this host lacks.
    instance.heeds_source = model.track_source || matches!(model.sending, Sending::Unicast { .. });
    instance.virtual_mac = model.vmac.as_ref().map(|vmac| VirtualMac {
        name: vmac.name.clone(),
        mac: vmac.mac.map(Mac),
        advertises_from_below: vmac.xmit_base,
    });
    if let Sending::Unicast { ttl, .. } = &model.sending {
        instance.unicast_ttl = *ttl;
    }
    if let Authentication::Ah(password) = &model.authentication {
        instance.key = Some(ah::Key::new(password.expose()));
    }
    instance.announcing = announcing(&model.garp).into();
    Ok(instance)
}

/// Whether an instance can be run with what is configured.
///
/// # Errors
/// Why not.
pub fn check(model: &model::Instance, settings: &Settings) -> Result<(), String> {
    build(model, model.priority, settings).map(drop).map_err(|error| error.to_string())
}

/// How many of its addresses are advertised: as many as keepalived puts into an advertisement on its interface, which
/// is asked for its MTU when there are so many that it matters. One that is not there counts as an Ethernet one.
fn advertised(model: &model::Instance, mtu_of: impl Fn(&str) -> Option<u32>) -> usize {
    /// Links with less are rare.
    const SMALL: u32 = 576;
    const ETHERNET: u32 = 1500;
    let version = match model.version {
        Version::V2 => lb_vrrp::Version::V2,
        Version::V3 => lb_vrrp::Version::V3,
    };
    let count = model.addresses.len();
    if count <= model.family.addresses_in(SMALL, version) {
        return count;
    }
    let mtu = mtu_of(&model.interface).unwrap_or(ETHERNET);
    count.min(model.family.addresses_in(mtu, version))
}

fn config(
    model: &model::Instance,
    advertised: &[model::VirtualAddress],
    priority: Priority,
    settings: &Settings,
) -> Result<Config, BuildError> {
    let addresses: Vec<IpAddr> = advertised.iter().map(|address| address.net.addr()).collect();
    let mut config = match model.version {
        Version::V2 => Config::v2(model.vrid, addresses),
        Version::V3 => Config::v3(model.vrid, addresses),
    };
    config = config
        .priority(priority)
        .interval(model.advert_int)
        .accept(model.accept)
        .down_adverts(model.down_timer_adverts)
        // Always, with `timer_expired_backup` or without: a peer has taken over by then, and two would answer.
        .step_down_when_late(true)
        .profile(profile(model))
        .preempt(match model.preempt {
            // An owner preempts whatever the file says.
            _ if priority.is_owner() => Preempt::Yes,
            model::Preempt::Yes => Preempt::Yes,
            model::Preempt::No => Preempt::No,
            model::Preempt::After(delay) => Preempt::After(delay),
        });
    if profile(model) == Profile::Compatible {
        config = config
            .max_learned_interval(longest_believed(model.advert_int))
            .only_backup(settings.pair || model.has_one_peer())
            .answer_lower(!model.lower_prio_no_advert)
            // By default as well, so that the other one announces its addresses again after a network was in two parts.
            .advertise_when_yielding(model.higher_prio_send_advert.unwrap_or(true))
            .owner_ignores_adverts(model.owner_ignore_adverts)
            .without_addresses(model.addresses.is_empty())
            .any_unicast_source(!model.check_unicast_src);
    }
    // keepalived's strict mode has the same checksum as its other one.
    config = config.checksum(if model.v3_checksum_as_v2 {
        ChecksumPolicy::MessageOnly
    } else {
        ChecksumPolicy::Auto
    });
    config = match &model.sending {
        Sending::Multicast(None) => config,
        Sending::Multicast(Some(group)) => config.multicast_group(*group),
        Sending::Unicast { peers, .. } => peers
            .iter()
            .filter(|peer| peer.min_ttl.is_some() || peer.max_ttl.is_some())
            .map(|peer| (peer.address, peer.min_ttl.unwrap_or(0)..=peer.max_ttl.unwrap_or(u8::MAX)))
            .fold(config.unicast(peers.iter().map(|peer| peer.address)), |config, (peer, range)| {
                config.peer_ttl(peer, range)
            }),
    };
    config = match &model.authentication {
        Authentication::None => config,
        Authentication::Pass(text) => config.auth_text(text.expose()),
        Authentication::Ah(_) => config.auth_header(),
        Authentication::Hmac { .. } => {
            let keyring =
                keyring(model).map_err(|source| BuildError::Keys { instance: model.name.clone(), source })?;
            config.hmac(keyring)
        }
    };
    config.build().map_err(|source| BuildError::Config { instance: model.name.clone(), source })
}

/// The longest interval of another MASTER that is believed: four times our own, and at least 4 s. It bounds what one forged
/// advertisement can do, which otherwise leaves the address on no node for 2 minutes. A MASTER that is slower than that is
/// still heard in time, up to three times as slow, but may lose no advertisement then.
fn longest_believed(ours: Interval) -> Interval {
    const LEAST: u16 = 400;
    let longest = ours.centiseconds().saturating_mul(4).max(LEAST);
    // Beyond what VRRPv3 can say there is nothing to bound.
    Interval::from_centiseconds(longest).unwrap_or(Interval::MAX_V3)
}

/// A group or peers of its own are beyond the RFCs, and keepalived's strict mode lets them be.
fn profile(model: &model::Instance) -> Profile {
    match (model.strict, &model.sending) {
        (true, Sending::Multicast(None)) => Profile::Strict,
        _ => Profile::Compatible,
    }
}

fn keyring(model: &model::Instance) -> Result<Keyring, KeyringError> {
    let mut keyring = Keyring::builder(model.advert_int);
    if let Authentication::Hmac { keys, active, window, mode, monotonic } = &model.authentication {
        for key in keys {
            keyring = keyring.key(key.id, key.key.expose());
        }
        keyring = keyring
            .active(*active)
            .time_window(*window)
            .anti_replay(if *monotonic { hmac::AntiReplay::Monotonic } else { hmac::AntiReplay::Time })
            .mode(match mode {
                HmacMode::Enforce => hmac::Mode::Enforce,
                HmacMode::Permissive => hmac::Mode::Permissive,
                HmacMode::ReceiveOnly => hmac::Mode::ReceiveOnly,
            });
    }
    keyring.build()
}

/// An address as the driver installs it.
pub fn virtual_address(model: &model::VirtualAddress) -> VirtualAddress {
    let v4 = model.net.addr().is_ipv4();
    let attributes = AddressAttributes {
        device: model.device.as_deref().map(Arc::from),
        label: model.label.clone().filter(|_| v4),
        scope: model.scope.filter(|_| v4).map_or(0, |scope| scope.0),
        broadcast: match model.broadcast {
            Some(IpAddr::V4(broadcast)) => Some(broadcast),
            _ => None,
        },
        peer: model.peer,
        home: model.home,
        duplicate_detection: model.duplicate_detection,
        manage_temporary: model.manage_temporary,
        prefix_route: !model.no_prefix_route,
        auto_join: model.auto_join,
        preferred_lifetime: model.preferred_lifetime.filter(|_| !is_default_lifetime(model)),
        tracked: model.tracked,
    };
    VirtualAddress::new(model.net, attributes)
}

/// What the driver does by itself needs no attributes.
fn is_default_lifetime(model: &model::VirtualAddress) -> bool {
    model.preferred_lifetime == model::VirtualAddress::new(model.net).preferred_lifetime
}

fn announcing(garp: &model::Garp) -> Announcing {
    Announcing {
        repeat: garp.repeat,
        delay: garp.delay,
        delayed_repeat: if garp.delay.is_zero() { 0 } else { garp.repeat },
        other_repeat: garp.lower_prio_repeat,
        other_delay: (!garp.lower_prio_delay.is_zero()).then_some(garp.lower_prio_delay),
        refresh: [garp.refresh, garp.extra].into_iter().filter(|period| !period.is_zero()).min(),
        refresh_repeat: garp.refresh_repeat,
        frame_interval: garp.interval,
        ..Announcing::default()
    }
}

#[cfg(test)]
mod tests;
