//! What a `vrrp_script`, `vrrp_track_process` or `track_file` says.

use std::time::Duration;

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, Word, keywords::Within},
        model::{FileInit, ParamMatch, Process, Script, ScriptCommand, TrackFile, User, Weight},
        resolve::{
            notify::{arguments, unquoted, user},
            values::{
                At, IGNORED, bare, effective, missing, number, number_in, only, seconds, surplus,
                without_value,
            },
        },
    },
};

use super::{WEIGHT_MAX, WEIGHT_MAX_OTHERS};

/// Longest interval and timeout of scripts.
const LONGEST: Duration = Duration::from_secs(4_294_967);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn script(name: &Word, block: &Block, problems: &mut Problems) -> Option<Script> {
    let mut argv = None;
    let mut as_user: Option<User> = None;
    let (mut interval, mut timeout) = (None, None);
    let (mut rise, mut fall) = (1, 1);
    let (mut weight, mut init_fail) = (Weight::default(), false);
    for directive in effective(block, Within::Script, problems) {
        let mut count = || {
            number(directive, 1..=i64::from(u32::MAX), problems).and_then(|at| u32::try_from(at.value).ok())
        };
        match directive.keyword() {
            "script" => {
                let read = match directive.parameters() {
                    [] => {
                        problems.push(missing(directive, "a program, in quotes when it has arguments"));
                        None
                    }
                    [line, rest @ ..] => {
                        unquoted(directive, rest, problems);
                        arguments("script", line, problems)
                    }
                };
                argv = read.or(argv);
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
        problems.push(
            Diagnostic::error(name.span, format!("vrrp_script `{}` has no `script`", name.text))
                .help("add `script \"PROGRAM ARGUMENTS\"`, or nothing would be checked"),
        );
        return None;
    };
    Some(Script {
        name: name.text.to_string(),
        command: ScriptCommand { argv, user: as_user },
        interval,
        timeout: timeout.map_or(interval, |at| at.value),
        weight,
        rise,
        fall,
        init_fail,
    })
}

pub(super) fn process(name: &Word, block: &Block, problems: &mut Problems) -> Option<Process> {
    let mut process = Process {
        name: name.text.to_string(),
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
    for directive in effective(block, Within::Process, problems) {
        let mut delay = || seconds(directive, Duration::ZERO..=HOUR, problems).map(|at| at.value);
        match directive.keyword() {
            "process" => {
                process.command = match directive.parameters() {
                    [] => {
                        problems.push(missing(directive, "a program"));
                        Vec::new()
                    }
                    [line] => arguments("process", line, problems).unwrap_or_default(),
                    words => words.iter().map(|word| word.text.to_string()).collect(),
                };
            }
            "param_match" => process.parameters = param_match(directive, problems).or(process.parameters),
            "full_command" => process.full_command = bare(directive, problems),
            "weight" if directive.parameters().is_empty() => {
                problems.push(without_value(directive, "a number"));
            }
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
        problems.push(
            Diagnostic::error(name.span, format!("vrrp_track_process `{}` has no `process`", name.text))
                .help("add `process PROGRAM`, or nothing would be watched"),
        );
        return None;
    }
    if process.command.len() > 1 {
        process.parameters.get_or_insert(ParamMatch::Exact);
    }
    process.quorum_max = quorum_max.map(|at: At<u32>| at.value);
    if let Some(At { value, span }) = quorum_max
        && value != 0
        && value < process.quorum
    {
        problems.push(
            Diagnostic::mistake(
                span,
                format!("`quorum_max` {value} is less than `quorum` {}", process.quorum),
            )
            .label("`quorum_max` is ignored, as with keepalived")
            .help("raise it; 0 says that the process must not run"),
        );
        process.quorum_max = None;
    }
    Some(process)
}

fn param_match(directive: &Directive, problems: &mut Problems) -> Option<ParamMatch> {
    let [word, rest @ ..] = directive.parameters() else { return Some(ParamMatch::Exact) };
    surplus(directive, rest, problems);
    match word.text.as_str() {
        "initial" => Some(ParamMatch::Initial),
        "partial" => Some(ParamMatch::Partial),
        other => {
            problems.push(
                Diagnostic::mistake(word.span, format!("`{other}` is no way to match parameters"))
                    .label("expected initial, partial, or nothing for an exact match")
                    .instead(IGNORED)
                    .did_you_mean(other, ["initial", "partial"]),
            );
            None
        }
    }
}

pub(super) fn file(name: &Word, block: &Block, problems: &mut Problems) -> Option<TrackFile> {
    let mut path = None;
    let mut weight = Weight { value: 1, reverse: false };
    let mut init = None;
    for directive in effective(block, Within::TrackFile, problems) {
        match directive.keyword() {
            "file" => path = only(directive, "the path of a file", problems).or(path),
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
            Diagnostic::warning(path.span, format!("`{}` is not an absolute path", path.text))
                .label("which file it is depends on where the daemon is started"),
        );
    }
    Some(TrackFile { name: name.text.to_string(), path: path.text.to_string().into(), weight, init })
}

/// `init_file [VALUE] [overwrite]`.
fn init_file(directive: &Directive, problems: &mut Problems) -> Option<FileInit> {
    let mut init = FileInit { value: 0, overwrite: false };
    for word in directive.parameters() {
        match word.text.as_str() {
            "overwrite" => init.overwrite = true,
            _ => {
                if let Some(value) = number_in("init_file", word, i32::MIN..=i32::MAX, problems) {
                    init.value = value;
                }
            }
        }
    }
    Some(init)
}

/// `weight N [reverse]` of a definition.
fn own_weight(directive: &Directive, max: i16, problems: &mut Problems) -> Option<Weight> {
    let Some((number, rest)) = directive.parameters().split_first() else {
        let problem = missing(directive, &format!("a number from -{max} to {max}"));
        // keepalived ends only where it is that of a script.
        problems.push(if max == WEIGHT_MAX { problem } else { problem.tolerated(IGNORED) });
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
