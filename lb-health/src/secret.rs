//! Passwords that do not show in logs.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A password or shared secret. Its `Debug` form is a digest: different secrets show differently, none shows itself.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent to a server and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = Sha256::digest(self.0.as_bytes());
        write!(f, "Secret(sha256:")?;
        for byte in &digest[..8] {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_tells_secrets_apart_and_shows_none() {
        let (one, other) = (format!("{:?}", Secret::new("geheim")), format!("{:?}", Secret::new("geheim2")));
        assert!(!one.contains("geheim"), "{one}");
        assert_ne!(one, other);
    }
}
