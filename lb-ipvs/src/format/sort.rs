//! ipvsadm's order of a table.
//!
//! It compares numbers by the sign of their difference in 32 bits, so that there are circles: 50.0.0.1 comes before 150.0.0.1,
//! that before 240.0.0.1, and that before 50.0.0.1. What comes out then depends on where the kernel had the entries and on
//! the way of sorting, which is the C library's: merging halves.

use std::net::{IpAddr, SocketAddr};

use lb_core::model::{Family, Protocol, ServiceKey};

use super::Entry;

/// Puts services and their servers into the order in which `ipvsadm` lists them when they are in the kernel's order.
pub fn sort(entries: &mut [Entry]) {
    merge_sort(entries, &|one, other| services(&one.0.service.key, &other.0.service.key));
    for (_, servers) in entries {
        merge_sort(servers, &|one, other| {
            sockets(one.destination.key.socket(), other.destination.key.socket())
        });
    }
}

/// Firewall marks, families, protocols, addresses, ports. Negative when the first one is to come before the other.
fn services(one: &ServiceKey, other: &ServiceKey) -> i32 {
    let rank = |key: &ServiceKey| {
        let mark = match key {
            ServiceKey::FwMark { mark, .. } => mark.get(),
            ServiceKey::Address { .. } => 0,
        };
        let family = if key.family() == Family::V4 { 0 } else { 1 };
        [mark, family, key.protocol().map_or(0, Protocol::number).into()]
    };
    first_difference(&rank(one), &rank(other)).unwrap_or_else(|| match (one.address(), other.address()) {
        (Some(one), Some(other)) => sockets(one, other),
        _ => 0,
    })
}

/// Addresses, then ports. An IPv4 address stands beside the first 32 bits of an IPv6 one.
fn sockets(one: SocketAddr, other: SocketAddr) -> i32 {
    let words = if one.is_ipv6() { 4 } else { 1 };
    let (left, right) = (words_of(one.ip()), words_of(other.ip()));
    first_difference(&left[..words], &right[..words])
        .unwrap_or_else(|| i32::from(one.port()) - i32::from(other.port()))
}

fn words_of(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [v4.to_bits(), 0, 0, 0],
        IpAddr::V6(v6) => [96, 64, 32, 0].map(|shift| (v6.to_bits() >> shift) as u32),
    }
}

fn first_difference(one: &[u32], other: &[u32]) -> Option<i32> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one.wrapping_sub(*other).cast_signed())
        .find(|difference| *difference != 0)
}

/// The standard library's own sorts want an order without circles.
fn merge_sort<T>(items: &mut [T], compare: &impl Fn(&T, &T) -> i32) {
    let order = sorted(0..items.len(), &|one, other| compare(&items[one], &items[other]));
    // Where each of them is to go.
    let mut target = vec![0; order.len()];
    for (to, from) in order.into_iter().enumerate() {
        target[from] = to;
    }
    for at in 0..target.len() {
        while target[at] != at {
            let to = target[at];
            items.swap(at, to);
            target.swap(at, to);
        }
    }
}

fn sorted(range: std::ops::Range<usize>, compare: &impl Fn(usize, usize) -> i32) -> Vec<usize> {
    if range.len() < 2 {
        return range.collect();
    }
    let middle = range.start + range.len() / 2;
    let mut left = sorted(range.start..middle, compare).into_iter().peekable();
    let mut right = sorted(middle..range.end, compare).into_iter().peekable();
    let mut merged = Vec::with_capacity(range.len());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        merged.extend(if compare(*one, *other) <= 0 { left.next() } else { right.next() });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}
