//! Words into switches, as popt(3) does it, on which ipvsadm stands: letters that bundle, values in the same word or
//! the next, long names with `=`. Long names are not abbreviated.

use std::collections::VecDeque;

use thiserror::Error;

use super::switch::{Switch, Value};

/// A switch that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) switch: Switch,
    /// Its value, and the number of the word that it is in.
    pub(super) value: Option<(usize, &'a str)>,
    /// The number of the word.
    pub(super) word: usize,
}

/// A word that is no switch as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Misfit {
    #[error("unknown option")]
    Unknown,
    #[error("missing argument")]
    NoValue,
    #[error("option does not take an argument")]
    Value,
}

/// Goes over the words of a line once.
pub(super) struct Scanner<'a> {
    words: &'a [String],
    next: usize,
    /// What is left of a word of letters.
    letters: Option<(usize, &'a str)>,
    /// After `--`.
    ended: bool,
    others: VecDeque<usize>,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(words: &'a [String]) -> Self {
        Self { words, next: 0, letters: None, ended: false, others: VecDeque::new() }
    }

    /// The words that are neither switches nor their values, and that were passed so far.
    pub(super) fn other(&mut self) -> Option<(usize, &'a str)> {
        self.others.pop_front().map(|at| (at, self.words[at].as_str()))
    }

    /// The next switch; an error has the number of its word.
    pub(super) fn switch(&mut self) -> Option<Result<Found<'a>, (usize, Misfit)>> {
        if let Some((word, letters)) = self.letters.take() {
            return Some(self.letter(word, letters));
        }
        while let Some(text) = self.words.get(self.next) {
            let word = self.next;
            self.next += 1;
            match text.strip_prefix('-') {
                _ if self.ended => self.others.push_back(word),
                None | Some("") => self.others.push_back(word),
                Some("-") => self.ended = true,
                Some(rest) => {
                    return Some(match rest.strip_prefix('-') {
                        Some(name) => self.name(word, name),
                        None => self.letter(word, rest),
                    });
                }
            }
        }
        None
    }

    fn name(&mut self, word: usize, text: &'a str) -> Result<Found<'a>, (usize, Misfit)> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let (switch, takes) = Switch::by_name(name).ok_or((word, Misfit::Unknown))?;
        match (takes, value) {
            (Value::None, Some(_)) => Err((word, Misfit::Value)),
            _ => self.with_value(word, switch, takes, value),
        }
    }

    fn letter(&mut self, word: usize, letters: &'a str) -> Result<Found<'a>, (usize, Misfit)> {
        let mut rest = letters.chars();
        let letter = rest.next().ok_or((word, Misfit::Unknown))?;
        let rest = rest.as_str();
        let (switch, takes) = Switch::by_letter(letter).ok_or((word, Misfit::Unknown))?;
        if takes == Value::None {
            if rest.starts_with('=') {
                return Err((word, Misfit::Value));
            }
            self.letters = (!rest.is_empty()).then_some((word, rest));
            return Ok(Found { switch, value: None, word });
        }
        let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
        self.with_value(word, switch, takes, value)
    }

    fn with_value(
        &mut self,
        word: usize,
        switch: Switch,
        takes: Value,
        own: Option<&'a str>,
    ) -> Result<Found<'a>, (usize, Misfit)> {
        let value = match (own, takes) {
            (Some(own), _) => Some((word, own)),
            (None, Value::None) => None,
            (None, Value::Required) => Some(self.following().ok_or((word, Misfit::NoValue))?),
            (None, Value::Optional) => match self.words.get(self.next) {
                Some(next) if next.starts_with('-') => None,
                _ => self.following(),
            },
        };
        Ok(Found { switch, value, word })
    }

    fn following(&mut self) -> Option<(usize, &'a str)> {
        let text = self.words.get(self.next)?;
        self.next += 1;
        Some((self.next - 1, text))
    }
}
