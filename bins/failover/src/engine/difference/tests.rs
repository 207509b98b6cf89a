use std::path::Path;

use lb_config::{
    document::Source,
    keepalived::{
        language::{Machine, Settings},
        load_source,
    },
};
use lb_vrrp::Priority;

use super::*;

/// Instances of these names, identifiers and priorities.
fn config(instances: &[(&str, u8, u8)]) -> Config {
    let text: String = instances
        .iter()
        .map(|(name, vrid, priority)| {
            format!(
                "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority {priority}\n \
                 virtual_ipaddress {{\n 192.0.2.{vrid}\n }}\n}}\n"
            )
        })
        .collect();
    let source = Source::new("keepalived.conf", text);
    let path = Path::new("/keepalived.conf");
    let loaded = load_source(source, path, &Settings::default(), &mut Machine::default());
    loaded.resolved.config
}

fn names<'a>(instances: &[&'a Instance]) -> Vec<&'a str> {
    instances.iter().map(|instance| instance.name.as_str()).collect()
}

#[test]
fn nothing_differs_from_itself() {
    let config = config(&[("a", 1, 100), ("b", 2, 100)]);
    assert_eq!(Difference::between(&config, &config.clone()), Difference::default());
}

#[test]
fn what_is_new_changed_and_gone_is_told_apart() {
    let before = config(&[("stays", 1, 100), ("changes", 2, 100), ("goes", 3, 100)]);
    let after = config(&[("changes", 2, 150), ("comes", 4, 100), ("stays", 1, 100)]);
    let difference = Difference::between(&before, &after);
    assert_eq!(names(&difference.changed), ["changes"]);
    assert_eq!(difference.changed[0].priority, Priority::new(150).unwrap());
    assert_eq!(names(&difference.added), ["comes"]);
    assert_eq!(difference.removed, ["goes"]);
    assert_eq!(difference.renamed, []);
}

#[test]
fn the_same_virtual_router_with_another_name_is_renamed() {
    let before = config(&[("a", 1, 100), ("b", 2, 100)]);
    let after = config(&[("x", 1, 100), ("y", 2, 150)]);
    let difference = Difference::between(&before, &after);
    assert_eq!(difference.renamed, [("a", "x"), ("b", "y")]);
    assert_eq!(names(&difference.changed), ["y"]);
    assert_eq!((difference.added, difference.removed), (vec![], vec![]));
}
