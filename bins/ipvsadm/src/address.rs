//! Addresses, ports and numbers, with all the forms that ipvsadm takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_config::names::{Resolver, parse_ipv4};
use lb_core::model::{Family, Protocol};

/// `10.0.0.1:80`, `web:http`, `[2001:db8::1]:80`; without a port also `10.0.0.1` and `2001:db8::1`.
///
/// Names of ports are those of `ports`. In a bracket that holds no IPv6 address ipvsadm overlooks the port, and so does
/// this.
pub(super) fn socket(
    text: &str,
    ports: Option<Protocol>,
    names: &dyn Resolver,
) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(v6) = text.parse::<Ipv6Addr>() {
        return Some((v6.into(), None));
    }
    let port = |text: &str| {
        let number = number(text, 0, u16::MAX.into()).and_then(|number| u16::try_from(number).ok());
        number.or_else(|| names.port(text, ports?))
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']')?;
        let rest = rest.strip_prefix(':')?;
        return match inside.parse::<Ipv6Addr>() {
            Ok(v6) => Some((v6.into(), Some(port(rest)?))),
            Err(_) => Some((host(inside, names)?.into(), None)),
        };
    }
    match text.rsplit_once(':') {
        Some((name, rest)) => Some((host(name, names)?.into(), Some(port(rest)?))),
        None => Some((host(text, names)?.into(), None)),
    }
}

/// An IPv4 address as inet_aton(3) reads it, which does not mind what stands behind a blank, or a name.
pub(super) fn host(text: &str, names: &dyn Resolver) -> Option<Ipv4Addr> {
    let number = text.split_ascii_whitespace().next().filter(|word| text.starts_with(word));
    if let Some(address) = number.and_then(parse_ipv4) {
        return Some(address);
    }
    if text.is_empty() {
        return None;
    }
    match names.address(text, Family::V4)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// A whole decimal number within bounds, as strtol(3) reads it: blanks and a sign may stand before it.
pub(super) fn number(text: &str, least: i64, most: i64) -> Option<u32> {
    let (value, rest) = leading_number(text)?;
    let fits = rest.is_empty() && (least..=most).contains(&value);
    fits.then(|| u32::try_from(value).ok()).flatten()
}

/// The number that a text begins with, as atoi(3) takes it, wrapped to 32 bits; 0 for none.
pub(super) fn loose_number(text: &str) -> i32 {
    leading_number(text).map_or(0, |(value, _)| value as i32)
}

fn leading_number(text: &str) -> Option<(i64, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    if digits == 0 {
        return None;
    }
    let (digits, rest) = unsigned.split_at(digits);
    let value: i64 = digits.parse().unwrap_or(i64::MAX);
    Some((if text.starts_with('-') { -value } else { value }, rest))
}
