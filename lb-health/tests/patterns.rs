//! Patterns match what Perl matches: ldirectord's are Perl's, and keepalived's PCRE2 reads them alike.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "support/requirements.rs"]
mod requirements;

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use lb_health::Pattern;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use self::requirements::require_program;

/// Reads lines of pattern and text, both in hexadecimal digits, and answers 1 (matches), 0, or E (no pattern).
const PERL: &str = r#"
no warnings;
while (<STDIN>) {
    my ($pattern, $text) = map { pack 'H*', $_ } split /[ \n]/;
    my $matches = eval { $text =~ /$pattern/ ? 1 : 0 };
    print defined $matches ? $matches : 'E';
}
"#;

fn perl(cases: &[(String, Vec<u8>)]) -> Vec<char> {
    let mut perl = Command::new("perl")
        .args(["-e", PERL])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = String::new();
    for (pattern, text) in cases {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").unwrap();
                hex
            })
        };
        writeln!(input, "{} {}", hex(pattern.as_bytes()), hex(text)).unwrap();
    }
    perl.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = perl.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().chars().collect()
}

/// The cases in which Perl says something else than we do.
fn differences(cases: &[(String, Vec<u8>)]) -> Vec<String> {
    let answers = perl(cases);
    assert_eq!(answers.len(), cases.len(), "Perl stopped at {:?}", cases.get(answers.len()));
    let mut differences = Vec::new();
    for ((pattern, text), perl) in cases.iter().zip(answers) {
        let ours = match Pattern::new(pattern) {
            Ok(compiled) => match compiled.matches(text) {
                Ok(matches) => if matches { "1" } else { "0" }.to_owned(),
                // Too many steps.
                Err(_) => continue,
            },
            // A group of places only, such as `(?:$)*`.
            Err(error) if error.reason.starts_with("Target of repeat operator is invalid") => continue,
            Err(error) => error.reason,
        };
        // What Perl refuses may mean anything.
        if perl != 'E' && ours != perl.to_string() {
            let text = text.escape_ascii();
            differences.push(format!("/{pattern}/ on \"{text}\": Perl {perl}, here {ours}"));
        }
    }
    differences
}

#[test]
fn patterns_match_what_perl_matches() {
    if require_program("patterns_match_what_perl_matches", "perl").is_none() {
        return;
    }
    let patterns = [
        "^OK$",
        "^OK\\z",
        "^OK\\Z",
        "OK$\\n",
        "(OK$|x)",
        "(?=OK$)OK",
        "(?<=K)$",
        "(?!OK$)O",
        "[$]",
        "\\$",
        "(OK$)*\\n",
        "(?m)^OK$",
        "(?m)^$",
        "(?m:OK$)\\n?$",
        "(?s)^.$",
        "[[]OK",
        "[a&&O]K",
        "[]]|K$",
        "[^]O]",
        "[O-]K",
        "\\<html\\>",
        "{\"a\":1}",
        "x{,2}K",
        "x{2,1",
        "a{1",
        "O{1}K",
        "O{1,}K",
        "\\x4f\\x{4B}",
        "\\117K",
        "\\0",
        "\\cJ",
        "\\e|K",
        "\\h",
        "\\R$",
        "\\N$",
        "\\v",
        "\\V$",
        "[\\h]",
        "[\\b]|K",
        "ü",
        "^.$",
        "^..$",
        "[ü]",
        "ü?$",
        "Pr.fung",
        "Pr..fung",
        "\\xfc",
        "\\xc3\\xbc",
        "(?i)ok$",
        "(?i)Ü",
        "\\w$",
        "\\s$",
        "(?<a>O)K\\k{a}?",
        "(O)\\g1?K",
        "(?'n'O)K",
        "O(?#$)K",
        "(?^:OK)",
        "(?x) O K # $\n$",
        "[[:alpha:]]$",
        "[\\w-]",
        "[+--]",
        "[a\\-z]$",
        "\\_|K",
        "O\\K.",
        "(?>OK$)",
        "(OK|$)",
        "OK$|x$",
        "((OK)$)",
        "$",
        "^$",
        "\\QOK\\E",
        "[\\d-x]",
        "[^\\n]$",
        "\\Bx|K\\b",
        "(a|b$|K$)",
        "((a$)|K)$",
        "(?m)(?-m:K$)",
    ];
    let texts: [&[u8]; 20] = [
        b"OK",
        b"OK\n",
        b"OK\n\n",
        b"OK\r\n",
        b"a\nOK\nb",
        b"a\nOK",
        b"",
        b"\n",
        b"x\n",
        b"<html>",
        b"{\"a\":1}",
        b"[OK",
        b"xxK",
        "ü".as_bytes(),
        "Prüfung\n".as_bytes(),
        b"Pr\xfcfung",
        "Ü".as_bytes(),
        b"OOK",
        b"a&-]$\\\x08\x00\x1b",
        b"q",
    ];
    let cases: Vec<_> = patterns
        .iter()
        .flat_map(|pattern| texts.map(|text| ((*pattern).to_owned(), text.to_vec())))
        .collect();
    let found = differences(&cases);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Parts of patterns that mean something to Perl, in any order.
fn pattern() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "O", "\n"]),
        2 => prop::sample::select(vec![
            ".", "\\n", "\\s", "\\w", "\\W", "\\d", "\\$", "\\<", "\\.", "\\x61", "\\x{62}", "\\h", "\\v", "\\R", "\\N", "\\e",
            "\\141", "\\y", "[$]", "[^a]", "[a-b]", "[]a]", "[^]a]", "[a-]", "[\\w$]", "[[]", "[a&&b]", "[[:alpha:]^]", "[\\n$]", "{",
            "}", "{a}", "ü", "[ü]", "\\xfc", "\"", "#", "-", "&", "~", "]", "\\1",
        ]),
    ];
    // Nobody repeats these.
    let anchor = prop::sample::select(vec![
        "$", "$", "$", "^", "\\Z", "\\z", "\\A", "\\b", "\\B", "(?<=a)", "(?<!b)", "(?<=\n)", "(?<=$)",
        "(?<!^)",
    ]);
    let flags = prop::sample::select(vec!["(?m)", "(?-m)", "(?s)", "(?i)", "(?^)"]);
    let quantifier =
        prop::sample::select(vec!["", "", "", "", "", "*", "+", "?", "*?", "+?", "++", "{2}", "{1,}"]);
    // Perl 5.36 finds no match of `(?=a*).+?` in "b".
    let ahead = ("[=!]", prop::collection::vec(prop_oneof![atom.clone(), anchor.clone()], 1..3))
        .prop_map(|(kind, inside)| format!("(?{kind}{})", inside.concat()));
    let quantified = (atom, quantifier.clone()).prop_map(|(atom, quantifier)| format!("{atom}{quantifier}"));
    let part = prop_oneof![6 => quantified, 2 => anchor.prop_map(str::to_owned), 1 => flags.prop_map(str::to_owned), 1 => ahead];
    let sequence = prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat());
    let group = prop::sample::select(vec!["(", "(", "(?:", "(?>", "(?m:", "(?i:", "(?s-m:", "(?^:", "(?<n>"]);
    sequence.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            (group.clone(), inner.clone(), quantifier.clone())
                .prop_map(|(open, inside, quantifier)| format!("{open}{inside}){quantifier}")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("{one}|{two}")),
            (inner.clone(), inner).prop_map(|(one, two)| one + &two),
        ]
    })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "a", "b", "O", "A", "\n", "\n", "\r\n", " ", "$", "<", "{", "}", "[", "]", "&", "ü", "\t", "1", "-",
        "#", "y",
    ]);
    prop_oneof![
        9 => prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

/// A difference is printed in full, and needs no seed to be seen again.
#[test]
fn random_patterns_match_what_perl_matches() {
    if require_program("random_patterns_match_what_perl_matches", "perl").is_none() {
        return;
    }
    let mut runner = TestRunner::default();
    let strategy = (pattern(), text());
    let cases: Vec<_> = (0..10_000).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let mut found = differences(&cases);
    found.sort_by_key(String::len);
    found.truncate(20);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
