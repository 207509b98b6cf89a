//! What several of these blocks have in common.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use lb_core::model::{Forwarding, Protocol, Tunnel, TunnelChecksum, TunnelKind};

use super::super::values::{self, IGNORED, missing, number_in, only};
use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::language::{Directive, Word},
};

/// The longest time that anything here may last.
const LONGEST: Duration = Duration::from_secs(86_400 * 365);

/// The first of several parameters.
pub(super) fn first<'d>(
    directive: &'d Directive,
    expected: &str,
    problems: &mut Problems,
) -> Option<&'d Word> {
    let word = directive.parameters().first();
    if word.is_none() {
        problems.push(missing(directive, expected));
    }
    word
}

/// A whole number within a range.
pub(super) fn number<T>(directive: &Directive, range: RangeInclusive<T>, problems: &mut Problems) -> Option<T>
where
    T: Copy + Display + PartialOrd + std::str::FromStr + TryFrom<i64>,
{
    values::number(directive, range, problems).map(|at| at.value)
}

/// Seconds with a fraction, to the microsecond.
pub(super) fn seconds(directive: &Directive, problems: &mut Problems) -> Option<Duration> {
    values::seconds(directive, Duration::ZERO..=LONGEST, problems).map(|at| at.value)
}

/// The same, and more than none.
pub(super) fn positive_seconds(directive: &Directive, problems: &mut Problems) -> Option<Duration> {
    values::seconds(directive, Duration::from_micros(1)..=LONGEST, problems).map(|at| at.value)
}

/// A port behind an address; absent, it is 0.
pub(super) fn port(word: Option<&Word>, problems: &mut Problems) -> Option<u16> {
    word.map_or(Some(0), |word| number_in("port", word, 0..=65535, problems))
}

/// `lvs_method` and its kin.
pub(super) fn forwarding(directive: &Directive, problems: &mut Problems) -> Option<Forwarding> {
    let word = first(directive, "NAT, DR or TUN", problems)?;
    let method = match word.text.to_ascii_uppercase().as_str() {
        "NAT" => Forwarding::Masquerade,
        "DR" => Forwarding::Direct,
        "TUN" => return tunnel(directive.parameters().get(1..).unwrap_or_default(), problems),
        _ => {
            problems.push(
                Diagnostic::mistake(word.span, format!("`{}` is no forwarding method", word.text))
                    .label("NAT, DR or TUN expected")
                    .instead(IGNORED),
            );
            return None;
        }
    };
    Some(method)
}

/// `[type ipip|gue port N|gre] [nocsum|csum|remcsum]`.
fn tunnel(words: &[Word], problems: &mut Problems) -> Option<Forwarding> {
    let mut tunnel = Tunnel::IPIP;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "type" => {}
            "ipip" => tunnel.kind = TunnelKind::Ipip,
            "gre" => tunnel.kind = TunnelKind::Gre,
            "gue" => {
                let port = words.next().filter(|word| word.text == "port").and_then(|_| words.next());
                let Some(port) = port.and_then(|port| port.text.parse().ok()) else {
                    problems.push(
                        Diagnostic::mistake(word.span, "`gue` needs a port")
                            .label("`port` and a number expected")
                            .instead("ipip is used, as with keepalived"),
                    );
                    return Some(Forwarding::Tunnel(Tunnel::IPIP));
                };
                tunnel.kind = TunnelKind::Gue(port);
            }
            "nocsum" => tunnel.checksum = TunnelChecksum::None,
            "csum" => tunnel.checksum = TunnelChecksum::Full,
            "remcsum" => tunnel.checksum = TunnelChecksum::Remote,
            _ => {
                problems.push(
                    Diagnostic::mistake(word.span, format!("`{}` is nothing that TUN knows", word.text))
                        .label("`type` with ipip, gue port N or gre; nocsum, csum or remcsum")
                        .instead("ipip is used, as with keepalived"),
                );
                return Some(Forwarding::Tunnel(Tunnel::IPIP));
            }
        }
    }
    Some(Forwarding::Tunnel(tunnel))
}

/// Says that a value was put right, as keepalived does.
pub(super) fn put_right(span: Span, what: String, now: String, problems: &mut Problems) {
    problems.push(Diagnostic::warning(span, what).label(now));
}

/// `protocol`.
pub(super) fn protocol(directive: &Directive, problems: &mut Problems) -> Option<Protocol> {
    let word = only(directive, "TCP, UDP or SCTP", problems)?;
    let protocol = word.text.to_ascii_lowercase().parse().ok();
    if protocol.is_none() {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no protocol", word.text))
                .label("TCP, UDP or SCTP expected")
                .instead(IGNORED),
        );
    }
    protocol
}

/// A netmask, or for IPv6 the length of a prefix.
pub(super) fn granularity(directive: &Directive, problems: &mut Problems) -> Option<u8> {
    let word = only(directive, "a netmask", problems)?;
    let mask = match word.text.parse::<std::net::Ipv4Addr>() {
        Ok(mask) => ipnet::ip_mask_to_prefix(mask.into()).ok(),
        Err(_) => word.text.parse().ok().filter(|length| (1..=128).contains(length)),
    };
    if mask.is_none() {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no netmask", word.text))
                .label("such as 255.255.255.0, or for IPv6 a number from 1 to 128")
                .instead(IGNORED),
        );
    }
    mask
}
