//! SIP OPTIONS over UDP and TCP: RFC 3261 section 11.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::script::{Dialogue, MAX_READ, ask, nonce};
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Security, Target};

/// Sends OPTIONS. Up if the final answer has one of the expected codes. Over UDP the request is sent again every
/// second until one comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// Over TCP instead of UDP. Default false.
    pub tcp: bool,
    /// Whom we ask, such as `sip:1000@example.com`. Default `sip:` with the target's address and port.
    pub uri: Option<String>,
    /// Codes that mean "up". Default 200 alone. Many proxies answer 404 or 483 to users they do not know, which shows
    /// that they work as well.
    pub codes: BTreeSet<u16>,
}

impl Default for Sip {
    fn default() -> Self {
        Self { tcp: false, uri: None, codes: BTreeSet::from([200]) }
    }
}

#[async_trait]
impl HealthCheck for Sip {
    fn kind(&self) -> &'static str {
        "sip"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let id = format!("{:032x}", u128::from_ne_bytes(nonce()));
        let request = self.request(target, &id)?;
        let (code, line) = if self.tcp {
            over_tcp(target, request.as_bytes(), &id).await?
        } else {
            ask(target, request.as_bytes(), |datagram| final_answer(datagram, &id).transpose()).await?
        };
        if self.codes.contains(&code) {
            Ok(Passed::with(line))
        } else {
            let wanted: Vec<String> = self.codes.iter().map(u16::to_string).collect();
            let wanted = wanted.join(", ");
            Err(Failure::new(FailureKind::WrongAnswer, format_args!("{line}, expected {wanted}")))
        }
    }
}

impl Sip {
    /// `Via` says the address `0.0.0.0`, as we know ours only once we are connected; `rport` (RFC 3581) makes the
    /// server answer to where the request came from, as it does over TCP anyway.
    fn request(&self, target: &Target, id: &str) -> Result<String, Failure> {
        let uri = self.uri.clone().unwrap_or_else(|| format!("sip:{}", target.address));
        if uri.is_empty() || uri.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Failure::new(FailureKind::Misconfigured, format_args!("not a SIP URI: {uri}")));
        }
        let transport = if self.tcp { "TCP" } else { "UDP" };
        let us = target.source.map_or("0.0.0.0".into(), |source| match source {
            std::net::IpAddr::V4(source) => source.to_string(),
            std::net::IpAddr::V6(source) => format!("[{source}]"),
        });
        Ok(format!(
            "OPTIONS {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {us};rport;branch=z9hG4bK{id}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:health@{us}>;tag={id}\r\n\
             To: <{uri}>\r\n\
             Call-ID: {id}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Contact: <sip:health@{us}>\r\n\
             Accept: application/sdp\r\n\
             Content-Length: 0\r\n\r\n"
        ))
    }
}

/// Reads heads of messages until the final answer; provisional ones (1xx) have no body.
async fn over_tcp(target: &Target, request: &[u8], id: &str) -> Result<(u16, String), Failure> {
    let mut talk = Dialogue::open(&Security::Plain, target).await?;
    talk.send_bytes("OPTIONS", request).await?;
    let mut head = String::new();
    while head.len() < MAX_READ {
        let line = talk.line().await?;
        if !line.is_empty() {
            head.push_str(&line);
            head.push('\n');
        } else if !head.is_empty() {
            if let Some(answer) = final_answer(head.as_bytes(), id)? {
                return Ok(answer);
            }
            head.clear();
        }
    }
    Err(talk.failure(FailureKind::Protocol, "a head without end"))
}

/// Code and status line of the final answer to our request; `None` for anything else that is SIP.
fn final_answer(message: &[u8], id: &str) -> Result<Option<(u16, String)>, Failure> {
    let text = String::from_utf8_lossy(message);
    let mut lines = text.lines();
    let status = lines.next().unwrap_or_default();
    let code = status.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    let Some(code) = code else {
        return Err(Failure::new(FailureKind::Protocol, format_args!("not an answer of SIP: {status}")));
    };
    let is_ours = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':')).any(
        // `i` is the short form of Call-ID.
        |(name, value)| {
            let name = name.trim();
            (name.eq_ignore_ascii_case("call-id") || name.eq_ignore_ascii_case("i")) && value.trim() == id
        },
    );
    Ok((is_ours && code >= 200).then(|| (code, status.to_owned())))
}
