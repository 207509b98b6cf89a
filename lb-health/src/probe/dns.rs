//! DNS over UDP and TCP: RFC 1035, RFC 7766.

mod answer;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connect::{connect, io_failure};
use crate::script::{ask, nonce};
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Pattern, Target};

/// Asks one question. Up if the answer is NOERROR and has what is expected. Over UDP, a truncated answer is asked for
/// again over TCP, and datagrams with another identifier or question are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// The name that is asked for, with or without a dot at its end. Default the root, `.`. An address stands for
    /// its name in `in-addr.arpa` or `ip6.arpa` when PTR is asked for.
    pub name: String,
    /// The type that is asked for. Default PTR if the name is an address, else A.
    pub record: Option<RecordType>,
    /// What has to come. Default any record of the type.
    pub expect: Expect,
    /// Ask over TCP from the start. Default false.
    pub tcp: bool,
}

/// The types of records that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// The name of an address.
    Ptr,
    /// A mail server.
    Mx,
    /// A text.
    Txt,
    /// The name that an alias stands for.
    Cname,
    /// A server of a service.
    Srv,
    /// A name server.
    Ns,
    /// The start of a zone.
    Soa,
    /// The signature of a record set.
    Rrsig,
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Ptr => "PTR",
            Self::Mx => "MX",
            Self::Txt => "TXT",
            Self::Cname => "CNAME",
            Self::Srv => "SRV",
            Self::Ns => "NS",
            Self::Soa => "SOA",
            Self::Rrsig => "RRSIG",
        })
    }
}

/// What an answer has to have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Expect {
    /// NOERROR, even without any record: the server works and knows the name, or whom to ask.
    NoError,
    /// A record of the type that was asked for.
    #[default]
    Record,
    /// A record whose data, written as in a zone file, match: `192.0.2.1`, `10 mail.example`, `0 5 5060 sip.example`;
    /// names without the dot at the end, texts without quotation marks.
    Match(Pattern),
    /// An A or AAAA record of exactly this address.
    Address(IpAddr),
}

impl Default for Dns {
    fn default() -> Self {
        Self { name: ".".into(), record: None, expect: Expect::Record, tcp: false }
    }
}

#[async_trait]
impl HealthCheck for Dns {
    fn kind(&self) -> &'static str {
        "dns"
    }

    async fn check(&self, target: &Target) -> Outcome {
        let question = self.question()?;
        let verdict = if self.tcp {
            Verdict::Truncated
        } else {
            ask(target, &question, |datagram| self.judge(&question, datagram).transpose()).await?
        };
        match verdict {
            Verdict::Passed(passed) => Ok(passed),
            Verdict::Truncated => match self.judge(&question, &over_tcp(target, &question).await?)? {
                Some(Verdict::Passed(passed)) => Ok(passed),
                Some(Verdict::Truncated) => Err(Failure::new(FailureKind::Protocol, "truncated over TCP")),
                None => Err(Failure::new(FailureKind::Protocol, "an answer to another question")),
            },
        }
    }
}

/// What an answer to our question means.
enum Verdict {
    Passed(Passed),
    Truncated,
}

impl Dns {
    /// The packet that asks, with a fresh identifier.
    fn question(&self) -> Result<Vec<u8>, Failure> {
        let bad_name =
            |_| Failure::new(FailureKind::Misconfigured, format_args!("not a DNS name: {}", self.name));
        let record = self.record_type();
        let name = match self.name.parse() {
            Ok(address) if record == RecordType::Ptr => reverse_name(address),
            _ => self.name.trim_end_matches('.').to_owned(),
        };
        let mut packet = Packet::new_query(u16::from_ne_bytes(nonce()));
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = Name::new(&name).map_err(bad_name)?;
        packet.questions.push(Question::new(name, QTYPE::TYPE(record.into()), CLASS::IN.into(), false));
        packet.build_bytes_vec().map_err(bad_name)
    }

    fn record_type(&self) -> RecordType {
        let is_address = self.name.parse::<IpAddr>().is_ok();
        self.record.unwrap_or(if is_address { RecordType::Ptr } else { RecordType::A })
    }

    /// `None`: not an answer to this question.
    fn judge(&self, question: &[u8], bytes: &[u8]) -> Result<Option<Verdict>, Failure> {
        answer::judge(&self.expect, self.record_type().into(), question, bytes)
    }
}

async fn over_tcp(target: &Target, question: &[u8]) -> Result<Vec<u8>, Failure> {
    let lost = |error| io_failure("waiting for an answer over TCP", &error);
    let mut stream = connect(target).await?;
    let length = u16::try_from(question.len())
        .map_err(|_| Failure::new(FailureKind::Misconfigured, "question too long"))?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await.map_err(lost)?;
    let mut answer = vec![0; stream.read_u16().await.map_err(lost)?.into()];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    Ok(answer)
}

/// The name whose PTR records belong to an address.
fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

impl From<RecordType> for TYPE {
    fn from(record: RecordType) -> Self {
        match record {
            RecordType::A => Self::A,
            RecordType::Aaaa => Self::AAAA,
            RecordType::Ptr => Self::PTR,
            RecordType::Mx => Self::MX,
            RecordType::Txt => Self::TXT,
            RecordType::Cname => Self::CNAME,
            RecordType::Srv => Self::SRV,
            RecordType::Ns => Self::NS,
            RecordType::Soa => Self::SOA,
            RecordType::Rrsig => Self::RRSIG,
        }
    }
}
