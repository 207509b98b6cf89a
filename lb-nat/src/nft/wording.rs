//! Rules from nft's JSON back into the wording in which [`plan`](super::plan) writes them.

use std::net::IpAddr;

use serde_json::Value;

use lb_core::model::Protocol;

/// A rule's statements. What is not understood comes out as `?` and its JSON, which equals nothing that was planned.
pub(super) fn rule(statements: &[Value]) -> String {
    statements.iter().map(statement).collect::<Vec<_>>().join(" ")
}

/// An element's key: `10.0.0.1 . tcp . 80`.
pub(super) fn key(value: &Value) -> String {
    expression(value).unwrap_or_else(|| unknown(value))
}

fn statement(value: &Value) -> String {
    known_statement(value).unwrap_or_else(|| unknown(value))
}

fn unknown(value: &Value) -> String {
    format!("?{value}")
}

fn known_statement(value: &Value) -> Option<String> {
    let (kind, body) = single(value)?;
    let target = || body.get("target")?.as_str();
    Some(match kind {
        "jump" | "goto" => format!("{kind} {}", target()?),
        "accept" | "drop" | "masquerade" if body.is_null() => kind.to_owned(),
        "counter" => format!("counter name \"{}\"", body.as_str()?),
        "reject" => "reject".to_owned(),
        "match" => comparison(body)?,
        "vmap" => format!("{} vmap {}", expression(body.get("key")?)?, verdicts(body.get("data")?)?),
        "dnat" => translation(body)?,
        "set" if body.get("op")? == "update" => {
            format!("update {} {{ {} }}", body.get("set")?.as_str()?, expression(body.get("elem")?)?)
        }
        _ => return None,
    })
}

fn comparison(body: &Value) -> Option<String> {
    let (left, right) = (expression(body.get("left")?)?, body.get("right")?);
    let right = if left == "meta l4proto" { protocols(right)? } else { expression(right)? };
    matches!(body.get("op")?.as_str()?, "==" | "in").then(|| format!("{left} {right}"))
}

fn protocols(value: &Value) -> Option<String> {
    let Some(set) = value.get("set") else { return protocol(value) };
    let mut names: Vec<String> = set.as_array()?.iter().filter_map(protocol).collect();
    names.sort_unstable();
    Some(format!("{{ {} }}", names.join(", ")))
}

/// nft prints numbers where `/etc/protocols` is missing.
fn protocol(value: &Value) -> Option<String> {
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let named = known.into_iter().find(|protocol| value.as_u64() == Some(protocol.number().into()));
    named.map(|protocol| protocol.name().to_owned()).or_else(|| expression(value))
}

fn translation(body: &Value) -> Option<String> {
    let (family, address) = (body.get("family")?.as_str()?, body.get("addr")?.as_str()?);
    let address: IpAddr = address.parse().ok()?;
    let to = match (body.get("port"), address) {
        (None, _) => address.to_string(),
        (Some(port), IpAddr::V4(_)) => format!("{address}:{}", port.as_u64()?),
        (Some(port), IpAddr::V6(_)) => format!("[{address}]:{}", port.as_u64()?),
    };
    let plain = body.as_object()?.keys().all(|key| matches!(key.as_str(), "family" | "addr" | "port"));
    plain.then(|| format!("dnat {family} to {to}"))
}

/// A named map, or the elements of an anonymous one in order of their slots.
fn verdicts(data: &Value) -> Option<String> {
    if let Some(name) = data.as_str() {
        return Some(name.to_owned());
    }
    let mut slots = Vec::new();
    for pair in data.get("set")?.as_array()? {
        let [key, verdict] = pair.as_array()?.as_slice() else { return None };
        let first = key.get("range").and_then(|range| range.get(0)).unwrap_or(key).as_u64()?;
        slots.push((first, format!("{} : {}", expression(key)?, known_statement(verdict)?)));
    }
    slots.sort_unstable();
    let slots: Vec<String> = slots.into_iter().map(|(_, text)| text).collect();
    Some(format!("{{ {} }}", slots.join(", ")))
}

fn expression(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => return Some(number.to_string()),
        // One spelling for each address, whoever printed it.
        Value::String(text) => {
            return Some(text.parse::<IpAddr>().map_or_else(|_| text.clone(), |address| address.to_string()));
        }
        _ => {}
    }
    let (kind, body) = single(value)?;
    let text = |name: &str| body.get(name)?.as_str();
    let number = |name: &str| body.get(name)?.as_u64();
    Some(match kind {
        "payload" => format!("{} {}", text("protocol")?, text("field")?),
        "meta" => format!("meta {}", text("key")?),
        "ct" => match text("dir") {
            Some(direction) => format!("ct {direction} {}", text("key")?),
            None => format!("ct {}", text("key")?),
        },
        "concat" => body.as_array()?.iter().map(expression).collect::<Option<Vec<_>>>()?.join(" . "),
        "range" => format!("{}-{}", body.get(0)?.as_u64()?, body.get(1)?.as_u64()?),
        "&" => format!("{} & {}", expression(body.get(0)?)?, expression(body.get(1)?)?),
        "numgen" if number("offset").unwrap_or(0) == 0 => {
            format!("numgen {} mod {}", text("mode")?, number("mod")?)
        }
        "jhash" if number("offset").unwrap_or(0) == 0 => {
            let seed = number("seed").unwrap_or(0);
            format!("jhash {} mod {} seed {seed:#x}", expression(body.get("expr")?)?, number("mod")?)
        }
        "elem" => match number("timeout") {
            Some(timeout) => format!("{} timeout {timeout}s", expression(body.get("val")?)?),
            None => expression(body.get("val")?)?,
        },
        _ => return None,
    })
}

/// The one member of an object: nft writes every statement and expression so.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object()?;
    let (kind, body) = object.iter().next()?;
    (object.len() == 1).then_some((kind.as_str(), body))
}
