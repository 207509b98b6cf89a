use std::fmt;

/// A password or key. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// These bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// A key as a file has it: `hex:DIGITS`, or the text itself. `None` = the digits are none, or there is nothing.
    pub fn of_key(text: &str) -> Option<Self> {
        let bytes = match text.strip_prefix("hex:") {
            Some(digits) => hex(digits)?,
            None => text.as_bytes().to_vec(),
        };
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// What is wrong with the length of a key of `auth_hmac`, which is to have 32 to 64 bytes.
    pub fn key_length_problem(&self) -> Option<&'static str> {
        match self.0.len() {
            ..32 => Some("it has fewer than 32 bytes, and is easier to guess than the HMAC"),
            32..=64 => None,
            _ => Some("it has more than 64 bytes, and HMAC-SHA256 uses a digest of it instead"),
        }
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}
