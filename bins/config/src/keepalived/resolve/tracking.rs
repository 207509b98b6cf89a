//! `vrrp_script`, `vrrp_track_process`, `track_file`, and the `track_…` blocks that name them.

mod definition;

use std::collections::{BTreeMap, HashSet};

use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::{Block, Directive, Word},
        model::{Config, Process, Script, TrackFile, Tracked, Tracks, Weight},
    },
};

use super::{
    addresses::{is_interface_name, no_interface_name},
    faults::{Area, Faults, title},
    values::{IGNORED, number_in, only},
};

/// Greatest weight of scripts and interfaces, and of processes and files.
const WEIGHT_MAX: i16 = 253;
const WEIGHT_MAX_OTHERS: i16 = 254;

/// Everything that can be tracked by name.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    pub(super) scripts: Definitions<Script>,
    pub(super) processes: Definitions<Process>,
    pub(super) files: Definitions<TrackFile>,
}

/// Blocks of one kind, by name.
#[derive(Debug)]
pub(super) struct Definitions<T>(BTreeMap<String, Definition<T>>);

#[derive(Debug)]
struct Definition<T> {
    name: Span,
    /// `None`: it is there, and something is wrong with it, which was said.
    value: Option<T>,
    used: bool,
}

impl<T> Default for Definitions<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone> Definitions<T> {
    /// Reads a definition. What was in force by its name takes its place if it has an error.
    fn define(
        &mut self,
        directive: &Directive,
        before: &BTreeMap<String, T>,
        read: impl FnOnce(&Word, &Block, &mut Problems) -> Option<T>,
        (area, faults): (Area, &mut Faults),
        problems: &mut Problems,
    ) {
        let (read, errors) = problems.block(|problems| {
            let name = only(directive, "a name", problems)?;
            if let Some(first) = self.0.get(&*name.text) {
                problems.push(
                    Diagnostic::error(
                        name.span,
                        format!("{} `{}` is defined twice", directive.keyword(), name.text),
                    )
                    .label("the second time")
                    .related(first.name, "first defined here")
                    .help("rename one of them"),
                );
                return None;
            }
            let Some(block) = &directive.block else {
                problems.push(no_block(directive));
                return Some((name, None));
            };
            Some((name, read(name, block, problems)))
        });
        let (name, mut value) = read.map_or((None, None), |(name, value)| (Some(name), value));
        if let Some(errors) = errors {
            value = name.and_then(|name| before.get(&*name.text)).cloned();
            faults.push(title(directive), area, value.is_some(), errors);
        }
        if let Some(name) = name {
            self.0.insert(name.text.to_string(), Definition { name: name.span, value, used: false });
        }
    }
}

impl<T> Definitions<T> {
    /// Keeps what can be tracked.
    fn retain_known(&mut self, tracked: &mut Vec<Tracked>) {
        tracked.retain(|tracked| match self.0.get_mut(&tracked.name) {
            Some(definition) => {
                definition.used = true;
                definition.value.is_some()
            }
            None => false,
        });
    }

    /// What bears this name: `None` = nothing, `Some(None)` = something that is not right.
    pub(super) fn named(&self, name: &str) -> Option<Option<&T>> {
        self.0.get(name).map(|definition| definition.value.as_ref())
    }

    /// Something relies on what bears this name.
    pub(super) fn mark_used(&mut self, name: &str) {
        if let Some(definition) = self.0.get_mut(name) {
            definition.used = true;
        }
    }

    /// All the names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All that are right; says which ones nobody tracks.
    pub(super) fn finish(self, kind: &str, problems: &mut Problems) -> BTreeMap<String, T> {
        for (name, definition) in self.0.iter().filter(|(_, definition)| !definition.used) {
            problems.push(
                Diagnostic::warning(definition.name, format!("{kind} `{name}` is not tracked by anything"))
                    .label("it has no effect"),
            );
        }
        self.0.into_iter().filter_map(|(name, definition)| Some((name, definition.value?))).collect()
    }
}

impl Trackers {
    /// Keeps what is tracked as far as it is defined.
    pub(super) fn retain_known(&mut self, tracks: &mut Tracks) {
        self.scripts.retain_known(&mut tracks.scripts);
        self.processes.retain_known(&mut tracks.processes);
        self.files.retain_known(&mut tracks.files);
    }
}

/// A block that defines something to track; `false` when it is none.
pub(super) fn definition(
    directive: &Directive,
    before: &Config,
    trackers: &mut Trackers,
    faults: &mut Faults,
    problems: &mut Problems,
) -> bool {
    let Trackers { scripts, processes, files } = trackers;
    match directive.keyword() {
        "vrrp_script" => {
            let faults = (Area::Vrrp, faults);
            scripts.define(directive, &before.scripts, definition::script, faults, problems);
        }
        "vrrp_track_process" => {
            let faults = (Area::Vrrp, faults);
            processes.define(directive, &before.processes, definition::process, faults, problems);
        }
        "track_file" | "vrrp_track_file" => {
            let faults = (Area::Both, faults);
            files.define(directive, &before.files, definition::file, faults, problems);
        }
        _ => return false,
    }
    true
}

/// What is said of a block that is not there.
pub(super) fn no_block(directive: &Directive) -> Diagnostic {
    Diagnostic::error(directive.span(), format!("`{}` has no block", directive.keyword()))
        .label("expected `{` and `}` after it")
}

/// The same of a block of entries, without which keepalived runs.
pub(super) fn no_entries(directive: &Directive) -> Diagnostic {
    Diagnostic::mistake(directive.span(), format!("`{}` has no block", directive.keyword()))
        .label("expected `{` and `}` after it")
        .instead(IGNORED)
}

/// A `track_…` block of an instance or group; `false` when it is none.
pub(super) fn tracks(
    directive: &Directive,
    tracks: &mut Tracks,
    trackers: &mut Trackers,
    problems: &mut Problems,
) -> bool {
    let keyword = directive.keyword();
    if !matches!(keyword, "track_interface" | "track_script" | "track_process" | "track_file") {
        return false;
    }
    let Some(block) = &directive.block else {
        problems.push(no_entries(directive));
        return true;
    };
    let before = match keyword {
        "track_interface" => &tracks.interfaces,
        "track_script" => &tracks.scripts,
        "track_process" => &tracks.processes,
        _ => &tracks.files,
    };
    let mut seen: HashSet<String> = before.iter().map(|tracked| tracked.name.clone()).collect();
    for entry in &block.directives {
        let Some(name) = entry.words.first() else { continue };
        let (list, max, own) = match keyword {
            "track_interface" => {
                if !is_interface_name(&name.text) {
                    problems.push(no_interface_name(name.span, &name.text));
                    continue;
                }
                (&mut tracks.interfaces, WEIGHT_MAX, Some(Weight::default()))
            }
            "track_script" => {
                let own =
                    lookup("vrrp_script", &mut trackers.scripts, name, |script| script.weight, problems);
                (&mut tracks.scripts, WEIGHT_MAX, own)
            }
            "track_process" => {
                let known = &mut trackers.processes;
                let own = lookup("vrrp_track_process", known, name, |process| process.weight, problems);
                (&mut tracks.processes, WEIGHT_MAX_OTHERS, own)
            }
            _ => {
                let own = lookup("track_file", &mut trackers.files, name, |file| file.weight, problems);
                (&mut tracks.files, WEIGHT_MAX_OTHERS, own)
            }
        };
        let Some(own) = own else { continue };
        let weight = entry_weight(entry, own, max, problems);
        if !seen.insert(name.text.to_string()) {
            problems.push(
                Diagnostic::warning(name.span, format!("`{}` is tracked twice", name.text))
                    .label("ignored here"),
            );
            continue;
        }
        list.push(Tracked { name: name.text.to_string(), weight });
    }
    true
}

/// The weight of what is tracked by this name.
fn lookup<T>(
    kind: &str,
    known: &mut Definitions<T>,
    name: &Word,
    weight: impl Fn(&T) -> Weight,
    problems: &mut Problems,
) -> Option<Weight> {
    if let Some(definition) = known.0.get_mut(&*name.text) {
        definition.used = true;
        return definition.value.as_ref().map(weight);
    }
    problems.push_mistake_with(name.span, || {
        Diagnostic::mistake(name.span, format!("there is no {kind} `{}`", name.text))
            .instead(IGNORED)
            .note("its failure goes unseen")
            .help(format!("define it with `{kind} {} {{ … }}`, or leave it out", name.text))
            .did_you_mean(&name.text, known.0.keys().map(String::as_str))
    });
    None
}

/// `NAME [weight N] [reverse|noreverse]`.
fn entry_weight(entry: &Directive, own: Weight, max: i16, problems: &mut Problems) -> Weight {
    let mut weight = own;
    let mut words = entry.parameters().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "weight" => {
                let Some(number) = words.next() else {
                    problems.push(
                        Diagnostic::mistake(word.span, "`weight` has no value")
                            .label(format!("expected a number from -{max} to {max}"))
                            .instead(IGNORED),
                    );
                    break;
                };
                if let Some(value) = number_in("weight", number, -max..=max, problems) {
                    weight.value = value;
                }
            }
            "reverse" => weight.reverse = true,
            "noreverse" | "no_reverse" => weight.reverse = false,
            other => {
                problems.push(
                    Diagnostic::mistake(word.span, format!("`{other}` is no option of what is tracked"))
                        .label("expected weight, reverse or noreverse")
                        .instead("the rest of the line is ignored, as with keepalived")
                        .did_you_mean(other, ["weight", "reverse", "noreverse"]),
                );
                break;
            }
        }
    }
    weight
}
