//! The data plane in nftables, for machines without IPVS: destination NAT by `numgen`, `jhash` and verdict maps, with
//! the kernel's connection tracking keeping each connection on its server.
//!
//! All of it lives in one table of its own, by default `table inet lb`; nothing else is changed. Of other tables only the chains at
//! the hook `forward` are read, to name those that drop what is forwarded ([`obstacles`](lb_core::DataPlane::obstacles)). A program that
//! [takes](Nft::acquire) a table for itself removes what a predecessor that was killed has left there. The kernel
//! reports what others do to the table (`nft flush ruleset`), see [`changed`](lb_core::DataPlane::changed). Each service is a chain
//! that chooses and each server a chain that translates, so `nft list table inet lb` can be read:
//!
//! ```text
//! chain dispatch                       ip daddr . meta l4proto . th dport vmap @service4
//! chain tcp-10.0.0.1-80                counter name "tcp-10.0.0.1-80" comment "service tcp:10.0.0.1:80 wrr"
//!                                      numgen inc mod 3 vmap { 0-1 : goto tcp-10.0.0.1-80/10.2.0.2-80, 2 : … }
//! chain tcp-10.0.0.1-80/10.2.0.2-80    meta l4proto tcp counter name "…" dnat ip to 10.2.0.2:80
//!                                      comment "server 10.2.0.2:80 masq 2"
//! ```
//!
//! The comments say what rules alone do not tell, and a snapshot believes them only when the rules are exactly those
//! that would be made for them. A service with other rules shows with scheduler `damaged` and no servers, so that the
//! difference to what is wanted is never empty and the next [`apply`](lb_core::DataPlane::apply) puts it right.
//!
//! # What it can do
//!
//! | | |
//! | --- | --- |
//! | services | TCP, UDP, SCTP; IPv4, IPv6; one port or all; firewall marks |
//! | `rr`, `wrr`, `fo` | as in IPVS; `wrr` spreads its turns evenly. A round of more than 1,024 turns is drawn at random by weight |
//! | `sh`, `dh`, `mh` | `jhash` over a Maglev table of 251 slots (`mh`: 4,093); the flag `port` hashes the port too. Servers of weight 0 have no slots, so the flag `fallback` is always in force |
//! | `lc`, `wlc`, `sed`, `nq`, `lblc`, `lblcr`, `ovf`, `twos` | refused, since nftables cannot count connections; or `wrr` in their place ([`NftConfig::approximate`]) |
//! | persistence | by client address and prefix; the time runs from the client's last *new* connection |
//! | forwarding | `masq`, `local`; servers must route their answers through the balancer, unless [`NftConfig::snat`] |
//! | thresholds, one-packet, persistence engines | refused |
//!
//! Weight 0, removal and every other change leave established connections alone: they end by themselves. A client that
//! goes on sending UDP from one port keeps its flow, even to a server that was removed, until it pauses for the time
//! in `net.netfilter.nf_conntrack_udp_timeout_stream`. A service without a usable server answers "port unreachable".
//!
//! A batch is one transaction. Without `CAP_NET_ADMIN` in the first user namespace the kernel bounds a transaction's
//! size (`net.core.wmem_default`); a larger batch is then made in several, each service still in one.

mod batch;
mod command;
mod config;
mod conntrack;
mod forward;
mod name;
mod objects;
mod plan;
mod plane;
mod readback;
mod slots;
mod support;
mod table_lock;
#[cfg(test)]
mod tests;
mod watch;
mod wording;

pub use config::{NftConfig, TableName, TableNameError};
pub use plane::Nft;
