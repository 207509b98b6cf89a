//! Packets of RFC 2865 section 3.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use crate::script::nonce;
use crate::{Failure, FailureKind, Login, Secret};

pub(super) const ACCEPT: u8 = 2;
pub(super) const REJECT: u8 = 3;
pub(super) const CHALLENGE: u8 = 11;

const REQUEST: u8 = 1;

const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const REPLY_MESSAGE: u8 = 18;
const NAS_IDENTIFIER: u8 = 32;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// Code, identifier, length and authenticator.
const HEADER: usize = 20;
/// Longest packet, RFC 2865 section 3.
const MAX_PACKET: usize = 4096;

/// An Access-Request, and what it takes to verify the answer.
pub(super) struct Request<'a> {
    bytes: Vec<u8>,
    secret: &'a Secret,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u8,
    pub(super) has_message_authenticator: bool,
    pub(super) message: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(secret: &'a Secret, login: &Login, nas: &str) -> Result<Self, Failure> {
        let [identifier] = nonce();
        let authenticator: [u8; 16] = nonce();
        let mut bytes = vec![REQUEST, identifier, 0, 0];
        bytes.extend(authenticator);
        // First, so that nothing chosen by others stands before it (CVE-2024-3596); zero while it is computed.
        attribute(&mut bytes, MESSAGE_AUTHENTICATOR, &[0; 16])?;
        attribute(&mut bytes, USER_NAME, login.user.as_bytes())?;
        let hidden = hide(login.password.expose(), secret, &authenticator)?;
        attribute(&mut bytes, USER_PASSWORD, &hidden)?;
        attribute(&mut bytes, NAS_IDENTIFIER, nas.as_bytes())?;
        // Three attributes of at most 255 bytes each.
        let length = bytes.len() as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let mac = hmac(secret).chain_update(&bytes).finalize().into_bytes();
        bytes[HEADER + 2..HEADER + 18].copy_from_slice(&mac);
        Ok(Self { bytes, secret })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn authenticator(&self) -> &[u8] {
        &self.bytes[4..HEADER]
    }

    /// Reads and verifies an answer; `None` for one to another request.
    pub(super) fn read(&self, datagram: &[u8]) -> Result<Option<Answer>, Failure> {
        let malformed =
            |what: &str| Failure::new(FailureKind::Protocol, format_args!("not an answer of RADIUS: {what}"));
        if datagram.len() < HEADER {
            return Err(malformed("too short"));
        }
        if datagram[1] != self.bytes[1] {
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        if !(HEADER..=MAX_PACKET.min(datagram.len())).contains(&length) {
            return Err(malformed("its length is wrong"));
        }
        // What is beyond the length is padding.
        let packet = &datagram[..length];
        self.verify(packet)?;

        let mut answer = Answer { code: packet[0], has_message_authenticator: false, message: None };
        let mut at = HEADER;
        while let [kind, size, ..] = packet[at..] {
            let end = at + usize::from(size);
            let value = packet.get(at + 2..end).ok_or_else(|| malformed("an attribute's length is wrong"))?;
            match kind {
                MESSAGE_AUTHENTICATOR => {
                    self.verify_mac(packet, at + 2, value)?;
                    answer.has_message_authenticator = true;
                }
                REPLY_MESSAGE => answer.message = Some(String::from_utf8_lossy(value).into_owned()),
                _ => {}
            }
            at = end;
        }
        if at != packet.len() {
            return Err(malformed("an attribute is cut off"));
        }
        Ok(Some(answer))
    }

    /// The response authenticator, RFC 2865 section 3.
    fn verify(&self, packet: &[u8]) -> Result<(), Failure> {
        let digest = Md5::new()
            .chain_update(&packet[..4])
            .chain_update(self.authenticator())
            .chain_update(&packet[HEADER..])
            .chain_update(self.secret.expose())
            .finalize();
        if digest[..] == packet[4..HEADER] { Ok(()) } else { Err(wrong_secret("authenticator")) }
    }

    /// The Message-Authenticator at this place, RFC 3579 section 3.2.
    fn verify_mac(&self, packet: &[u8], at: usize, value: &[u8]) -> Result<(), Failure> {
        hmac(self.secret)
            .chain_update(&packet[..4])
            .chain_update(self.authenticator())
            .chain_update(&packet[HEADER..at])
            .chain_update([0; 16])
            .chain_update(packet.get(at + 16..).unwrap_or_default())
            .verify_slice(value)
            .map_err(|_| wrong_secret("Message-Authenticator"))
    }
}

fn wrong_secret(what: &str) -> Failure {
    let detail = format_args!("the answer's {what} does not fit the shared secret").to_string();
    Failure::new(FailureKind::Denied, detail)
}

fn hmac(secret: &Secret) -> Hmac<Md5> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

fn attribute(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), Failure> {
    let size = u8::try_from(value.len() + 2).map_err(|_| {
        Failure::new(
            FailureKind::Misconfigured,
            format_args!("attribute {kind} has {} bytes, at most 253 fit", value.len()),
        )
    })?;
    bytes.extend([kind, size]);
    bytes.extend(value);
    Ok(())
}

/// The password as User-Password hides it, RFC 2865 section 5.2.
fn hide(password: &str, secret: &Secret, authenticator: &[u8; 16]) -> Result<Vec<u8>, Failure> {
    if password.len() > 128 {
        return Err(Failure::new(FailureKind::Misconfigured, "the password has over 128 bytes"));
    }
    let mut hidden = password.as_bytes().to_vec();
    hidden.resize(password.len().next_multiple_of(16).max(16), 0);
    let mut previous = authenticator.to_vec();
    for block in hidden.chunks_mut(16) {
        let mask = Md5::new().chain_update(secret.expose()).chain_update(&previous).finalize();
        block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        previous = block.to_vec();
    }
    Ok(hidden)
}
