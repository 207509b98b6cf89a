//! The checks of a real server: what they have in common, and what each is about.

use std::{net::SocketAddr, time::Duration};

use lb_health::{
    Payload, Target,
    probe::{dns::RecordType, udp::Reply},
};

use super::{
    super::{
        notify::{self, unquoted},
        values::{IGNORED, address, bare, effective, missing, number_in, only, switch},
    },
    Context, http,
    values::{number, positive_seconds, seconds},
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{
            Block, Directive,
            keywords::{self, Body, Within},
        },
        model::{Checker, CheckerKind, Pace, ScriptCommand, Sni, Weight},
    },
};

/// What becomes of a check that lacks what it needs.
const CHECK_IGNORED: &str = "the check is ignored, as with keepalived: the server counts as up without it";

/// What surrounds a check.
pub(super) struct Around<'a> {
    /// Where the server listens.
    pub(super) target: SocketAddr,
    /// `virtualhost` of the real or virtual server.
    pub(super) host: Option<&'a str>,
    pub(super) context: &'a Context<'a>,
    /// What real and virtual server say about all their checks.
    pub(super) pacing: Pacing,
}

/// What a virtual server hands down to its real servers, and each of them to its checks.
#[derive(Clone, Copy, Default)]
pub(super) struct Pacing {
    delay_loop: Option<Duration>,
    connect_timeout: Option<Duration>,
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    alpha: Option<bool>,
}

impl Pacing {
    /// `alpha` of a virtual server, where keepalived looks at no parameter.
    pub(super) fn alpha(&mut self) {
        self.alpha = Some(true);
    }

    /// Takes notice of a directive, if it is one of these.
    pub(super) fn read(&mut self, directive: &Directive, problems: &mut Problems) -> bool {
        match directive.keyword() {
            "delay_loop" => self.delay_loop = positive_seconds(directive, problems).or(self.delay_loop),
            "connect_timeout" => {
                self.connect_timeout = positive_seconds(directive, problems).or(self.connect_timeout);
            }
            "retry" | "nb_get_retry" => {
                self.retry = number(directive, 0..=u32::MAX - 1, problems).or(self.retry);
            }
            "delay_before_retry" => {
                self.delay_before_retry = seconds(directive, problems).or(self.delay_before_retry);
            }
            "alpha" => self.alpha = switch(directive, problems).or(self.alpha),
            // First looks are spread over a second, and later ones evenly over `delay_loop`.
            "warmup" => {
                seconds(directive, problems);
            }
            _ => return false,
        }
        true
    }

    /// These, and those where nothing is said.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            delay_loop: self.delay_loop.or(other.delay_loop),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
            retry: self.retry.or(other.retry),
            delay_before_retry: self.delay_before_retry.or(other.delay_before_retry),
            alpha: self.alpha.or(other.alpha),
        }
    }

    fn pace(self, kind: &CheckerKind, timeout: Option<Duration>) -> Pace {
        const SECOND: Duration = Duration::from_secs(1);
        let delay_loop = self.delay_loop.unwrap_or(60 * SECOND);
        let (retry, delay_before_retry) = match kind {
            CheckerKind::Http { .. } => (1, 3 * SECOND),
            CheckerKind::Dns { .. } => (3, delay_loop),
            CheckerKind::Misc { .. } | CheckerKind::File { .. } => (0, SECOND),
            _ => (1, SECOND),
        };
        let default_timeout = match kind {
            CheckerKind::Misc { .. } => delay_loop,
            _ => self.connect_timeout.unwrap_or(5 * SECOND),
        };
        Pace {
            delay_loop,
            timeout: timeout.unwrap_or(default_timeout),
            retry: self.retry.unwrap_or(retry),
            delay_before_retry: self.delay_before_retry.unwrap_or(delay_before_retry),
        }
    }
}

/// The checks that a directive stands for: none if it is no check, several for an SMTP_CHECK with several hosts.
pub(super) fn checkers(directive: &Directive, around: &Around<'_>, problems: &mut Problems) -> Vec<Checker> {
    let empty = Block::default();
    let block = directive.block.as_ref().unwrap_or(&empty);
    let mut draft = Draft::new(around);
    let check = keywords::find(Within::RealServer, directive.keyword());
    let Some(Body::Block(within)) = check.map(|check| check.body) else { return Vec::new() };
    let own = draft.connection(block, within, problems);
    let kind = match directive.keyword() {
        "TCP_CHECK" => Some(CheckerKind::Tcp),
        "PING_CHECK" => Some(CheckerKind::Ping),
        "HTTP_GET" => http::http(directive, &own, around, None, problems),
        "SSL_GET" => http::http(directive, &own, around, Some(Sni::Off), problems),
        "SMTP_CHECK" => return smtp(&own, &draft, problems),
        "DNS_CHECK" => Some(dns(&own, problems)),
        "UDP_CHECK" => Some(udp(&own, problems)),
        "MISC_CHECK" => misc(directive, &own, &mut draft, problems),
        "FILE_CHECK" => file(directive, &own, around.context, problems),
        "BFD_CHECK" => None,
        _ => return Vec::new(),
    };
    if draft.target.address.port() == 0 && kind.as_ref().is_some_and(needs_port) {
        problems.push(
            Diagnostic::mistake(
                directive.span(),
                format!("{} does not know where to connect to", directive.keyword()),
            )
            .label("neither the real server nor its service has one port")
            .instead("the check is left out")
            .help("add `connect_port` to the check, or a port to the real server"),
        );
        return Vec::new();
    }
    kind.map(|kind| draft.finish(kind)).into_iter().collect()
}

const fn needs_port(kind: &CheckerKind) -> bool {
    !matches!(kind, CheckerKind::Ping | CheckerKind::Misc { .. } | CheckerKind::File { .. })
}

/// A check whose kind is not known yet.
#[derive(Clone)]
struct Draft {
    target: Target,
    pacing: Pacing,
    timeout: Option<Duration>,
}

impl Draft {
    fn new(around: &Around<'_>) -> Self {
        Self { target: Target::new(around.target), pacing: around.pacing, timeout: None }
    }

    /// Takes notice of what all checks understand; returns the rest.
    fn connection<'d>(
        &mut self,
        block: &'d Block,
        within: Within,
        problems: &mut Problems,
    ) -> Vec<&'d Directive> {
        let mut own = Pacing::default();
        let mut rest = Vec::new();
        for directive in effective(block, within, problems) {
            if own.read(directive, problems) {
                continue;
            }
            match directive.keyword() {
                "connect_ip" => {
                    if let Some(at) = address(directive, problems) {
                        self.target.address.set_ip(at.value);
                    }
                }
                "connect_port" => {
                    if let Some(port) = number(directive, 1..=u16::MAX, problems) {
                        self.target.address.set_port(port);
                    }
                }
                "bindto" => {
                    self.target.source =
                        address(directive, problems).map(|at| at.value).or(self.target.source);
                }
                "bind_if" => {
                    let name = only(directive, "an interface", problems);
                    self.target.interface = name.map(|word| word.text.to_string());
                }
                "bind_port" => {}
                "fwmark" => self.target.mark = number(directive, 1..=u32::MAX, problems),
                // Every failure of a server that is up is logged.
                "log_all_failures" => {
                    switch(directive, problems);
                }
                _ => rest.push(directive),
            }
        }
        self.pacing = own.or(self.pacing);
        rest
    }

    fn finish(self, kind: CheckerKind) -> Checker {
        let pace = self.pacing.pace(&kind, self.timeout);
        Checker { kind, target: self.target, pace, alpha: self.pacing.alpha.unwrap_or(false) }
    }
}

/// One check for each `host`, if there are any.
fn smtp(own: &[&Directive], draft: &Draft, problems: &mut Problems) -> Vec<Checker> {
    let hello = own.iter().rfind(|directive| directive.keyword() == "helo_name");
    let hello = hello.and_then(|directive| only(directive, "a name", problems));
    let kind = CheckerKind::Smtp { hello: hello.map(|word| word.text.to_string()) };
    let hosts = own.iter().filter(|directive| directive.keyword() == "host");
    let mut checkers: Vec<Checker> = hosts
        .filter_map(|host| host.block.as_ref())
        .map(|block| {
            let mut draft = draft.clone();
            draft.connection(block, Within::SmtpHost, problems);
            draft.finish(kind.clone())
        })
        .collect();
    if checkers.is_empty() {
        checkers.push(draft.clone().finish(kind));
    }
    checkers
}

fn dns(own: &[&Directive], problems: &mut Problems) -> CheckerKind {
    const TYPES: [(&str, RecordType); 8] = [
        ("A", RecordType::A),
        ("NS", RecordType::Ns),
        ("CNAME", RecordType::Cname),
        ("SOA", RecordType::Soa),
        ("MX", RecordType::Mx),
        ("TXT", RecordType::Txt),
        ("AAAA", RecordType::Aaaa),
        ("RRSIG", RecordType::Rrsig),
    ];
    let (mut record, mut name) = (RecordType::Soa, ".".to_owned());
    for directive in own {
        match directive.keyword() {
            "type" => {
                let Some(word) = only(directive, "a type, such as SOA", problems) else { continue };
                match TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&word.text)) {
                    Some((_, known)) => record = *known,
                    None => problems.push(
                        Diagnostic::mistake(word.span, format!("`{}` can not be asked for", word.text))
                            .label("A, NS, CNAME, SOA, MX, TXT, AAAA or RRSIG expected")
                            .instead(IGNORED),
                    ),
                }
            }
            "name" => {
                if let Some(word) = only(directive, "a name", problems) {
                    name.replace_range(.., &word.text);
                }
            }
            _ => {}
        }
    }
    CheckerKind::Dns { record, name }
}

fn udp(own: &[&Directive], problems: &mut Problems) -> CheckerKind {
    // keepalived sends random bytes; the same ones each time can be found in a capture.
    let mut payload = Payload::from_bytes(*b"lb-check");
    let mut reply: Option<Reply> = None;
    let mut lengths = Reply::default();
    for directive in own {
        match directive.keyword() {
            "payload" => {
                if let Some(bytes) = hexadecimal(directive, problems) {
                    payload =
                        Payload::from_bytes(bytes.into_iter().map(|(byte, _)| byte).collect::<Vec<_>>());
                }
            }
            "require_reply" => {
                let earlier = reply.take().map(|reply| reply.bytes).unwrap_or_default();
                let bytes = hexadecimal(directive, problems).filter(|bytes| !bytes.is_empty());
                reply = Some(Reply { bytes: bytes.unwrap_or(earlier), ..Reply::default() });
            }
            "min_reply_length" => {
                lengths.shortest = number(directive, 0..=65_507, problems).unwrap_or(0);
            }
            "max_reply_length" => {
                lengths.longest = number(directive, 0..=65_507, problems).unwrap_or(255);
            }
            _ => {}
        }
    }
    let (shortest, longest) = (lengths.shortest, lengths.longest);
    CheckerKind::Udp { payload, reply: reply.map(|reply| Reply { shortest, longest, ..reply }) }
}

/// Bytes with masks, in keepalived's free form: words of hexadecimal digits, the last of an odd number by itself;
/// `x` is any digit.
fn hexadecimal(directive: &Directive, problems: &mut Problems) -> Option<Vec<(u8, u8)>> {
    let mut bytes = Vec::new();
    for word in directive.parameters() {
        let mut digits = Vec::new();
        for c in word.text.chars().filter(|c| !c.is_whitespace()) {
            match (c, c.to_digit(16)) {
                ('x' | 'X', _) => digits.push((0, 0)),
                (_, Some(digit)) => digits.push((digit as u8, 15)),
                _ => {
                    problems.push(
                        Diagnostic::mistake(word.span, format!("`{}` is not hexadecimal", word.text))
                            .label("digits 0 to 9 and a to f expected, x for any")
                            .instead(IGNORED),
                    );
                    return None;
                }
            }
        }
        bytes.extend(digits.chunks(2).map(|pair| match pair {
            [high, low] => (high.0 << 4 | low.0, high.1 << 4 | low.1),
            [low] => (low.0, low.1 | 0xf0),
            _ => (0, 0),
        }));
    }
    Some(bytes)
}

fn misc(
    directive: &Directive,
    own: &[&Directive],
    draft: &mut Draft,
    problems: &mut Problems,
) -> Option<CheckerKind> {
    let mut program: Option<Vec<String>> = None;
    let mut user = None;
    let mut dynamic = false;
    for directive in own {
        match directive.keyword() {
            "misc_path" => program = program_of(directive, problems).or(program),
            "misc_timeout" => draft.timeout = positive_seconds(directive, problems),
            "misc_dynamic" => dynamic = bare(directive, problems),
            "user" => user = notify::user(directive, directive.parameters(), problems),
            _ => {}
        }
    }
    let Some(argv) = program else {
        problems.push(
            Diagnostic::mistake(directive.span(), "MISC_CHECK without a program")
                .label("`misc_path` expected in it")
                .instead(CHECK_IGNORED),
        );
        return None;
    };
    Some(CheckerKind::Misc { command: ScriptCommand { argv, user }, dynamic })
}

/// The program and its arguments, without the words behind it, which keepalived does not read.
fn program_of(directive: &Directive, problems: &mut Problems) -> Option<Vec<String>> {
    let Some((line, rest)) = directive.parameters().split_first() else {
        problems.push(missing(directive, "a program, in quotes when it has arguments"));
        return None;
    };
    unquoted(directive, rest, problems);
    notify::arguments(directive.keyword(), line, problems)
}

/// As one number.
fn signed(weight: Weight) -> i64 {
    let value = i64::from(weight.value);
    if weight.reverse { -value } else { value }
}

fn file(
    directive: &Directive,
    own: &[&Directive],
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<CheckerKind> {
    const MOST: i64 = 2_147_483_647;
    let (mut name, mut weight) = (None, None);
    for directive in own {
        match directive.keyword() {
            "track_file" => name = only(directive, "the name of a track_file", problems),
            "weight" => {
                let reverse = directive.parameters().get(1).is_some_and(|word| word.text == "reverse");
                let number = directive.parameters().first();
                if number.is_none() {
                    problems.push(missing(directive, "a number").tolerated(IGNORED));
                }
                let number = number.and_then(|word| number_in("weight", word, -MOST..=MOST, problems));
                weight = number.map(|number| if reverse { -number } else { number });
            }
            _ => {}
        }
    }
    let Some(name) = name else {
        problems.push(
            Diagnostic::mistake(directive.span(), "FILE_CHECK without a file")
                .label("`track_file` expected in it")
                .instead(CHECK_IGNORED),
        );
        return None;
    };
    let Some(file) = context.files.named(&name.text) else {
        problems.push_mistake_with(name.span, || {
            Diagnostic::mistake(name.span, format!("there is no track_file `{}`", name.text))
                .instead(CHECK_IGNORED)
                .did_you_mean(&name.text, context.files.names())
        });
        return None;
    };
    // What is wrong with it was said there.
    let file = file?;
    Some(CheckerKind::File {
        name: name.text.to_string(),
        path: file.path.clone(),
        weight: weight.unwrap_or(signed(file.weight)),
    })
}
