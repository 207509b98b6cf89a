//! The objects of the MIBs.

use std::{collections::BTreeMap, time::Duration};

use lb_vrrp::{
    Config, VirtualRouter, Vrid,
    endpoint::EndpointStats,
    mib::{Value, operations, scalars, scalars_v2, statistics, statistics_v2},
    router::RouterStats,
};

use crate::requirements::skip;

fn router() -> VirtualRouter {
    let config = Config::v3(Vrid::new(51).unwrap(), ["192.0.2.100".parse().unwrap()]).accept(true);
    VirtualRouter::new(config.build().unwrap(), "192.0.2.1".parse().unwrap()).unwrap()
}

/// The MIB itself, where it is installed: all objects that can be read, their numbers and their types.
#[test]
fn names_numbers_and_types_are_those_of_the_mib() {
    let routers = EndpointStats::default();
    let stats = RouterStats::default();
    let v3 = [&operations(&router(), Duration::ZERO)[..], &scalars(&routers, 0), &statistics(&stats, 0)];
    let v2 = [&scalars_v2(&routers)[..], &statistics_v2(&stats)];
    for (file, objects, prefixes) in [
        (
            "VRRPv3-MIB.txt",
            v3.concat(),
            &["vrrpv3Operations", "vrrpv3Router", "vrrpv3Global", "vrrpv3Statistics"][..],
        ),
        ("VRRP-MIB.txt", v2.concat(), &["vrrpRouter", "vrrpStats"][..]),
    ] {
        let Ok(text) = std::fs::read_to_string(format!("/usr/share/snmp/mibs/{file}")) else {
            skip(
                "names_numbers_and_types_are_those_of_the_mib",
                &format!("{file} (apt-get install keepalived)"),
            );
            continue;
        };
        let mut wanted = readable(&text);
        wanted.retain(|name, _| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        let ours: BTreeMap<String, (u8, &str)> = objects
            .iter()
            .map(|object| (object.name.into(), (object.number, base_type(object.value))))
            .collect();
        assert_eq!(ours, wanted, "{file}");
    }
}

fn base_type(value: Value) -> &'static str {
    match value {
        Value::Counter32(_) => "Counter32",
        Value::Counter64(_) => "Counter64",
        Value::Unsigned(_) => "Unsigned32",
        Value::Integer(_) => "INTEGER",
        Value::TimeTicks(_) => "TimeTicks",
        Value::Address(_) => "InetAddress",
        Value::Mac(_) => "MacAddress",
    }
}

/// The objects of a MIB that can be read, with their numbers and the types that these come down to.
fn readable(mib: &str) -> BTreeMap<String, (u8, &'static str)> {
    let mut objects = BTreeMap::new();
    let mut words = mib.split_whitespace().peekable();
    while let Some(name) = words.next() {
        if words.peek() != Some(&"OBJECT-TYPE") {
            continue;
        }
        let mut definition = words.by_ref().skip(1).take_while(|word| *word != "}" && !word.ends_with(')'));
        let syntax = definition.find(|word| *word == "SYNTAX").and_then(|_| definition.next());
        let syntax = match syntax.unwrap() {
            "Counter32" => "Counter32",
            "Counter64" => "Counter64",
            "Unsigned32" => "Unsigned32",
            "TimeTicks" | "TimeStamp" => "TimeTicks",
            "InetAddress" => "InetAddress",
            "MacAddress" => "MacAddress",
            _ => "INTEGER",
        };
        let access = words.by_ref().skip_while(|word| !word.ends_with("-ACCESS")).nth(1).unwrap();
        let number = words.by_ref().skip_while(|word| *word != "::=").nth(3);
        if access.starts_with("read") {
            objects.insert(name.into(), (number.unwrap().parse().unwrap(), syntax));
        }
    }
    objects
}
