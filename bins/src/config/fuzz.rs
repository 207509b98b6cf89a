//! Bodies of fuzz tests: they take any bytes and must not panic. A corpus is replayed by the ordinary tests.

use std::net::IpAddr;

use lb_core::model::{Family, Protocol};

use super::{
    diagnostic::{Colors, Diagnostic},
    document::Source,
    ldirectord::{self, Mode},
    names::Resolver,
};

/// Reads bytes as ldirectord.cf in both modes, renders every problem, and what was understood.
///
/// # Panics
/// When a configuration without errors does not survive being rendered and read again.
pub fn ldirectord(bytes: &[u8]) {
    let source = Source::from_bytes("fuzz", bytes);
    for mode in [Mode::Strict, Mode::Lenient] {
        let (config, problems) = ldirectord::load(&source, mode, &NoNames);
        for problem in &problems {
            let line = problem.line(&source);
            assert!(!line.contains('\n'), "{line}");
            let _ = problem.render(&source, Colors::No);
        }
        let Some(config) = config else { continue };
        let text = ldirectord::render(&config);
        // A text that has a `#` in it can only stand in a file for lenient readers.
        let strict = !text.contains('#');
        let mode = if strict { Mode::Strict } else { Mode::Lenient };
        let (again, problems) = ldirectord::load(&Source::new("again", text.as_str()), mode, &NoNames);
        let errors: Vec<_> =
            problems.iter().filter(|problem| problem.is_error()).map(Diagnostic::clone).collect();
        assert_eq!(errors, [], "{text}");
        if strict {
            assert_eq!(again.as_ref(), Some(&config), "{text}");
        }
    }
}

/// Knows no host and one service.
struct NoNames;

impl Resolver for NoNames {
    fn address(&self, _: &str, _: Family) -> Option<IpAddr> {
        None
    }

    fn port(&self, service: &str, _: Protocol) -> Option<u16> {
        (service == "http").then_some(80)
    }
}
