//! The table as `nft -j` lists it: into objects, and from them into services.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use lb_core::{
    dataplane::{DataPlaneError, ErrorKind},
    model::{SchedulerKind, Service, ServiceKey, ServiceSpec, ServiceTable},
};

use super::{
    config::{NftConfig, TableName},
    name,
    objects::{Chain, Objects, Rule, Set},
    plan, support, wording,
};

/// Reads a listing. Members that are not known are passed over, so that newer versions of nft do no harm.
///
/// # Errors
/// When it is no listing at all.
pub(super) fn objects(json: &[u8]) -> Result<Objects, serde_json::Error> {
    let listing: Value = serde_json::from_slice(json)?;
    let mut objects = Objects::default();
    for item in listing.get("nftables").and_then(Value::as_array).into_iter().flatten() {
        let Some((kind, body)) = item.as_object().and_then(|object| object.iter().next()) else { continue };
        let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_owned();
        // Other names cannot be written in nft's language: not made here, and not to be repeated to nft.
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b)) {
            continue;
        }
        match kind.as_str() {
            "counter" => drop(objects.counters.insert(name)),
            "chain" => objects.chains.entry(name).or_default().hook = hook(body),
            "rule" => objects.chains.entry(text("chain").to_owned()).or_default().rules.push(rule(body)),
            "set" => drop(objects.sets.insert(name, set("set", body))),
            "map" => drop(objects.sets.insert(name, set("map", body))),
            _ => {}
        }
    }
    Ok(objects)
}

fn hook(body: &Value) -> String {
    let text = |member: &str| body.get(member).and_then(Value::as_str);
    match (text("type"), text("hook"), body.get("prio").and_then(Value::as_i64)) {
        (Some(kind), Some(hook), Some(priority)) => {
            // With another policy it is not the chain that was planned.
            let policy = text("policy").filter(|policy| *policy != "accept").unwrap_or_default();
            format!("type {kind} hook {hook} priority {priority}{policy}")
        }
        _ => String::new(),
    }
}

fn rule(body: &Value) -> Rule {
    let statements = body.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let comment = body.get("comment").and_then(Value::as_str).map(ToOwned::to_owned);
    Rule { text: wording::rule(statements), comment }
}

fn set(kind: &'static str, body: &Value) -> Set {
    let parts = match body.get("type") {
        Some(Value::Array(parts)) => parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" . "),
        Some(Value::String(part)) => part.clone(),
        _ => String::new(),
    };
    let mut text = format!("type {parts}");
    if let Some(data) = body.get("map").and_then(Value::as_str) {
        text.push_str(&format!(" : {data}"));
    }
    text.push(';');
    // nft does not list `dynamic`.
    if body.get("flags").is_some_and(|flags| flags.to_string().contains("timeout")) {
        text.push_str(" flags dynamic,timeout;");
    }
    if let Some(size) = body.get("size").and_then(Value::as_u64) {
        text.push_str(&format!(" size {size};"));
    }
    Set { kind, body: text }
}

/// The elements in a listing of the set or map of this name.
///
/// # Errors
/// When it is no listing at all.
pub(super) fn elements(set: &str, json: &[u8]) -> Result<Vec<(String, Option<String>)>, serde_json::Error> {
    // One spelling for each key, whoever printed it.
    let spelled =
        |key: String| name::service_of_element(set, &key).map_or(key, |service| name::element(&service).1);
    let listing: Value = serde_json::from_slice(json)?;
    let items = listing.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let sets = items.filter_map(|item| item.get("map").or_else(|| item.get("set")));
    let elements = sets.filter_map(|set| set.get("elem").and_then(Value::as_array)).flatten();
    Ok(elements
        .map(|element| match element.as_array().map(Vec::as_slice) {
            Some([key, verdict]) => {
                let target = verdict.get("goto").and_then(|goto| goto.get("target")).and_then(Value::as_str);
                (spelled(wording::key(key)), Some(target.unwrap_or("?").to_owned()))
            }
            _ => (spelled(wording::key(element)), None),
        })
        .collect())
}

/// Figures in a listing.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Packets by counter.
    pub(super) packets: BTreeMap<String, u64>,
    /// Number of elements by set.
    pub(super) elements: BTreeMap<String, usize>,
}

/// Reads the figures in a listing.
///
/// # Errors
/// When it is no listing at all.
pub(super) fn figures(json: &[u8]) -> Result<Figures, serde_json::Error> {
    let listing: Value = serde_json::from_slice(json)?;
    let mut figures = Figures::default();
    for item in listing.get("nftables").and_then(Value::as_array).into_iter().flatten() {
        let name = |body: &Value| body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(counter) = item.get("counter") {
            figures
                .packets
                .insert(name(counter), counter.get("packets").and_then(Value::as_u64).unwrap_or(0));
        } else if let Some(set) = item.get("set") {
            figures.elements.insert(name(set), set.get("elem").and_then(Value::as_array).map_or(0, Vec::len));
        }
    }
    Ok(figures)
}

/// What a table means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The services; one that is not as it was made has scheduler [`DAMAGED`] and no servers.
    pub(super) table: ServiceTable,
    /// Services that are not as they were made.
    pub(super) damaged: BTreeSet<ServiceKey>,
    /// Whether the hooks and the dispatch are not as they were made.
    pub(super) base_damaged: bool,
    /// Names of objects that belong to no service.
    pub(super) strangers: BTreeSet<String>,
}

/// Name in place of a scheduler that cannot be told, different from every real one.
pub(super) const DAMAGED: &str = "damaged";

/// Tells the services of a table. A service is what its comments say if the objects are exactly those that would be
/// made for it; else it is damaged.
pub(super) fn meaning(objects: &Objects, config: &NftConfig) -> Meaning {
    let mut claims = claims(objects);
    for (set, key) in objects.elements.keys() {
        if let Some(service) = name::service_of_element(set, key) {
            claims.entry(service).or_default();
        }
    }
    let mut meaning = Meaning { base_damaged: !is_base_whole(objects, config), ..Meaning::default() };
    let mut strangers = objects.clone();
    let base = plan::base(config);
    strangers.replace(&base, &Objects::default());
    for (key, claim) in claims {
        let part = part(objects, &key);
        strangers.replace(&part, &Objects::default());
        let whole = |service: &Service| {
            is_supported(&key, service, config) && plan::service(&key, service, config) == part
        };
        let service = match claim.filter(whole) {
            Some(service) if !meaning.base_damaged => service,
            _ => {
                meaning.damaged.insert(key);
                Service::new(ServiceSpec::new(SchedulerKind::Other(DAMAGED.to_owned())))
            }
        };
        meaning.table.services.insert(key, service);
    }
    meaning.strangers = strangers.chains.into_keys().chain(strangers.sets.into_keys()).collect();
    meaning.strangers.extend(strangers.counters);
    meaning.strangers.extend(strangers.elements.into_keys().map(|(set, key)| format!("{set} {{ {key} }}")));
    meaning
}

/// What belongs to a service, by name and by address.
pub(super) fn part(objects: &Objects, key: &ServiceKey) -> Objects {
    let (map, element) = name::element(key);
    objects.part(&name::service(key), &[(name::snat_set(&map), element.clone()), (map, element)])
}

/// What belongs to no service but is looked after: the base, and elements that stand for no service.
pub(super) fn base_part(objects: &Objects, config: &NftConfig) -> Objects {
    // With and without its options, so that what another configuration left behind goes too.
    let names = plan::base(&NftConfig { snat: true, ..config.clone() });
    let mut part = Objects::default();
    part.chains.extend(objects.chains.iter().filter(|(name, _)| names.chains.contains_key(*name)).map(own));
    part.sets.extend(objects.sets.iter().filter(|(name, _)| names.sets.contains_key(*name)).map(own));
    let writable = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b" .:-".contains(&b));
    let odd = |(set, key): &(String, String)| writable(key) && name::service_of_element(set, key).is_none();
    part.elements.extend(objects.elements.iter().filter(|(place, _)| odd(place)).map(own));
    part
}

fn own<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn is_base_whole(objects: &Objects, config: &NftConfig) -> bool {
    base_part(objects, config) == plan::base(config)
}

fn is_supported(key: &ServiceKey, service: &Service, config: &NftConfig) -> bool {
    // A stand-in is what the comment says even if today's configuration would refuse it.
    let config = NftConfig { approximate: true, ..config.clone() };
    support::service(key, &service.spec, &config).is_ok()
        && support::room(key, &service.spec, service.servers.len(), &config).is_ok()
        && service.servers.iter().all(|(server, spec)| support::server(key, server, spec).is_ok())
}

/// Services by the comments of their chains; `None` where a comment is not understood.
fn claims(objects: &Objects) -> BTreeMap<ServiceKey, Option<Service>> {
    let mut claims = BTreeMap::new();
    for (chain, content) in objects.chains.iter().filter(|(name, _)| !name.contains('/')) {
        let Some((key, spec)) = comments(content).find_map(name::parse_service) else { continue };
        if name::service(&key) != *chain {
            continue;
        }
        let mut service = Some(Service::new(spec));
        for (_, server) in objects.chains.range(format!("{chain}/")..format!("{chain}0")) {
            match (comments(server).find_map(name::parse_server), &mut service) {
                (Some((key, spec)), Some(service)) => {
                    service.servers.insert(key, spec);
                }
                _ => service = None,
            }
        }
        claims.insert(key, service);
    }
    claims
}

fn comments(chain: &Chain) -> impl Iterator<Item = &str> {
    chain.rules.iter().filter_map(|rule| rule.comment.as_deref())
}

/// Whether the table is ours: a table that somebody else made is never touched.
pub(super) fn ownership(objects: &Objects, table: &TableName) -> Result<(), DataPlaneError> {
    let is_empty = objects.chains.is_empty() && objects.sets.is_empty() && objects.counters.is_empty();
    if is_empty || objects.chains.contains_key(name::MARKER) {
        return Ok(());
    }
    let detail = match objects.chains.keys().find(|name| name.starts_with(name::ANY_MARKER)) {
        Some(marker) => format!(
            "table inet {table} has layout `{marker}`, this version makes `{}`: nft delete table inet {table}",
            name::MARKER
        ),
        None => format!("table inet {table} was made by another program: choose another name for the table"),
    };
    Err(DataPlaneError::new(ErrorKind::Invalid, detail))
}
