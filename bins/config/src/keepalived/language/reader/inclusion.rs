//! Files in place of the line that names them.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    super::{
        include::{self, Checks},
        line::Line,
        tree::Completeness,
    },
    Reader,
};
use crate::{diagnostic::Diagnostic, document::Span};

/// Files within files.
const DEEPEST: usize = 32;
/// Files in all, each as often as it is read.
const MOST: usize = 20_000;

impl Reader<'_> {
    pub(super) fn include(&mut self, name: Line<'_>, checks: Checks) {
        let place = name.whole();
        let checks = self.checks.and(checks);
        let text = name.text.trim_matches('"');
        let directory =
            self.files.last().and_then(|file| file.parent()).map(Path::to_owned).unwrap_or_default();
        let found = include::matches(text, &directory, &*self.surroundings);
        if checks.brace && !found.empty.is_empty() {
            let message = format!("no file for `{}`", found.empty.join("`, `"));
            self.problems.push(Diagnostic::error(place, message));
            self.completeness = Completeness::Cut;
        }
        if found.paths.is_empty() {
            let strict = if found.wildcards { checks.wildcard } else { checks.matching };
            let message = format!("no file matches `{text}`");
            if strict {
                self.problems.push(Diagnostic::error(place, message));
                self.completeness = Completeness::Cut;
            } else {
                self.problems.push(Diagnostic::warning(place, message));
            }
        }
        for path in found.paths {
            if self.exhausted {
                return;
            }
            self.included_file(path, place, checks, found.wildcards);
        }
    }

    fn included_file(&mut self, path: PathBuf, place: Span, checks: Checks, wildcards: bool) {
        self.included += 1;
        let refuse = if self.files.contains(&path) {
            Some("this file includes itself".to_owned())
        } else if self.files.len() >= DEEPEST {
            Some(format!("more than {DEEPEST} files include each other"))
        } else if self.included > MOST {
            Some(format!("more than {MOST} files are included"))
        } else {
            None
        };
        if let Some(message) = refuse {
            self.problems.push(Diagnostic::mistake(place, message).label("the file is left out here"));
            return;
        }
        let name = path.display().to_string();
        let (base, source) = match self.loaded.get(&path) {
            Some((base, source)) => (*base, Arc::clone(source)),
            None => match self.surroundings.read(&path) {
                Ok(source) => {
                    let source = Arc::new(source);
                    self.bytes += source.text().len();
                    let base = self.sources.add(Arc::clone(&source));
                    self.loaded.insert(path.clone(), (base, Arc::clone(&source)));
                    (base, source)
                }
                Err(error) => {
                    let missing = error.kind() == io::ErrorKind::NotFound;
                    let strict = if missing && !wildcards { checks.matching } else { checks.readable };
                    let message = format!("`{name}` can not be read: {error}");
                    let missing_part = match (strict, missing) {
                        (true, _) => Completeness::Cut,
                        (false, true) => Completeness::Whole,
                        (false, false) => Completeness::WithoutFile,
                    };
                    self.completeness = self.completeness.max(missing_part);
                    self.problems.push(match strict {
                        true => Diagnostic::error(place, message),
                        false => Diagnostic::warning(place, message)
                            .help("`includea` in place of `include` makes that an error"),
                    });
                    return;
                }
            },
        };
        let before = self.checks;
        self.file(&source, base, path);
        self.checks = before;
    }
}
