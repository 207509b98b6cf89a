//! `virtual=` and `fallback=`: hosts and ports.

use super::{Context, Value, clip, is_word, run};
use crate::{
    diagnostic::Diagnostic,
    ldirectord::{
        directive::Directive,
        layout::BLANKS,
        raw::{Mode, RawFallback, RawService, RawValue},
    },
};

/// `host:port` with anything behind it; else the digits at the beginning are a firewall mark.
pub(super) fn virtual_service(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let six = context.directive == Directive::Virtual6;
    let text = &*value.text;
    let bracketed = six && text.starts_with('[');
    let host = if bracketed {
        let inner = run(text, 1, |c| c.is_ascii_hexdigit() || c == ':');
        (inner.start == 1 && !inner.is_empty() && text[inner.end..].starts_with(']')).then_some(inner)
    } else {
        Some(run(text, 0, |c| is_word(c) || c == '.' || c == '-'))
            .filter(|host| host.start == 0 && !host.is_empty())
    };
    if let Some(host) = host {
        let colon = host.end + usize::from(bracketed);
        let port = run(text, colon.min(text.len()), |c| is_word(c) || c == '-');
        if text[colon..].starts_with(':') && port.start == colon + 1 && !port.is_empty() {
            let rest = text[port.end..].trim_matches(BLANKS);
            if !rest.is_empty() && !rest.starts_with('#') && context.mode == Mode::Lenient {
                context.problems.push(
                    Diagnostic::warning(value.at(port.end..value.trimmed().len()), "a rest behind the port")
                        .label("ignored, as ldirectord does"),
                );
            }
            return RawValue::Virtual(RawService::Address { host: value.word(host), port: value.word(port) });
        }
    }
    let digits = run(text, 0, |c| c.is_ascii_digit());
    if digits.start == 0 && !digits.is_empty() {
        return mark(context, value, digits);
    }
    let name = context.directive.name();
    let error =
        Diagnostic::error(value.whole(), format!("`{}` is no virtual service", clip(value.trimmed())));
    let error = if !six && text.starts_with('[') {
        error.label("an IPv6 address").help("write: virtual6 = [address]:port")
    } else if six {
        error.label("expected [address]:port, or a firewall mark")
    } else if text.trim().is_empty() {
        Diagnostic::error(value.whole(), format!("`{name}` has no value"))
            .label("expected address:port, or a firewall mark")
    } else {
        let error = error.label("expected address:port, or a firewall mark");
        if text.starts_with(['"', '\'']) { error.help("remove the quotes") } else { error }
    };
    context.error(error)
}

/// A number is a firewall mark, even that at the beginning of an address without a port.
fn mark(context: &mut Context<'_>, value: &Value<'_>, digits: std::ops::Range<usize>) -> RawValue {
    let rest = &value.trimmed()[digits.end..];
    let host = run(&value.text, 0, |c| !BLANKS.contains(&c) && c != '#');
    let comment = rest.trim_start_matches(BLANKS).starts_with('#');
    if context.mode == Mode::Lenient && !rest.is_empty() && !comment {
        let digits = &value.text[digits];
        // `10.0.0.1:*` is meant for all ports.
        let host = value.text[host].trim_end_matches(['*', ':']);
        let error = Diagnostic::error(value.whole(), format!("`{}` has no port", clip(host)))
            .note(format!("ldirectord silently takes this for the firewall mark {}", clip(digits)));
        return context.error(if rest.starts_with(['.', ':']) {
            let (name, all) = if context.directive == Directive::Virtual6 {
                ("virtual6", format!("[{}]", clip(host)))
            } else {
                ("virtual", clip(host).into_owned())
            };
            error.label("expected address:port").help(format!(
                "write: {name} = {all}:80 with your port; port 0 stands for all ports and needs `persistent`"
            ))
        } else {
            error.label("expected address:port, or a firewall mark alone")
        });
    }
    RawValue::Virtual(RawService::Mark(value.word(digits)))
}

/// `host[:port] [gate|masq|ipip]`, and nothing behind it.
pub(super) fn fallback(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let text = value.trimmed();
    let place = run(text, 0, |c| !BLANKS.contains(&c));
    if place.is_empty() {
        if context.mode == Mode::Lenient {
            context.problems.push(
                Diagnostic::warning(value.whole(), format!("`{}` has no value", context.directive.name()))
                    .label("no fallback"),
            );
        }
        return RawValue::Fallback(None);
    }
    let from = place.end + text[place.end..].len() - text[place.end..].trim_start_matches(BLANKS).len();
    let method = from..text.len();
    if !method.is_empty() && !["gate", "masq", "ipip"].contains(&&text[method.clone()]) {
        let error = Diagnostic::error(
            value.at(method.clone()),
            format!("`{}` is no forwarding method", clip(&text[method])),
        );
        return context.error(error.label("expected gate, masq or ipip, and nothing behind it"));
    }
    let address = &text[place.clone()];
    let (host, port) = if context.directive == Directive::Fallback6 {
        bracketed(address)
    } else {
        match address.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() => (0..host.len(), Some(host.len() + 1..address.len())),
            _ => (0..address.len(), None),
        }
    };
    RawValue::Fallback(Some(RawFallback {
        host: value.word(host),
        port: port.map(|port| value.word(port)),
        method: (!method.is_empty()).then(|| value.word(method)),
    }))
}

/// The first `[address]` and the port behind it; ldirectord ignores what stands before and between.
fn bracketed(text: &str) -> (std::ops::Range<usize>, Option<std::ops::Range<usize>>) {
    let inner = text.find('[').and_then(|open| {
        let inner = run(text, open + 1, |c| c.is_ascii_hexdigit() || c == ':');
        (inner.start == open + 1 && text[inner.end..].starts_with(']')).then_some(inner)
    });
    let after = inner.as_ref().map_or(0, |inner| inner.end + 1);
    let port = text[after..].rfind(':').map(|at| after + at + 1..text.len()).filter(|port| !port.is_empty());
    match inner {
        Some(inner) => (inner, port),
        None => (0..port.as_ref().map_or(text.len(), |port| port.start - 1), port),
    }
}
