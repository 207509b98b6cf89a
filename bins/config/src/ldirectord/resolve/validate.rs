//! What is wrong across the lines of a section.

use std::{collections::HashMap, net::Ipv4Addr};

use lb_core::model::{Family, Forwarding, Protocol, ServerKey, ServiceKey};

use super::Settings;
use crate::{
    diagnostic::{Diagnostic, Problems, Severity},
    document::Span,
    ldirectord::{
        directive::Directive,
        model::{Real, Virtual},
        raw::{Mode, RawVirtual},
        values::{CheckService, CheckType},
    },
};

/// Where the parts of a service stand.
pub(super) struct Places<'a> {
    pub(super) section: &'a RawVirtual,
    pub(super) settings: &'a Settings<'a>,
    /// For each real server its line's value.
    pub(super) reals: &'a [Span],
}

impl Places<'_> {
    fn head(&self) -> Span {
        self.section.head.key.to(self.section.head.span)
    }

    /// The line of a directive, else that of the service.
    fn of(&self, directive: Directive) -> Span {
        self.settings.entry(directive).map_or(self.head(), |entry| entry.key.to(entry.span))
    }

    fn sets(&self, directive: Directive) -> bool {
        self.settings.entry(directive).is_some()
    }

    /// Whether there is a line with this directive, right or wrong.
    fn names(&self, directive: Directive) -> bool {
        self.section.entries.iter().any(|entry| entry.directive == directive)
    }
}

/// ldirectord accepts all of this, so nothing here is an error in strict mode; most is a warning in both, since
/// such files are in use.
pub(super) fn service(service: &Virtual, places: &Places<'_>, mode: Mode, problems: &mut Problems) {
    scheduling(service, places, problems);
    servers(service, places, mode, problems);
    fallback(service, places, problems);
    check(service, places, problems);
    negotiation(service, places, problems);
}

fn scheduling(service: &Virtual, places: &Places<'_>, problems: &mut Problems) {
    let persistent = service.spec.persistence.is_some();
    if let ServiceKey::Address { port: 0, .. } = service.key
        && !persistent
    {
        problems.push(
            Diagnostic::warning(places.head(), "port 0 without `persistent`")
                .label("IPVS never schedules such a service")
                .help("add, for example: persistent = 600"),
        );
    }
    if places.sets(Directive::Netmask) && !persistent {
        let warning = Diagnostic::warning(places.of(Directive::Netmask), "`netmask` without `persistent`");
        problems.push(warning.label("has no effect"));
    }
    if service.spec.one_packet && service.key.protocol() != Some(Protocol::Udp) {
        let warning = Diagnostic::warning(places.of(Directive::Ops), "one-packet scheduling is for UDP only");
        problems.push(warning.label("has no effect"));
    }
    if persistent && service.spec.one_packet {
        let warning =
            Diagnostic::warning(places.of(Directive::Ops), "one-packet scheduling with `persistent`");
        problems.push(warning.label("persistence decides first"));
    }
    if places.sets(Directive::Persistent) && !persistent {
        let warning = Diagnostic::warning(places.of(Directive::Persistent), "`persistent` is 0");
        problems.push(warning.label("read as not persistent"));
    }
}

fn servers(service: &Virtual, places: &Places<'_>, mode: Mode, problems: &mut Problems) {
    let any = places
        .section
        .entries
        .iter()
        .any(|entry| matches!(entry.directive, Directive::Real | Directive::Real6));
    if !any && service.fallback.is_none() {
        let warning = Diagnostic::warning(places.head(), format!("{} has no real server", service.key));
        problems.push(warning.label("nobody would serve it"));
    }
    let virtual_port = service.key.address().map(|address| address.port());
    let mut first: HashMap<ServerKey, Span> = HashMap::with_capacity(service.reals.len());
    for (real, &place) in service.reals.iter().zip(places.reals) {
        // What the kernel makes of it: gate and ipip keep the port that the client asked for.
        let mut key = real.key;
        if let (Some(port), false) = (virtual_port, real.spec.forwarding == Forwarding::Masquerade) {
            key.port = port;
        }
        if let Some(before) = first.insert(key, place) {
            let message = format!("the real server {} stands twice in {}", real.key, service.key);
            let mut warning = Diagnostic::warning(place, message).label("the second time");
            if before != place {
                warning = warning.related(before, "the first time");
            }
            problems.push(if key == real.key {
                warning
            } else {
                warning.note(format!("with {} both have the port of the service", real.spec.forwarding))
            });
        }
        server(service, real, virtual_port, place, mode, problems);
    }
}

fn server(
    service: &Virtual,
    real: &Real,
    virtual_port: Option<u16>,
    place: Span,
    mode: Mode,
    problems: &mut Problems,
) {
    let forwarding = real.spec.forwarding;
    if forwarding != Forwarding::Masquerade
        && let Some(port) = virtual_port
        && real.key.port != port
        && real.key.port != 0
    {
        problems.push(
            Diagnostic::warning(place, format!("port {} with {forwarding}", real.key.port))
                .label(format!("the kernel uses the port of the service, {port}"))
                .help("only masq can translate ports"),
        );
    }
    let thresholds = real.spec.thresholds;
    if thresholds.lower > thresholds.upper {
        let severity = if mode == Mode::Lenient { Severity::Error } else { Severity::Warning };
        problems.push(
            Diagnostic::new(
                severity,
                place,
                format!(
                    "the lower threshold {} is above the upper one, {}",
                    thresholds.lower, thresholds.upper
                ),
            )
            .label("the kernel refuses this"),
        );
    }
    if forwarding == Forwarding::Masquerade
        && real.key.port == 0
        && virtual_port.is_some_and(|port| port != 0)
    {
        problems.push(
            Diagnostic::warning(place, format!("no port for a real server of {}", service.key))
                .label("read as port 0")
                .help("write the port behind the address"),
        );
    }
}

fn fallback(service: &Virtual, places: &Places<'_>, problems: &mut Problems) {
    let Some(fallback) = &service.fallback else { return };
    if matches!(service.key, ServiceKey::FwMark { .. }) {
        let directive =
            if service.key.family() == Family::V6 { Directive::Fallback6 } else { Directive::Fallback };
        if !places.sets(directive) && fallback.key.port == 0 {
            let warning =
                Diagnostic::warning(places.head(), "the global fallback has no port for a firewall mark");
            problems.push(warning.label("port 0: the one that the client asked for"));
        }
    }
}

fn check(service: &Virtual, places: &Places<'_>, problems: &mut Problems) {
    let check = &service.check;
    let kind = places.of(Directive::CheckType);
    match check.kind {
        CheckType::External | CheckType::ExternalPerl if check.command.is_none() => problems.push(
            Diagnostic::warning(kind, format!("checktype {} without `checkcommand`", check.kind))
                .label("runs /bin/true, so every server is up"),
        ),
        CheckType::External if check.command().contains([' ', '\t']) => problems.push(
            Diagnostic::warning(places.of(Directive::CheckCommand), "`checkcommand` with arguments")
                .label("the whole text is taken for the path of a program")
                .help("put the arguments into a script"),
        ),
        CheckType::Off => problems.push(
            Diagnostic::warning(kind, "checktype off")
                .label("the real servers will never be used")
                .help("write `on` to use them unchecked"),
        ),
        CheckType::Alternate(0) => {
            problems.push(Diagnostic::warning(kind, "checktype 0").label("the same as negotiate"));
        }
        _ => {}
    }
    if !matches!(check.kind, CheckType::External | CheckType::ExternalPerl)
        && places.sets(Directive::CheckCommand)
    {
        let warning = Diagnostic::warning(
            places.of(Directive::CheckCommand),
            format!("`checkcommand` with checktype {}", check.kind),
        );
        problems.push(warning.label("is not run").help("set: checktype = external"));
    }
}

fn negotiation(service: &Virtual, places: &Places<'_>, problems: &mut Problems) {
    let check = &service.check;
    if !matches!(check.kind, CheckType::Negotiate | CheckType::Alternate(_)) {
        return;
    }
    let at = places.of(Directive::Service);
    let name = check.service;
    let own = |text: fn(&Real) -> bool| !service.reals.is_empty() && service.reals.iter().all(text);
    let has_request = check.request.is_some() || own(|real| real.request.is_some());
    let has_receive = check.receive.is_some() || own(|real| real.receive.is_some());
    let mut warn =
        |message: String, label: &str| problems.push(Diagnostic::warning(at, message).label(label));
    match name {
        CheckService::Mysql | CheckService::Pgsql | CheckService::Oracle => {
            for (missing, what) in [(check.login.is_none(), "login"), (!has_request, "request")] {
                if missing {
                    warn(
                        format!("a {name} check without `{what}`"),
                        "ldirectord takes every server for down",
                    );
                }
            }
        }
        CheckService::Dns if !has_receive => {
            warn("a dns check without `receive`".into(), "ldirectord takes every server for down")
        }
        CheckService::Pop | CheckService::Pops if check.login.is_none() => {
            warn(format!("a {name} check without `login`"), "ldirectord takes even a dead server for up");
        }
        CheckService::Ftp if !has_receive => {
            warn("an ftp check without `receive`".into(), "ldirectord takes even a dead server for up")
        }
        CheckService::Simpletcp if !has_request => {
            warn("a simpletcp check without `request`".into(), "only connects")
        }
        CheckService::Radius if check.secret.is_none() || check.login.is_none() => {
            warn("a radius check without `login` and `secret`".into(), "the server cannot accept it");
        }
        CheckService::None
            if matches!(service.key, ServiceKey::Address { .. }) && !places.names(Directive::Service) =>
        {
            warn(
                format!("no `service` to negotiate for {}", service.key),
                "every real server is taken for up",
            );
        }
        _ => {}
    }
    let udp = service.key.protocol() == Some(Protocol::Udp);
    let speaks_udp =
        matches!(name, CheckService::Dns | CheckService::Radius | CheckService::Sip | CheckService::None);
    if udp && !speaks_udp {
        warn(format!("a {name} check of a UDP service"), "checks a TCP port of the same number");
    }
    if service.key.protocol() == Some(Protocol::Tcp) && name == CheckService::Radius {
        warn("a radius check of a TCP service".into(), "checks a UDP port of the same number");
    }
}

/// The prefix length of a netmask: a dotted quad for IPv4, a number for IPv6.
pub(super) fn netmask(
    text: &str,
    span: Span,
    family: Family,
    severity: Severity,
    problems: &mut Problems,
) -> Option<u8> {
    let name = "netmask";
    if family == Family::V6 {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = text.parse().ok().filter(|prefix| digits && (1..=128).contains(prefix));
        if prefix.is_none() {
            problems.push(
                Diagnostic::error(span, format!("`{text}` is no {name} of IPv6"))
                    .label("expected a prefix length from 1 to 128"),
            );
        }
        return prefix;
    }
    let quads: Vec<&str> = text.split('.').collect();
    let dotted = quads.len() == 4
        && quads
            .iter()
            .all(|quad| (1..=3).contains(&quad.len()) && quad.bytes().all(|byte| byte.is_ascii_digit()));
    if !dotted {
        problems.push(
            Diagnostic::error(span, format!("`{text}` is no {name} of IPv4"))
                .label("expected a dotted quad, such as 255.255.255.0"),
        );
        return None;
    }
    let bytes: Option<Vec<u8>> = quads.iter().map(|quad| quad.parse().ok()).collect();
    let mask =
        bytes.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(|bytes| Ipv4Addr::from(bytes).to_bits());
    match mask {
        Some(mask) if mask.leading_ones() + mask.trailing_zeros().min(32) >= 32 && mask != 0 => {
            Some(mask.leading_ones() as u8)
        }
        _ => {
            problems.push(
                Diagnostic::new(severity, span, format!("{text} is no prefix"))
                    .label("expected a mask of ones followed by zeros, such as 255.255.255.0"),
            );
            None
        }
    }
}
