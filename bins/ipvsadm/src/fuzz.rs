//! The body of a fuzz test: it takes any bytes and must not panic.

use lb_config::{diagnostic::Colors, document::Source, fuzz::NoNames};

use super::{parse::parse, restore};

/// Reads bytes as rules in the form of `ipvsadm -S`, and each line of them as a command line.
pub fn rules(bytes: &[u8]) {
    let source = Source::from_bytes("fuzz", bytes);
    for problem in restore::read(&source, &NoNames).err().unwrap_or_default().iter().take(100) {
        let _ = problem.render(&source, Colors::No);
    }
    for line in source.lines() {
        let words: Vec<String> = line.text.split_ascii_whitespace().map(str::to_owned).collect();
        if let Err(problem) = parse(&words, &NoNames) {
            let _ = problem.fault.to_string();
        }
    }
}
