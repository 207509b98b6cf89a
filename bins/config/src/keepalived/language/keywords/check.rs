//! Looks for keywords that are unknown, in the wrong block, or not acted on.

use std::collections::BTreeMap;

use super::{Acted, Body, Keyword, Within, find, suggestion};
use crate::{
    diagnostic::{Diagnostic, Problems, Severity, nearest},
    document::Span,
    keepalived::language::tree::{Block, Directive, Document, Word},
};

/// Says which keywords are unknown or in the wrong block, with this severity, and which are known but not acted on, with
/// what they would have done: each of those once, where it stands first.
///
/// Whatever it complains of is left out, with its block; nothing else is.
pub fn check(document: &Document, unknown: Severity, problems: &mut Problems) {
    let mut walk = Walk { unknown, problems, idle: BTreeMap::new() };
    walk.block(&document.root, Within::Root, true);
    for ((_, name), (would, place, count)) in walk.idle {
        let mut problem = Diagnostic::warning(place, format!("`{name}` is not acted on")).label(would);
        if count > 1 {
            problem = problem.note(format!("it stands at {} other places too", count - 1));
        }
        problems.push(problem);
    }
}

struct Walk<'p> {
    unknown: Severity,
    problems: &'p mut Problems,
    /// What is not acted on: what it would do, where it stands first, and how often it stands.
    idle: BTreeMap<(Within, &'static str), (&'static str, Span, usize)>,
}

impl Walk<'_> {
    fn block(&mut self, block: &Block, within: Within, acted: bool) {
        for directive in &block.directives {
            match find(within, directive.keyword()) {
                Some(keyword) => self.known(directive, keyword, within, acted),
                None => self.stranger(directive, within),
            }
        }
    }

    fn known(&mut self, directive: &Directive, keyword: &'static Keyword, within: Within, acted: bool) {
        let place = directive.words.first().map_or(Span::default(), |word| word.span);
        let mut below = acted;
        if let Acted::NotActed(would) = keyword.acted {
            below = false;
            if acted {
                self.idle.entry((within, keyword.name)).or_insert((would, place, 0)).2 += 1;
            }
        }
        match (&directive.block, keyword.body) {
            (Some(block), Body::Block(inner)) => self.block(block, inner, below),
            (Some(_), Body::Entries) | (None, Body::Line) => {}
            (Some(block), Body::Line) => {
                let (name, unknown) = (keyword.name, self.unknown);
                self.problems.push_with(unknown, block.span, || {
                    Diagnostic::new(unknown, block.span, format!("`{name}` has no block"))
                        .label("this block is skipped")
                });
            }
            (None, Body::Block(_) | Body::Entries) => {
                let (name, unknown) = (keyword.name, self.unknown);
                self.problems.push_with(unknown, place, || {
                    Diagnostic::new(unknown, place, format!("`{name}` needs a block"))
                        .label("a `{` is missing behind this")
                });
            }
        }
        if !keyword.shell && keyword.name != "process" {
            self.neighbours(directive.parameters(), keyword, within);
        }
    }

    /// Directives that stand on the line of another one, which takes them for its parameters.
    fn neighbours(&mut self, parameters: &[Word], keyword: &Keyword, within: Within) {
        for (index, word) in parameters.iter().enumerate() {
            let last = index + 1 == parameters.len();
            if (index > 0 || !last) && find(within, &word.text).is_some() {
                let name = keyword.name;
                self.problems.push_with(Severity::Warning, word.span, || {
                    Diagnostic::warning(
                        word.span,
                        format!(
                            "`{}` stands on the line of `{name}`, which takes it for a parameter",
                            word.text
                        ),
                    )
                    .help("put it on a line of its own; keepalived does not read it here either")
                });
                return;
            }
        }
    }

    fn stranger(&mut self, directive: &Directive, within: Within) {
        let Some(first) = directive.words.first() else { return };
        let unknown = self.unknown;
        self.problems.push_with(unknown, first.span, || {
            let skipped =
                if directive.block.is_some() { "it is skipped, with its block" } else { "it is skipped" };
            explain(first, directive, within, unknown).label(skipped)
        });
    }
}

fn explain(first: &Word, directive: &Directive, within: Within, severity: Severity) -> Diagnostic {
    let word = first.text.as_str();
    if word.starts_with('$') {
        let name = word.trim_start_matches('$').split('=').next().unwrap_or_default();
        let assigned =
            word.contains('=') || directive.parameters().first().is_some_and(|next| next.text == "=");
        let problem = Diagnostic::new(severity, first.span, format!("`${name}` is not defined"));
        return match assigned {
            true => problem.help(
                "a definition is `$NAME=VALUE` without a blank before `=`; \
                 names are letters, digits and `_`, the first one no digit",
            ),
            false => problem.help(format!("define it before: `${name}=VALUE`")),
        };
    }
    let homes: Vec<Within> = Within::ALL.into_iter().filter(|home| find(*home, word).is_some()).collect();
    let meant = suggestion::meant(word, within);
    if homes.is_empty() {
        let problem = Diagnostic::new(severity, first.span, format!("unknown keyword `{}`", shortened(word)));
        if let Some(why) = suggestion::obsolete(word) {
            return problem.help(why);
        }
        return match meant.or_else(|| nearest(word, within.keywords().iter().map(|keyword| keyword.name))) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => match elsewhere(word) {
                Some((near, home)) => {
                    problem.help(format!("did you mean `{near}`, which stands {}?", position(home)))
                }
                None => problem,
            },
        };
    }
    let places: Vec<String> = homes.iter().take(4).map(|home| position(*home)).collect();
    let here = position(within);
    let problem = Diagnostic::new(
        severity,
        first.span,
        format!("`{word}` stands {here}, but belongs {}", places.join(" or ")),
    );
    match (meant, homes.contains(&Within::Root), within) {
        (Some(meant), _, _) => problem.help(format!("did you mean `{meant}`?")),
        (None, true, within) if within != Within::Root => problem.help("is a `}` missing before it?"),
        (None, false, Within::Root) => problem.help("was the block that it belongs to closed too early?"),
        _ => problem,
    }
}

fn elsewhere(word: &str) -> Option<(&'static str, Within)> {
    let all = || Within::ALL.into_iter().filter_map(|home| Some((suggestion::meant(word, home)?, home)));
    all().next().or_else(|| {
        let known = Within::ALL.into_iter().flat_map(Within::keywords).map(|keyword| keyword.name);
        let near = nearest(word, known)?;
        let home = Within::ALL.into_iter().find(|home| find(*home, near).is_some())?;
        // `nearest` gives back what it was given, so the table has it.
        Some((find(home, near)?.name, home))
    })
}

fn position(within: Within) -> String {
    match within {
        Within::Root => within.name().to_owned(),
        _ => format!("in `{}`", within.name()),
    }
}

fn shortened(word: &str) -> String {
    const LONGEST: usize = 60;
    if word.chars().count() <= LONGEST {
        return word.to_owned();
    }
    word.chars().take(LONGEST).chain(['…']).collect()
}
