//! Chains from nft's JSON.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use lb_core::model::Family;
use serde_json::Value;

use super::chains::{Chains, Condition, Rule, Test, Verdict};

/// Family and name of the tables with a chain at the hook.
pub(super) fn filtering_tables(listing: &[u8]) -> BTreeSet<(String, String)> {
    let listing = serde_json::from_slice(listing).unwrap_or_default();
    let table = |object: &Value| {
        let chain = object.get("chain").filter(|chain| is_hook(chain))?;
        let family = text(chain, "family").filter(|family| matches!(*family, "ip" | "ip6" | "inet"))?;
        Some((family.to_owned(), text(chain, "table")?.to_owned()))
    };
    objects(&listing).filter_map(table).collect()
}

/// The chains of a table, and whether it has extensions of iptables, which nft shows by name only.
pub(super) fn chains(listing: &[u8]) -> (Chains, bool) {
    let listing = serde_json::from_slice(listing).unwrap_or_default();
    let (mut chains, mut has_extensions) = (Chains::default(), false);
    for object in objects(&listing) {
        if let Some((chain, name)) = object.get("chain").and_then(|chain| Some((chain, text(chain, "name")?)))
        {
            chains.rules.entry(name.to_owned()).or_default();
            if is_hook(chain) {
                chains.hooks.insert(name.to_owned(), text(chain, "policy") == Some("drop"));
            }
        }
        if let Some(rule) = object.get("rule") {
            let statements = rule.get("expr").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            has_extensions |= statements.iter().any(|statement| statement.get("xt").is_some());
            if let Some(name) = text(rule, "chain") {
                chains.rules.entry(name.to_owned()).or_default().extend(rules(statements));
            }
        }
    }
    (chains, has_extensions)
}

fn objects(listing: &Value) -> impl Iterator<Item = &Value> {
    listing.get("nftables").and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn is_hook(chain: &Value) -> bool {
    text(chain, "hook") == Some("forward") && text(chain, "type") == Some("filter")
}

/// One rule, or one for each element of a verdict map.
fn rules(statements: &[Value]) -> Vec<Rule> {
    let mut conditions = Vec::new();
    for statement in statements {
        let Some((kind, body)) = statement.as_object().and_then(|object| object.iter().next()) else {
            continue;
        };
        match kind.as_str() {
            "match" => conditions.extend(implied(body).into_iter().chain([condition(body)])),
            "limit" | "quota" | "connlimit" => {
                conditions.push(Condition { test: Test::Other, negated: false })
            }
            "xt" if text(body, "type") == Some("match") && text(body, "name") != Some("comment") => {
                conditions.push(Condition { test: Test::Other, negated: false });
            }
            "xt" if text(body, "name") == Some("REJECT") => {
                return vec![Rule { conditions, verdict: Verdict::Drop }];
            }
            "vmap" => return verdict_map(&conditions, body),
            _ => match verdict(kind, body) {
                Verdict::Continue => {}
                verdict => return vec![Rule { conditions, verdict }],
            },
        }
    }
    Vec::new()
}

fn verdict(kind: &str, body: &Value) -> Verdict {
    let target = || text(body, "target").unwrap_or_default().to_owned();
    match kind {
        "accept" => Verdict::Accept,
        "drop" | "reject" => Verdict::Drop,
        "return" => Verdict::Return,
        "jump" => Verdict::Jump(target()),
        "goto" => Verdict::Goto(target()),
        "queue" => Verdict::Other,
        _ => Verdict::Continue,
    }
}

fn verdict_map(conditions: &[Condition], body: &Value) -> Vec<Rule> {
    let elements = body.get("data").and_then(|data| data.get("set")).and_then(Value::as_array);
    let (Some(key), Some(elements)) = (body.get("key"), elements) else {
        // A map with a name: it may let the packet pass.
        return vec![Rule { conditions: conditions.to_vec(), verdict: Verdict::Other }];
    };
    let rule = |element: &Value| {
        let [value, verdict] = element.as_array()?.as_slice() else { return None };
        let (kind, body) = verdict.as_object()?.iter().next()?;
        let test = if value == "*" { None } else { Some(test(key, value)) };
        let condition = test.map(|test| Condition { test, negated: false });
        let conditions = conditions.iter().cloned().chain(condition).collect();
        Some(Rule { conditions, verdict: self::verdict(kind, body) })
    };
    elements.iter().filter_map(rule).collect()
}

/// What a comparison of a header's field takes for granted; nft leaves it out of its listing.
fn implied(body: &Value) -> Option<Condition> {
    let header = text(body.get("left")?.get("payload")?, "protocol")?;
    let test = match header {
        "ip" => Test::Family(Family::V4),
        "ip6" => Test::Family(Family::V6),
        "tcp" | "udp" | "sctp" => Test::Protocol(vec![header.to_owned()]),
        _ => return None,
    };
    Some(Condition { test, negated: false })
}

fn condition(body: &Value) -> Condition {
    let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
        return Condition { test: Test::Other, negated: false };
    };
    match text(body, "op") {
        Some("==" | "in") => Condition { test: test(left, right), negated: false },
        Some("!=") => Condition { test: test(left, right), negated: true },
        _ => Condition { test: Test::Other, negated: false },
    }
}

fn test(left: &Value, right: &Value) -> Test {
    known_test(left, right).unwrap_or(Test::Other)
}

fn known_test(left: &Value, right: &Value) -> Option<Test> {
    let values: Vec<&Value> = match right {
        Value::Array(values) => values.iter().collect(),
        right => match right.get("set") {
            Some(set) => set.as_array()?.iter().collect(),
            None => vec![right],
        },
    };
    let words = || -> Option<Vec<String>> {
        let word = |value: &&Value| match value {
            Value::String(text) if !text.starts_with('@') => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        values.iter().map(word).collect()
    };
    let (kind, body) = left.as_object()?.iter().next()?;
    Some(match (kind.as_str(), text(body, "protocol"), text(body, "key").or(text(body, "field"))?) {
        ("meta", _, "iifname" | "iif") => Test::Incoming(words()?),
        ("meta", _, "oifname" | "oif") => Test::Outgoing(words()?),
        ("meta", _, "l4proto")
        | ("payload", Some("ip"), "protocol")
        | ("payload", Some("ip6"), "nexthdr") => Test::Protocol(words()?),
        ("meta", _, "nfproto") => match words()?.as_slice() {
            [one] if one == "ipv4" => Test::Family(Family::V4),
            [one] if one == "ipv6" => Test::Family(Family::V6),
            _ => return None,
        },
        ("ct", _, "state" | "status") => Test::State(words()?),
        ("payload", Some("ip" | "ip6"), "daddr") => {
            Test::Destination(values.iter().map(|value| net(value)).collect::<Option<_>>()?)
        }
        ("payload", Some("tcp" | "udp" | "sctp" | "th"), "dport") => {
            Test::Port(values.iter().map(|value| ports(value)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn net(value: &Value) -> Option<IpNet> {
    match value.get("prefix") {
        Some(prefix) => {
            let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
            IpNet::new(text(prefix, "addr")?.parse().ok()?, length).ok()
        }
        None => value.as_str()?.parse::<IpAddr>().map(IpNet::from).ok(),
    }
}

fn ports(value: &Value) -> Option<(u16, u16)> {
    let port = |value: &Value| u16::try_from(value.as_u64()?).ok();
    match value.get("range") {
        Some(range) => Some((port(range.get(0)?)?, port(range.get(1)?)?)),
        None => port(value).map(|port| (port, port)),
    }
}
