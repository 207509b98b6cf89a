//! What tests do where something is missing that they need.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "support/requirements.rs"]
mod requirements;

use std::{env, process::Command};

use requirements::{has_programs, skip};

#[test]
fn a_missing_program_skips_a_test_with_one_line_or_fails_it() {
    const ROLE: &str = "LB_TEST_MISSING";
    let test = "a_missing_program_skips_a_test_with_one_line_or_fails_it";
    if env::var_os(ROLE).is_some() {
        assert!(has_programs(test, &["sh"]));
        return skip(test, "nothing");
    }
    let run = |all: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", test]).env(ROLE, "1").env("LB_REQUIRE_ALL", all);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run("0"), (true, format!("skipped: {test}: needs nothing\n")));
    assert!(!run("1").0);
}
