use lb_failover::view::sample::Sample;

use super::*;

#[test]
fn instances_and_trackers_are_counted() {
    let sample = Sample::new();
    assert_eq!(render(&sample.view().status()), include_str!("../golden/metrics.txt"));
}

#[test]
fn each_family_is_declared_once_and_before_its_samples() {
    let sample = Sample::new();
    let text = render(&sample.view().status());
    let mut declared: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!declared.contains(&name), "{name} twice");
            declared.push(name);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(declared.last(), Some(&name));
        }
    }
    assert!(declared.len() > 10);
}

#[test]
fn names_are_escaped() {
    let mut page = Page(String::new());
    page.sample("x", &[("a", "b\"\\\n")], 1.0);
    assert_eq!(page.0, "x{a=\"b\\\"\\\\\\n\"} 1\n");
}
