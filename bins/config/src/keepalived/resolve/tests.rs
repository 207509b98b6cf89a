mod faults;
mod instances;
mod ipvs;
mod others;
mod verdicts;
mod words;

use std::{net::IpAddr, path::Path, time::Duration};

use super::*;
use crate::{
    diagnostic::Severity,
    keepalived::{
        language::{Memory, Settings, read_text},
        model::*,
    },
};

fn load(text: &str) -> (Config, Vec<Diagnostic>) {
    let settings = Settings { config_id: "a".to_owned(), ..Settings::default() };
    let path = Path::new("/etc/keepalived/keepalived.conf");
    let (document, _, mut problems) = read_text(text, path, &settings, &mut Memory::default());
    let config = resolve(&document, &mut problems);
    // As a test of the file sees them.
    (config, problems.finish().into_iter().map(Diagnostic::strictly).collect())
}

/// What has no problem at all.
fn clean(text: &str) -> Config {
    let (config, problems) = load(text);
    assert_eq!(problems, [], "{text}");
    config
}

/// An instance around these lines.
fn instance_text(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress {{ 10.0.0.1 }}\n{lines}\n}}\n"
    )
}

fn instance(lines: &str) -> Instance {
    clean(&instance_text(lines)).instances.remove(0)
}

/// The one problem of a text: how bad it is, what it says, and the text at its place.
fn problem(text: &str) -> (Severity, String, String) {
    let (_, problems) = load(text);
    let [problem] = problems.as_slice() else { panic!("{text}: {problems:#?}") };
    let at = text[problem.span.start..problem.span.end].to_owned();
    (problem.severity, problem.message.clone(), at)
}

#[track_caller]
fn refuses(text: &str, message: &str, at: &str) {
    assert_eq!(problem(text), (Severity::Error, message.to_owned(), at.to_owned()), "{text}");
}

/// It is said, and the result is used.
#[track_caller]
fn warns(text: &str, message: &str, at: &str) -> Config {
    assert_eq!(problem(text), (Severity::Warning, message.to_owned(), at.to_owned()), "{text}");
    load(text).0
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const PAIR: &str = r#"
vrrp_script chk_squid_service {
    script "/usr/sbin/squid -k check"
    interval 3
}
vrrp_instance proxy_ip1 {
    state MASTER
    interface eth0
    virtual_router_id 1
    priority 255
    virtual_ipaddress {
        192.168.2.101/24 dev eth0 label eth0:1
    }
    track_interface {
        eth1
    }
    track_script {
        chk_squid_service
    }
}
vrrp_instance proxy_ip2 {
    state BACKUP
    interface eth0
    virtual_router_id 2
    priority 100
    virtual_ipaddress {
        192.168.2.102/24 dev eth0 label eth0:2
    }
    track_interface {
        eth1
    }
    track_script {
        chk_squid_service
    }
}
"#;

#[test]
fn a_pair_of_proxies_loads_without_a_word() {
    let config = clean(PAIR);
    let script = &config.scripts["chk_squid_service"];
    assert_eq!(script.command.argv, ["/usr/sbin/squid", "-k", "check"]);
    assert_eq!((script.interval, script.timeout), (Duration::from_secs(3), Duration::from_secs(3)));
    let [one, two] = config.instances.as_slice() else { panic!("{config:?}") };
    assert_eq!((one.state, one.priority.get(), one.vrid.get()), (InitialState::Master, 255, 1));
    assert_eq!((two.state, two.priority.get(), two.vrid.get()), (InitialState::Backup, 100, 2));
    assert_eq!((one.version, one.advert_int.centiseconds()), (Version::V2, 100));
    let address = &one.addresses[0];
    assert_eq!(address.net, "192.168.2.101/24".parse().unwrap());
    assert_eq!((address.device.as_deref(), address.label.as_deref()), (Some("eth0"), Some("eth0:1")));
    assert_eq!(one.sending, Sending::Multicast(None));
    let tracked = |name: &str| vec![Tracked { name: name.to_owned(), weight: Weight::default() }];
    assert_eq!(one.tracks.interfaces, tracked("eth1"));
    assert_eq!(one.tracks.scripts, tracked("chk_squid_service"));
    assert!(one.accept);
    assert_eq!(*one.garp, Garp::default());
}

#[test]
fn unicast_without_a_peer_is_refused_with_a_remedy() {
    for line in ["unicast_src_ip 10.0.0.9", "unicast_peer { }", "unicast_ttl 5", "unicast_fault_no_peer"] {
        let text = instance_text(line);
        let (_, problems) = load(&text);
        let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
        assert!(problem.is_error());
        assert_eq!(problem.message, "instance `A` is unicast and has no peer");
        assert!(problem.help.as_deref().unwrap().contains("unicast_peer"));
    }
}

#[test]
fn what_is_tracked_has_to_exist() {
    let text = format!(
        "vrrp_script check {{ script /bin/true\n}}\n{}",
        instance_text("track_script { chekc\n}\ntrack_script { check\n}")
    );
    refuses(&text, "there is no vrrp_script `chekc`", "chekc");
    assert_eq!(load(&text).1[0].help.as_deref(), Some("did you mean `check`?"));
    refuses(&instance_text("track_process { p\n}"), "there is no vrrp_track_process `p`", "p");
    refuses(&instance_text("track_file { f\n}"), "there is no track_file `f`", "f");
    let unused = format!("vrrp_script check {{ script /bin/true\n}}\n{}", instance_text(""));
    warns(&unused, "vrrp_script `check` is not tracked by anything", "check");
}

#[test]
fn one_virtual_router_id_is_one_virtual_router() {
    let b = "vrrp_instance B {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress { 10.0.0.2\n}\n}\n";
    let text = instance_text("") + b;
    refuses(&text, "instances `A` and `B` both have virtual router id 5 with IPv4 on eth0", "5");
    let related = load(&text).1[0].related.clone().unwrap();
    assert_eq!(&text[related.0.start..related.0.end], "5");
    clean(&(instance_text("") + &b.replace("eth0", "eth1")));
    clean(&(instance_text("") + &b.replace("10.0.0.2", "fe80::2")));
}

#[test]
fn intervals_are_rounded_as_the_version_wants() {
    for (lines, centiseconds) in
        [("advert_int 0.5", 100), ("advert_int 1.6", 200), ("version 3\nadvert_int 0.015", 2)]
    {
        let text = instance_text(lines);
        let (config, problems) = load(&text);
        assert!(problems.len() == 1 && !problems[0].is_error(), "{problems:#?}");
        assert_eq!(config.instances[0].advert_int.centiseconds(), centiseconds, "{lines}");
    }
    assert_eq!(instance("version 3\nadvert_int 0.25").advert_int.centiseconds(), 25);
}
