use crate::{
    Addresses, Envelope, Interval, Priority, Version, Vrid,
    wire::{ChecksumForm, DecodeError},
};

/// How a VRRPv2 message is authenticated (RFC 2338 §5.3.6). VRRPv3 has [`Authentication::None`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// Not at all. The eight bytes of authentication data of VRRPv2 are ignored.
    #[default]
    None,
    /// By a text in the clear, filled up with zeros.
    Text([u8; 8]),
    /// By an IP authentication header around the message; see [`ah`](crate::wire::ah).
    Header,
}

/// An advertisement that the protocol allows. What else it has to satisfy before a virtual router takes it, such as
/// the TTL, is decided by [`VirtualRouter`](crate::VirtualRouter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Version of the message.
    pub version: Version,
    /// Which virtual router it is about.
    pub vrid: Vrid,
    /// Priority of the sender; `None` is 0 on the wire: the Active router resigns.
    pub priority: Option<Priority>,
    /// Interval between advertisements of the sender.
    pub interval: Interval,
    /// The addresses of the virtual router.
    pub addresses: Addresses<'a>,
    /// How the message is authenticated.
    pub authentication: Authentication,
}

impl<'a> Advert<'a> {
    /// Reads a message, the payload of an IP packet with protocol 112, and says which form of checksum it has.
    ///
    /// Both forms of the checksum of VRRPv3 over IPv4 are accepted: over the message alone (RFC 9568 §5.2.8), and with
    /// the pseudo-header (RFC 5798 as many read it). The pseudo-header may also name the multicast group where the
    /// message came by unicast.
    ///
    /// # Errors
    /// Named in [`DecodeError`]. Nothing is allocated.
    pub fn decode(payload: &'a [u8], envelope: &Envelope) -> Result<(Self, ChecksumForm), DecodeError> {
        let _ = (payload, envelope);
        todo!()
    }

    /// Bytes of the message.
    pub fn encoded_len(&self) -> usize {
        todo!()
    }

    /// Writes the message to the start of `out` with a checksum of 0, which [`fill_checksum`](super::fill_checksum)
    /// fills in, and returns its length. VRRPv2 has its interval rounded up to whole seconds.
    ///
    /// # Panics
    /// When `out` is shorter than [`encoded_len`](Self::encoded_len).
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let _ = out;
        todo!()
    }
}
