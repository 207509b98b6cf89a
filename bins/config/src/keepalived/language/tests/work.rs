//! Small texts that take a lot of work.

use super::*;

/// What stands here took seconds to minutes, as only lines were counted.
#[test]
fn the_work_is_limited_and_not_only_its_result() {
    // Empty definitions within each other: no line, no word and no byte comes of them.
    let mut text = String::from("$E=\n");
    for level in 0..20 {
        let below = if level == 0 { "E".to_owned() } else { format!("D{}", level - 1) };
        text += &format!("$D{level}={}\n", format!("${{{below}}}").repeat(8));
    }
    text += "~SEQ(A,1,20000) k ${D4}\n";
    assert!(faults(&text).iter().any(|problem| problem.contains("more than 4194304 bytes")));
    // Lines that refer to themselves fail after a hundred thousand lookups each.
    let endless = "$A=${B}${B}\n$B=${A}${A}\n~SEQ(I,1,20000) k ${A}\n";
    assert!(faults(endless).iter().any(|problem| problem.contains("more than 4194304 bytes")));
    // Conditions that do not hold, and lines that are long.
    let long = format!("~SEQ(I,1,20000) @other {}", "x ".repeat(1_000));
    assert!(faults(&long).iter().any(|problem| problem.contains("more than 4194304 bytes")));
    // The defaults: 22 bytes, and 191 bytes of which all grows.
    let default = |text: &str| {
        let (_, sources, problems) =
            read_text(text, Path::new("k"), &Settings::default(), &mut Memory::default());
        problems.finish().iter().map(|problem| problem.line(&sources)).collect::<Vec<_>>()
    };
    let sequence = default("~SEQ(X,1,4000000) foo");
    assert!(
        sequence.iter().any(|problem| problem.starts_with("k:1:19: error: ")
            && problem.contains("the configuration grows to more than 1000000 lines")),
        "{sequence:?}"
    );
}

#[test]
fn references_that_do_not_end_are_looked_for_once() {
    let open = "${a".repeat(300_000);
    // What matters is that these end: each reference looked through the whole rest of the line.
    let _ = faults(&format!("k {open}"));
    let closed_late = format!("{}}}", "${a$".repeat(200_000));
    let _ = faults(&format!("k {closed_late}"));
    let quoted = "${_HASH}".repeat(90_000);
    let _ = faults(&format!("k {quoted}"));
}
