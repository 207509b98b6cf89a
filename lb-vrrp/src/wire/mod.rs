//! The wire format: advertisements of both versions, their checksums and authentication, and the frames that announce
//! an address.
//!
//! Decoding is in two steps. [`View`] shows the fields of whatever bytes there are, for logs and monitors. [`Advert`]
//! holds only what the protocol allows, and says by name why a message is none.
//!
//! ```
//! use lb_vrrp::{AddressList, Envelope, Family, Interval, Priority, Version, Vrid};
//! use lb_vrrp::wire::{Advert, Authentication, ChecksumForm, DecodeError, View, fill_checksum};
//!
//! let addresses = AddressList::new(["192.0.2.99".parse()?])?;
//! let advert = Advert {
//!     version: Version::V3,
//!     vrid: Vrid::new(51)?,
//!     priority: Some(Priority::DEFAULT),
//!     interval: Interval::DEFAULT,
//!     addresses: addresses.as_addresses(),
//!     authentication: Authentication::None,
//! };
//! let envelope = Envelope {
//!     source: "192.0.2.1".parse()?,
//!     destination: Family::V4.multicast_group(),
//!     ttl: Some(255),
//!     authenticated: false,
//! };
//! let mut message = vec![0; advert.encoded_len()];
//! advert.encode(&mut message);
//! fill_checksum(&mut message, envelope.source, envelope.destination, ChecksumForm::MessageOnly);
//! assert_eq!(Advert::decode(&message, &envelope)?, (advert, ChecksumForm::MessageOnly));
//!
//! message[2] = 255;
//! assert!(matches!(Advert::decode(&message, &envelope), Err(DecodeError::Checksum(_))));
//! assert_eq!(View::new(Family::V4, &message).priority(), Some(255));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub(crate) use checksum::fits as checksum_fits;
pub use checksum::{ChecksumForm, checksum, fill_checksum};
pub use error::DecodeError;
pub use mac::{Mac, virtual_mac};
pub use neighbour::{UNSOLICITED_NA_LEN, unsolicited_na};
pub use view::View;

#[cfg(test)]
mod tests;
