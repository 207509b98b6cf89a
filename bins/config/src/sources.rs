//! Several files as one space of offsets, so that a [`Span`] says by itself which file it is in.

use std::sync::Arc;

use super::document::{Location, Source, Span};

/// Where an offset is: the file, and the offset of that file's first byte.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file.
    pub source: &'a Source,
    /// To be subtracted from an offset to get one in the file.
    pub base: usize,
}

/// What finds the file of an offset: one [`Source`], or many [`Sources`].
pub trait Places {
    /// The file that an offset is in.
    fn place(&self, offset: usize) -> Place<'_>;
}

impl Places for Source {
    fn place(&self, _: usize) -> Place<'_> {
        Place { source: self, base: 0 }
    }
}

/// Files in the order in which they were read, the first one being that which includes the others.
///
/// ```
/// use lb_config::{document::{Location, Source, Span}, sources::Sources};
///
/// let mut sources = Sources::new(Source::new("a.conf", "one\n"));
/// let base = sources.add(Source::new("b.conf", "x\ntwo\n"));
/// let two = Span::new(base + 2, base + 5);
/// assert_eq!(sources.slice(two), "two");
/// assert_eq!(sources.name(two.start), "b.conf");
/// assert_eq!(sources.location(two.start), Location { line: 2, column: 1 });
/// ```
#[derive(Clone, Debug)]
pub struct Sources {
    /// With the offset of the first byte of each; never empty.
    files: Vec<(usize, Arc<Source>)>,
}

impl Sources {
    /// Only this file.
    pub fn new(first: impl Into<Arc<Source>>) -> Self {
        Self { files: vec![(0, first.into())] }
    }

    /// One more file, and the offset of its first byte.
    pub fn add(&mut self, source: impl Into<Arc<Source>>) -> usize {
        let base = self.end();
        self.files.push((base, source.into()));
        base
    }

    /// All files with the offsets of their first bytes.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Source>)> {
        self.files.iter().map(|(base, source)| (*base, source))
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The file with this number, from 0, in the order in which they were added.
    pub fn file(&self, number: usize) -> Option<(usize, &Arc<Source>)> {
        self.files.get(number).map(|(base, source)| (*base, source))
    }

    /// The name of the file that an offset is in.
    pub fn name(&self, offset: usize) -> &str {
        self.place(offset).source.name()
    }

    /// The text of a range; empty when the range is not within one file.
    pub fn slice(&self, span: Span) -> &str {
        let Place { source, base } = self.place(span.start);
        source.slice(Span::new(span.start - base, span.end.saturating_sub(base)))
    }

    /// Line and column of a byte in its file.
    pub fn location(&self, offset: usize) -> Location {
        let Place { source, base } = self.place(offset);
        source.location(offset - base)
    }

    /// `file:line`, as it is shown to people.
    pub fn file_and_line(&self, offset: usize) -> String {
        format!("{}:{}", self.name(offset), self.location(offset).line)
    }

    /// One past the last offset, with one byte between two files: the end of the one is not the start of the other.
    fn end(&self) -> usize {
        self.files.last().map_or(0, |(base, source)| base + source.text().len() + 1)
    }
}

impl Places for Sources {
    fn place(&self, offset: usize) -> Place<'_> {
        let after = self.files.partition_point(|&(base, _)| base <= offset);
        let (base, source) = &self.files[after.saturating_sub(1)];
        Place { source, base: *base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Colors, Diagnostic};

    #[test]
    fn the_end_of_one_file_is_not_the_start_of_the_next() {
        let mut sources = Sources::new(Source::new("a", "xy"));
        let base = sources.add(Source::new("b", ""));
        let last = sources.add(Source::new("c", "z"));
        assert_eq!((base, last, sources.count()), (3, 4, 3));
        assert_eq!(["a", "a", "a", "b", "c", "c"], [0, 1, 2, 3, 4, 99].map(|at| sources.name(at)));
        assert_eq!(sources.slice(Span::new(1, 5)), "");
        assert_eq!(sources.file_and_line(4), "c:1");
    }

    #[test]
    fn a_problem_is_shown_in_its_own_file_with_its_own_lines() {
        let mut sources = Sources::new(Source::new("a.conf", "first\n"));
        let base = sources.add(Source::new("b.conf", "x\nsecond\n"));
        let problem = Diagnostic::error(Span::new(base + 2, base + 8), "wrong")
            .related(Span::new(0, 5), "first defined here");
        assert_eq!(problem.line(&sources), "b.conf:2:1: error: wrong");
        let shown = problem.render(&sources, Colors::No);
        assert!(shown.contains("b.conf:2:1"), "{shown}");
        assert!(shown.contains("2 | second\n  | ^^^^^^"), "{shown}");
        assert!(shown.contains("a.conf:1"), "{shown}");
        assert!(shown.contains("first defined here"), "{shown}");
    }
}
