//! `virtual_server`: its head, its own settings, and what follows from all of it.

use std::num::NonZeroU32;

use lb_core::model::{
    EngineName, Family, Forwarding, Persistence, Protocol, SchedulerFlags, SchedulerKind, ServerKey,
    ServerSpec, ServiceKey, ServiceSpec, Weight,
};

use super::super::{
    faults::{Area, Faults, title},
    notify::command,
    tracking::no_block,
    values::{IGNORED, address_in, bare, effective, number_in, only, switch},
};
use super::{
    Context, Earlier,
    checker::Pacing,
    real::{self, Inherited},
    values::{self, first, number, put_right},
};
use crate::{
    diagnostic::{Diagnostic, Problems, Severity},
    document::Span,
    keepalived::{
        language::{Block, Directive, Word, keywords::Within},
        model::{RealServer, ScriptCommand, SorryServer, VirtualName, VirtualServer},
    },
};

/// Seconds of `persistence_timeout` without a number.
const PERSISTENCE: u32 = 360;

/// Its head is read when its protocol is known.
enum Head<'d> {
    Address(&'d Word, Option<&'d Word>),
    Mark(&'d Word),
    Group(&'d Word),
}

/// What the block says, before one thing is held against the other.
#[derive(Default)]
struct Settings<'d> {
    protocol: Option<Protocol>,
    scheduler: Option<SchedulerKind>,
    flags: Vec<&'d Directive>,
    one_packet: Option<Span>,
    forwarding: Option<Forwarding>,
    persistence: Option<NonZeroU32>,
    granularity: Option<u8>,
    engine: Option<(Span, EngineName)>,
    family: Option<Family>,
    pacing: Pacing,
    quorum: Option<u32>,
    hysteresis: u32,
    quorum_up: Option<ScriptCommand>,
    quorum_down: Option<ScriptCommand>,
    weight: Option<Weight>,
    inhibit: bool,
    omega: bool,
    ha_suspend: Option<Span>,
    sorry: Option<(&'d Directive, ServerKey)>,
    sorry_inhibit: bool,
    sorry_forwarding: Option<Forwarding>,
    host: Option<String>,
    mail: Option<bool>,
    reals: Vec<&'d Directive>,
}

/// The name of the virtual server that a block describes, whatever else is wrong with it.
pub(super) fn name(directive: &Directive, place: usize, context: &Context<'_>) -> Option<VirtualName> {
    let mut problems = Problems::new();
    let head = head(directive, &mut problems)?;
    let empty = Block::default();
    let settings = Settings::read(directive.block.as_ref().unwrap_or(&empty), &mut problems);
    let protocol = settings.protocol.unwrap_or(Protocol::Udp);
    if let Head::Group(word) = head {
        return Some(VirtualName::Group { name: word.text.to_string(), protocol, place });
    }
    let family = settings.family.or_else(|| settings.family_of_servers());
    services(&head, protocol, (family, place), context, &mut problems).map(|(name, _)| name)
}

/// One virtual server; `None` if it can not be used, which the problems tell.
pub(super) fn virtual_server(
    directive: &Directive,
    context: &Context<'_>,
    earlier: Earlier<'_>,
    faults: &mut Faults,
    problems: &mut Problems,
) -> Option<VirtualServer> {
    if directive.block.is_none() {
        problems.push(no_block(directive));
        return None;
    }
    let head = head(directive, problems)?;
    let empty = Block::default();
    let settings = Settings::read(directive.block.as_ref().unwrap_or(&empty), problems);
    let span = directive.span();
    let marked = matches!(head, Head::Mark(_));
    let protocol = settings.protocol.unwrap_or_else(|| {
        if !marked {
            let label = "UDP is taken, as keepalived does";
            put_right(span, "`protocol` is missing".to_owned(), label.to_owned(), problems);
        }
        Protocol::Udp
    });
    let family = settings.family.or_else(|| settings.family_of_servers());
    let (name, mut services) = services(&head, protocol, (family, earlier.place), context, problems)?;
    services.sort_unstable();
    services.dedup();
    let spec = settings.spec(span, &services, problems);
    let forwarding = settings.forwarding.unwrap_or_else(|| {
        if settings.reals.iter().any(|real| !real::has_method(real)) {
            let label = "NAT is taken, as keepalived does";
            put_right(span, "`lvs_method` is missing".to_owned(), label.to_owned(), problems);
        }
        Forwarding::Masquerade
    });
    let inherited = Inherited {
        services: &services,
        forwarding,
        weight: settings.weight.unwrap_or_default(),
        inhibit: settings.inhibit,
        host: settings.host.as_deref(),
        mail: context.mail.unwrap_or(true),
        pacing: settings.pacing,
    };
    let mut reals: Vec<RealServer> = Vec::new();
    for real in &settings.reals {
        let (read, errors) =
            problems.block(|problems| real::real_server(real, &inherited, context, problems));
        let Some(real) = read.filter(|_| errors.is_none()) else {
            let before = earlier.server(directive, context);
            let errors = errors.unwrap_or_default();
            let kept = match (before, real::key_as_read(real, &inherited)) {
                (Some(before), Some(key)) => before.reals.iter().find(|known| known.key == key),
                // It may be any of those that were there.
                (Some(_), None) => {
                    problems.pass_on(errors);
                    return None;
                }
                (None, _) => None,
            };
            let block = format!("{} of {}", title(real), title(directive));
            faults.push(block, Area::VirtualServers, kept.is_some(), errors);
            reals.extend(kept.filter(|kept| reals.iter().all(|real| real.key != kept.key)).cloned());
            continue;
        };
        if reals.iter().any(|other| other.key == real.key) {
            let what = format!("the real server {} is there twice", real.key);
            put_right(directive.span(), what, "the first one counts".to_owned(), problems);
            continue;
        }
        reals.push(real);
    }
    idle(span, &settings.reals, &reals, problems);
    let sorry = settings.sorry(&inherited, problems);
    let (quorum, hysteresis) = settings.quorum(span, &reals, problems);
    if let Some(span) = settings.ha_suspend.filter(|_| services.iter().all(|key| key.address().is_none())) {
        let label = "a firewall mark has no address; the checks always run";
        put_right(span, "`ha_suspend` needs an address".to_owned(), label.to_owned(), problems);
    }
    Some(VirtualServer {
        name,
        ha_suspend: settings.ha_suspend.is_some() && services.iter().any(|key| key.address().is_some()),
        services,
        spec,
        reals,
        sorry,
        quorum,
        hysteresis,
        quorum_up: settings.quorum_up,
        quorum_down: settings.quorum_down,
        omega: settings.omega,
        mail: settings.mail.or(context.mail).unwrap_or(false),
    })
}

fn head<'d>(directive: &'d Directive, problems: &mut Problems) -> Option<Head<'d>> {
    let first =
        first(directive, "an address and a port, `fwmark` and a number, or `group` and a name", problems)?;
    let second = directive.parameters().get(1);
    let named = |what: &str, problems: &mut Problems| {
        if second.is_none() {
            problems.push(Diagnostic::error(first.span, format!("`{}` is missing {what}", first.text)));
        }
        second
    };
    match first.text.as_str() {
        "fwmark" => named("its number", problems).map(Head::Mark),
        "group" => named("its name", problems).map(Head::Group),
        _ => Some(Head::Address(first, second)),
    }
}

/// The name of a virtual server, and its services.
fn services(
    head: &Head<'_>,
    protocol: Protocol,
    (family, place): (Option<Family>, usize),
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<(VirtualName, Vec<ServiceKey>)> {
    let assumed = family.unwrap_or(Family::V4);
    match head {
        Head::Address(address, port) => {
            let (address, port) = problems.strictly(|problems| {
                Some((address_in("virtual_server", address, problems)?, values::port(*port, problems)?))
            })?;
            let key = ServiceKey::new(protocol, (address, port).into());
            Some((VirtualName::Service(key), vec![key]))
        }
        Head::Mark(word) => {
            let mark = problems.strictly(|problems| number_in("fwmark", word, 1..=u32::MAX, problems));
            let mark = mark?.try_into().ok()?;
            let key = ServiceKey::FwMark { mark, family: assumed };
            Some((VirtualName::Service(key), vec![key]))
        }
        Head::Group(word) => {
            let Some(group) = context.groups.get(&*word.text) else {
                problems.push_with(Severity::Error, word.span, || {
                    Diagnostic::error(word.span, format!("there is no virtual_server_group `{}`", word.text))
                        .did_you_mean(&word.text, context.groups.keys().map(String::as_str))
                });
                return None;
            };
            let addresses = group.addresses.iter().map(|address| ServiceKey::new(protocol, *address));
            let marks = group
                .marks
                .iter()
                .map(|(mark, family)| ServiceKey::FwMark { mark: *mark, family: family.unwrap_or(assumed) });
            let services: Vec<ServiceKey> = addresses.chain(marks).collect();
            if services.is_empty() {
                problems.push(Diagnostic::error(
                    word.span,
                    format!("the virtual_server_group `{}` has no entries", word.text),
                ));
                return None;
            }
            Some((VirtualName::Group { name: word.text.to_string(), protocol, place }, services))
        }
    }
}

impl<'d> Settings<'d> {
    fn read(block: &'d Block, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        for directive in effective(block, Within::VirtualServer, problems) {
            if directive.keyword() == "alpha" {
                bare(directive, problems);
                settings.pacing.alpha();
            } else if !settings.pacing.read(directive, problems) {
                settings.take(directive, problems);
            }
        }
        settings
    }

    fn take(&mut self, directive: &'d Directive, problems: &mut Problems) {
        match directive.keyword() {
            "protocol" => self.protocol = values::protocol(directive, problems).or(self.protocol),
            "lvs_sched" | "lb_algo" => {
                self.scheduler = scheduler(directive, problems).or_else(|| self.scheduler.take());
            }
            "flag-1" | "flag-2" | "flag-3" | "sh-port" | "sh-fallback" | "mh-port" | "mh-fallback" => {
                self.flags.push(directive);
            }
            "ops" => self.one_packet = Some(directive.span()),
            "lvs_method" | "lb_kind" => {
                self.forwarding = values::forwarding(directive, problems).or(self.forwarding);
            }
            "persistence_timeout" => {
                let bare = directive.parameters().is_empty();
                let seconds =
                    if bare { Some(PERSISTENCE) } else { number(directive, 1..=u32::MAX, problems) };
                self.persistence = seconds.and_then(NonZeroU32::new).or(self.persistence);
            }
            "persistence_granularity" => {
                self.granularity = values::granularity(directive, problems).or(self.granularity);
            }
            "persistence_engine" => {
                let word = only(directive, "a name, such as sip", problems);
                self.engine = word.and_then(|word| Some((directive.span(), word.text.parse().ok()?)));
            }
            "ip_family" => {
                let word = only(directive, "inet or inet6", problems);
                self.family = word.and_then(|word| super::group::family(word, problems)).or(self.family);
            }
            "quorum" => self.quorum = number(directive, 1..=u32::MAX, problems).or(self.quorum),
            "hysteresis" => {
                self.hysteresis = number(directive, 0..=u32::MAX, problems).unwrap_or(self.hysteresis);
            }
            "quorum_up" => self.quorum_up = command(directive, problems),
            "quorum_down" => self.quorum_down = command(directive, problems),
            "weight" => self.weight = real::weight(directive, problems).or(self.weight),
            // keepalived looks at no parameter of these.
            "inhibit_on_failure" => self.inhibit = bare(directive, problems),
            "omega" => self.omega = bare(directive, problems),
            "ha_suspend" => self.ha_suspend = bare(directive, problems).then(|| directive.span()),
            "sorry_server" => {
                self.sorry = real::key(directive, problems).map(|key| (directive, key)).or(self.sorry);
            }
            "sorry_server_inhibit" => {
                self.sorry_inhibit = switch(directive, problems).unwrap_or(false);
            }
            "sorry_server_lvs_method" => self.sorry_forwarding = values::forwarding(directive, problems),
            "virtualhost" => {
                self.host = only(directive, "a name", problems).map(|word| word.text.to_string());
            }
            "smtp_alert" => self.mail = switch(directive, problems),
            "real_server" => self.reals.push(directive),
            _ => {}
        }
    }

    /// The family of the servers, where it has to be that of the clients.
    fn family_of_servers(&self) -> Option<Family> {
        let address = self.reals.iter().find_map(|real| real.parameters().first()?.text.parse().ok());
        address.or(self.sorry.map(|(_, key)| key.address)).map(Family::of)
    }

    fn spec(&self, span: Span, services: &[ServiceKey], problems: &mut Problems) -> ServiceSpec {
        let scheduler = self.scheduler.clone().unwrap_or_else(|| {
            let label = "wlc is taken, as keepalived does";
            put_right(span, "`lvs_sched` is missing".to_owned(), label.to_owned(), problems);
            SchedulerKind::WeightedLeastConnection
        });
        let wildcard = services.iter().any(|key| key.address().is_some_and(|address| address.port() == 0));
        let mut timeout = self.persistence;
        if timeout.is_none() && self.granularity.is_some() {
            timeout = NonZeroU32::new(PERSISTENCE);
        }
        if timeout.is_none() && wildcard {
            let what = "a service on every port has to be persistent".to_owned();
            put_right(span, what, format!("persistence_timeout {PERSISTENCE} is taken"), problems);
            timeout = NonZeroU32::new(PERSISTENCE);
        }
        if let Some((span, _)) = self.engine.as_ref().filter(|_| timeout.is_none()) {
            let label = "it is left out; `persistence_timeout` is missing".to_owned();
            put_right(*span, "an engine without persistence does nothing".to_owned(), label, problems);
        }
        let connections = |key: &ServiceKey| key.protocol().is_some_and(|protocol| protocol != Protocol::Udp);
        let mut one_packet = self.one_packet;
        if let Some(span) = one_packet.filter(|_| services.iter().any(connections)) {
            let what = "`ops` is for UDP".to_owned();
            put_right(span, what, "connections are kept together".to_owned(), problems);
            one_packet = None;
        }
        // The length that leaves every client by itself is what there is without a mask.
        let groups = |length: &u8| services.iter().any(|key| *length < key.family().bits());
        ServiceSpec {
            flags: self.flags(&scheduler, problems),
            scheduler,
            persistence: timeout.map(|timeout| Persistence {
                timeout,
                prefix: self.granularity.filter(groups),
                engine: self.engine.as_ref().map(|(_, engine)| engine.clone()),
            }),
            one_packet: one_packet.is_some(),
        }
    }

    /// The options of this scheduler; those of another one would mean something else to it.
    fn flags(&self, scheduler: &SchedulerKind, problems: &mut Problems) -> SchedulerFlags {
        let mut flags = SchedulerFlags::EMPTY;
        for directive in &self.flags {
            let option = directive.keyword();
            let owner = match option.split_once('-') {
                Some(("sh", _)) => Some(SchedulerKind::SourceHash),
                Some(("mh", _)) => Some(SchedulerKind::Maglev),
                _ => None,
            };
            match owner {
                Some(owner) if owner != *scheduler => {
                    let what = format!("`{option}` is an option of the scheduler {owner}");
                    put_right(directive.span(), what, format!("{scheduler} is left without it"), problems);
                }
                _ => flags = flags.union(SchedulerFlags::parse_one(option).unwrap_or_default()),
            }
        }
        flags
    }

    fn sorry(&self, inherited: &Inherited<'_>, problems: &mut Problems) -> Option<SorryServer> {
        let (directive, key) = self.sorry?;
        let forwarding = self.sorry_forwarding.unwrap_or(inherited.forwarding);
        let key = inherited.fit(directive, key, forwarding, problems)?;
        let spec = ServerSpec { forwarding, ..ServerSpec::masq(Weight::ONE) };
        Some(SorryServer { key, spec, inhibit: self.sorry_inhibit })
    }

    /// Quorum and hysteresis, brought down to what can be reached, as keepalived does.
    fn quorum(&self, span: Span, reals: &[RealServer], problems: &mut Problems) -> (u32, u32) {
        let asked = self.quorum.unwrap_or(1);
        let total: u32 = reals.iter().map(|real| u32::from(real.spec.weight.get())).sum();
        let mut quorum = asked;
        if asked > total.max(1) {
            quorum = total.max(1);
            let what = format!("the quorum {asked} is more than all real servers have");
            put_right(span, what, format!("their weights add up to {total}; {quorum} is taken"), problems);
        }
        let mut hysteresis = self.hysteresis;
        if hysteresis >= quorum {
            hysteresis = quorum - 1;
            let what = format!("the hysteresis {} is not less than the quorum {quorum}", self.hysteresis);
            put_right(span, what, format!("{hysteresis} is taken"), problems);
        }
        (quorum, hysteresis)
    }
}

/// Says that nobody stands behind a virtual server.
fn idle(span: Span, written: &[&Directive], reals: &[RealServer], problems: &mut Problems) {
    if written.is_empty() {
        let label = "keepalived leaves it out, here it answers by its `sorry_server` or not at all";
        put_right(span, "the virtual server has no real server".to_owned(), label.to_owned(), problems);
    } else if !reals.is_empty() && reals.iter().all(|real| real.spec.weight == Weight::ZERO) {
        let label = "none of them gets a connection";
        put_right(span, "all real servers have weight 0".to_owned(), label.to_owned(), problems);
    }
}

fn scheduler(directive: &Directive, problems: &mut Problems) -> Option<SchedulerKind> {
    let word = only(directive, "a scheduler, such as wlc", problems)?;
    let known = SchedulerKind::KNOWN;
    let scheduler = known.iter().find(|kind| kind.name() == word.text).cloned();
    if scheduler.is_none() {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` is no scheduler", word.text))
                .instead(IGNORED)
                .did_you_mean(&word.text, known.iter().map(SchedulerKind::name)),
        );
    }
    scheduler
}
