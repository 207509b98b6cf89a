//! lb-director's own command line: checking a file, and what is said about a file that is no good.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::process::{Command, Output, Stdio};

use support::{Lab, run, text};

const GOOD: &str = "checkinterval=7\nvirtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq 3\n\tservice=http\n\
                    \trequest=\"ok\"\n\tlogin=\"bob\"\n\tpasswd=\"hush\"\n\tprotocol=tcp\n";
const BAD: &str = "checkinterval=soon\nvirtual=192.0.2.80:80\n\treal=192.0.2.1:80 masc\n\tchecktype=magic\n";

fn director(arguments: &[&str], lab: &Lab) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
    command.args(arguments).arg(lab.config());
    run(command)
}

#[test]
fn check_prints_what_a_file_means() {
    let lab = Lab::new(GOOD);
    let output = director(&["--check"], &lab);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    for line in [
        "virtual = 192.0.2.80:80",
        "\treal = 192.0.2.1:80 masq 3",
        // What the file does not say is spelt out.
        "\tscheduler = wrr",
        "\tchecktype = negotiate",
        "\tcheckinterval = 7",
        "\tquiescent = no",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(!printed.contains("hush"), "{printed}");
    // It reads as the same again, apart from what is hidden.
    lab.configure(&printed);
    let again = director(&["--check"], &lab);
    assert_eq!(text(&again.stdout), printed, "{again:?}");
}

#[test]
fn check_prints_json() {
    let lab = Lab::new(GOOD);
    let output = director(&["--check", "--json"], &lab);
    assert_eq!(output.status.code(), Some(0));
    let config: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let service = &config["virtuals"][0];
    assert_eq!(service["key"], "tcp:192.0.2.80:80");
    assert_eq!(service["reals"][0]["key"], "192.0.2.1:80");
    assert_eq!(service["reals"][0]["spec"]["weight"], 3);
    assert!(!text(&output.stdout).contains("hush"), "{config}");
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let lab = Lab::new(GOOD);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
    command.arg("--check").arg(lab.config()).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*text(&output.stderr)), (Some(0), ""));
}

#[test]
fn all_errors_are_named_at_once_with_their_places() {
    let lab = Lab::new(BAD);
    let name = lab.config().display().to_string();
    for arguments in [&["--check"][..], &["--check", "--json"], &["--data-plane", "memory"]] {
        let output = director(arguments, &lab);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = text(&output.stderr);
        for place in ["1:15", "3:20", "4:12"] {
            assert!(said.contains(&format!("{name}:{place}")), "{place}: {said}");
        }
        assert!(said.contains("soon") && said.contains("masc") && said.contains("magic"), "{said}");
        assert!(!said.contains('\x1b'), "colours are for terminals: {said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let lab = Lab::new(GOOD);
    std::fs::remove_file(lab.config()).unwrap();
    let output = director(&["--check"], &lab);
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert!(said.contains(&format!("{} can not be read: No such file", lab.config().display())), "{said}");
}

#[test]
fn strict_judges_as_ldirectord_does() {
    // 1 is the answer while no daemon runs, 2 that about a file with errors.
    let reload = |config: &str, options: &[&str]| {
        let lab = Lab::new(config);
        let mut command = lab.director("memory");
        command.args(options).arg(lab.config()).arg("reload");
        run(command).status.code()
    };
    assert_eq!(reload(GOOD, &["--strict"]), Some(1));
    assert_eq!(reload(BAD, &["--strict"]), Some(2));
    // ldirectord wants a tab or four blanks.
    let indented = "virtual=192.0.2.80:80\n  real=192.0.2.1:80 masq\n";
    assert_eq!(reload(indented, &["--strict"]), Some(2));
    assert_eq!(reload(indented, &[]), Some(1));
}

#[test]
fn help_and_version_are_no_errors() {
    for (argument, expected) in [("--help", "--data-plane"), ("-v", env!("CARGO_PKG_VERSION"))] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
        command.arg(argument);
        let output = run(command);
        assert!(output.status.success() && text(&output.stdout).contains(expected), "{output:?}");
    }
    let lab = Lab::new(GOOD);
    let output = director(&["--data-plane", "magic"], &lab);
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("auto, ipvs, nft, relay or memory"), "{output:?}");
}

#[test]
fn a_log_or_monitor_file_that_cannot_be_opened_is_an_error_as_in_ldirectord() {
    let lab = Lab::new("");
    let missing = lab.path("missing/file");
    let service = "virtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq\n\tchecktype=on\n";
    for (text, line, directive) in [
        (format!("logfile=\"{}\"\n{service}", missing.display()), 1, "logfile"),
        (format!("{service}\tmonitorfile=\"{}\"\n", missing.display()), 4, "monitorfile"),
    ] {
        lab.configure(&text);
        for (option, expected) in [(Some("--check"), 78), (None, 78)] {
            let mut command = lab.director("memory");
            command.args(option).arg(lab.config());
            let output = run(command);
            assert_eq!(output.status.code(), Some(expected), "{output:?}");
            let error = support::text(&output.stderr);
            assert!(error.contains(&format!("{}:{line}:", lab.config().display())), "{error}");
            assert!(
                error.contains(&format!("{directive} {} cannot be opened: No such file", missing.display())),
                "{error}"
            );
        }
        let mut command = lab.director("memory");
        command.arg(lab.config()).arg("start");
        assert_eq!(run(command).status.code(), Some(2));
    }
    assert!(!missing.exists());
}
