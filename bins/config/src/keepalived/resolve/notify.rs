//! Scripts, their users, and who is told.

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Directive, Word, command_words},
        model::{Notify, ScriptCommand, User},
    },
};

use super::values::{IGNORED, missing, surplus, switch};

/// A directive of `notify…` and its like; `false` when it is none.
pub(super) fn notify(directive: &Directive, notify: &mut Notify, problems: &mut Problems) -> bool {
    let mut script = |slot: &mut Option<ScriptCommand>| {
        if let Some(command) = command(directive, problems) {
            *slot = Some(command);
        }
    };
    match directive.keyword() {
        "notify_master" => script(&mut notify.master),
        "notify_backup" => script(&mut notify.backup),
        "notify_fault" => script(&mut notify.fault),
        "notify_stop" => script(&mut notify.stop),
        "notify_master_rx_lower_pri" => script(&mut notify.lower_priority),
        "notify" => script(&mut notify.any),
        "notify_deleted" => {
            notify.tells_deleted = true;
            if !directive.parameters().is_empty() {
                script(&mut notify.deleted);
            }
        }
        "notify_priority_changes" => {
            notify.priority_changes = switch(directive, problems).unwrap_or(notify.priority_changes);
        }
        "smtp_alert" => notify.mail = switch(directive, problems).unwrap_or(notify.mail),
        _ => return false,
    }
    true
}

/// `KEYWORD "PROGRAM ARGUMENTS" [USER [GROUP]]`.
pub(super) fn command(directive: &Directive, problems: &mut Problems) -> Option<ScriptCommand> {
    let Some((line, user)) = directive.parameters().split_first() else {
        problems.push(missing(directive, "a program, in quotes when it has arguments"));
        return None;
    };
    let argv = arguments(directive.keyword(), line, problems)?;
    if let Some(word) = user.iter().find(|word| !could_be_a_user(&word.text)) {
        problems.push(
            Diagnostic::warning(
                word.span,
                format!("`{}` stands where a user or a group is named", word.text),
            )
            .label("it cannot be one, so that the program is not run, as with keepalived")
            .help("put the program and its arguments in quotes: \"PROGRAM ARGUMENTS\""),
        );
        return None;
    }
    Some(ScriptCommand { argv, user: self::user(directive, user, problems) })
}

/// Says that words behind a program are not its arguments.
pub(super) fn unquoted(directive: &Directive, rest: &[Word], problems: &mut Problems) {
    if let [first, .., last] | [first @ last] = rest {
        let keyword = directive.keyword();
        problems.push(
            Diagnostic::warning(first.span.to(last.span), format!("words behind the program of `{keyword}`"))
                .label("ignored, as with keepalived: the program runs without them")
                .help("put the program and its arguments in quotes: \"PROGRAM ARGUMENTS\""),
        );
    }
}

/// `[USER [GROUP]]`.
pub(super) fn user(directive: &Directive, words: &[Word], problems: &mut Problems) -> Option<User> {
    let (name, rest) = words.split_first()?;
    let (group, rest) = match rest {
        [group, rest @ ..] => (Some(group.text.to_string()), rest),
        [] => (None, rest),
    };
    surplus(directive, rest, problems);
    Some(User { name: name.text.to_string(), group })
}

/// Whether there may be a user or a group of this name.
fn could_be_a_user(name: &str) -> bool {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let starts_well = !name.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    !name.is_empty() && (is_number || starts_well) && !name.contains(['/', ':', ',', '=', ' ', '"', '\''])
}

/// The words of a command line, in the manner of a shell.
pub(super) fn arguments(keyword: &str, line: &Word, problems: &mut Problems) -> Option<Vec<String>> {
    let error = match command_words(&line.text) {
        Ok(argv) if argv.first().is_some_and(|program| !program.is_empty()) => return Some(argv),
        Ok(_) => Diagnostic::mistake(line.span, format!("`{keyword}` names no program"))
            .label("expected the path of a program")
            .instead(IGNORED),
        Err(quote) => {
            Diagnostic::mistake(line.span, format!("a {quote} is not closed in the command of `{keyword}`"))
                .instead(IGNORED)
                .help(format!("add the missing {quote}, or put a backslash before it"))
        }
    };
    problems.push(error);
    None
}
