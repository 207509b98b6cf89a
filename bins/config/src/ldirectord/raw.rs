//! What the lines of an ldirectord.cf say, before names are resolved and defaults filled in.

use super::{
    directive::Directive,
    model::Real,
    values::{AlertStates, CheckService, CheckType, HttpMethod},
};
use crate::document::Span;

/// How a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Files as people write them: what ldirectord would refuse for its layout only is read as it was meant,
    /// with a warning.
    #[default]
    Lenient,
    /// Accepts and refuses what ldirectord 4.12 does.
    Strict,
}

/// A parsed file. Entries that had errors are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawConfig {
    /// How it was read.
    pub mode: Mode,
    /// Global directives in the order of the file.
    pub globals: Vec<Entry>,
    /// Sections in the order of the file.
    pub virtuals: Vec<RawVirtual>,
}

impl RawConfig {
    /// All entries in the order of the file within globals and sections.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let sections =
            self.virtuals.iter().flat_map(|section| std::iter::once(&section.head).chain(&section.entries));
        self.globals.iter().chain(sections)
    }
}

/// One section.
#[derive(Clone, Debug, PartialEq)]
pub struct RawVirtual {
    /// The `virtual=` line. Its value is `None` when it had an error.
    pub head: Entry,
    /// The lines of the section.
    pub entries: Vec<Entry>,
}

impl RawVirtual {
    /// Where a directive is set for a real server: the last line with it, or the server's own, or else the head.
    pub fn place(&self, directive: Directive, real: &Real) -> Span {
        let is_of = |entry: &&Entry| match &entry.value {
            RawValue::Real(raw) if directive == Directive::Real => {
                let text = |word: &Option<Word>| word.as_ref().map(|word| word.text.clone());
                text(&raw.request) == real.request && text(&raw.receive) == real.receive
            }
            _ => entry.directive == directive && entry.value != RawValue::Invalid,
        };
        let entry = self.entries.iter().rev().find(is_of).unwrap_or(&self.head);
        entry.key.to(entry.span)
    }
}

/// One line: directive and value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which directive.
    pub directive: Directive,
    /// The place of its name.
    pub key: Span,
    /// The place of its value, without comment and surrounding blanks.
    pub span: Span,
    /// The value.
    pub value: RawValue,
}

/// A value, checked as far as that goes without resolving names.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// It had an error, which was reported.
    Invalid,
    /// `yes` or `no`.
    YesNo(bool),
    /// A number.
    Number(u64),
    /// A text without its quotes.
    Text(String),
    /// A virtual service.
    Virtual(RawService),
    /// One real server or a range of them.
    Real(Box<RawReal>),
    /// A fallback; `None` when the value was empty, which means no fallback.
    Fallback(Option<RawFallback>),
    /// `checktype`.
    CheckType(CheckType),
    /// `service`.
    Service(CheckService),
    /// `httpmethod`.
    HttpMethod(HttpMethod),
    /// `emailalertstatus`.
    AlertStates(AlertStates),
}

/// What `virtual=` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawService {
    /// Address or name, and port or service name.
    Address {
        /// IPv4 address, host name, or IPv6 address without brackets.
        host: Word,
        /// Number or service name.
        port: Word,
    },
    /// Firewall mark, as its digits.
    Mark(Word),
}

/// What `real=` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawReal {
    /// The first or only host.
    pub host: Word,
    /// The last one of a range.
    pub last: Option<Word>,
    /// Number or service name.
    pub port: Option<Word>,
    /// `gate`, `masq` or `ipip`.
    pub method: Word,
    /// Digits.
    pub weight: Option<Word>,
    /// Its own request.
    pub request: Option<Word>,
    /// Its own pattern.
    pub receive: Option<Word>,
    /// Digits after `l:`.
    pub lower: Option<Word>,
    /// Digits after `u:`.
    pub upper: Option<Word>,
}

/// What `fallback=` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFallback {
    /// Host.
    pub host: Word,
    /// Number or service name.
    pub port: Option<Word>,
    /// `gate`, `masq` or `ipip`.
    pub method: Option<Word>,
}

/// A part of a value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text.
    pub text: String,
    /// The place.
    pub span: Span,
}
