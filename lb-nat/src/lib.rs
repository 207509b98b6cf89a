//! Everything that rewrites addresses: NAT rules, and the data planes that need no IPVS.
#![cfg_attr(not(feature = "relay"), forbid(unsafe_code))]

#[cfg(feature = "nft")]
pub mod nft;
#[cfg(feature = "relay")]
pub mod relay;
