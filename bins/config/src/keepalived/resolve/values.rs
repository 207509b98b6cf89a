//! Words as numbers, times, switches, addresses; and what is said of those that are none.

use std::{
    collections::HashMap, fmt::Display, net::IpAddr, ops::RangeInclusive, str::FromStr, time::Duration,
};

use ipnet::IpNet;

use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    keepalived::language::{
        Block, Directive, Word,
        keywords::{Repeated, Within, find},
    },
};

/// What becomes of a line or an entry that cannot be used.
pub(super) const IGNORED: &str = "ignored, as with keepalived";

/// A value and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<T> At<T> {
    pub(super) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// The one parameter of a directive. Further ones are ignored, as keepalived does, and said to be.
pub(super) fn only<'d>(
    directive: &'d Directive,
    expected: &str,
    problems: &mut Problems,
) -> Option<&'d Word> {
    let (first, rest) = match directive.parameters() {
        [] => {
            problems.push(missing(directive, expected));
            return None;
        }
        [first, rest @ ..] => (first, rest),
    };
    surplus(directive, rest, problems);
    Some(first)
}

/// Words that nothing is done with.
pub(super) fn surplus(directive: &Directive, rest: &[Word], problems: &mut Problems) {
    if let [first, .., last] | [first @ last] = rest {
        let keyword = directive.keyword();
        problems.push(
            Diagnostic::warning(first.span.to(last.span), format!("too many words after `{keyword}`"))
                .label("ignored"),
        );
    }
}

/// A directive without what it needs. keepalived does not start then; here only its block cannot be used.
pub(super) fn missing(directive: &Directive, expected: &str) -> Diagnostic {
    let (span, keyword) = (directive.span(), directive.keyword());
    let message = format!("`{keyword}` has no value");
    let label = format!("expected {expected}");
    match NEEDS_NO_VALUE.contains(&keyword) {
        true => without_value(directive, expected),
        false => Diagnostic::error(span, message).label(label),
    }
}

/// The same of one that is ignored then.
pub(super) fn without_value(directive: &Directive, expected: &str) -> Diagnostic {
    Diagnostic::mistake(directive.span(), format!("`{}` has no value", directive.keyword()))
        .label(format!("expected {expected}"))
        .instead(IGNORED)
}

/// Keywords that keepalived 2.2.7 ignores without a value, or does not know.
const NEEDS_NO_VALUE: [&str; 41] = [
    "default_interface",
    "file",
    "garp_extra_if",
    "helo_name",
    "http_protocol",
    "instance",
    "json_dump_file",
    "json_version",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "lvs_sync_daemon",
    "lvs_timeouts",
    "misc_path",
    "net_namespace",
    "notification_email_from",
    "notify_fifo",
    "notify_fifo_script",
    "payload",
    "regex",
    "require_reply",
    "router_id",
    "script",
    "script_user",
    "shutdown_script",
    "shutdown_script_timeout",
    "smtp_helo_name",
    "sorry_server_lvs_method",
    "startup_script",
    "startup_script_timeout",
    "state_dump_file",
    "stats_dump_file",
    "status_code",
    "virtualhost",
    "vmac_garp_intvl",
    "vrrp_delay_after_boot",
    "vrrp_garp_extra_if",
    "vrrp_notify_fifo",
    "vrrp_notify_fifo_script",
    "vrrp_priority",
    "vrrp_rt_priority",
    "vrrp_vmac_garp_intvl",
];

/// A whole number within a range.
pub(super) fn number<T>(
    directive: &Directive,
    range: RangeInclusive<T>,
    problems: &mut Problems,
) -> Option<At<T>>
where
    T: Copy + Display + PartialOrd + FromStr + TryFrom<i64>,
{
    let expected = format!("a number from {} to {}", range.start(), range.end());
    let word = only(directive, &expected, problems)?;
    number_in(directive.keyword(), word, range, problems).map(|value| At::new(value, word.span))
}

/// The same of any word.
pub(super) fn number_in<T>(
    what: &str,
    word: &Word,
    range: RangeInclusive<T>,
    problems: &mut Problems,
) -> Option<T>
where
    T: Copy + Display + PartialOrd + TryFrom<i64>,
{
    let expected = || format!("expected a number from {} to {}", range.start(), range.end());
    let Ok(value) = word.text.parse::<i64>() else {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no number for `{what}`", word.text))
                .label(expected())
                .instead(IGNORED),
        );
        return None;
    };
    let value = T::try_from(value).ok().filter(|value| range.contains(value));
    if value.is_none() {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{what}` {} is out of range", word.text))
                .label(expected())
                .instead(IGNORED),
        );
    }
    value
}

/// 1 to 99; what is less or more counts as the one or the other.
pub(super) fn real_time_priority(directive: &Directive, problems: &mut Problems) -> u8 {
    let Some(asked) = number(directive, i64::MIN..=i64::MAX, problems) else { return 1 };
    let value = asked.value.clamp(1, 99);
    if value != asked.value {
        let message = format!("`{}` {} is out of range", directive.keyword(), asked.value);
        problems.push(Diagnostic::warning(asked.span, message).label(format!("{value} is used")));
    }
    u8::try_from(value).unwrap_or(1)
}

/// Seconds with a fraction, to the microsecond.
pub(super) fn seconds(
    directive: &Directive,
    range: RangeInclusive<Duration>,
    problems: &mut Problems,
) -> Option<At<Duration>> {
    let expected = seconds_expected(&range);
    let word = only(directive, &expected, problems)?;
    seconds_in(directive.keyword(), word, range, problems).map(|value| At::new(value, word.span))
}

/// The same of any word.
pub(super) fn seconds_in(
    what: &str,
    word: &Word,
    range: RangeInclusive<Duration>,
    problems: &mut Problems,
) -> Option<Duration> {
    let error = match parse_seconds(&word.text) {
        Some(value) if range.contains(&value) => return Some(value),
        Some(_) => format!("`{what}` {} is out of range", word.text),
        None => format!("`{}` is no number of seconds for `{what}`", word.text),
    };
    let expected = seconds_expected(&range);
    problems
        .push(Diagnostic::mistake(word.span, error).label(format!("expected {expected}")).instead(IGNORED));
    None
}

fn seconds_expected(range: &RangeInclusive<Duration>) -> String {
    format!("seconds from {} to {}, such as 1.5", range.start().as_secs_f64(), range.end().as_secs_f64())
}

/// `12.345678`; what is below a microsecond is cut off.
fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let micros = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(Duration::from_secs(whole.into()) + Duration::from_micros(micros))
}

/// `on`, `off` and their like; a bare keyword is `on`.
pub(super) fn switch(directive: &Directive, problems: &mut Problems) -> Option<bool> {
    let [word, rest @ ..] = directive.parameters() else { return Some(true) };
    surplus(directive, rest, problems);
    match is_on(&word.text) {
        Some(on) => Some(on),
        None => {
            let keyword = directive.keyword();
            problems.push(
                Diagnostic::mistake(
                    word.span,
                    format!("`{}` is neither on nor off for `{keyword}`", word.text),
                )
                .label("expected on, off, true, false, yes or no")
                .instead(IGNORED),
            );
            None
        }
    }
}

/// A keyword that takes nothing, and is on whatever follows it.
pub(super) fn bare(directive: &Directive, problems: &mut Problems) -> bool {
    let keyword = directive.keyword();
    match directive.parameters() {
        [word] if is_on(&word.text) == Some(true) => {}
        [word, ..] if is_on(&word.text) == Some(false) => problems.push(
            Diagnostic::warning(
                directive.span(),
                format!("`{keyword}` cannot be switched off by `{}`", word.text),
            )
            .label("it is on, as with keepalived, which does not read what follows")
            .help("remove the line"),
        ),
        rest => surplus(directive, rest, problems),
    }
    true
}

/// What `on`, `off` and their like say, in small letters only, as keepalived has it.
fn is_on(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// A single word of text.
pub(super) fn text(directive: &Directive, expected: &str, problems: &mut Problems) -> Option<String> {
    only(directive, expected, problems).map(|word| word.text.to_string())
}

/// The address of a host, or of a group.
pub(super) fn address(directive: &Directive, problems: &mut Problems) -> Option<At<IpAddr>> {
    let word = only(directive, "an IP address", problems)?;
    address_in(directive.keyword(), word, problems).map(|value| At::new(value, word.span))
}

/// The same of any word.
pub(super) fn address_in(what: &str, word: &Word, problems: &mut Problems) -> Option<IpAddr> {
    let parsed = word.text.parse().ok().or_else(|| without_prefix(word, problems));
    if parsed.is_none() {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no IP address for {what}", word.text))
                .label("expected an IPv4 or IPv6 address")
                .instead(IGNORED),
        );
    }
    parsed
}

/// The address before a prefix length, or the first one of a range, where one host is meant.
fn without_prefix(word: &Word, problems: &mut Problems) -> Option<IpAddr> {
    let (address, _) = word.text.split_once(['/', '-'])?;
    let address = address.parse().ok()?;
    problems.push(
        Diagnostic::warning(word.span, format!("`{}` stands where the address of a host does", word.text))
            .label(format!("{address} is taken, as with keepalived"))
            .help(format!("write {address}")),
    );
    Some(address)
}

/// An address with or without a prefix length.
pub(super) fn net(text: &str) -> Option<IpNet> {
    match text.parse() {
        Ok(net) => Some(net),
        Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

/// The directives of a block that count, in the order of the text: of a keyword that stands there twice and is one setting, the
/// last or the first, as with keepalived.
pub(super) fn effective<'d>(block: &'d Block, within: Within, problems: &mut Problems) -> Vec<&'d Directive> {
    let mut settings: HashMap<&str, &Directive> = HashMap::new();
    let mut counts = |directive: &&'d Directive| {
        let Some(keyword) = find(within, directive.keyword()) else { return true };
        if keyword.repeated == Repeated::All {
            return true;
        }
        let Some(earlier) = settings.insert(keyword.name, directive) else { return true };
        let is_kept = match keyword.repeated {
            Repeated::First => true,
            Repeated::FirstBut(default) => {
                earlier.parameters().first().is_some_and(|word| word.text != default)
            }
            Repeated::Last | Repeated::All => false,
        };
        let which = if is_kept { "first" } else { "last" };
        let same = if same_words(earlier, directive) { ", with the same value" } else { "" };
        problems.push(
            Diagnostic::warning(directive.span(), format!("`{}` is set twice{same}", keyword.name))
                .label(format!("the {which} one counts, as with keepalived"))
                .related(earlier.span(), "set here before"),
        );
        if is_kept {
            settings.insert(keyword.name, earlier);
            if directive.parameters().is_empty() && NEEDS_A_VALUE_EACH_TIME.contains(&keyword.name) {
                problems.push(missing(directive, "a value"));
            }
        }
        !is_kept
    };
    block.directives.iter().filter(&mut counts).collect()
}

/// Keywords of which the first one counts and with which keepalived 2.2.7 does not start when a later one has no value.
const NEEDS_A_VALUE_EACH_TIME: [&str; 12] = [
    "notify",
    "notify_backup",
    "notify_down",
    "notify_fault",
    "notify_master",
    "notify_master_rx_lower_pri",
    "notify_stop",
    "notify_up",
    "process",
    "quorum_down",
    "quorum_up",
    "version",
];

fn same_words(one: &Directive, other: &Directive) -> bool {
    let texts =
        |directive: &Directive| directive.words.iter().map(|word| word.text.to_string()).collect::<Vec<_>>();
    texts(one) == texts(other)
}
