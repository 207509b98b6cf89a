//! The data plane in nftables.
