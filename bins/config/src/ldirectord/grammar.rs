//! The grammars of values, measured against ldirectord 4.12. Many of them look for the first thing that fits
//! and ignore the rest; [`Mode::Lenient`] says so when there is a rest.

mod address;
mod plain;
mod real;

use std::{borrow::Cow, ops::Range};

use super::{
    directive::{Directive, Syntax},
    layout::BLANKS,
    raw::{Mode, RawValue, Word},
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
};

/// The text behind `=`, without blanks in front.
pub(super) struct Value<'a> {
    /// The text.
    pub(super) text: Cow<'a, str>,
    /// Where it is.
    pub(super) span: Span,
    /// Whether the text is what stands in the file, so that a part of it has a place of its own.
    pub(super) exact: bool,
}

impl Value<'_> {
    /// The place of a part.
    pub(super) fn at(&self, part: Range<usize>) -> Span {
        if self.exact { self.span.part(part) } else { self.span }
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.span.end -= self.text.len() - length;
        match &mut self.text {
            Cow::Borrowed(text) => *text = &text[..length],
            Cow::Owned(text) => text.truncate(length),
        }
    }

    fn word(&self, part: Range<usize>) -> Word {
        Word { text: self.text[part.clone()].to_owned(), span: self.at(part) }
    }

    /// Without blanks at the end.
    fn trimmed(&self) -> &str {
        self.text.trim_end_matches(BLANKS)
    }

    /// The place of the value, for a message about the whole of it.
    fn whole(&self) -> Span {
        self.at(0..self.trimmed().len())
    }
}

/// What a grammar needs besides the value.
struct Context<'a> {
    directive: Directive,
    mode: Mode,
    problems: &'a mut Problems,
}

impl Context<'_> {
    fn error(&mut self, diagnostic: Diagnostic) -> RawValue {
        self.problems.push(diagnostic);
        RawValue::Invalid
    }

    /// Lenient: warns of what ldirectord silently ignores around the part that it reads.
    fn ignored(&mut self, value: &Value<'_>, used: Range<usize>) {
        let text = value.trimmed();
        let read = text.get(used.clone()).unwrap_or_default();
        if self.mode == Mode::Strict || (used.start == 0 && used.end >= text.len()) {
            return;
        }
        self.problems.push(
            Diagnostic::warning(value.whole(), format!("`{}` is read as `{}`", clip(text), clip(read)))
                .label("the rest is ignored"),
        );
    }
}

pub(super) fn parse(
    directive: Directive,
    value: &Value<'_>,
    mode: Mode,
    section: bool,
    problems: &mut Problems,
) -> RawValue {
    let mut context = Context { directive, mode, problems };
    match directive.syntax() {
        Syntax::Virtual => address::virtual_service(&mut context, value),
        Syntax::Fallback => address::fallback(&mut context, value),
        Syntax::Real => real::real(&mut context, value),
        Syntax::Number { least } => plain::number(&mut context, value, least, u64::MAX),
        Syntax::Port => plain::number(&mut context, value, 1, u64::from(u16::MAX)),
        Syntax::LeadingNumber => plain::leading_number(&mut context, value),
        Syntax::YesNo => plain::yes_no(&mut context, value),
        Syntax::Quoted { empty } => plain::quoted(&mut context, value, empty),
        // The global command goes to a shell as it stands, quotes and all.
        Syntax::MaybeQuoted { .. } if directive == Directive::FallbackCommand && !section => {
            plain::text(&mut context, value, false)
        }
        Syntax::MaybeQuoted { empty } => plain::maybe_quoted(&mut context, value, empty),
        Syntax::Text { empty } => plain::text(&mut context, value, empty),
        Syntax::HostName => plain::host_name(&mut context, value),
        Syntax::CheckType => plain::check_type(&mut context, value),
        Syntax::Service => plain::service(&mut context, value),
        Syntax::HttpMethod => plain::http_method(&mut context, value),
        Syntax::Protocol => plain::first_word(&mut context, value, is_word, "tcp, udp or fwm"),
        Syntax::Scheduler => plain::first_word(
            &mut context,
            value,
            |c| c.is_ascii_lowercase(),
            "a name in lower-case letters, such as wlc",
        ),
        Syntax::SchedulerFlags => plain::first_word(
            &mut context,
            value,
            |c| !BLANKS.contains(&c),
            "flags such as sh-port,sh-fallback",
        ),
        Syntax::Netmask => plain::text(&mut context, value, true),
        Syntax::AlertStates => plain::alert_states(&mut context, value),
        // Reported by the caller, whatever the value.
        Syntax::Removed(_) => RawValue::Invalid,
    }
}

/// Whether values of this directive may have quotes that mean something.
pub(super) fn takes_quotes(directive: Directive) -> bool {
    matches!(directive.syntax(), Syntax::Quoted { .. } | Syntax::MaybeQuoted { .. } | Syntax::Real)
}

/// Quotes of word processors, and the inch mark that some make of them.
pub(super) fn is_typographic_quote(c: char) -> bool {
    matches!(c, '“' | '”' | '„' | '‟' | '″' | '‘' | '’' | '‚' | '′')
}

/// A character of `\w`.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The first run of such characters at or after `from`; empty when there is none.
fn run(text: &str, from: usize, of: impl Fn(char) -> bool) -> Range<usize> {
    let start = text[from..].find(&of).map_or(text.len(), |at| from + at);
    let end = text[start..].find(|c| !of(c)).map_or(text.len(), |at| start + at);
    start..end
}

/// A text for a message, cut down when it is long.
fn clip(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
