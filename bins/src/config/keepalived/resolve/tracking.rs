//! `vrrp_script`, `vrrp_track_process`, `track_file`, and the `track_…` blocks that name them.

use std::{collections::BTreeMap, time::Duration};

use crate::config::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::{Block, Directive, Word},
        model::{
            FileInit, ParamMatch, Process, Script, ScriptCommand, TrackFile, Tracked, Tracks, User, Weight,
        },
    },
};

use super::{
    addresses::{is_interface_name, no_interface_name},
    notify::{arguments, user},
    values::{At, Once, bare, missing, number, number_in, only, seconds, surplus},
};

/// Greatest weight of scripts and interfaces, and of processes and files.
const WEIGHT_MAX: i16 = 253;
const WEIGHT_MAX_OTHERS: i16 = 254;
/// Longest interval and timeout of scripts.
const LONGEST: Duration = Duration::from_secs(4_294_967);
const HOUR: Duration = Duration::from_secs(3600);

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

impl<T> Definitions<T> {
    fn add(&mut self, name: &Word, kind: &str, value: Option<T>, problems: &mut Problems) {
        if let Some(first) = self.0.get(&name.text) {
            problems.push(
                Diagnostic::error(name.span, format!("{kind} `{}` is defined twice", name.text))
                    .label("the second time")
                    .related(first.name, "first defined here")
                    .help("rename one of them"),
            );
            return;
        }
        self.0.insert(name.text.clone(), Definition { name: name.span, value, used: false });
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

/// A block that defines something to track; `false` when it is none.
pub(super) fn definition(directive: &Directive, trackers: &mut Trackers, problems: &mut Problems) -> bool {
    let keyword = directive.keyword();
    if !matches!(keyword, "vrrp_script" | "vrrp_track_process" | "track_file" | "vrrp_track_file") {
        return false;
    }
    let Some(name) = only(directive, "a name", problems) else { return true };
    let Some(block) = &directive.block else {
        problems.push(no_block(directive));
        return true;
    };
    match keyword {
        "vrrp_script" => {
            let script = script(name, block, problems);
            trackers.scripts.add(name, keyword, script, problems);
        }
        "vrrp_track_process" => {
            let process = process(name, block, problems);
            trackers.processes.add(name, keyword, process, problems);
        }
        _ => {
            let file = file(name, block, problems);
            trackers.files.add(name, keyword, file, problems);
        }
    }
    true
}

/// What is said of a block that is not there.
pub(super) fn no_block(directive: &Directive) -> Diagnostic {
    Diagnostic::error(directive.span(), format!("`{}` has no block", directive.keyword()))
        .label("expected `{` and `}` after it")
}

fn script(name: &Word, block: &Block, problems: &mut Problems) -> Option<Script> {
    let mut argv = None;
    let mut as_user: Option<User> = None;
    let mut broken = false;
    let (mut interval, mut timeout) = (None, None);
    let (mut rise, mut fall) = (1, 1);
    let (mut weight, mut init_fail) = (Weight::default(), false);
    let mut once = Once::default();
    for directive in &block.directives {
        once.note(directive, problems);
        let mut count = || {
            number(directive, 1..=i64::from(u32::MAX), problems).and_then(|at| u32::try_from(at.value).ok())
        };
        match directive.keyword() {
            "script" => {
                argv = match directive.parameters() {
                    [] => {
                        problems.push(missing(directive, "a program, in quotes when it has arguments"));
                        None
                    }
                    [line] => arguments("script", line, problems),
                    // Without quotes, the words are the arguments.
                    words => Some(words.iter().map(|word| word.text.clone()).collect()),
                };
                broken |= argv.is_none();
            }
            "interval" => interval = seconds(directive, Duration::ZERO..=LONGEST, problems),
            "timeout" => timeout = seconds(directive, Duration::from_micros(1)..=LONGEST, problems),
            "weight" => weight = own_weight(directive, WEIGHT_MAX, problems).unwrap_or(weight),
            "rise" => rise = count().unwrap_or(rise),
            "fall" => fall = count().unwrap_or(fall),
            "user" => {
                as_user = user(directive, directive.parameters(), problems);
                if as_user.is_none() {
                    problems.push(missing(directive, "a user, and a group if need be"));
                }
            }
            "init_fail" => init_fail = bare(directive, problems),
            _ => {}
        }
    }
    let interval = match interval {
        Some(At { value: Duration::ZERO, span }) => {
            problems.push(
                Diagnostic::warning(span, format!("script `{}` has an interval of 0", name.text))
                    .label("1 s is used"),
            );
            Duration::from_secs(1)
        }
        Some(at) => at.value,
        None => Duration::from_secs(1),
    };
    let Some(argv) = argv else {
        if !broken {
            problems.push(
                Diagnostic::error(name.span, format!("vrrp_script `{}` has no `script`", name.text))
                    .help("add `script \"PROGRAM ARGUMENTS\"`, or nothing would be checked"),
            );
        }
        return None;
    };
    Some(Script {
        name: name.text.clone(),
        command: ScriptCommand { argv, user: as_user },
        interval,
        timeout: timeout.map_or(interval, |at| at.value),
        weight,
        rise,
        fall,
        init_fail,
    })
}

fn process(name: &Word, block: &Block, problems: &mut Problems) -> Option<Process> {
    let mut process = Process {
        name: name.text.clone(),
        command: Vec::new(),
        parameters: None,
        full_command: false,
        weight: Weight::default(),
        quorum: 1,
        quorum_max: None,
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
    };
    let mut quorum_max = None;
    let mut once = Once::default();
    for directive in &block.directives {
        once.note(directive, problems);
        let mut delay = || seconds(directive, Duration::ZERO..=HOUR, problems).map(|at| at.value);
        match directive.keyword() {
            "process" => {
                process.command = match directive.parameters() {
                    [] => {
                        problems.push(missing(directive, "a program"));
                        Vec::new()
                    }
                    [line] => arguments("process", line, problems).unwrap_or_default(),
                    words => words.iter().map(|word| word.text.clone()).collect(),
                };
            }
            "param_match" => process.parameters = param_match(directive, problems),
            "full_command" => process.full_command = bare(directive, problems),
            "weight" => {
                process.weight = own_weight(directive, WEIGHT_MAX_OTHERS, problems).unwrap_or(process.weight);
            }
            "quorum" => {
                process.quorum = number(directive, 1..=65535, problems).map_or(process.quorum, |at| at.value);
            }
            "quorum_max" => quorum_max = number(directive, 0..=65535, problems),
            "fork_delay" => process.fork_delay = delay().unwrap_or_default(),
            "terminate_delay" => process.terminate_delay = delay().unwrap_or_default(),
            "delay" => {
                if let Some(delay) = delay() {
                    (process.fork_delay, process.terminate_delay) = (delay, delay);
                }
            }
            _ => {}
        }
    }
    if process.command.is_empty() {
        if !block.directives.iter().any(|directive| directive.keyword() == "process") {
            problems.push(
                Diagnostic::error(name.span, format!("vrrp_track_process `{}` has no `process`", name.text))
                    .help("add `process PROGRAM`, or nothing would be watched"),
            );
        }
        return None;
    }
    process.quorum_max = quorum_max.map(|at: At<u32>| at.value);
    if let Some(At { value, span }) = quorum_max
        && value != 0
        && value < process.quorum
    {
        problems.push(
            Diagnostic::error(span, format!("`quorum_max` {value} is less than `quorum` {}", process.quorum))
                .help("raise `quorum_max`; 0 says that the process must not run"),
        );
    }
    Some(process)
}

fn param_match(directive: &Directive, problems: &mut Problems) -> Option<ParamMatch> {
    let [word, rest @ ..] = directive.parameters() else { return Some(ParamMatch::Exact) };
    surplus(directive, rest, problems);
    match word.text.as_str() {
        "initial" => Some(ParamMatch::Initial),
        "partial" => Some(ParamMatch::Partial),
        "exact" => Some(ParamMatch::Exact),
        other => {
            problems.push(
                Diagnostic::error(word.span, format!("`{other}` is no way to match parameters"))
                    .label("expected initial, partial, or nothing for an exact match")
                    .did_you_mean(other, ["initial", "partial"]),
            );
            None
        }
    }
}

fn file(name: &Word, block: &Block, problems: &mut Problems) -> Option<TrackFile> {
    let mut path = None;
    let mut weight = Weight { value: 1, reverse: false };
    let mut init = None;
    let mut once = Once::default();
    for directive in &block.directives {
        once.note(directive, problems);
        match directive.keyword() {
            "file" => path = only(directive, "the path of a file", problems),
            "weight" => weight = own_weight(directive, WEIGHT_MAX_OTHERS, problems).unwrap_or(weight),
            "init_file" => init = init_file(directive, problems),
            _ => {}
        }
    }
    let Some(path) = path else {
        problems.push(
            Diagnostic::error(name.span, format!("track_file `{}` has no `file`", name.text))
                .help("add `file PATH`, or nothing would be watched"),
        );
        return None;
    };
    if !path.text.starts_with('/') {
        problems.push(
            Diagnostic::error(path.span, format!("`{}` is not an absolute path", path.text))
                .label("expected a path that begins with /"),
        );
    }
    Some(TrackFile { name: name.text.clone(), path: path.text.clone().into(), weight, init })
}

/// `init_file [VALUE] [overwrite]`.
fn init_file(directive: &Directive, problems: &mut Problems) -> Option<FileInit> {
    let mut init = FileInit { value: 0, overwrite: false };
    for word in directive.parameters() {
        match word.text.as_str() {
            "overwrite" => init.overwrite = true,
            _ => init.value = number_in("init_file", word, i32::MIN..=i32::MAX, problems)?,
        }
    }
    Some(init)
}

/// `weight N [reverse]` of a definition.
fn own_weight(directive: &Directive, max: i16, problems: &mut Problems) -> Option<Weight> {
    let Some((number, rest)) = directive.parameters().split_first() else {
        problems.push(missing(directive, &format!("a number from -{max} to {max}")));
        return None;
    };
    let value = number_in("weight", number, -max..=max, problems)?;
    let (reverse, rest) = match rest {
        [word, rest @ ..] if word.text == "reverse" => (true, rest),
        [word, rest @ ..] if word.text == "noreverse" => (false, rest),
        _ => (false, rest),
    };
    surplus(directive, rest, problems);
    Some(Weight { value, reverse })
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
        problems.push(no_block(directive));
        return true;
    };
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
        let Some(weight) = entry_weight(entry, own, max, problems) else { continue };
        if list.iter().any(|tracked| tracked.name == name.text) {
            problems.push(
                Diagnostic::warning(name.span, format!("`{}` is tracked twice", name.text))
                    .label("ignored here"),
            );
            continue;
        }
        list.push(Tracked { name: name.text.clone(), weight });
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
    if let Some(definition) = known.0.get_mut(&name.text) {
        definition.used = true;
        return definition.value.as_ref().map(weight);
    }
    problems.push(
        Diagnostic::error(name.span, format!("there is no {kind} `{}`", name.text))
            .note("without it, its failure would go unseen")
            .help(format!("define it with `{kind} {} {{ … }}`, or leave it out", name.text))
            .did_you_mean(&name.text, known.0.keys().map(String::as_str)),
    );
    None
}

/// `NAME [weight N] [reverse|noreverse]`.
fn entry_weight(entry: &Directive, own: Weight, max: i16, problems: &mut Problems) -> Option<Weight> {
    let mut weight = own;
    let mut words = entry.parameters().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "weight" => {
                let Some(number) = words.next() else {
                    problems.push(
                        Diagnostic::error(word.span, "`weight` has no value")
                            .label(format!("expected a number from -{max} to {max}")),
                    );
                    return None;
                };
                weight.value = number_in("weight", number, -max..=max, problems)?;
            }
            "reverse" => weight.reverse = true,
            "noreverse" | "no_reverse" => weight.reverse = false,
            other => {
                problems.push(
                    Diagnostic::error(word.span, format!("`{other}` is no option of what is tracked"))
                        .label("expected weight, reverse or noreverse")
                        .did_you_mean(other, ["weight", "reverse", "noreverse"]),
                );
                return None;
            }
        }
    }
    Some(weight)
}
