//! `real_server`.

use std::net::SocketAddr;

use lb_core::model::{Family, Forwarding, ServerKey, ServerSpec, ServiceKey, Thresholds, Weight};

use super::super::{
    notify::command,
    tracking::no_block,
    values::{address_in, effective, only, switch},
};
use super::{
    Context,
    checker::{self, Pacing},
    values::{self, first, number, put_right},
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, keywords::Within},
        model::RealServer,
    },
};

/// What the virtual server hands down to its real servers.
pub(super) struct Inherited<'a> {
    pub(super) services: &'a [ServiceKey],
    pub(super) forwarding: Forwarding,
    pub(super) weight: Weight,
    pub(super) inhibit: bool,
    pub(super) host: Option<&'a str>,
    pub(super) mail: bool,
    pub(super) pacing: Pacing,
}

pub(super) fn real_server(
    directive: &Directive,
    inherited: &Inherited<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<RealServer> {
    let key = problems.strictly(|problems| key(directive, problems))?;
    let mut real = RealServer {
        key,
        spec: ServerSpec {
            weight: inherited.weight,
            forwarding: inherited.forwarding,
            thresholds: Thresholds::NONE,
        },
        inhibit_on_failure: inherited.inhibit,
        notify_up: None,
        notify_down: None,
        mail: inherited.mail,
        checkers: Vec::new(),
    };
    let mut pacing = Pacing::default();
    let mut host = inherited.host;
    let mut checks = Vec::new();
    let empty = Block::default();
    if directive.block.is_none() {
        problems.push(no_block(directive));
    }
    for directive in effective(directive.block.as_ref().unwrap_or(&empty), Within::RealServer, problems) {
        if pacing.read(directive, problems) {
            continue;
        }
        match directive.keyword() {
            "weight" => real.spec.weight = weight(directive, problems).unwrap_or(real.spec.weight),
            "lvs_method" | "lb_kind" => {
                real.spec.forwarding =
                    values::forwarding(directive, problems).unwrap_or(real.spec.forwarding);
            }
            "uthreshold" => {
                let upper = &mut real.spec.thresholds.upper;
                *upper = number(directive, 0..=u32::MAX, problems).unwrap_or(*upper);
            }
            "lthreshold" => {
                let lower = &mut real.spec.thresholds.lower;
                *lower = number(directive, 0..=u32::MAX, problems).unwrap_or(*lower);
            }
            "inhibit_on_failure" => {
                real.inhibit_on_failure = switch(directive, problems).unwrap_or(real.inhibit_on_failure);
            }
            "notify_up" => real.notify_up = command(directive, problems),
            "notify_down" => real.notify_down = command(directive, problems),
            "smtp_alert" => real.mail = switch(directive, problems).unwrap_or(real.mail),
            "virtualhost" => {
                host = only(directive, "a name", problems).map(|word| word.text.as_str());
            }
            "snmp_name" => {}
            _ => checks.push(directive),
        }
    }
    let Thresholds { upper, lower } = real.spec.thresholds;
    if lower > upper {
        problems.push(
            Diagnostic::error(
                directive.span(),
                format!("lthreshold {lower} is more than uthreshold {upper}"),
            )
            .help("connections are let in again below lthreshold, so it has to be the smaller one"),
        );
        return None;
    }
    real.key = inherited.fit(directive, key, real.spec.forwarding, problems)?;
    // What is written is where the server listens, even if packets can not be sent there.
    let port = if key.port == 0 { real.key.port } else { key.port };
    let target = SocketAddr::new(key.address, port);
    let around = checker::Around { target, host, context, pacing: pacing.or(inherited.pacing) };
    let checkers =
        checks.into_iter().flat_map(|directive| checker::checkers(directive, &around, problems)).collect();
    Some(RealServer { checkers, ..real })
}

/// Address and, if it is there, port.
pub(super) fn key(directive: &Directive, problems: &mut Problems) -> Option<ServerKey> {
    let word = first(directive, "an address and a port", problems)?;
    let address = address_in(directive.keyword(), word, problems)?;
    Some(ServerKey::new(address, values::port(directive.parameters().get(1), problems)?))
}

/// The key of a server, whatever else is wrong with it.
pub(super) fn key_as_read(directive: &Directive, inherited: &Inherited<'_>) -> Option<ServerKey> {
    let mut problems = Problems::new();
    let key = key(directive, &mut problems)?;
    inherited.fit(directive, key, inherited.forwarding, &mut problems)
}

/// A weight. The kernel's tool takes up to 65,535; keepalived reads more, and what is more counts as that much.
pub(super) fn weight(directive: &Directive, problems: &mut Problems) -> Option<Weight> {
    let number = number(directive, 0..=u32::MAX >> 1, problems)?;
    let weight = u16::try_from(number).unwrap_or(u16::MAX);
    if u32::from(weight) != number {
        let what = format!("the weight {number} is more than 65535");
        put_right(directive.span(), what, "65535 is taken".to_owned(), problems);
    }
    Some(Weight::new(weight))
}

/// Whether a real server says how packets reach it.
pub(super) fn has_method(real: &Directive) -> bool {
    let keywords = real.block.iter().flat_map(|block| block.directives.iter().map(Directive::keyword));
    keywords.into_iter().any(|keyword| matches!(keyword, "lvs_method" | "lb_kind"))
}

impl Inherited<'_> {
    /// Makes the port of a server what it can be, and refuses a server of the wrong family.
    ///
    /// Packets that are only handed on keep the port that they came with. The port 0 of the result is that of each
    /// service.
    pub(super) fn fit(
        &self,
        directive: &Directive,
        mut key: ServerKey,
        forwarding: Forwarding,
        problems: &mut Problems,
    ) -> Option<ServerKey> {
        let tunnelled = matches!(forwarding, Forwarding::Tunnel(_));
        let family = Family::of(key.address);
        if !tunnelled && let Some(other) = self.services.iter().find(|service| service.family() != family) {
            problems.push(
                Diagnostic::error(directive.span(), format!("{} can not stand behind {other}", key.address))
                    .label(format!("{family}, and the service is {}", other.family()))
                    .note("only a tunnel (lvs_method TUN) leads from one address family to the other"),
            );
            return None;
        }
        let mut ports: Vec<u16> = self
            .services
            .iter()
            .map(|service| service.address().map_or(0, |address| address.port()))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        let only = if let [port] = ports[..] { port } else { 0 };
        if key.port == 0 {
            key.port = only;
        } else if forwarding != Forwarding::Masquerade && key.port != only {
            let what = format!("the port {} of {} can not be reached", key.port, key.address);
            let how = if only == 0 {
                "packets keep the port they came with".to_owned()
            } else {
                format!("{only}, that of the service, is taken")
            };
            put_right(directive.span(), what, how, problems);
            key.port = only;
        }
        Some(key)
    }
}
