//! `real=`.

use std::ops::Range;

use super::{Context, Value, clip, is_word, run};
use crate::{
    diagnostic::Diagnostic,
    ldirectord::{
        directive::Directive,
        layout::BLANKS,
        raw::{Mode, RawReal, RawValue, Word},
    },
};

/// `host[->host][:port] method [weight] ["request", "receive"] [l:N] [u:N]`.
///
/// ldirectord looks for the first place in the value where a host, blanks and a word fit, so it may begin in the
/// middle of what was written.
pub(super) fn real(context: &mut Context<'_>, value: &Value<'_>) -> RawValue {
    let text = value.trimmed();
    let Some(server) = find(&value.text) else {
        return context.error(no_server(context.directive, value));
    };
    if server.host.start.saturating_sub(usize::from(server.bracketed)) > 0 && context.mode == Mode::Lenient {
        let skipped = 0..server.host.start - usize::from(server.bracketed);
        let rest = server.host.start;
        return context.error(
            Diagnostic::error(
                value.at(skipped.clone()),
                format!("`{}` before the address of a real server", clip(&text[skipped])),
            )
            .label(format!("ldirectord skips this and reads `{}`", clip(&text[rest..])))
            .help("write: address:port method, or first->last:port method for a range"),
        );
    }
    let method = run(&value.text, server.end, is_word);
    let method = if method.start == server.end { method } else { server.end..server.end };
    if !["gate", "masq", "ipip"].contains(&&value.text[method.clone()]) {
        let shown = if method.is_empty() {
            run(text, server.end.min(text.len()), |c| !BLANKS.contains(&c))
        } else {
            method
        };
        return context.error(no_method(value, shown));
    }
    let mut real = RawReal {
        host: value.word(server.host),
        last: server.last.map(|last| value.word(last)),
        port: server.port.map(|port| value.word(port)),
        method: value.word(method.clone()),
        weight: None,
        request: None,
        receive: None,
        lower: None,
        upper: None,
    };
    options(context, value, method.end, &mut real)
}

/// Weight, strings and thresholds, each once, in any order.
fn options(context: &mut Context<'_>, value: &Value<'_>, mut at: usize, real: &mut RawReal) -> RawValue {
    let text = value.trimmed();
    while at < text.len() {
        let from = at + text[at..].len() - text[at..].trim_start_matches(BLANKS).len();
        let rest = &text[from..];
        let separated = from > at;
        let strings = if separated && real.request.is_none() { strings(rest) } else { None };
        if let Some((request, receive, end)) = strings {
            let shift = |part: Range<usize>| value.word(from + part.start..from + part.end);
            real.request = Some(shift(request));
            real.receive = Some(shift(receive));
            at = from + end;
            continue;
        }
        let option = if context.mode == Mode::Lenient { ipvsadm_option(rest) } else { None };
        let (slot, prefix): (&mut Option<Word>, usize) = match option {
            Some((b'w', length)) => (&mut real.weight, length),
            Some((b'x', length)) => (&mut real.upper, length),
            Some((_, length)) => (&mut real.lower, length),
            None if rest.starts_with("l:") => (&mut real.lower, 2),
            None if rest.starts_with("u:") => (&mut real.upper, 2),
            None => (&mut real.weight, 0),
        };
        let digits = run(rest, prefix, |c| c.is_ascii_digit());
        if !separated || digits.start != prefix || digits.is_empty() || slot.is_some() {
            return context.error(bad_option(value, from, real));
        }
        *slot = Some(value.word(from + digits.start..from + digits.end));
        at = from + digits.end;
        if let Some((option, _)) = option {
            let number = &rest[digits];
            let right = match option {
                b'w' => number.to_owned(),
                b'x' => format!("u:{number}"),
                _ => format!("l:{number}"),
            };
            context.problems.push(
                Diagnostic::warning(value.at(from..at), "an option of ipvsadm in a real server")
                    .label("ldirectord refuses it")
                    .help(format!("write: {right}")),
            );
        }
    }
    if let (Mode::Lenient, Some(request)) = (context.mode, &real.request)
        && ["l:", "u:"].iter().any(|prefix| request.text.starts_with(prefix))
    {
        context.problems.push(
            Diagnostic::warning(request.span, "a threshold in quotes is read as a request")
                .help("write thresholds without quotes: l:5 u:9"),
        );
    }
    RawValue::Real(Box::new(real.clone()))
}

/// `-w N` (weight), `-x N` and `-y N` (thresholds) as ipvsadm has them: the letter, and where the number begins.
fn ipvsadm_option(text: &str) -> Option<(u8, usize)> {
    let letter = text.strip_prefix('-')?.bytes().next().filter(|letter| b"wxy".contains(letter))?;
    let number = text[2..].trim_start_matches(BLANKS);
    number.starts_with(|c: char| c.is_ascii_digit()).then_some((letter, text.len() - number.len()))
}

/// `"request", "receive"`: from the first quote to the last one; where several places could separate the two, the
/// last one does. A comma, or a blank, must follow the request's quote at once.
fn strings(text: &str) -> Option<(Range<usize>, Range<usize>, usize)> {
    if !text.starts_with('"') {
        return None;
    }
    let close = text.rfind('"')?;
    let mut open = close;
    while let Some(quote) = text[..open].rfind('"') {
        // The text between two quotes that follow each other is a separator when it is a comma or a blank, and blanks.
        let between = &text[quote + 1..open];
        let separates = between.starts_with(',') || between.starts_with(BLANKS);
        if quote > 0 && open < close && separates && between[1..].trim_matches(BLANKS).is_empty() {
            return Some((1..quote, open + 1..close, close + 1));
        }
        open = quote;
    }
    None
}

struct Server {
    host: Range<usize>,
    last: Option<Range<usize>>,
    port: Option<Range<usize>>,
    bracketed: bool,
    /// Where the method begins.
    end: usize,
}

/// The first place where a server fits. Linear: what does not fit at the start of a run of host characters fits
/// nowhere in the run.
fn find(text: &str) -> Option<Server> {
    let host_character = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let mut at = 0;
    while at < text.len() {
        let next = text[at..].find(|c| host_character(c) || c == '[').map(|skip| at + skip)?;
        let Some((host, bracketed, end)) = host(text, next) else {
            at = next + 1;
            continue;
        };
        let range = |first: &Range<usize>| {
            // The `-` of `->` looks like a part of the name before it.
            let dash = if text[end..].starts_with("->") { end } else { first.end.checked_sub(1)? };
            if bracketed && dash != end || !text[dash..].starts_with("->") || dash == first.start {
                return None;
            }
            let (last, _, end) = self::host(text, dash + 2)?;
            Some((first.start..if bracketed { first.end } else { dash }, Some(last), end))
        };
        let candidates = [range(&host), Some((host.clone(), None, end))];
        for (host, last, end) in candidates.into_iter().flatten() {
            let port = text[end..].starts_with(':').then(|| run(text, end + 1, |c| is_word(c) || c == '-'));
            let port = port.filter(|port| port.start == end + 1 && !port.is_empty());
            let end = port.as_ref().map_or(end, |port| port.end);
            let rest = text[end..].trim_start_matches(BLANKS);
            if rest.len() < text.len() - end {
                let rest = rest.trim_start_matches(|c| c == ',' || BLANKS.contains(&c));
                return Some(Server { host, last, port, bracketed, end: text.len() - rest.len() });
            }
        }
        at = if bracketed { next + 1 } else { end };
    }
    None
}

/// A name, an IPv4 address, or an IPv6 address in brackets: its range without the brackets, and its end.
fn host(text: &str, at: usize) -> Option<(Range<usize>, bool, usize)> {
    if text[at..].starts_with('[') {
        let inner = run(text, at + 1, |c| c.is_ascii_hexdigit() || c == ':');
        let closed = inner.start == at + 1 && !inner.is_empty() && text[inner.end..].starts_with(']');
        return closed.then(|| (inner.clone(), true, inner.end + 1));
    }
    let name = run(text, at, |c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    (name.start == at && !name.is_empty()).then(|| (name.clone(), false, name.end))
}

fn no_server(directive: Directive, value: &Value<'_>) -> Diagnostic {
    let (name, text) = (directive.name(), value.trimmed());
    if text.is_empty() {
        return Diagnostic::error(value.whole(), format!("`{name}` has no value"))
            .label("expected address[:port] gate|masq|ipip [weight]");
    }
    let alone = !text.contains(BLANKS);
    if alone && !text.contains(['"', '\'', ',']) {
        Diagnostic::error(value.whole(), "a real server without a forwarding method")
            .label("expected gate, masq or ipip behind the address")
            .help(format!(
                "write: {name} = {} masq for NAT, gate for direct routing, ipip for a tunnel",
                clip(text)
            ))
    } else {
        Diagnostic::error(value.whole(), format!("`{}` is no real server", clip(text)))
            .label("expected address[:port] gate|masq|ipip [weight]")
    }
}

fn no_method(value: &Value<'_>, method: Range<usize>) -> Diagnostic {
    let text = &value.text[method.clone()];
    let error = if text.is_empty() {
        Diagnostic::error(value.whole(), "a real server without a forwarding method")
    } else {
        Diagnostic::error(value.at(method), format!("`{}` is no forwarding method", clip(text)))
    };
    let error = error.label("expected gate, masq or ipip");
    match text {
        "->" => error.help("write a range without blanks: first->last"),
        "route" | "dr" | "dsr" | "direct" => error.help("direct routing is called `gate`"),
        "nat" | "NAT" | "masquerade" => error.help("network address translation is called `masq`"),
        "tun" | "tunnel" => error.help("a tunnel is called `ipip`"),
        _ => error.did_you_mean(text, ["gate", "masq", "ipip"]),
    }
}

fn bad_option(value: &Value<'_>, from: usize, real: &RawReal) -> Diagnostic {
    let text = value.trimmed();
    let rest = &text[from..];
    let error =
        Diagnostic::error(value.at(from..text.len()), format!("`{}` does not belong here", clip(rest)));
    if rest.starts_with('"') && real.request.is_none() {
        error.label(
            "expected \"request\", \"receive\": both, in double quotes, with a comma right behind the first",
        )
    } else if rest.starts_with('-') {
        error.label("expected a weight of 0 to 65535")
    } else if rest.starts_with("l:") || rest.starts_with("u:") {
        error.label("expected a number right behind the colon, once")
    } else {
        error
            .label("expected [weight] [\"request\", \"receive\"] [l:N] [u:N], each once, with blanks between")
    }
}
