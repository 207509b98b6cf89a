//! Elements of ASN.1's basic encoding rules (X.690), as far as LDAP and public keys need them: one byte of tag,
//! definite length. Nothing here recurses, so nesting costs nothing.

#![cfg_attr(
    not(all(feature = "ldap", feature = "mysql")),
    allow(dead_code, reason = "each needs a part of it")
)]

#[cfg(test)]
mod tests;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;

/// One element.
pub(super) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut bytes = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        bytes.push(short);
    } else {
        let long = length.to_be_bytes();
        let used = long.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &long[first..]);
        bytes.push(0x80 | used.len() as u8);
        bytes.extend(used);
    }
    bytes.extend(contents);
    bytes
}

/// What comes after the tag: how many bytes the length takes, and the length if it can be told already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// The contents' length.
    Known(usize),
    /// It stands in so many further bytes.
    Follows(usize),
}

/// Reads the first byte of a length; `None` for the indefinite form and for lengths of over four bytes.
pub(super) fn length(first: u8) -> Option<Length> {
    match first {
        0..=0x7f => Some(Length::Known(first.into())),
        0x81..=0x84 => Some(Length::Follows((first & 0x7f).into())),
        _ => None,
    }
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// Tag and contents of the next element; `None` at the end, and if there is no whole element.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let (length, rest) = match length(*first)? {
            Length::Known(length) => (length, rest),
            Length::Follows(count) => {
                let (digits, rest) = rest.split_at_checked(count)?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, contents))
    }

    /// The contents of the next element if it bears this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(actual, _)| *actual == tag).map(|(_, contents)| contents)
    }

    /// The next element as a number that is not negative and fits.
    pub(super) fn number(&mut self, tag: u8) -> Option<u32> {
        let digits = self.expect(tag)?;
        if digits.is_empty() || digits.len() > 4 || digits[0] & 0x80 != 0 {
            return None;
        }
        Some(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }
}
