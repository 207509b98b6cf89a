//! `bfd_instance`.

use super::{Keyword, line};

pub(super) const BFD_INSTANCE: &[Keyword] = &[
    line("source_ip"),
    line("neighbor_ip"),
    line("neighbour_ip"),
    line("min_rx"),
    line("min_tx"),
    line("idle_tx"),
    line("multiplier"),
    line("passive"),
    line("ttl"),
    line("hoplimit"),
    line("max_hops"),
    line("multihop"),
    line("weight"),
    line("vrrp"),
    line("checker"),
];
