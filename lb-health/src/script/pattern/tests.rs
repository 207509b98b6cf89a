use super::Pattern;

fn matches(pattern: &str, text: impl AsRef<[u8]>) -> bool {
    Pattern::new(pattern).unwrap().matches(text).unwrap()
}

#[test]
fn a_dollar_matches_before_a_last_line_feed() {
    for (pattern, text, expected) in [
        ("^OK$", "OK\n", true),
        ("^OK$", "OK", true),
        ("^OK$", "OK\n\n", false),
        ("^OK$", "OK\r\n", false),
        ("^OK$", "OK\nmore", false),
        (r"OK\Z", "OK\n", true),
        (r"OK\Z", "OK\n\n", false),
        (r"OK\z", "OK\n", false),
        (r"OK$\n", "OK\n", true),
        (r"OK$\n$", "OK\n", true),
        ("(OK$|down)", "OK\n", true),
        ("(?=OK$)O", "OK\n", true),
        ("(?!OK$)O", "OK\n", false),
        ("(?:OK$)+", "OK\n", true),
        ("(?m)^OK$", "a\nOK\nb", true),
        ("(?m:^)OK$", "a\nOK\n", true),
        ("(?m:^OK$)", "a\nOK\nb", true),
        ("^OK[$]", "OK\n", false),
        ("^OK[$]", "OK$", true),
        (r"^OK\$", "OK\n", false),
        ("(?m)^$", "a\n", false),
        ("(?m)^$", "a\n\n", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "/{pattern}/ on {text:?}");
    }
}
