//! Bodies of fuzz tests: they take any bytes and must not panic. A corpus is replayed by the ordinary tests.

use std::{net::IpAddr, path::Path};

use lb_core::model::{Family, Protocol};

use super::{
    diagnostic::{Colors, Diagnostic},
    document::Source,
    keepalived::{
        self,
        language::{self, Limits, Memory},
    },
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

/// Reads bytes as keepalived.conf, which may include itself and a small file, resolves them, and renders every problem.
///
/// # Panics
/// When a word of the result does not stand in a file, or a problem is not one line.
pub fn keepalived(bytes: &[u8]) {
    let limits = Limits { lines: 5_000, words: 20_000, bytes: 1 << 20 };
    let settings = language::Settings { config_id: "main".into(), limits, ..language::Settings::default() };
    let mut memory = Memory::default()
        .file("dir/small.conf", "vrrp_instance I { interface eth0\n}\n$D= \\\n x ${A} \\\n y {\n")
        .file("dir/fuzz", String::from_utf8_lossy(bytes));
    let path = Path::new("dir/fuzz");
    let source = Source::from_bytes("dir/fuzz", bytes);
    let (document, sources, _) = language::read_source(source.clone(), path, &settings, &mut memory);
    let mut blocks = vec![&document.root];
    while let Some(block) = blocks.pop() {
        for directive in &block.directives {
            assert!(!directive.words.is_empty(), "a directive without words");
            for word in &directive.words {
                assert!(!word.span.is_empty(), "{word:?} stands nowhere");
                assert!(!sources.slice(word.span).is_empty(), "{word:?} stands in no file");
                let _ = language::command_words(&word.text);
            }
            blocks.extend(&directive.block);
        }
    }
    let loaded = keepalived::load_source(source, path, &settings, &mut memory);
    for problem in &loaded.problems {
        let line = problem.line(&loaded.sources);
        assert!(!line.contains('\n'), "{line}");
        let _ = problem.render(&loaded.sources, Colors::No);
    }
}

/// Knows no host and one service.
pub struct NoNames;

impl Resolver for NoNames {
    fn address(&self, _: &str, _: Family) -> Option<IpAddr> {
        None
    }

    fn port(&self, service: &str, _: Protocol) -> Option<u16> {
        (service == "http").then_some(80)
    }
}
