//! What is set of IPVS beside services: `lvs_timeouts`, `lvs_sync_daemon`, and its older form in an instance.

use std::{collections::HashSet, net::IpAddr};

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Directive, Word},
        model::{Instance, LvsSync, LvsTimeouts},
    },
};

use super::{
    addresses::{is_interface_name, no_interface_name},
    values::{At, IGNORED, address_in, missing, number_in, only},
};

/// What the kernel takes, however many of its ticks a second has.
const LONGEST: u32 = 2_147_483;

/// `lvs_timeouts [tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]`; 0 says nothing.
pub(super) fn timeouts(directive: &Directive, timeouts: &mut LvsTimeouts, problems: &mut Problems) {
    if directive.parameters().is_empty() {
        problems.push(missing(directive, "`tcp`, `tcpfin` or `udp`, and seconds"));
    }
    let mut words = directive.parameters().iter();
    while let Some(name) = words.next() {
        let slot = match &*name.text {
            "tcp" => &mut timeouts.tcp,
            "tcpfin" => &mut timeouts.tcp_fin,
            "udp" => &mut timeouts.udp,
            _ => {
                problems.push(unknown(directive, name, "`tcp`, `tcpfin` or `udp`, and seconds"));
                return;
            }
        };
        let Some(value) = words.next() else {
            problems.push(no_value(name, "seconds"));
            return;
        };
        *slot = number_in(&name.text, value, 0..=LONGEST, problems).filter(|seconds| *seconds > 0);
    }
}

/// Nothing, or `VS`: what is ours goes in one step in any case.
pub(super) fn flush_on_stop(directive: &Directive, problems: &mut Problems) -> bool {
    match directive.parameters() {
        [] => true,
        [how, ..] if how.text == "VS" => false,
        _ => {
            problems.push(
                Diagnostic::warning(
                    directive.span(),
                    format!("`{}` takes nothing, or `VS`", directive.keyword()),
                )
                .label("the line is ignored, as with keepalived"),
            );
            false
        }
    }
}

/// `lvs_sync_daemon` as it is written: whether its instance exists is known at the end.
#[derive(Debug)]
pub(super) struct Sync {
    sync: LvsSync,
    id: Option<u8>,
    instance: Option<At<String>>,
}

impl Sync {
    /// `lvs_sync_daemon INTERFACE [[inst] INSTANCE] [id NUMBER] [maxlen BYTES] [port PORT] [ttl TTL] [group ADDRESS]`.
    pub(super) fn read(directive: &Directive, problems: &mut Problems) -> Option<Self> {
        let Some((interface, mut rest)) = directive.parameters().split_first() else {
            problems.push(missing(directive, "an interface"));
            return None;
        };
        let mut read = Self::on(interface, problems)?;
        if let [name, more @ ..] = rest
            && !matches!(&*name.text, "inst" | "id" | "maxlen" | "port" | "ttl" | "group")
        {
            read.instance = Some(At::new(name.text.to_string(), name.span));
            rest = more;
            if let [id, more @ ..] = rest
                && id.text.bytes().all(|byte| byte.is_ascii_digit())
            {
                problems.push(
                    Diagnostic::warning(id.span, "a number of `lvs_sync_daemon` without its name")
                        .label("taken as `id`")
                        .help(format!("write `id {}`", id.text)),
                );
                read.id = number_in("id", id, 0..=u8::MAX, problems);
                rest = more;
            }
        }
        while let [name, more @ ..] = rest {
            let expected = "`inst`, `id`, `maxlen`, `port`, `ttl` or `group`";
            let [value, more @ ..] = more else {
                problems.push(no_value(name, "a value"));
                break;
            };
            rest = more;
            let sync = &mut read.sync;
            match &*name.text {
                "inst" => read.instance = Some(At::new(value.text.to_string(), value.span)),
                "id" => read.id = number_in("id", value, 0..=u8::MAX, problems),
                "maxlen" => sync.max_length = number_in("maxlen", value, 1..=65_507, problems),
                "port" => sync.port = number_in("port", value, 1..=u16::MAX, problems),
                "ttl" => sync.ttl = number_in("ttl", value, 1..=u8::MAX, problems),
                "group" => sync.group = group(value, problems),
                _ => {
                    problems.push(unknown(directive, name, expected));
                    break;
                }
            }
        }
        Some(read)
    }

    fn on(interface: &Word, problems: &mut Problems) -> Option<Self> {
        if !is_interface_name(&interface.text) {
            problems.push(no_interface_name(interface.span, &interface.text));
            return None;
        }
        let sync = LvsSync {
            interface: interface.text.to_string(),
            instance: None,
            id: 0,
            max_length: None,
            port: None,
            ttl: None,
            group: None,
        };
        Some(Self { sync, id: None, instance: None })
    }

    /// With its instance, which is one of these.
    pub(super) fn finish(
        self,
        instances: &[Instance],
        left_out: &HashSet<String>,
        problems: &mut Problems,
    ) -> Option<LvsSync> {
        let Self { sync, id, instance } = self;
        let Some(instance) = instance else { return Some(LvsSync { id: id.unwrap_or(0), ..sync }) };
        let Some(found) = instances.iter().find(|known| known.name == instance.value) else {
            // What is wrong with one that is left out was said.
            if left_out.contains(&instance.value) {
                return None;
            }
            problems.push(
                Diagnostic::mistake(
                    instance.span,
                    format!("there is no instance `{}` for `lvs_sync_daemon`", instance.value),
                )
                .label("expected the name of a vrrp_instance; connections are not synchronized")
                .help("without a name, connections are always sent and received"),
            );
            return None;
        };
        Some(LvsSync { id: id.unwrap_or(found.vrid.get()), instance: Some(instance.value), ..sync })
    }
}

/// `lvs_sync_daemon_interface INTERFACE` of an instance, unless there is something newer.
pub(super) fn older_form(instance: &Directive, sync: &mut Option<Sync>, problems: &mut Problems) {
    let (Some(block), [name, ..]) = (&instance.block, instance.parameters()) else { return };
    let found = block.directives.iter().find(|inside| inside.keyword() == "lvs_sync_daemon_interface");
    let Some(directive) = found else { return };
    let Some(interface) = only(directive, "an interface", problems) else { return };
    let replacement = format!("lvs_sync_daemon {} {}", interface.text, name.text);
    problems.push(
        Diagnostic::warning(directive.span(), "`lvs_sync_daemon_interface` is an older form")
            .label(if sync.is_some() { "ignored, there is one already" } else { "it is acted on" })
            .help(format!("write `{replacement}` in global_defs")),
    );
    if sync.is_none() {
        let instance = Some(At::new(name.text.to_string(), name.span));
        // keepalived's number for this form.
        *sync = Sync::on(interface, problems).map(|read| Sync { instance, id: Some(0), ..read });
    }
}

fn group(word: &Word, problems: &mut Problems) -> Option<IpAddr> {
    let group = address_in("group", word, problems)?;
    if !group.is_multicast() {
        problems.push(
            Diagnostic::mistake(word.span, format!("{group} is no group for `lvs_sync_daemon`"))
                .label("expected a multicast address")
                .instead(IGNORED),
        );
        return None;
    }
    Some(group)
}

fn no_value(name: &Word, expected: &str) -> Diagnostic {
    Diagnostic::mistake(name.span, format!("`{}` has no value", name.text))
        .label(format!("expected {expected}"))
        .instead(IGNORED)
}

fn unknown(directive: &Directive, word: &Word, expected: &str) -> Diagnostic {
    Diagnostic::mistake(word.span, format!("`{}` means nothing to `{}`", word.text, directive.keyword()))
        .label(format!("expected {expected}"))
        .instead(IGNORED)
}
