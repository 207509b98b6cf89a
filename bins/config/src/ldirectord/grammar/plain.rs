//! Numbers, yes and no, quoted texts, and words from a list.

use super::{Context, Value, clip, is_word, run};
use crate::{
    diagnostic::{Diagnostic, nearest},
    ldirectord::{
        directive::Directive,
        layout::BLANKS,
        raw::{Mode, RawValue},
        values::{AlertStates, CheckService, CheckType, HttpMethod},
    },
};

/// The first digits anywhere: `-5` is 5, `1.5` is 1.
pub(super) fn number(context: &mut Context<'_>, value: &Value<'_>, least: u64, most: u64) -> RawValue {
    let digits = run(&value.text, 0, |c| c.is_ascii_digit());
    let name = context.directive.name();
    let expected = if most == u64::MAX {
        format!("a number, at least {least}")
    } else {
        format!("a number from {least} to {most}")
    };
    if digits.is_empty() {
        let message = if value.trimmed().is_empty() {
            format!("`{name}` has no value")
        } else {
            format!("`{name}` has no number")
        };
        return context
            .error(Diagnostic::error(value.whole(), message).label(format!("expected {expected}")));
    }
    // More digits than fit mean "very many".
    let number = value.text[digits.clone()].parse().unwrap_or(u64::MAX - 1);
    if !(least..=most).contains(&number) {
        let message = format!("`{name}` is out of range");
        return context
            .error(Diagnostic::error(value.at(digits), message).label(format!("expected {expected}")));
    }
    let unremarkable =
        value.text[digits.end..].trim_start_matches(BLANKS).starts_with('#') && digits.start == 0;
    if !unremarkable {
        context.ignored(value, digits);
    }
    RawValue::Number(number)
}

pub(super) fn leading_number(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let digits = run(&value.text, 0, |c| c.is_ascii_digit());
    if digits.start > 0 || digits.is_empty() {
        let message = format!("`{}` is not a number", context.directive.name());
        return context.error(
            Diagnostic::error(value.whole(), message).label("expected a number of seconds; 0 for never"),
        );
    }
    context.ignored(value, digits.clone());
    RawValue::Number(value.text[digits].parse().unwrap_or(u64::MAX))
}

pub(super) fn yes_no(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    match &*value.text {
        "yes" => return RawValue::YesNo(true),
        "no" => return RawValue::YesNo(false),
        _ => {}
    }
    let name = context.directive.name();
    let text = value.trimmed();
    let mut error =
        Diagnostic::error(value.at(0..value.text.len()), format!("`{name}` is neither yes nor no"))
            .label("expected `yes` or `no`");
    if ["yes", "no"].contains(&text) {
        error = error.help("remove the blanks behind the value");
    } else if ["true", "on", "1", "y", "YES", "Yes"].contains(&text) {
        error = error.help(format!("write: {name} = yes"));
    } else if ["false", "off", "0", "n", "NO", "No"].contains(&text) {
        error = error.help(format!("write: {name} = no"));
    }
    context.error(error)
}

/// From a quote at the beginning to the last one.
pub(super) fn quoted(context: &mut Context<'_>, value: &Value<'_>, empty: bool) -> RawValue {
    let name = context.directive.name();
    let text = value.trimmed();
    let close = text.rfind('"').filter(|&close| close > 0 && text.starts_with('"'));
    let Some(close) = close else {
        let error =
            Diagnostic::error(value.whole(), format!("the value of `{name}` is not in double quotes"));
        let error = if text.starts_with('"') {
            error.label("the closing `\"` is missing")
        } else if text.is_empty() {
            error.label("expected a text in double quotes")
        } else {
            let is_secret = matches!(context.directive, Directive::Passwd | Directive::Secret);
            let bare = if is_secret { "…" } else { text.trim_matches(['"', '\'']) };
            error
                .label("expected `\"` at the beginning and at the end")
                .help(format!("write: {name} = \"{}\"", clip(bare)))
        };
        return context.error(error);
    };
    if close == 1 && !empty {
        let error = Diagnostic::error(value.whole(), format!("`{name}` is empty"));
        return context.error(error.label("expected a text between the quotes").help("leave the line out"));
    }
    context.ignored(value, 0..close + 1);
    RawValue::Text(text[1..close].to_owned())
}

/// Up to the second quote; without quotes, everything.
pub(super) fn maybe_quoted(context: &mut Context<'_>, value: &Value<'_>, empty: bool) -> RawValue {
    let text = value.trimmed();
    let from = usize::from(text.starts_with('"'));
    let to = text[from..].find('"').map_or(text.len(), |at| from + at);
    let mut part = from..to;
    if part.is_empty() && !empty {
        // ldirectord refuses an empty text, but a lone quote is none, and a mail address may begin with two.
        let odd = text == "\""
            || (context.directive == Directive::EmailAlert && !text.is_empty() && &*value.text != "\"\"");
        if !odd {
            let error = Diagnostic::error(value.whole(), format!("`{}` is empty", context.directive.name()));
            return context.error(error.label("expected a text").help("leave the line out"));
        }
        part = 0..text.len();
    }
    let text = text[part.clone()].to_owned();
    if context.mode == Mode::Lenient
        && part.end < value.trimmed().len()
        && value.trimmed()[part.end..] != *"\""
    {
        context.ignored(value, part);
    } else if context.mode == Mode::Lenient && from == 1 && part.end == value.trimmed().len() {
        let warning = Diagnostic::warning(value.whole(), "a quote that is not closed");
        context.problems.push(warning.label("expected a second `\"`"));
    }
    RawValue::Text(text)
}

pub(super) fn text(context: &mut Context<'_>, value: &Value<'_>, empty: bool) -> RawValue {
    let text = value.trimmed();
    if text.is_empty() && !empty {
        let error = Diagnostic::error(value.whole(), format!("`{}` has no value", context.directive.name()));
        return context.error(error.label("expected a text"));
    }
    RawValue::Text(text.to_owned())
}

pub(super) fn host_name(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let name = run(&value.text, 0, |c| is_word(c) || matches!(c, '.' | '-' | '+'));
    if name.start > 0 || name.is_empty() {
        let message = format!("`{}` is not a host", context.directive.name());
        let error = Diagnostic::error(value.whole(), message);
        return context.error(error.label("expected a host name or an IPv4 address, without quotes"));
    }
    context.ignored(value, name.clone());
    RawValue::Text(value.text[name].to_owned())
}

/// A number anywhere makes it "so many connects, then one negotiation".
pub(super) fn check_type(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    const KNOWN: [(&str, CheckType); 7] = [
        ("negotiate", CheckType::Negotiate),
        ("connect", CheckType::Connect),
        ("ping", CheckType::Ping),
        ("external", CheckType::External),
        ("external-perl", CheckType::ExternalPerl),
        ("on", CheckType::On),
        ("off", CheckType::Off),
    ];
    let word = run(&value.text, 0, |c| is_word(c) || c == '-');
    let text = &value.text[word.clone()];
    if let Some((_, kind)) = KNOWN.iter().find(|(name, _)| *name == text) {
        context.ignored(value, word);
        return RawValue::CheckType(*kind);
    }
    let digits = run(&value.text, 0, |c| c.is_ascii_digit());
    if !digits.is_empty() {
        let count = value.text[digits.clone()].parse().unwrap_or(u32::MAX);
        context.ignored(value, digits);
        return RawValue::CheckType(CheckType::Alternate(count));
    }
    let error = Diagnostic::error(value.whole(), format!("unknown checktype `{}`", clip(value.trimmed())))
        .label("expected connect, external, external-perl, negotiate, off, on, ping or a number")
        .did_you_mean(text, KNOWN.map(|(name, _)| name));
    context.error(error)
}

pub(super) fn service(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let word = run(&value.text, 0, is_word);
    let text = &value.text[word.clone()];
    if let Some(service) = CheckService::from_name(text) {
        context.ignored(value, word);
        return RawValue::Service(service);
    }
    let names = CheckService::ALL.iter().map(|service| service.name());
    let mut error = Diagnostic::error(value.whole(), format!("unknown service `{}`", clip(value.trimmed())))
        .label("there is no check for this");
    error = match nearest(text, names.clone()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("the services are {}", names.collect::<Vec<_>>().join(", "))),
    };
    context.error(error)
}

pub(super) fn http_method(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let word = run(&value.text, 0, is_word);
    let method = match value.text[word.clone()].to_ascii_uppercase().as_str() {
        "GET" => HttpMethod::Get,
        "HEAD" => HttpMethod::Head,
        _ => {
            let error =
                Diagnostic::error(value.whole(), format!("unknown httpmethod `{}`", clip(value.trimmed())));
            return context.error(error.label("expected GET or HEAD"));
        }
    };
    context.ignored(value, word);
    RawValue::HttpMethod(method)
}

/// The first word of such characters; whether it is a good one is looked at later.
pub(super) fn first_word(
    context: &mut Context<'_>,
    value: &Value<'_>,
    of: impl Fn(char) -> bool,
    expected: &str,
) -> RawValue {
    let word = run(&value.text, 0, of);
    if word.is_empty() {
        let message = if value.trimmed().is_empty() {
            format!("`{}` has no value", context.directive.name())
        } else {
            format!("`{}` is not a {}", clip(value.trimmed()), context.directive.name())
        };
        return context
            .error(Diagnostic::error(value.whole(), message).label(format!("expected {expected}")));
    }
    context.ignored(value, word.clone());
    RawValue::Text(value.text[word].to_owned())
}

pub(super) fn alert_states(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let mut states = AlertStates::NONE;
    let mut none = false;
    let mut at = 0;
    let listed = value.text.trim_end_matches(',');
    for part in listed.split(',') {
        let from = at + part.len() - part.trim_start_matches(BLANKS).len();
        let last = at + part.len() == listed.len();
        at += part.len() + 1;
        // Blanks before a comma are nothing, at the end they are a part of the word.
        let word = if last { part.trim_start_matches(BLANKS) } else { part.trim_matches(BLANKS) };
        match word {
            "all" => states = AlertStates::ALL,
            "none" => none = true,
            "starting" => states.starting = true,
            "running" => states.running = true,
            "stopping" => states.stopping = true,
            "reloading" => states.reloading = true,
            "" if listed.is_empty() => {}
            _ => {
                let error = Diagnostic::error(
                    value.at(from..from + word.len()),
                    format!("unknown emailalertstatus `{}`", clip(word)),
                )
                .label("expected all, none, or a list of starting, running, stopping, reloading")
                .did_you_mean(word, ["all", "none", "starting", "running", "stopping", "reloading"]);
                return context.error(error);
            }
        }
    }
    if none && states != AlertStates::NONE {
        let error = Diagnostic::error(value.whole(), "`none` together with other states");
        return context.error(error.label("expected `none` alone"));
    }
    RawValue::AlertStates(states)
}
