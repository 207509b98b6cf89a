//! Scripts, their users, and who is told.

use crate::config::{
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
    Some(ScriptCommand { argv, user: self::user(directive, user, problems) })
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
