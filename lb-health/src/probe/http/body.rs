//! What a body has to be.

use std::{fmt, str::FromStr};

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{Failure, FailureKind, Pattern, aside, script::MAX_BODY};

/// What a body has to be. Default: anything, and then it is not read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BodyRules {
    /// Has to occur in it.
    pub matches: Option<Pattern>,
    /// Must not occur in it.
    pub excludes: Option<Pattern>,
    /// Has to be exactly the body with this digest.
    pub digest: Option<BodyDigest>,
    /// Most bytes that are read. Default 16 MiB. Patterns look at what was read; a digest fails if there is more.
    pub limit: usize,
}

/// Digest of a body, written as `md5:` or `sha256:` and hexadecimal digits; without the word the number of digits
/// decides.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BodyDigest {
    /// MD5, as keepalived's `genhash` prints it.
    Md5([u8; 16]),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a digest: md5: and 32, or sha256: and 64 hexadecimal digits")]
pub struct BadDigest(String);

/// Bodies of more bytes are hashed on a thread of their own.
const HASHED_INLINE: usize = 64 * 1024;

impl Default for BodyRules {
    fn default() -> Self {
        Self { matches: None, excludes: None, digest: None, limit: MAX_BODY }
    }
}

impl BodyRules {
    /// This pattern has to occur.
    pub fn matching(pattern: Pattern) -> Self {
        Self { matches: Some(pattern), ..Self::default() }
    }

    /// Whether any body will do.
    pub const fn is_any(&self) -> bool {
        self.matches.is_none() && self.excludes.is_none() && self.digest.is_none()
    }

    /// How much to read of the answer to this method.
    pub(super) fn limit_for(&self, method: &str) -> usize {
        if self.is_any() || method == "HEAD" { 0 } else { self.limit }
    }

    /// Judges a body, or the first part of one that is `cut`.
    pub(super) async fn judge(&self, body: Vec<u8>, cut: bool) -> Result<(), Failure> {
        let wrong = |what: fmt::Arguments<'_>| Err(Failure::new(FailureKind::WrongAnswer, what));
        let hashed_aside = body.len() > HASHED_INLINE;
        let mut body = body;
        if let Some(digest) = self.digest {
            if cut {
                return wrong(format_args!("the body is longer than {} bytes", self.limit));
            }
            let hash = move || (digest.of_same_kind(&body), body);
            let found;
            (found, body) = if hashed_aside { aside::compute(hash).await? } else { hash() };
            if found != digest {
                return wrong(format_args!("the body's digest is {found}, not {digest}"));
            }
        }
        if self.matches.is_none() && self.excludes.is_none() {
            return Ok(());
        }
        if let Some(pattern) = &self.matches
            && !pattern.matches_aside((&*body).into()).await?
        {
            let first = if cut { "first " } else { "" };
            return wrong(format_args!("/{pattern}/ is not in the body ({first}{} bytes)", body.len()));
        }
        match &self.excludes {
            Some(pattern) if pattern.matches_aside((&*body).into()).await? => {
                wrong(format_args!("/{pattern}/ is in the body"))
            }
            _ => Ok(()),
        }
    }
}

impl BodyDigest {
    fn of_same_kind(self, body: &[u8]) -> Self {
        match self {
            Self::Md5(_) => Self::Md5(Md5::digest(body).into()),
            Self::Sha256(_) => Self::Sha256(Sha256::digest(body).into()),
        }
    }
}

impl FromStr for BodyDigest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(text.into());
        let (kind, digits) = text.split_once(':').unwrap_or(("", text));
        let bytes = unhex(digits).ok_or_else(bad)?;
        match (kind, bytes.len()) {
            ("md5" | "", 16) => bytes.try_into().map(Self::Md5),
            ("sha256" | "", 32) => bytes.try_into().map(Self::Sha256),
            _ => Err(bytes),
        }
        .map_err(|_| bad())
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

impl fmt::Display for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, bytes) = match self {
            Self::Md5(bytes) => ("md5", &bytes[..]),
            Self::Sha256(bytes) => ("sha256", &bytes[..]),
        };
        write!(f, "{kind}:")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for BodyDigest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<BodyDigest> for String {
    fn from(digest: BodyDigest) -> Self {
        digest.to_string()
    }
}
