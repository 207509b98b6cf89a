use crate::{
    Addresses, Envelope, Family, Interval, Priority, Version, Vrid,
    wire::{ChecksumForm, DecodeError, checksum},
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
        Self::decode_before_trailer(payload, 0, envelope)
    }

    /// Reads a message that a trailer of this many bytes follows. Over IPv6 the checksum covers the trailer.
    pub(crate) fn decode_before_trailer(
        pdu: &'a [u8],
        trailer_len: usize,
        envelope: &Envelope,
    ) -> Result<(Self, ChecksumForm), DecodeError> {
        let payload = &pdu[..pdu.len() - trailer_len];
        let (family, destination) = (Family::of(envelope.source), Family::of(envelope.destination));
        if family != destination {
            return Err(DecodeError::Envelope(family, destination));
        }
        let Some((fixed, rest)) = payload.split_first_chunk::<FIXED_LEN>() else {
            return Err(DecodeError::Truncated { len: payload.len(), needed: FIXED_LEN });
        };
        let [version_type, vrid, priority, count, a, b, ..] = *fixed;
        let version = match version_type >> 4 {
            2 if family == Family::V4 => Version::V2,
            2 => return Err(DecodeError::VersionFamily(Version::V2, family)),
            3 => Version::V3,
            other => return Err(DecodeError::Version(other)),
        };
        match version_type & 0x0f {
            ADVERTISEMENT => {}
            other => return Err(DecodeError::Type(other)),
        }
        let addresses_len = usize::from(count) * family.address_len();
        let needed = FIXED_LEN + addresses_len + authentication_len(version);
        match payload.len() {
            len if len < needed => return Err(DecodeError::Truncated { len, needed }),
            len if len > needed => return Err(DecodeError::TrailingBytes(len - needed)),
            _ => {}
        }
        // Before the fields, so that a damaged message counts as damaged and not as what the damage made of it.
        let covered = if family == Family::V6 { pdu } else { payload };
        let form = checksum::verify(covered, version, envelope.source, envelope.destination)?;

        let (addresses, authentication_data) = rest.split_at(addresses_len);
        let (interval, authentication) = match version {
            // The upper four bits are reserved: sent as 0, ignored on receipt (RFC 9568 §5.2.6).
            Version::V3 => {
                (Interval::from_centiseconds(u16::from_be_bytes([a & 0x0f, b])), Authentication::None)
            }
            Version::V2 => (Interval::from_secs(b), read_authentication(a, authentication_data)?),
        };
        let advert = Self {
            version,
            vrid: Vrid::new(vrid).map_err(|_| DecodeError::ZeroVrid)?,
            priority: Priority::new(priority).ok(),
            interval: interval.map_err(|_| DecodeError::ZeroInterval)?,
            // keepalived sends none in VRRPv2 where none are configured.
            addresses: Addresses::from_bytes(family, addresses)
                .filter(|addresses| version == Version::V2 || !addresses.is_empty())
                .ok_or(DecodeError::NoAddresses)?,
            authentication,
        };
        Ok((advert, form))
    }

    /// Bytes of the message.
    pub fn encoded_len(&self) -> usize {
        FIXED_LEN + self.addresses.as_bytes().len() + authentication_len(self.version)
    }

    /// Writes the message to the start of `out` with a checksum of 0, which [`fill_checksum`](super::fill_checksum)
    /// fills in, and returns its length. VRRPv2 has its interval rounded up to whole seconds, and VRRPv3 says 40.95 s at
    /// the most.
    ///
    /// # Panics
    /// When `out` is shorter than [`encoded_len`](Self::encoded_len).
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let len = self.encoded_len();
        let (fixed, rest) = out[..len].split_at_mut(FIXED_LEN);
        let (addresses, authentication_data) = rest.split_at_mut(self.addresses.as_bytes().len());
        let (version, [a, b]) = match self.version {
            Version::V2 => {
                (2, [self.authentication.code(), self.interval.centiseconds().div_ceil(100) as u8])
            }
            Version::V3 => (3, self.interval.min(Interval::MAX_V3).centiseconds().to_be_bytes()),
        };
        let priority = self.priority.map_or(0, Priority::get);
        let count = self.addresses.len() as u8;
        fixed.copy_from_slice(&[version << 4 | ADVERTISEMENT, self.vrid.get(), priority, count, a, b, 0, 0]);
        addresses.copy_from_slice(self.addresses.as_bytes());
        authentication_data.fill(0);
        if let (Version::V2, Authentication::Text(text)) = (self.version, self.authentication) {
            authentication_data.copy_from_slice(&text);
        }
        len
    }
}

impl Authentication {
    /// As VRRPv2 has it on the wire.
    const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Text(_) => 1,
            Self::Header => 2,
        }
    }
}

/// Bytes before the addresses.
const FIXED_LEN: usize = 8;

/// The only type of message there is (RFC 9568 §5.2.2).
const ADVERTISEMENT: u8 = 1;

/// Bytes after the addresses. VRRPv2 has them even without authentication (RFC 3768 §5.3.10).
const fn authentication_len(version: Version) -> usize {
    match version {
        Version::V2 => 8,
        Version::V3 => 0,
    }
}

fn read_authentication(code: u8, data: &[u8]) -> Result<Authentication, DecodeError> {
    match code {
        0 => Ok(Authentication::None),
        1 => {
            let mut text = [0; 8];
            text.copy_from_slice(data);
            Ok(Authentication::Text(text))
        }
        2 => Ok(Authentication::Header),
        other => Err(DecodeError::AuthType(other)),
    }
}

#[cfg(test)]
mod tests;
