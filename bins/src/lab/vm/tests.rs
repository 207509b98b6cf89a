use std::process::Command;

use super::*;

#[test]
fn a_command_survives_the_shell() {
    let mut command = Command::new("printf");
    command.args(["%s|", "it's", "", "a b\n$HOME", "-x"]).env("GREETING", "so, 'hi'").current_dir("/");
    let text = script(&command);
    assert!(text.starts_with("cd '/' || exit\nexec env GREETING="), "{text}");
    let output = Command::new("sh").args(["-c", &text]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "it's||a b\n$HOME|-x|");
}

#[test]
fn statuses_are_told_from_failures_of_the_machine() {
    let status = |code| guest_status(code, "last words".to_owned());
    for (code, expected) in [(3, 0), (5, 1), (253, 125)] {
        assert_eq!(status(Some(code)).unwrap(), expected);
    }
    for code in [Some(0), Some(1), Some(2), None] {
        let error = status(code).unwrap_err().to_string();
        assert!(error.ends_with(": last words"), "{error}");
    }
}
