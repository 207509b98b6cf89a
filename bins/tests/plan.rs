//! `lbctl plan` and `lbctl reload` of lb-director: who reads a file, how large it may be, and how its problems are shown.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    process::{Command, Output, Stdio},
};

use support::{Lab, text};

const CONFIG: &str = "virtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq\n\tchecktype=on\n";

/// Sends a line as it is, and returns the answer.
fn ask(lab: &Lab, request: &str) -> String {
    let mut stream = UnixStream::connect(lab.socket()).unwrap();
    // The daemon may have read enough before this is written.
    let _ = stream.write_all(format!("{request}\n").as_bytes());
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

#[test]
fn a_file_is_read_by_the_caller_and_never_by_the_daemon() {
    let lab = Lab::new(CONFIG);
    let daemon = lab.start("memory");
    daemon.wait_for_state("192.0.2.1:80", "active");
    let other = lab.path("other.cf");
    fs::write(&other, CONFIG.replace("192.0.2.1", "192.0.2.2")).unwrap();
    // The daemon has nothing on its standard input.
    let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    lbctl.arg("--socket").arg(lab.socket()).args(["plan", "/dev/stdin"]);
    let output = lbctl.stdin(File::open(&other).unwrap()).stdout(Stdio::piped()).output().unwrap();
    let planned = text(&output.stdout);
    assert!(planned.contains("remove server 192.0.2.1:80"), "{output:?}");
    assert!(planned.contains("add server 192.0.2.2:80"), "{output:?}");
    assert_eq!(daemon.state_of("192.0.2.1:80").unwrap(), "active");

    // Nobody can have the daemon open a file.
    let secret = lab.path("secret");
    fs::write(&secret, "open-sesame\n").unwrap();
    let answer = ask(&lab, &format!("{{\"plan\":{:?}}}", secret.display().to_string()));
    assert!(answer.contains("not a request that this version knows"), "{answer}");
    assert!(!answer.contains("open-sesame"), "{answer}");
    let error = refusal(&daemon.lbctl(&["plan", "/nonexistent/x.cf"]));
    assert_eq!(error, "lbctl: /nonexistent/x.cf cannot be read: No such file or directory (os error 2)\n");
    // Nor learn of a program whether it is there.
    let external = "\tchecktype=external\n\tcheckcommand=/nonexistent/check\n";
    fs::write(&other, CONFIG.replace("\tchecktype=on\n", external)).unwrap();
    let output = daemon.lbctl(&["plan", other.to_str().unwrap()]);
    assert!(output.status.success() && !text(&output.stderr).contains("does not exist"), "{output:?}");
}

#[test]
fn a_file_without_services_is_refused() {
    let lab = Lab::new(CONFIG);
    let daemon = lab.start("memory");
    let empty = lab.path("empty.cf");
    fs::write(&empty, "checkinterval=5\n").unwrap();
    let error = refusal(&daemon.lbctl(&["plan", empty.to_str().unwrap()]));
    assert!(error.contains("empty.cf has no virtual service"), "{error}");
}

#[test]
fn a_large_file_is_taken_and_a_very_large_one_is_refused() {
    let lab = Lab::new(CONFIG);
    let daemon = lab.start("memory");
    daemon.wait_for_state("192.0.2.1:80", "active");
    let large = lab.path("large.cf");
    let line = format!("# {}\n", "x".repeat(1021));
    fs::write(&large, line.repeat(1024) + CONFIG).unwrap();
    assert!(daemon.told(&["plan", large.to_str().unwrap()]).contains("changes nothing"));
    fs::write(&large, line.repeat(17 * 1024) + CONFIG).unwrap();
    let error = refusal(&daemon.lbctl(&["plan", large.to_str().unwrap()]));
    assert!(error.contains("bytes, and the daemon takes at most 16777216"), "{error}");

    // The daemon does not count on lbctl for that.
    let answer = ask(&lab, &format!("{{\"explain\":\"{}\"}}", "x".repeat(70_000)));
    assert!(answer.contains("of at most 65536 bytes"), "{answer}");
    assert!(daemon.told(&["status"]).contains("192.0.2.80:80"));
}

#[test]
fn problems_are_shown_at_their_place() {
    let lab = Lab::new(CONFIG);
    let daemon = lab.start("memory");
    let wrong = CONFIG.replace("masq\n", "masq\n\tschedular=rr\n");
    let odd = lab.path("odd.cf");
    fs::write(&odd, &wrong).unwrap();
    lab.configure(&wrong);
    let carets = |shown: &str, file: &str| {
        assert!(shown.contains(&format!("{file}:3:")), "{shown}");
        assert!(shown.contains("schedular=rr") && shown.contains("^^^^^^^^^"), "{shown}");
        // Colours are for terminals.
        assert!(!shown.contains('\x1b'), "{shown}");
    };
    let error = refusal(&daemon.lbctl(&["plan", odd.to_str().unwrap()]));
    assert!(error.starts_with("lbctl: a reload would be refused: 1 error\n"), "{error}");
    carets(&error, "odd.cf");
    let error = refusal(&daemon.lbctl(&["plan"]));
    carets(&error, "web.cf");
    let error = refusal(&daemon.lbctl(&["reload"]));
    assert!(error.starts_with("lbctl: refused, the old one stays in force: 1 error\n"), "{error}");
    carets(&error, "web.cf");
    // The log has it in one line.
    let line = daemon.wait_for_line("web.cf:3:");
    assert!(line.contains("schedular"), "{line}");

    // Warnings are shown in the same way, beside the plan.
    let warned = "checktimeout=5\ncheckinterval=1\n".to_owned() + CONFIG;
    lab.configure(&(warned + "\tcheckcommand=/bin/true\n"));
    for words in [&["plan"], &["reload"]] {
        let output = daemon.lbctl(words);
        assert!(output.status.success(), "{output:?}");
        let shown = text(&output.stderr);
        assert!(shown.is_empty() || shown.starts_with("warning: ") && shown.contains("--> "), "{shown}");
    }
}
