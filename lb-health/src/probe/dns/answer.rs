//! What an answer means.

use std::net::IpAddr;

use simple_dns::rdata::RData;
use simple_dns::{OPCODE, Packet, PacketFlag, RCODE, TYPE};

use super::{Expect, Verdict};
use crate::{Failure, FailureKind, Passed};

/// Most records that are compared with a pattern.
const MAX_COMPARED: usize = 64;

/// Compares an answer with what was asked and what is expected; `None`: it answers something else.
pub(super) fn judge(
    expect: &Expect,
    record: TYPE,
    question: &[u8],
    answer: &[u8],
) -> Result<Option<Verdict>, Failure> {
    if answer.len() < 2 || answer[..2] != question[..2] {
        return Ok(None);
    }
    let broken = |error| Failure::new(FailureKind::Protocol, format_args!("not a DNS answer: {error}"));
    let asked = Packet::parse(question).map_err(broken)?;
    let packet = Packet::parse(answer).map_err(broken)?;
    if !packet.has_flags(PacketFlag::RESPONSE) || packet.opcode() != OPCODE::StandardQuery {
        return Err(Failure::new(FailureKind::Protocol, "a question came back, not an answer"));
    }
    // Only an error may come without the question.
    let same = match &packet.questions[..] {
        [] => packet.rcode() != RCODE::NoError,
        [question] => is_same(question, &asked.questions[0]),
        _ => false,
    };
    if !same {
        return Ok(None);
    }
    if packet.rcode() != RCODE::NoError {
        return Err(Failure::new(FailureKind::WrongAnswer, rcode_name(packet.rcode())));
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Some(Verdict::Truncated));
    }
    let answers = || packet.answers.iter().map(|answer| &answer.rdata);
    let wanted = match expect {
        Expect::NoError => return passed(&answers().next().map_or("NOERROR".into(), text)),
        Expect::Record => match answers().find(|data| data.type_code() == record) {
            Some(data) => return passed(&text(data)),
            None => format!("a record of type {record:?}"),
        },
        Expect::Match(pattern) => {
            for text in answers().take(MAX_COMPARED).map(text) {
                if pattern.matches(&text)? {
                    return passed(&text);
                }
            }
            format!("a match of /{pattern}/")
        }
        Expect::Address(address) => match answers().find(|data| address_of(data) == Some(*address)) {
            Some(data) => return passed(&text(data)),
            None => address.to_string(),
        },
    };
    let came: Vec<String> = answers().take(8).map(text).collect();
    let came = if came.is_empty() { "no record".into() } else { came.join(", ") };
    Err(Failure::new(FailureKind::WrongAnswer, format_args!("{came}; expected {wanted}")))
}

fn passed(detail: &str) -> Result<Option<Verdict>, Failure> {
    Ok(Some(Verdict::Passed(Passed::with(detail))))
}

fn is_same(one: &simple_dns::Question<'_>, other: &simple_dns::Question<'_>) -> bool {
    one.qtype == other.qtype
        && one.qclass == other.qclass
        && one.qname.to_string().eq_ignore_ascii_case(&other.qname.to_string())
}

fn address_of(data: &RData<'_>) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.address.into())),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.address.into())),
        _ => None,
    }
}

/// The data of a record as in a zone file.
fn text(data: &RData<'_>) -> String {
    match data {
        RData::PTR(name) => name.0.to_string(),
        RData::CNAME(name) => name.0.to_string(),
        RData::NS(name) => name.0.to_string(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            soa.mname, soa.rname, soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
        ),
        RData::TXT(txt) => String::try_from(txt.clone()).unwrap_or_else(|_| format!("{txt:?}")),
        other => match address_of(other) {
            Some(address) => address.to_string(),
            None => format!("a record of type {:?}", other.type_code()),
        },
    }
}

/// The names that operators know from `dig`.
fn rcode_name(rcode: RCODE) -> String {
    match rcode {
        RCODE::FormatError => "FORMERR".into(),
        RCODE::ServerFailure => "SERVFAIL".into(),
        RCODE::NameError => "NXDOMAIN".into(),
        RCODE::NotImplemented => "NOTIMP".into(),
        RCODE::Refused => "REFUSED".into(),
        other => format!("{other:?}"),
    }
}
