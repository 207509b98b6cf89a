use lb_core::Health;

use super::*;
use crate::config::{
    document::Source,
    ldirectord::{self, Mode},
    names::SystemResolver,
};

fn config(section: &str) -> Config {
    let text = format!("virtual=10.0.0.1:80\n\treal=192.168.0.1:8080 masq\n{section}");
    let (config, problems) =
        ldirectord::load(&Source::new("a.cf", text), Mode::Lenient, &SystemResolver::new());
    config.unwrap_or_else(|| panic!("{problems:?}"))
}

/// Kind, target and number of failures of the one check.
fn check(section: &str) -> (String, String, u32) {
    let config = config(section);
    let (_, check) = checks(&config, &HealthView::new()).remove(0);
    assert_eq!(check.initial, Health::Unknown);
    (check.probe.kind().to_owned(), check.target.address.to_string(), check.timing.fall.get())
}

#[test]
fn every_service_has_its_probe() {
    for (service, kind) in [
        ("http", "http"),
        ("https", "https"),
        ("http_proxy", "http-proxy"),
        ("smtp", "smtp"),
        ("submission", "smtp"),
        ("ftp", "ftp"),
        ("dns", "dns"),
        ("imap", "imap"),
        ("imaps", "imap"),
        ("pop", "pop"),
        ("pops", "pop"),
        ("nntp", "nntp"),
        ("ldap", "ldap"),
        ("ldaps", "ldap"),
        ("sip", "sip"),
        ("radius", "radius"),
        ("mysql", "mysql"),
        ("pgsql", "pgsql"),
        ("simpletcp", "simpletcp"),
        ("none", "on"),
    ] {
        let login = "\tlogin=\"a\"\n\tpasswd=\"b\"\n\tdatabase=\"c\"\n\tsecret=\"d\"\n\trequest=\"e\"\n\treceive=\"f\"\n";
        let (found, ..) = check(&format!("\tservice={service}\n{login}"));
        assert_eq!(found, kind, "{service}");
    }
}

#[test]
fn the_port_is_that_of_the_check_then_of_the_server_then_of_the_service() {
    assert_eq!(check("\tcheckport=81\n").1, "192.168.0.1:81");
    assert_eq!(check("").1, "192.168.0.1:8080");
}

#[test]
fn timing_is_taken_over() {
    let config = config("\tfailurecount=3\n\tnegotiatetimeout=7\n\tchecktimeout=4\n\tcheckinterval=2\n");
    let timing = timing(&config.virtuals[0]);
    assert_eq!((timing.fall.get(), timing.timeout.as_secs(), timing.interval.as_secs()), (3, 7, 2));
}

#[test]
fn what_can_not_be_checked_is_named_and_its_server_is_down() {
    for (section, word) in [
        ("\tchecktype=external\n\tcheckcommand=/no/such/program\n", "/no/such/program does not exist"),
        ("\tservice=oracle\n\tlogin=\"a\"\n\tpasswd=\"b\"\n\trequest=\"c\"\n", "Oracle"),
    ] {
        let config = config(section);
        let problems = problems(&config, Programs::Examine);
        assert!(problems.len() == 1 && problems[0].contains(word), "{problems:?}");
        let (_, check) = checks(&config, &HealthView::new()).remove(0);
        assert_eq!(check.probe.kind(), "impossible");
    }
}
