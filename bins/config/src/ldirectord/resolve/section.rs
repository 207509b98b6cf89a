//! One section.

mod spec;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
};

use lb_core::model::{Family, Forwarding, Protocol, ServerKey, ServerSpec, ServiceKey, Thresholds, Weight};

use super::{
    Settings, Shared,
    address::{self, LARGEST_RANGE, Names},
    validate,
};
use crate::{
    diagnostic::{Diagnostic, Problems, Severity},
    document::Span,
    ldirectord::{
        directive::Directive,
        model::{Check, EmailAlert, Fallback, Real, Virtual},
        raw::{Entry, Mode, RawReal, RawService, RawValue, RawVirtual, Word},
        values::{AlertStates, CheckService, CheckType, HttpMethod, Seconds, Secret},
    },
    names::Resolver,
};

/// A section that could be resolved.
pub(super) struct Resolved {
    pub(super) service: Virtual,
    /// What ldirectord takes for the identity of a service: its texts, not its numbers.
    pub(super) identity: String,
}

/// The family that a directive is for.
pub(super) fn family(directive: Directive) -> Family {
    match directive {
        Directive::Virtual6 | Directive::Real6 | Directive::Fallback6 => Family::V6,
        _ => Family::V4,
    }
}

pub(super) fn resolve<R: Resolver>(
    section: &RawVirtual,
    shared: &Shared<'_>,
    names: &mut Names<'_, R>,
    problems: &mut Problems,
) -> Option<Resolved> {
    let settings = Settings::new(&section.entries, shared.mode, problems);
    let mut scope = Section { section, shared, settings, family: family(section.head.directive), problems };
    let head = scope.head(names);
    let (protocols, port): (Vec<Protocol>, u16) = match &head {
        Some((ServiceKey::Address { protocol, port, .. }, _)) => (vec![*protocol], *port),
        Some((ServiceKey::FwMark { .. }, _)) => (vec![], 0),
        // The head is broken; what can be said of the lines is said.
        None => (vec![Protocol::Tcp, Protocol::Udp], 0),
    };
    let (reals, places) = scope.reals(names);
    let fallback = scope.fallback(names, &protocols, port);
    let check = scope.check(port);
    let spec = scope.spec();
    let (key, identity) = head?;
    let Section { settings, problems, .. } = scope;
    let either = |directive| settings.yes(directive).or_else(|| shared.globals.yes(directive));
    let service = Virtual {
        key,
        spec,
        check,
        reals,
        fallback: fallback.or_else(|| {
            let own = settings.entry(fallback_directive(key.family())).is_some();
            let shared = shared.fallback[usize::from(key.family() == Family::V6)].filter(|_| !own)?;
            Some(shared.of(key.protocol(), port))
        }),
        fallback_command: text_of(&settings, shared, Directive::FallbackCommand),
        quiescent: either(Directive::Quiescent).unwrap_or(false),
        clean_stop: either(Directive::CleanStop).unwrap_or(true),
        email: email(&settings, shared),
        monitor_file: settings.text(Directive::MonitorFile).map(Into::into),
        name: settings.text(Directive::ServiceName),
        comment: settings.text(Directive::Comment),
    };
    validate::service(
        &service,
        &validate::Places { section, settings: &settings, reals: &places },
        shared.mode,
        problems,
    );
    Some(Resolved { service, identity })
}

struct Section<'a, 'b> {
    section: &'a RawVirtual,
    shared: &'b Shared<'a>,
    settings: Settings<'a>,
    family: Family,
    problems: &'b mut Problems,
}

impl Section<'_, '_> {
    /// What ldirectord heeds too is an error; what it lets pass is one only for lenient readers.
    fn severity(&self) -> Severity {
        if self.shared.mode == Mode::Lenient { Severity::Error } else { Severity::Warning }
    }

    fn head<R: Resolver>(&mut self, names: &mut Names<'_, R>) -> Option<(ServiceKey, String)> {
        let RawValue::Virtual(raw) = &self.section.head.value else { return None };
        let protocol = self.settings.entry(Directive::Protocol);
        match raw {
            RawService::Mark(digits) => {
                self.protocol_is(protocol, &["fwm"], "a firewall mark");
                let mark: u64 = digits.text.parse().unwrap_or(u64::MAX);
                let Some(mark) = u32::try_from(mark).ok().and_then(NonZeroU32::new) else {
                    let error = Diagnostic::new(
                        self.severity(),
                        digits.span,
                        format!("no firewall mark {}", digits.text),
                    );
                    self.problems.push(error.label("expected a number from 1 to 4294967295"));
                    return None;
                };
                let key = ServiceKey::FwMark { mark, family: self.family };
                Some((key, format!("fwm:{:?}:{}", self.family, digits.text)))
            }
            RawService::Address { host, port } => {
                let tcp_or_udp = self.protocol_is(protocol, &["tcp", "udp"], "an address and a port");
                let domain = matches!(port.text.as_str(), "53" | "domain");
                let protocol = match tcp_or_udp.as_deref() {
                    Some("udp") => Protocol::Udp,
                    Some(_) => Protocol::Tcp,
                    None if domain => Protocol::Udp,
                    None => Protocol::Tcp,
                };
                let address = self.host(host, names);
                let number = names.port(&port.text, &[protocol]);
                if number.is_none() {
                    self.problems.push(address::unknown_port(port, &[protocol]));
                }
                let key = ServiceKey::new(protocol, SocketAddr::new(address?, number?));
                let text = if port.text.bytes().all(|byte| byte.is_ascii_digit()) {
                    port.text.clone()
                } else {
                    number?.to_string()
                };
                Some((key, format!("{protocol}:{}:{text}", address?)))
            }
        }
    }

    fn host<R: Resolver>(&mut self, word: &Word, names: &mut Names<'_, R>) -> Option<IpAddr> {
        let address = names.host(&word.text, self.family);
        if address.is_none() {
            self.problems.push(address::unknown_host(word, self.family));
        }
        address
    }

    /// The protocol that is set, if it is one of these.
    fn protocol_is(&mut self, entry: Option<&Entry>, allowed: &[&str], what: &str) -> Option<String> {
        // ldirectord refuses a wrong one even if a right one follows.
        let all = self.section.entries.iter().filter(|entry| entry.directive == Directive::Protocol);
        for wrong in all {
            if let RawValue::Text(text) = &wrong.value
                && !allowed.contains(&text.as_str())
            {
                self.problems.push(
                    Diagnostic::error(wrong.span, format!("protocol `{text}` for {what}"))
                        .label(format!("expected {}", allowed.join(" or ")))
                        .related(self.section.head.span, "the virtual service"),
                );
            }
        }
        match &entry?.value {
            RawValue::Text(text) if allowed.contains(&text.as_str()) => Some(text.clone()),
            _ => None,
        }
    }

    fn reals<R: Resolver>(&mut self, names: &mut Names<'_, R>) -> (Vec<Real>, Vec<Span>) {
        let mut reals = Vec::new();
        let mut places = Vec::new();
        for entry in &self.section.entries {
            if !matches!(entry.directive, Directive::Real | Directive::Real6)
                || !self.right_family(entry, "real")
            {
                continue;
            }
            if let RawValue::Real(raw) = &entry.value {
                let addresses = self.addresses(raw, names);
                let Some(template) = self.real(raw, names) else { continue };
                for address in addresses {
                    let key = ServerKey { address, ..template.key };
                    reals.push(Real { key, ..template.clone() });
                    places.push(entry.span);
                }
            }
        }
        (reals, places)
    }

    fn right_family(&mut self, entry: &Entry, name: &str) -> bool {
        let right = family(entry.directive) == self.family;
        if !right {
            let wanted = if self.family == Family::V6 { format!("{name}6") } else { name.to_owned() };
            let head = &self.section.head;
            self.problems.push(
                Diagnostic::error(
                    entry.key,
                    format!("`{}` in a section of `{}`", entry.directive.name(), head.directive.name()),
                )
                .label(format!("expected `{wanted}`"))
                .related(head.key.to(head.span), "the section"),
            );
        }
        right
    }

    fn addresses<R: Resolver>(&mut self, raw: &RawReal, names: &mut Names<'_, R>) -> Vec<IpAddr> {
        let first = self.host(&raw.host, names);
        let Some(word) = &raw.last else { return first.into_iter().collect() };
        let span = raw.host.span.to(word.span);
        if self.family == Family::V6 {
            let error =
                Diagnostic::error(span, "a range of IPv6 addresses").label("ranges are for IPv4 only");
            self.problems.push(error);
            return Vec::new();
        }
        let last = self.host(word, names);
        let (Some(IpAddr::V4(first)), Some(IpAddr::V4(last))) = (first, last) else { return Vec::new() };
        self.range(first, last, span, &mut names.room)
    }

    fn range(&mut self, first: Ipv4Addr, last: Ipv4Addr, span: Span, room: &mut u32) -> Vec<IpAddr> {
        let Some(more) = last.to_bits().checked_sub(first.to_bits()) else {
            let error =
                Diagnostic::error(span, format!("the range ends at {last}, before it begins at {first}"));
            self.problems.push(error.label("expected the lower address first"));
            return Vec::new();
        };
        let Some(left) = room.checked_sub(more) else {
            let error = Diagnostic::error(span, "the ranges of the file have too many addresses");
            self.problems.push(error.label("from here on"));
            return Vec::new();
        };
        if more < LARGEST_RANGE {
            *room = left;
        } else {
            let count = u64::from(more) + 1;
            let error =
                Diagnostic::error(span, format!("a range of {count} addresses, from {first} to {last}"));
            self.problems.push(error.label(format!("expected at most {LARGEST_RANGE}")));
            return Vec::new();
        }
        address::range(first, last).collect()
    }

    /// The server of a line, still without its address.
    fn real<R: Resolver>(&mut self, raw: &RawReal, names: &Names<'_, R>) -> Option<Real> {
        let port = match &raw.port {
            None => 0,
            Some(word) => {
                let protocols = [Protocol::Tcp, Protocol::Udp];
                let port = names.port(&word.text, &protocols);
                if port.is_none() {
                    self.problems.push(address::unknown_port(word, &protocols));
                }
                port?
            }
        };
        let weight = raw.weight.as_ref().map_or(1, |word| self.limited(word, u32::from(u16::MAX), "weight"));
        let mut threshold =
            |word: &Option<Word>| word.as_ref().map_or(0, |word| self.limited(word, u32::MAX, "threshold"));
        let thresholds = Thresholds { upper: threshold(&raw.upper), lower: threshold(&raw.lower) };
        let text =
            |word: &Option<Word>| word.as_ref().map(|word| word.text.clone()).filter(|text| !text.is_empty());
        Some(Real {
            key: ServerKey::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            spec: ServerSpec {
                weight: Weight::new(weight.try_into().unwrap_or(u16::MAX)),
                forwarding: Forwarding::parse(&raw.method.text).ok()?,
                thresholds,
            },
            request: text(&raw.request),
            receive: text(&raw.receive),
        })
    }

    fn limited(&mut self, word: &Word, most: u32, what: &str) -> u32 {
        match word.text.parse::<u32>() {
            Ok(number) if number <= most => number,
            _ => {
                let error =
                    Diagnostic::new(self.severity(), word.span, format!("the {what} is out of range"));
                self.problems.push(error.label(format!("expected a number from 0 to {most}")));
                most
            }
        }
    }

    fn fallback<R: Resolver>(
        &mut self,
        names: &mut Names<'_, R>,
        protocols: &[Protocol],
        port: u16,
    ) -> Option<Fallback> {
        let mut last = None;
        for entry in &self.section.entries {
            if matches!(entry.directive, Directive::Fallback | Directive::Fallback6)
                && self.right_family(entry, "fallback")
                && let RawValue::Fallback(raw) = &entry.value
            {
                last = raw.as_ref().and_then(|raw| {
                    address::own_fallback(
                        raw,
                        self.family,
                        self.shared.mode,
                        (protocols, port),
                        names,
                        self.problems,
                    )
                });
            }
        }
        last
    }

    fn check(&self, port: u16) -> Check {
        let own = &self.settings;
        let shared = &self.shared.globals;
        let (check, negotiate) = (Directive::CheckTimeout, Directive::NegotiateTimeout);
        // Each timeout stands in for the other one, the section's before the global ones.
        let timeout = |this, other, default| {
            own.seconds(this)
                .or(own.seconds(other))
                .or(shared.seconds(this))
                .or(shared.seconds(other))
                .unwrap_or(Seconds::new(default))
        };
        let count = |directive| own.count(directive).or(shared.count(directive)).unwrap_or(1);
        let interval = Directive::CheckInterval;
        Check {
            kind: match own.value(Directive::CheckType) {
                Some(RawValue::CheckType(kind)) => *kind,
                _ => CheckType::Negotiate,
            },
            service: match own.value(Directive::Service) {
                Some(RawValue::Service(service)) => *service,
                _ => CheckService::of_port(port),
            },
            port: own.number(Directive::CheckPort).and_then(|port| port.try_into().ok()),
            check_timeout: timeout(check, negotiate, 5),
            negotiate_timeout: timeout(negotiate, check, 30),
            interval: own.seconds(interval).or(shared.seconds(interval)).unwrap_or(Seconds::new(10)),
            attempts: count(Directive::CheckCount),
            failures: count(Directive::FailureCount),
            request: own.text(Directive::Request),
            receive: own.text(Directive::Receive),
            http_method: match own.value(Directive::HttpMethod) {
                Some(RawValue::HttpMethod(method)) => *method,
                _ => HttpMethod::Get,
            },
            virtual_host: own.text(Directive::VirtualHost),
            login: own.text(Directive::Login),
            password: own.text(Directive::Passwd).map(Secret::new),
            database: own.text(Directive::Database),
            secret: own.text(Directive::Secret).map(Secret::new),
            command: own.text(Directive::CheckCommand),
        }
    }
}

fn fallback_directive(family: Family) -> Directive {
    if family == Family::V6 { Directive::Fallback6 } else { Directive::Fallback }
}

fn text_of(own: &Settings<'_>, shared: &Shared<'_>, directive: Directive) -> Option<String> {
    own.text(directive).or_else(|| shared.globals.text(directive))
}

fn email(own: &Settings<'_>, shared: &Shared<'_>) -> Option<EmailAlert> {
    let repeat = Directive::EmailAlertFreq;
    let during = Directive::EmailAlertStatus;
    Some(EmailAlert {
        to: text_of(own, shared, Directive::EmailAlert)?,
        repeat: own
            .count(repeat)
            .or(shared.globals.count(repeat))
            .filter(|&seconds| seconds > 0)
            .map(Seconds::new),
        during: match own.value(during).or(shared.globals.value(during)) {
            Some(RawValue::AlertStates(states)) => *states,
            _ => AlertStates::ALL,
        },
        smtp: text_of(own, shared, Directive::Smtp),
    })
}
