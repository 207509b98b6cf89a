//! What a configuration says, as a tree.

use compact_str::CompactString;

use crate::document::Span;

/// A whole configuration: all its files, expanded.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// What stands outside of all blocks.
    pub root: Block,
    /// Whether something of the text is missing.
    pub completeness: Completeness,
}

/// How much of a text could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Completeness {
    /// All of it.
    #[default]
    Whole,
    /// All but a file that it includes, which is there. keepalived goes on without it.
    WithoutFile,
    /// It ends inside a block, has grown too large, or lacks a file that has to be there.
    Cut,
}

/// Directives between braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// In the order of the text.
    pub directives: Vec<Directive>,
    /// From brace to brace.
    pub span: Span,
}

/// A line: a keyword with its parameters, or an entry of a list such as `virtual_ipaddress`; and the block that it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Never empty. The first one is the keyword, or the first word of the entry.
    pub words: Box<[Word]>,
    /// What stands in braces behind it.
    pub block: Option<Block>,
}

/// A word, without its quotes, after all definitions and sequences were put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text: nearly always so short that it needs no memory of its own.
    pub text: CompactString,
    /// Where it stands; what came out of a definition stands where that is used.
    pub span: Span,
}

impl Directive {
    /// The keyword.
    pub fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// What follows the keyword.
    pub fn parameters(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// From its first word to its last.
    pub fn span(&self) -> Span {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) if first.span.start <= last.span.start => first.span.to(last.span),
            (Some(first), _) => first.span,
            (None, _) => Span::default(),
        }
    }
}
