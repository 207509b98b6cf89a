//! `authentication` and `auth_hmac`.

use std::{path::PathBuf, time::Duration};

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Directive, Word, keywords::Within},
        model::{HmacKey, HmacMode, Secret},
    },
};

use super::{
    tracking::no_entries,
    values::{At, IGNORED, effective, missing, number, number_in, only, surplus},
};

/// Bytes of a password that VRRPv2 has room for.
const PASS_MAX: usize = 8;

/// `authentication`, as far as it is given.
#[derive(Debug, Default)]
pub(super) struct PassDraft {
    pub(super) kind: Option<At<PassKind>>,
    pub(super) pass: Option<Secret>,
}

/// `auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PassKind {
    Pass,
    Ah,
}

/// `auth_hmac`; its keys fit together.
#[derive(Debug)]
pub(super) struct HmacDraft {
    pub(super) keys: Vec<HmacKey>,
    pub(super) active: u8,
    /// Default: it follows from the interval.
    pub(super) window: Option<Duration>,
    pub(super) mode: HmacMode,
    pub(super) monotonic: bool,
}

pub(super) fn pass(directive: &Directive, problems: &mut Problems) -> Option<PassDraft> {
    let Some(block) = &directive.block else {
        problems.push(no_entries(directive));
        return None;
    };
    let mut draft = PassDraft::default();
    for directive in effective(block, Within::Authentication, problems) {
        match directive.keyword() {
            "auth_type" => draft.kind = kind(directive, problems).or(draft.kind),
            "auth_pass" => {
                let Some(word) = only(directive, "a password", problems) else { continue };
                let bytes = word.text.as_bytes();
                if bytes.len() > PASS_MAX {
                    problems.push(
                        Diagnostic::warning(word.span, format!("the password has {} bytes", bytes.len()))
                            .label(format!("only the first {PASS_MAX} count"))
                            .note("VRRPv2 has room for no more, and sends them in clear text"),
                    );
                }
                draft.pass = Some(Secret::new(&bytes[..bytes.len().min(PASS_MAX)]));
            }
            _ => {}
        }
    }
    Some(draft)
}

fn kind(directive: &Directive, problems: &mut Problems) -> Option<At<PassKind>> {
    let word = only(directive, "PASS or AH", problems)?;
    let kind = match word.text.as_str() {
        "PASS" => PassKind::Pass,
        "AH" => PassKind::Ah,
        other => {
            problems.push(
                Diagnostic::mistake(word.span, format!("`{other}` is no way to authenticate"))
                    .label("expected PASS or AH")
                    .instead(IGNORED)
                    .did_you_mean(other, ["PASS", "AH"]),
            );
            return None;
        }
    };
    Some(At::new(kind, word.span))
}

/// `auth_hmac { key ID KEY; active_key ID; time_window SECONDS; anti_replay time|monotonic; mode MODE }`.
pub(super) fn hmac(directive: &Directive, problems: &mut Problems) -> Option<HmacDraft> {
    let Some(block) = &directive.block else {
        problems.push(no_entries(directive));
        return None;
    };
    let mut keys: Vec<(HmacKey, &Word)> = Vec::new();
    let mut active: Option<At<u8>> = None;
    let (mut window, mut mode, mut monotonic) = (None, HmacMode::default(), false);
    let mut broken = false;
    for line in effective(block, Within::AuthHmac, problems) {
        match line.keyword() {
            "key" => match key(line, problems) {
                Some((new, word)) => match keys.iter().find(|(key, _)| key.id == new.id) {
                    Some((_, first)) => problems.push(
                        Diagnostic::error(word.span, format!("key {} is given twice", new.id))
                            .label("the second time")
                            .related(first.span, "first given here"),
                    ),
                    None => keys.push((new, word)),
                },
                None => broken = true,
            },
            "active_key" => {
                active = number(line, 1..=u8::MAX, problems);
                broken |= active.is_none();
            }
            "time_window" => {
                window =
                    number(line, 1..=300, problems).map(|at: At<u16>| Duration::from_secs(at.value.into()));
            }
            "mode" => mode = choice(line, &MODES, problems).unwrap_or_default(),
            "anti_replay" => {
                monotonic =
                    choice(line, &[("time", false), ("monotonic", true)], problems).unwrap_or_default();
            }
            _ => {}
        }
    }
    if broken {
        return None;
    }
    let Some((first, _)) = keys.first() else {
        problems.push(
            Diagnostic::error(directive.span(), "`auth_hmac` has no key")
                .help("add `key 1 hex:…`, with 32 random bytes as 64 digits"),
        );
        return None;
    };
    let known = |id: u8| keys.iter().any(|(key, _)| key.id == id);
    if let Some(At { value, span }) = active
        && !known(value)
    {
        problems.push(
            Diagnostic::error(span, format!("`active_key` is {value}, and there is no such key"))
                .help(format!("add `key {value} …`, or name one that is there")),
        );
        return None;
    }
    let active = active.map_or(first.id, |at| at.value);
    problems.push(
        Diagnostic::warning(directive.span(), "`auth_hmac` was not tried beside keepalived 2.4")
            .note("it reproduces the test vectors of draft-cassen-vrrp-auth-hmac, and works between two nodes with lb-failover")
            .help("beside keepalived, start with `mode receive-only`, and watch `lbctl status` for adverts that are dropped"),
    );
    Some(HmacDraft { keys: keys.into_iter().map(|(key, _)| key).collect(), active, window, mode, monotonic })
}

const MODES: [(&str, HmacMode); 3] = [
    ("enforce", HmacMode::Enforce),
    ("permissive", HmacMode::Permissive),
    ("receive-only", HmacMode::ReceiveOnly),
];

fn choice<T: Copy>(directive: &Directive, choices: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let names = choices.iter().map(|(name, _)| *name);
    let expected = names.clone().collect::<Vec<_>>().join(" or ");
    let word = only(directive, &expected, problems)?;
    let found = choices.iter().find(|(name, _)| *name == word.text).map(|&(_, value)| value);
    if found.is_none() {
        problems.push(
            Diagnostic::error(word.span, format!("`{}` is no `{}`", word.text, directive.keyword()))
                .label(format!("expected {expected}"))
                .did_you_mean(&word.text, names),
        );
    }
    found
}

/// `key ID hex:DIGITS`, `key ID file:PATH`, or the text itself.
fn key<'d>(directive: &'d Directive, problems: &mut Problems) -> Option<(HmacKey, &'d Word)> {
    let [id, secret, rest @ ..] = directive.parameters() else {
        problems.push(missing(directive, "a number from 1 to 255 and a key"));
        return None;
    };
    surplus(directive, rest, problems);
    let number = number_in("key", id, 1..=u8::MAX, problems)?;
    let file = secret.text.strip_prefix("file:").map(PathBuf::from);
    let key = match &file {
        Some(_) => Some(Secret::new([])),
        None => Secret::of_key(&secret.text),
    };
    let Some(key) = key else {
        problems
            .push(Diagnostic::error(secret.span, format!("key {number} can not be used")).label(
                "expected hex: and an even number of hexadecimal digits, file: and a path, or a text",
            ));
        return None;
    };
    if let Some(problem) = key.key_length_problem().filter(|_| file.is_none()) {
        problems.push(
            Diagnostic::warning(secret.span, format!("key {number} has {} bytes", key.expose().len()))
                .label(problem)
                .help("use 32 random bytes, as hex: and 64 digits, on all nodes"),
        );
    }
    Some((HmacKey { id: number, key, file }, id))
}
