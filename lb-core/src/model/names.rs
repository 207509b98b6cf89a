//! Text forms: every key is a string in JSON and on the command line.

use thiserror::Error;

/// A text that is no key, protocol, scheduler or forwarding method.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseError {
    /// The text as it came.
    pub text: String,
    /// What would have been right, with an example.
    pub expected: &'static str,
}

impl ParseError {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(200).collect(), expected }
    }
}

/// Serialises a type through its `Display` and `FromStr`, so that it can be a key of a JSON object.
macro_rules! serde_as_text {
    ($($type:ty),+) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(super) use serde_as_text;
