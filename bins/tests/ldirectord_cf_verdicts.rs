//! What ldirectord accepts and refuses, and that strict mode does the same.
//!
//! `corpus/ldirectord/verdicts.tsv` holds the recorded verdicts; where the real daemon is installed, it is asked
//! again.

#[path = "support/requirements.rs"]
mod requirements;

use std::{
    collections::HashMap,
    fs,
    net::IpAddr,
    process::{Command, Stdio},
    sync::Mutex,
};

use lb_config::{
    diagnostic::Diagnostic,
    document::Source,
    ldirectord::{self, Mode},
    names::{Resolver, Services},
};
use lb_core::model::{Family, Protocol};

use self::requirements::require_program;

const VERDICTS: &str = include_str!("corpus/ldirectord/verdicts.tsv");

/// Strict mode refuses these although ldirectord takes them.
const EXCEPTIONS: [(&str, &str); 1] = [(
    "real=10.0.0.2:80->10.0.0.5:80",
    "read as the range from 0.0.0.80 to 10.0.0.5, which has 167 million addresses",
)];

/// The names that the recorded cases use, as on the machine that they were recorded on.
struct Recorded(Services);

impl Recorded {
    fn new() -> Self {
        Self(Services::parse(
            "discard 9/tcp\ndiscard 9/udp\nssh 22/tcp\ndomain 53/tcp\ndomain 53/udp\ntftp 69/udp\nhttp 80/tcp www\n\
             ntp 123/udp\nldap 389/tcp\nldap 389/udp\nshell 514/tcp cmd syslog\nsyslog 514/udp\nsip 5060/tcp\nsip 5060/udp\n\
             xmpp-client 5222/tcp jabber-client\nhttp-alt 8080/tcp webcache\n",
        ))
    }
}

impl Resolver for Recorded {
    fn address(&self, name: &str, family: Family) -> Option<IpAddr> {
        (name == "localhost" && family == Family::V4).then_some([127, 0, 0, 1].into())
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        self.0.port(service, protocol)
    }
}

struct Case {
    accepted: bool,
    escaped: &'static str,
    bytes: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let lines = VERDICTS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (verdict, escaped) = line.split_once('\t').expect("verdict, tab, text");
            let accepted = match verdict {
                "ok" => true,
                "error" => false,
                other => panic!("unknown verdict {other}"),
            };
            Case { accepted, escaped, bytes: unescape(escaped) }
        })
        .collect()
}

/// `\n`, `\t`, `\r`, `\\` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.bytes());
        let (byte, length) = match after.as_bytes()[0] {
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'r' => (b'\r', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&after[1..3], 16).expect("two hexadecimal digits"), 3),
            other => panic!("unknown escape {other}"),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend(rest.bytes());
    bytes
}

#[test]
fn strict_mode_decides_as_ldirectord_did() {
    let cases = cases();
    assert!(cases.len() >= 1000, "only {} cases", cases.len());
    let resolver = Recorded::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let source = Source::from_bytes("case", &case.bytes);
        let (config, problems) = ldirectord::load(&source, Mode::Strict, &resolver);
        let exception = EXCEPTIONS.iter().any(|(text, _)| case.escaped.contains(text));
        if config.is_some() != (case.accepted && !exception) {
            let errors = problems.iter().filter(|problem| problem.is_error());
            let errors: Vec<String> = errors.map(|error| Diagnostic::line(error, &source)).collect();
            wrong.push(format!("ldirectord accepts: {}; {} {errors:?}", case.accepted, case.escaped));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn lenient_mode_refuses_little_that_ldirectord_accepts() {
    // Whatever lenient readers refuse and ldirectord accepts, it accepts by mistake; the kinds are counted, so that
    // a new one is noticed.
    let resolver = Recorded::new();
    let mut kinds: HashMap<String, u32> = HashMap::new();
    for case in cases().iter().filter(|case| case.accepted) {
        let source = Source::from_bytes("case", &case.bytes);
        let (_, problems) = ldirectord::load(&source, Mode::Lenient, &resolver);
        if let Some(error) = problems.iter().find(|problem| problem.is_error()) {
            *kinds.entry(kind(&error.message)).or_default() += 1;
        }
    }
    let mut kinds: Vec<String> = kinds.into_keys().collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "# is no prefix",
            "_ before the address of a real server",
            "_ has no port",
            "_ has no value",
            "_ is empty",
            "a fallback without an address",
            "fwmark:# is defined twice",
            "no firewall mark #",
            "tcp:# is defined twice",
            "the file is not UTF-#: # undecodable bytes",
            "the lower threshold # is above the upper one, #",
            "unknown scheduler flag _",
        ]
    );
}

/// A message without what it quotes.
fn kind(message: &str) -> String {
    let words: Vec<&str> = message.split('`').step_by(2).collect();
    let text = words.join("_");
    let numbers = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
    let mut out = String::new();
    for (at, c) in text.char_indices() {
        // A run of digits, with the points and colons between them, is one number.
        let inside = numbers(c)
            && (c.is_ascii_digit()
                || (out.ends_with('#') && text[at + 1..].starts_with(|c: char| c.is_ascii_digit())));
        match inside {
            true if out.ends_with('#') => {}
            true => out.push('#'),
            false => out.push(c),
        }
    }
    out
}

/// Asks the daemon again: every eleventh case, or all of them with `LB_ORACLE_ALL=1` (some minutes).
#[test]
fn ldirectord_still_decides_as_recorded() {
    let Some(program) = require_program("ldirectord_still_decides_as_recorded", "ldirectord") else { return };
    let stride = if std::env::var_os("LB_ORACLE_ALL").is_some() { 1 } else { 11 };
    let cases: Vec<Case> = cases().into_iter().step_by(stride).collect();
    let directory = tempfile::tempdir().unwrap();
    let wrong = Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (program, cases, wrong, next) = (&program, &cases, &wrong, &next);
            let directory = directory.path();
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let file = directory.join(format!("{worker}.cf"));
                    fs::write(&file, &case.bytes).unwrap();
                    // Bounded, since ldirectord counts through a range of addresses however long it is.
                    let status = Command::new("timeout")
                        .arg("60")
                        .arg(program)
                        .arg(&file)
                        .arg("status")
                        .current_dir(directory)
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .status()
                        .unwrap();
                    // 3: the configuration is fine, the daemon does not run; 2: the configuration is not.
                    if status.code() != Some(if case.accepted { 3 } else { 2 }) {
                        wrong.lock().unwrap().push(format!("{status}: {}", case.escaped));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
