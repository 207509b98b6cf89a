use lb_config::{
    document::Source,
    ldirectord::{self, Mode},
    names::SystemResolver,
};
use lb_core::Health;

use super::*;

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
fn what_cannot_be_checked_is_named_and_its_server_is_down() {
    for (section, word, kind) in [
        (
            "\tchecktype=external\n\tcheckcommand=/no/such/program\n",
            "/no/such/program does not exist",
            "exec",
        ),
        ("\tchecktype=external\n\tcheckcommand=/etc/passwd\n", "chmod +x", "exec"),
        ("\tservice=oracle\n\tlogin=\"a\"\n\tpasswd=\"b\"\n\trequest=\"c\"\n", "Oracle", "impossible"),
        ("\treceive=\"a(b\"\n", "`receive` is not a regular expression", "impossible"),
        ("\treceive=\"a\"\n\thttpmethod=HEAD\n", "cannot match", "impossible"),
        ("\tvirtualhost=\"a\u{1}\"\n", "is not a host", "impossible"),
    ] {
        let config = config(section);
        let problems = problem_lines(&config);
        assert!(problems.len() == 1 && problems[0].contains(word), "{problems:?}");
        let (_, check) = checks(&config, &HealthView::new()).remove(0);
        assert_eq!(check.probe.kind(), kind);
    }
    let text = "virtual=5\n\treal=10.0.0.2 masq\n\tchecktype=connect\n";
    let loaded = ldirectord::load(&Source::new("a.cf", text), Mode::Lenient, &SystemResolver::new());
    assert!(
        problem_lines(&loaded.0.unwrap())[0].contains("no port to check 10.0.0.2 with checktype connect")
    );
}

#[test]
fn a_problem_is_shown_at_its_line() {
    let head = "virtual=10.0.0.1:80\n\treal=192.168.0.1:80 masq\n";
    for (text, line) in [
        ("\treal=192.168.0.2:80 masq 1 \"/\", \"a(\"\n\tservice=http\n", 3),
        ("\tservice=http\n\treceive=\"a(\"\n", 4),
        ("\tchecktype=external\n\tcheckcommand=/no/such\n", 4),
        ("\tservice=oracle\n\tlogin=\"a\"\n\trequest=\"b\"\n", 3),
    ] {
        let source = Source::new("a.cf", format!("{head}{text}"));
        let loaded = super::super::loading::check(&source, false).unwrap();
        let errors: Vec<_> = loaded.warnings.iter().filter(|problem| problem.is_error()).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].place.as_ref().unwrap().line, line, "{errors:?}");
        assert!(loaded.checkable().is_err());
    }
}

#[test]
fn a_perl_script_that_cannot_run_by_itself_is_run_by_perl() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("check");
    let program = |text: &str, mode: u32| {
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(mode)).unwrap();
        let config = config(&format!("\tchecktype=external-perl\n\tcheckcommand={}\n", script.display()));
        assert_eq!(problem_lines(&config), [""; 0]);
        let (_, check) = checks(&config, &HealthView::new()).remove(0);
        check.probe.identity()
    };
    let by_perl = |identity: String| identity.contains("\"perl\"");
    assert!(!by_perl(program("#!/usr/bin/perl\nexit 0;\n", 0o755)));
    assert!(by_perl(program("#!/usr/bin/perl\nexit 0;\n", 0o644)));
    assert!(by_perl(program("exit 0;\n", 0o755)));
}
