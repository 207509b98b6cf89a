//! Netlink messages: a header of 16 bytes, then for generic netlink a command, a version, and attributes.

use super::{DecodeError, attribute::padded, consts::netlink};

const HEADER: usize = 16;
/// Command, version, and two bytes that are zero.
const GENERIC: usize = 4;
const VERSION: u8 = 1;

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl Message<'_> {
    /// The number that ends a request: 0, or an errno.
    pub(crate) fn errno(&self) -> Result<i32, DecodeError> {
        match self.payload.first_chunk::<4>() {
            Some(bytes) => Ok(i32::from_ne_bytes(*bytes).saturating_neg()),
            // The end of a dump need not have one.
            None if self.kind == netlink::DONE => Ok(0),
            None => Err(DecodeError::Cut),
        }
    }
}

/// The messages of a datagram; one that is cut off is an error, and the last item.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *bytes else {
            return Some(Err(DecodeError::Cut));
        };
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(payload) = bytes.get(HEADER..length) else {
            return Some(Err(DecodeError::Cut));
        };
        self.0 = bytes.get(padded(length)..).unwrap_or(&[]);
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        }))
    }
}

/// Appends a message whose payload `inside` writes.
pub(crate) fn put(
    out: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    inside: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    inside(out);
    let length = u32::try_from(out.len() - start).unwrap_or(0);
    let header = &mut out[start..start + HEADER];
    header[..4].copy_from_slice(&length.to_ne_bytes());
    header[4..6].copy_from_slice(&kind.to_ne_bytes());
    header[8..12].copy_from_slice(&sequence.to_ne_bytes());
    set_flags(header, flags);
    out.resize(start + padded(out.len() - start), 0);
}

/// Gives the message that bytes begin with other flags.
pub(crate) fn set_flags(message: &mut [u8], flags: u16) {
    if let Some(place) = message.get_mut(6..8) {
        place.copy_from_slice(&flags.to_ne_bytes());
    }
}

/// Appends the header of generic netlink.
pub(crate) fn put_generic(out: &mut Vec<u8>, command: u8) {
    let header: [u8; GENERIC] = [command, VERSION, 0, 0];
    out.extend_from_slice(&header);
}
