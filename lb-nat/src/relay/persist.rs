//! Which client is bound to which server.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use lb_core::Time;

use super::service::Server;

/// The persistence templates of one service, by client group.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    by_group: HashMap<IpAddr, Arc<Template>>,
}

/// A group of clients and its server. Lives while it has connections, and for the time-out after the last of them
/// was opened or has ended.
#[derive(Debug)]
pub(crate) struct Template {
    server: Arc<Server>,
    timeout: Duration,
    connections: AtomicU32,
    expires: AtomicU64,
}

impl Templates {
    pub(crate) fn len(&self) -> usize {
        self.by_group.len()
    }

    /// The template of a group that has not expired.
    pub(crate) fn find(&self, group: IpAddr, now: Time) -> Option<&Arc<Template>> {
        self.by_group.get(&group).filter(|template| !template.has_expired(now))
    }

    /// Binds a group to a server, instead of any other one; `None` when `max` groups are bound already.
    pub(crate) fn bind(
        &mut self,
        group: IpAddr,
        server: Arc<Server>,
        timeout: Duration,
        max: usize,
    ) -> Option<&Arc<Template>> {
        let full = self.by_group.len() >= max;
        match self.by_group.entry(group) {
            Entry::Vacant(_) if full => None,
            Entry::Vacant(entry) => Some(entry.insert(Template::new(server, timeout))),
            Entry::Occupied(mut entry) => {
                entry.insert(Template::new(server, timeout));
                Some(entry.into_mut())
            }
        }
    }

    /// Forgets groups that have expired.
    pub(crate) fn expire(&mut self, now: Time) {
        self.by_group.retain(|_, template| !template.has_expired(now));
    }

    pub(crate) fn clear(&mut self) {
        self.by_group.clear();
    }

    /// Every group with its template.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpAddr, &Arc<Template>)> {
        self.by_group.iter()
    }
}

impl Template {
    fn new(server: Arc<Server>, timeout: Duration) -> Arc<Self> {
        server.persistent.fetch_add(1, Relaxed);
        Arc::new(Self { server, timeout, connections: AtomicU32::new(0), expires: AtomicU64::new(0) })
    }

    pub(crate) const fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// A connection of the group begins.
    pub(crate) fn open(&self, now: Time) {
        self.connections.fetch_add(1, Relaxed);
        self.renew(now);
    }

    /// A connection of the group has ended.
    pub(crate) fn close(&self, now: Time) {
        self.renew(now);
        self.connections.fetch_sub(1, Release);
    }

    /// How long it will live if nothing happens.
    pub(crate) fn remaining(&self, now: Time) -> Duration {
        Time::from_nanos(self.expires.load(Relaxed)).since(now)
    }

    fn renew(&self, now: Time) {
        self.expires.store((now + self.timeout).as_nanos(), Relaxed);
    }

    fn has_expired(&self, now: Time) -> bool {
        self.connections.load(Acquire) == 0 && self.expires.load(Relaxed) <= now.as_nanos()
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.server.persistent.fetch_sub(1, Relaxed);
    }
}

/// The group that a client belongs to: its address cut to `prefix` bits; `None` = the address itself.
pub(crate) fn group(client: IpAddr, prefix: Option<u8>) -> IpAddr {
    let Some(prefix) = prefix else { return client };
    let prefix = u32::from(prefix);
    match client {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_grouped_by_their_prefix() {
        for (client, prefix, expected) in [
            ("192.0.2.77", None, "192.0.2.77"),
            ("192.0.2.77", Some(32), "192.0.2.77"),
            ("192.0.2.77", Some(24), "192.0.2.0"),
            ("192.0.2.77", Some(1), "128.0.0.0"),
            ("192.0.2.77", Some(0), "0.0.0.0"),
            ("2001:db8::1:2", Some(128), "2001:db8::1:2"),
            ("2001:db8:1:2:3::4", Some(48), "2001:db8:1::"),
            ("2001:db8::1", Some(0), "::"),
            ("2001:db8::1", Some(255), "2001:db8::1"),
        ] {
            assert_eq!(group(client.parse().unwrap(), prefix), expected.parse::<IpAddr>().unwrap());
        }
    }
}
