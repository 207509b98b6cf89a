//! The layout of keepalived's dumps as text.

use std::fmt::{Display, Write as _};

/// Blanks before an instance, group or tracker.
pub(super) const SECTION: usize = 1;
/// Before a field of it.
pub(super) const FIELD: usize = 3;
/// Before an entry of a list.
pub(super) const ITEM: usize = 5;

pub(super) fn enabled(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

pub(super) fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// A page of lines, indented by blanks.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn finish(self) -> String {
        self.0
    }

    pub(super) fn header(&mut self, text: &str) {
        let _ = writeln!(self.0, "------< {text} >------");
    }

    pub(super) fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }

    pub(super) fn field(&mut self, indent: usize, name: &str, value: impl Display) {
        self.line(indent, &format!("{name} = {value}"));
    }

    pub(super) fn field_with(&mut self, indent: usize, name: &str, value: impl Display) {
        self.line(indent, &format!("{name} {value}"));
    }
}
