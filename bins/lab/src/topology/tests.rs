use lb_config::diagnostic::Colors;

use super::*;

fn problems(text: &str) -> String {
    let source = Source::new("lab.toml", text);
    let found = Topology::parse(&source, Path::new("/nowhere")).unwrap_err();
    found.iter().map(|problem| problem.render(&source, Colors::No)).collect()
}

#[test]
fn a_topology_is_read() {
    let text = "switches = ['lan', 'wan']\n[hosts.client.links]\neth0 = { switch = 'lan', addresses = ['10.0.0.10/24'] }\n\
                [hosts.a]\nlinks.eth0 = { switch = 'lan', addresses = ['10.0.0.1/24', 'fd00::1/64'] }\nrun = ['sleep 1']\n";
    let topology = Topology::parse(&Source::new("lab.toml", text), Path::new("/")).unwrap();
    let hosts: Vec<&str> = topology.hosts.keys().map(|name| name.get_ref().as_str()).collect();
    assert_eq!(hosts, ["a", "client"]);
    let a = topology.hosts.values().next().unwrap();
    let nets: Vec<String> = a.links.values().flat_map(LinkPlan::nets).map(|net| net.to_string()).collect();
    assert_eq!(nets, ["10.0.0.1/24", "fd00::1/64"]);
    assert_eq!(a.run[0].get_ref(), "sleep 1");
}

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    let told = problems(
        "switches = ['office']\n[hosts.a.links]\neth0 = { switch = 'ofice', addresses = ['10.0.0.1'] }\n",
    );
    assert!(told.contains("lab.toml:3:19") && told.contains("did you mean `office`?"), "{told}");
    assert!(told.contains("lab.toml:3:41") && told.contains("10.0.0.1/24"), "{told}");

    let told = problems("[hosts.a]\nlink = 1\n");
    assert!(told.contains("lab.toml:2:1") && told.contains("unknown field `link`"), "{told}");

    let told = problems("[hosts.a\n");
    assert!(told.contains("lab.toml:1"), "{told}");

    let told = problems("[hosts.a]\nfiles.'/etc/x' = 'x.conf'\n");
    assert!(told.contains("lab.toml:2:18") && told.contains("/nowhere/x.conf"), "{told}");
}

#[test]
fn no_text_makes_it_panic() {
    for text in ["", "hosts", "hosts = 3", "[hosts]", "\u{0}", "switches = [1]\n[hosts]", "[[hosts]]"] {
        let _ = Topology::parse(&Source::new("x", text), Path::new("/"));
    }
}

#[test]
fn tables_within_each_other_do_not_exhaust_the_stack() {
    // Found by the fuzzer: the brackets that close nothing keep the parser from counting.
    let broken = "[hosts.a]\nlinks.eth0 = { switch = \"lan\", aks]\neth0\"= ".repeat(5_000);
    for text in [broken, format!("x = {}", "{a = ".repeat(100_000)), format!("x = {}", "[".repeat(100_000))] {
        let problems = Topology::parse(&Source::new("lab.toml", text), Path::new("")).unwrap_err();
        assert!(problems[0].message.contains("within each other"), "{problems:?}");
    }
    let flat = "[hosts.a]\n".to_owned() + &"x = [{ a = [] }]\n".repeat(100);
    let problems = Topology::parse(&Source::new("lab.toml", flat), Path::new("")).unwrap_err();
    assert!(!problems[0].message.contains("within each other"), "{problems:?}");
}
