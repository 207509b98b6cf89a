//! Netlink attributes: length, kind, payload, padded to four bytes.

use std::fmt;

use super::DecodeError;

/// Set by libnl on attributes that hold others; the kernel takes it and does not send it.
const NESTED: u16 = 0x8000;
/// What is left of a kind without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = 0x3fff;
const HEADER: usize = 4;

/// An attribute that this version does not know: kept as it came, and sent again as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    kind: u16,
    payload: Vec<u8>,
}

impl Attribute {
    /// An attribute; `None` if the payload is longer than an attribute can be (65,531 bytes).
    pub fn new(kind: u16, payload: Vec<u8>) -> Option<Self> {
        (payload.len() + HEADER <= usize::from(u16::MAX)).then_some(Self { kind, payload })
    }

    /// The kind with its two flags (nested 0x8000, network byte order 0x4000).
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// The bytes after the header, without padding.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({}:", self.kind)?;
        for byte in &self.payload {
            write!(f, " {byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// One attribute in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    raw_kind: u16,
    payload: &'a [u8],
}

impl<'a> View<'a> {
    pub(crate) fn kind(&self) -> u16 {
        self.raw_kind & KIND
    }

    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The attributes in it, whether it says that it holds some or not.
    pub(crate) fn nested(&self) -> Attributes<'a> {
        Attributes(self.payload)
    }

    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.payload.try_into().map_err(|_| DecodeError::Length {
            kind: self.kind(),
            length: self.payload.len(),
            expected: N,
        })
    }

    pub(crate) fn u8(&self) -> Result<u8, DecodeError> {
        self.bytes().map(u8::from_ne_bytes)
    }

    /// In the machine's byte order, as all numbers but ports.
    pub(crate) fn u16(&self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_ne_bytes)
    }

    /// Ports of services and servers are in network byte order.
    pub(crate) fn be16(&self) -> Result<u16, DecodeError> {
        self.bytes().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&self) -> Result<u32, DecodeError> {
        self.bytes().map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(&self) -> Result<u64, DecodeError> {
        self.bytes().map(u64::from_ne_bytes)
    }

    /// Text up to the first NUL, or to the end.
    pub(crate) fn text(&self) -> Result<&'a str, DecodeError> {
        let end = self.payload.iter().position(|byte| *byte == 0).unwrap_or(self.payload.len());
        std::str::from_utf8(&self.payload[..end]).map_err(|_| DecodeError::Text { kind: self.kind() })
    }

    pub(crate) fn to_owned(self) -> Attribute {
        Attribute { kind: self.raw_kind, payload: self.payload.to_vec() }
    }
}

/// The attributes in a stretch of bytes; what is cut off or shorter than a header is an error, and the last item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// What is in the first attribute of this kind.
    pub(crate) fn inside(self, kind: u16, missing: &'static str) -> Result<Self, DecodeError> {
        for nest in self {
            let nest = nest?;
            if nest.kind() == kind {
                return Ok(nest.nested());
            }
        }
        Err(DecodeError::Missing(missing))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<View<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let [l0, l1, k0, k1, ..] = *bytes else {
            return Some(Err(DecodeError::Cut));
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(payload) = bytes.get(HEADER..length) else {
            return Some(Err(DecodeError::Cut));
        };
        // The last attribute may come without its padding.
        self.0 = bytes.get(padded(length)..).unwrap_or(&[]);
        Some(Ok(View { raw_kind: u16::from_ne_bytes([k0, k1]), payload }))
    }
}

/// Appends attributes to a message.
pub(crate) trait Put {
    fn put(&mut self, kind: u16, payload: &[u8]);

    /// With the NUL that the kernel looks for.
    fn put_text(&mut self, kind: u16, text: &str);

    /// An attribute that holds others.
    fn put_nested(&mut self, kind: u16, inner: impl FnOnce(&mut Self));

    /// The same without the flag, as the kernel sends it.
    fn put_plain(&mut self, kind: u16, inner: impl FnOnce(&mut Self));

    fn put_other(&mut self, others: &[Attribute]);

    fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    fn put_u16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_ne_bytes());
    }

    fn put_be16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    fn put_u64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_ne_bytes());
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, kind: u16, payload: &[u8]) {
        let start = self.len();
        self.extend_from_slice(&[0; HEADER]);
        self.extend_from_slice(payload);
        close(self, start, kind);
    }

    fn put_text(&mut self, kind: u16, text: &str) {
        let start = self.len();
        self.extend_from_slice(&[0; HEADER]);
        self.extend_from_slice(text.as_bytes());
        self.push(0);
        close(self, start, kind);
    }

    fn put_nested(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        self.put_plain(kind | NESTED, inner);
    }

    fn put_plain(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let start = self.len();
        self.extend_from_slice(&[0; HEADER]);
        inner(self);
        close(self, start, kind);
    }

    fn put_other(&mut self, others: &[Attribute]) {
        for other in others {
            self.put(other.kind, &other.payload);
        }
    }
}

/// Writes the header of the attribute that begins at `start`, and pads it. A nest that is longer than an attribute
/// can be gets length 0, which no kernel takes; `Request::encode` refuses such a message before.
fn close(out: &mut Vec<u8>, start: usize, kind: u16) {
    let length = u16::try_from(out.len() - start).unwrap_or(0);
    out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    out[start + 2..start + HEADER].copy_from_slice(&kind.to_ne_bytes());
    out.resize(start + padded(out.len() - start), 0);
}

pub(crate) const fn padded(length: usize) -> usize {
    (length + 3) & !3
}
