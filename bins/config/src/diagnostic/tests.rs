use super::*;

#[test]
fn a_place_that_repeats_its_problem_does_not_cost_it_each_time() {
    let mut problems = Problems::new();
    let (span, mut made) = (Span::new(1, 2), 0);
    for number in 0..1_000 {
        problems.push_with(Severity::Error, span, || {
            made += 1;
            Diagnostic::error(span, "the same")
        });
        // What is new at the place is told all the same.
        problems.push(Diagnostic::error(span, format!("new {}", number / 500)));
    }
    assert!(made < 20, "{made}");
    assert_eq!(problems.finish().len(), 3);
}

#[test]
fn at_most_a_hundred_of_each_severity_are_kept_and_the_others_counted() {
    let mut problems = Problems::new();
    for at in 0..250 {
        problems.push(Diagnostic::warning(Span::new(at, at), "w"));
    }
    assert!(!problems.any_error());
    for at in 0..101 {
        problems.push(Diagnostic::error(Span::new(at, at), "e"));
    }
    assert!(problems.any_error());
    let all = problems.finish();
    assert_eq!(all.len(), 202);
    assert_eq!(all[200].message, "1 more error not shown");
    assert_eq!(all[201].message, "150 more warnings not shown");
}

/// Of a problem with the whole line, and a message that repeats all of it.
fn shown(line: &str) -> String {
    let source = crate::document::Source::new("f", format!("first\n{line}\nlast\n"));
    let problem = Diagnostic::error(Span::new(6, 6 + line.len()), format!("`{line}` is wrong"))
        .label("here")
        .note(format!("write: {line}"))
        .help(line);
    format!("{}\n{}", problem.render(&source, Colors::No), problem.line(&source))
}

#[test]
fn passwords_and_keys_are_never_shown() {
    for line in [
        "  passwd=s3cr3t",
        "\tpasswd = \"s3cr3t\" # s3cr3t",
        "passwd = 's3cr3t",
        "paswd = s3cr3t",
        "password s3cr3t",
        "secret=\"s3cr3t",
        "secert = \"s3cr3t\"",
        "auth_pass s3cr3t",
        "authentication { auth_type PASS auth_pass s3cr3t }",
        "auth_pas s3cr3t",
        "key 1 s3cr3t",
        "auth_hmac { key 12 hex:00s3cr3t }",
        "$AUTH_PASS=s3cr3t",
        "$Key = s3cr3t",
        "checkcommand = /bin/check --password=s3cr3t x",
        "request = \"/status?secret=s3cr3t\"",
    ] {
        let shown = shown(line);
        assert!(!shown.contains("s3cr3t") && shown.contains("***"), "{line}\n{shown}");
    }
    for line in ["auth_type PASS", "active_key 2", "comment = bypass", "key of x", "passive 1", "passwd"] {
        assert!(!shown(line).contains("***"), "{line}");
    }
}

#[test]
fn a_mark_at_a_secret_is_as_long_as_what_stands_there() {
    let source = crate::document::Source::new("f", "auth_pass s3cr3tpassword");
    let problem = Diagnostic::warning(Span::new(10, 24), "the password has 14 bytes").label("too long");
    let shown = problem.render(&source, Colors::No);
    assert!(shown.contains("1 | auth_pass ***\n  |           ^^^ too long"), "{shown}");
    let inside = Diagnostic::warning(Span::new(12, 14), "a character").render(&source, Colors::No);
    assert!(inside.contains("1 | auth_pass ***\n  |           ^^^"), "{inside}");
    let before = Diagnostic::warning(Span::new(0, 9), "a directive").render(&source, Colors::No);
    assert!(before.contains("1 | auth_pass ***\n  | ^^^^^^^^^"), "{before}");
}
