//! Bodies of fuzz tests: they take any bytes and must not panic. A corpus is replayed by the ordinary tests.

use std::path::Path;

use lb_config::{diagnostic::Colors, document::Source};

use crate::topology::Topology;

/// Reads bytes as the topology of a lab, and renders every problem.
///
/// # Panics
/// When a problem is not one line.
pub fn topology(bytes: &[u8]) {
    let source = Source::from_bytes("fuzz", bytes);
    for problem in Topology::parse(&source, Path::new("/nonexistent")).err().unwrap_or_default() {
        let line = problem.line(&source);
        assert!(!line.contains('\n'), "{line}");
        let _ = problem.render(&source, Colors::No);
    }
}
