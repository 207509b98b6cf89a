//! Puts lines and braces together to blocks.

use super::{
    keywords::{self, Body, Keyword, Within},
    lexer::Quoting,
    tree::{Block, Completeness, Directive, Document, Word},
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
};

/// Blocks within blocks, at most so many; keepalived knows five.
const DEEPEST: usize = 32;

/// The tree as far as it has grown.
#[derive(Debug)]
pub(super) struct Builder {
    /// The blocks that are open, the outermost first; never empty.
    open: Vec<Open>,
    /// Blocks that are left out and have not ended yet.
    skipped: usize,
    /// Where the outermost of them begins.
    skipped_brace: Span,
    /// Words so far.
    words: usize,
}

#[derive(Debug, Default)]
struct Open {
    directives: Vec<Directive>,
    brace: Span,
    kind: Option<Within>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let root = Open { kind: Some(Within::Root), ..Open::default() };
        Self { open: vec![root], skipped: 0, skipped_brace: Span::default(), words: 0 }
    }

    /// What a keyword is in the block that is open.
    pub(super) fn keyword(&self, name: &str) -> Option<&'static Keyword> {
        keywords::find(self.top().kind?, name)
    }

    /// How the words after a keyword are read.
    pub(super) fn quoting(&self, name: &str) -> Quoting {
        match self.keyword(name) {
            Some(keyword) if keyword.shell => Quoting::Shell,
            _ => Quoting::Plain,
        }
    }

    /// How many words there are.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// Whether the open block is `global_defs`.
    pub(super) fn in_globals(&self) -> bool {
        self.top().kind == Some(Within::GlobalDefs)
    }

    /// A line, without the brace that may follow.
    pub(super) fn directive(&mut self, words: Vec<Word>) {
        if words.is_empty() || self.skipped > 0 {
            return;
        }
        self.words += words.len();
        self.top_mut().directives.push(Directive { words: words.into(), block: None });
    }

    /// `{`
    pub(super) fn open(&mut self, brace: Span, problems: &mut Problems) {
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        let deep = self.open.len() > DEEPEST;
        let kind = match self.top().directives.last() {
            Some(_) if deep => {
                let text = format!("more than {DEEPEST} blocks within each other");
                problems.push(Diagnostic::mistake(brace, text).label("this one is left out"));
                None
            }
            Some(directive) if directive.block.is_none() => Some(match self.keyword(directive.keyword()) {
                Some(Keyword { body: Body::Block(kind), .. }) => Some(*kind),
                _ => None,
            }),
            _ => {
                problems.push(
                    Diagnostic::mistake(brace, "a block without a keyword")
                        .label("up to its `}` it is left out")
                        .help("write the keyword of the block before the `{`"),
                );
                None
            }
        };
        match kind {
            Some(kind) => self.open.push(Open { directives: Vec::new(), brace, kind }),
            None => (self.skipped, self.skipped_brace) = (1, brace),
        }
    }

    /// `}`
    pub(super) fn close(&mut self, brace: Span, problems: &mut Problems) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        if self.open.len() == 1 {
            problems.push(
                Diagnostic::mistake(brace, "a `}` without a `{`")
                    .help("remove it, or look for a `}` too much before it"),
            );
            return;
        }
        self.pop(brace);
    }

    /// The end of the text.
    pub(super) fn finish(mut self, mut completeness: Completeness, problems: &mut Problems) -> Document {
        let missing = self.open.len() - 1 + self.skipped;
        if missing > 0 {
            let innermost = if self.skipped > 0 { self.skipped_brace } else { self.top().brace };
            let message = match missing {
                1 => "a block is not closed".to_owned(),
                _ => format!("{missing} blocks are not closed"),
            };
            problems.push(Diagnostic::error(innermost, message).label("no `}` belongs to this"));
            completeness = Completeness::Cut;
        }
        while self.open.len() > 1 {
            let brace = self.top().brace;
            self.pop(brace);
        }
        let directives = self.open.pop().map(|root| root.directives).unwrap_or_default();
        Document { root: Block { directives, span: Span::default() }, completeness }
    }

    fn pop(&mut self, brace: Span) {
        let Some(mut done) = self.open.pop() else { return };
        done.directives.shrink_to_fit();
        let span = if brace.end >= done.brace.start { done.brace.to(brace) } else { done.brace };
        if let Some(directive) = self.top_mut().directives.last_mut() {
            directive.block = Some(Block { directives: done.directives, span });
        }
    }

    fn top(&self) -> &Open {
        // The root is never taken off before the end.
        &self.open[self.open.len() - 1]
    }

    fn top_mut(&mut self) -> &mut Open {
        let last = self.open.len() - 1;
        &mut self.open[last]
    }
}
