//! The wire format: advertisements of both versions, their checksums and authentication, and the frames that announce
//! an address.
//!
//! Decoding is in two steps. [`View`] shows the fields of whatever bytes there are, for logs and monitors. [`Advert`]
//! holds only what the protocol allows, and says by name why a message is none.

mod advert;
pub mod ah;
mod arp;
mod checksum;
mod error;
#[cfg(feature = "hmac")]
pub mod hmac;
mod mac;
mod neighbour;
mod recent;
mod view;

pub use advert::{Advert, Authentication};
pub use arp::{GRATUITOUS_ARP_LEN, gratuitous_arp};
pub use checksum::{ChecksumForm, checksum, fill_checksum};
pub use error::DecodeError;
pub use mac::{Mac, virtual_mac};
pub use neighbour::{UNSOLICITED_NA_LEN, unsolicited_na};
pub use view::View;

#[cfg(test)]
mod tests;
