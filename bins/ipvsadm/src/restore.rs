//! `lbctl ipvs restore`: the whole text is understood before anything is changed.

use lb_config::{
    diagnostic::Diagnostic,
    document::{Line, Source, Span},
    names::Resolver,
};
use lb_ipvs::Command as Change;

use super::{command::Command, fault::Fault, parse::parse};

/// A change, and the line that it is from.
pub(super) struct Step {
    pub(super) change: Change,
    pub(super) line: usize,
}

/// What a text in the form of `ipvsadm -S` changes, or everything that is wrong with it.
///
/// A line is a command line of ipvsadm; the word `ipvsadm` may stand before it. `#` begins a comment.
pub(super) fn read(source: &Source, names: &dyn Resolver) -> Result<Vec<Step>, Vec<Diagnostic>> {
    let (mut steps, mut wrong) = (Vec::new(), Vec::new());
    for line in source.lines() {
        let spans = words(&line);
        if spans.is_empty() {
            continue;
        }
        let words: Vec<String> = spans.iter().map(|span| source.slice(*span).to_owned()).collect();
        match parse(&words, names) {
            Ok(Command::Change(change)) => steps.push(Step { change, line: line.number }),
            Ok(_) => {
                let message = "only what changes the table can be restored";
                wrong.push(Diagnostic::error(spans[0], message));
            }
            Err(problem) => {
                // What is missing is missing at the end.
                let end = spans.last().map_or(line.span.end, |last| last.end);
                let span = problem.at.and_then(|at| spans.get(at).copied()).unwrap_or(Span::new(end, end));
                let message = match problem.fault {
                    Fault::NoCommand => {
                        "a line begins with a command, such as -A or --add-service".to_owned()
                    }
                    fault => fault.to_string().trim_end().to_owned(),
                };
                wrong.push(Diagnostic::error(span, message));
            }
        }
    }
    if wrong.is_empty() { Ok(steps) } else { Err(wrong) }
}

/// Where the words of a line are, without a comment and the name of the program.
fn words(line: &Line<'_>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = line.text;
    while let Some(word) = rest.split_ascii_whitespace().next() {
        if word.starts_with('#') {
            break;
        }
        let start = line.text.len() - rest.len() + rest.find(word).unwrap_or(0);
        let end = start + word.len();
        rest = &line.text[end..];
        if !(spans.is_empty() && word == "ipvsadm") {
            spans.push(line.span.part(start..end));
        }
    }
    spans
}

#[cfg(test)]
mod tests;
