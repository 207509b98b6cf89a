use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

/// Verdict and report on a file with this text, whose directory is called `DIR` in both.
fn check(text: &str, live: bool) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display().to_string();
    let path = directory.path().join("k.conf");
    fs::write(&path, text.replace("DIR", &place)).unwrap();
    fs::write(directory.path().join("plain"), "").unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options { config_id: Some("main".into()), live };
    let mut out = Vec::new();
    let well = report(&path, &options, Colors::No, &mut out).unwrap();
    (well, String::from_utf8(out).unwrap().replace(&place, "DIR"))
}

const INSTANCE: &str =
    "vrrp_instance A {\n interface no-such0\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.2.1/24\n }\n";

#[test]
fn neither_interfaces_nor_scripts_are_needed() {
    let script = "vrrp_script s {\n script /no/such/script\n}\n";
    let (well, text) = check(&format!("{script}{INSTANCE} track_script {{\n s\n }}\n}}\n"), false);
    assert_eq!(text, "DIR/k.conf: 1 instance, 0 groups, 0 errors, 0 warnings\n");
    assert!(well);
}

#[test]
fn each_problem_is_shown_once_with_a_caret() {
    let (well, text) = check(&format!("{INSTANCE} priorty 10\n}}\n"), false);
    assert!(!well);
    assert_eq!(text.matches("unknown keyword `priorty`").count(), 1, "{text}");
    assert!(text.contains("7 |  priorty 10\n  |  ^^^^^^^"), "{text}");
    assert!(text.contains("did you mean `priority`?"), "{text}");
    assert!(text.ends_with("DIR/k.conf: 1 error, 0 warnings\n"), "{text}");
}

#[test]
fn the_problem_of_an_included_file_is_shown_in_it() {
    let (well, text) = check("include DIR/plain\ninclude none.conf\n", false);
    assert!(well, "{text}");
    assert!(text.contains("no file matches") || text.contains("can not be read"), "{text}");
}

#[test]
fn a_file_that_can_not_be_read_is_an_error() {
    let mut out = Vec::new();
    assert!(!report(Path::new("/no/such.conf"), &Options::default(), Colors::No, &mut out).unwrap());
    assert!(String::from_utf8(out).unwrap().contains("/no/such.conf can not be read"));
}

#[test]
fn live_says_apart_what_this_host_lacks() {
    let text = format!(
        "vrrp_script a {{\n script DIR/none\n}}\nvrrp_script b {{\n script DIR/plain\n}}\nvrrp_script c {{\n \
         script DIR/script\n user no-such-user\n}}\n{INSTANCE} authentication {{\n auth_type PASS\n \
         auth_pass x\n }}\n track_script {{\n a\n b\n c\n }}\n}}\n"
    );
    let (well, report) = check(&text, true);
    assert!(!well);
    let (file, host) = report.split_once("on this host:\n").unwrap();
    assert!(file.ends_with("0 errors, 0 warnings\n"), "{report}");
    for part in [
        "  warning: there is no interface no-such0; what needs it waits until it appears\n",
        "  error: DIR/none: No such file",
        "  error: DIR/plain: not executable by",
        "  error: there is no user `no-such-user` to run DIR/script as",
        "  warning: there are secrets in the configuration, and others can read DIR/k.conf",
    ] {
        assert!(host.contains(part), "{part}{report}");
    }
    let (well, report) = check(&format!("{}}}\n", INSTANCE.replace("no-such0", "lo")), true);
    assert!(well, "{report}");
    assert!(report.ends_with("on this host: nothing is missing\n"), "{report}");
}

#[test]
fn the_host_is_not_looked_at_when_the_file_has_errors() {
    let (well, report) = check("nonsense\n", true);
    assert!(!well);
    assert!(report.ends_with("on this host: not looked at, since the file has errors\n"), "{report}");
}
