//! `global_defs`, and what stands outside of all blocks.

mod mail;

use std::{net::IpAddr, time::Duration};

use crate::{
    diagnostic::{Diagnostic, Problems},
    keepalived::{
        language::{Block, Directive, keywords::Within},
        model::{Config, Fifo, Garp, Globals, ScriptCommand, User, Version},
    },
};

use super::{
    faults::{Area, Faults},
    ipvs::{self, Sync},
    notify::{command, user},
    values::{
        self, At, IGNORED, address, bare, effective, missing, number, only, seconds, seconds_in, surplus,
        switch, text,
    },
};

const DAY: Duration = Duration::from_secs(86_400);
const LONGEST_DELAY: Duration = Duration::from_secs(4_294);
const LONGEST_REFRESH: Duration = Duration::from_secs(u32::MAX as u64);
/// What fits into 32 bits of microseconds.
const LONGEST: Duration = Duration::from_micros(u32::MAX as u64);

/// What instances take from `global_defs` when they say nothing themselves.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) version: Version,
    pub(super) group4: Option<IpAddr>,
    pub(super) group6: Option<IpAddr>,
    pub(super) interface: String,
    pub(super) garp: GarpDefaults,
    pub(super) down_timer_adverts: u8,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: Option<bool>,
    pub(super) check_unicast_src: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) owner_ignore_adverts: bool,
    pub(super) v3_checksum_as_v2: bool,
    pub(super) strict: bool,
    pub(super) priority_changes: bool,
    pub(super) mail: bool,
}

/// Announcing, as far as it is set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GarpDefaults {
    pub(super) min: bool,
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u8>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u8>,
    pub(super) lower_prio_delay: Option<Duration>,
    pub(super) lower_prio_repeat: Option<u8>,
    /// `garp_extra_if`, and whether with `all`.
    pub(super) extra: Option<(bool, Duration)>,
    pub(super) interval4: Duration,
    pub(super) interval6: Duration,
}

impl GarpDefaults {
    /// What an instance begins with. Where another router of a lower priority is heard, the values for all instances count,
    /// and not what the instance says of its own takeover.
    pub(super) fn for_instance(self) -> Self {
        Self {
            lower_prio_delay: self.lower_prio_delay.or(self.delay),
            lower_prio_repeat: self.lower_prio_repeat.or(self.repeat),
            ..self
        }
    }

    /// With all gaps filled; the interval is the caller's to choose.
    pub(super) fn resolve(&self) -> Garp {
        let defaults = Garp::default();
        let (repeat, delay) = if self.min { (1, Duration::ZERO) } else { (defaults.repeat, defaults.delay) };
        Garp {
            repeat: self.repeat.unwrap_or(repeat),
            delay: self.delay.unwrap_or(delay),
            refresh: self.refresh.unwrap_or(defaults.refresh),
            refresh_repeat: self.refresh_repeat.unwrap_or(defaults.refresh_repeat),
            lower_prio_delay: self.lower_prio_delay.unwrap_or(delay),
            lower_prio_repeat: self.lower_prio_repeat.unwrap_or(repeat),
            extra: Duration::ZERO,
            interval: Duration::ZERO,
        }
    }

    /// `garp_…` of an instance, or `vrrp_garp_…` without its prefix; `false` when it is neither.
    pub(super) fn directive(
        &mut self,
        keyword: &str,
        directive: &Directive,
        problems: &mut Problems,
    ) -> bool {
        let mut until = |longest| seconds(directive, Duration::ZERO..=longest, problems).map(|at| at.value);
        match keyword {
            "garp_master_delay" => self.delay = until(LONGEST_DELAY).or(self.delay),
            "garp_master_refresh" => self.refresh = until(LONGEST_REFRESH).or(self.refresh),
            "garp_lower_prio_delay" => {
                self.lower_prio_delay = until(LONGEST_DELAY).or(self.lower_prio_delay);
            }
            "garp_master_repeat" => self.repeat = repeat(directive, 1, problems).or(self.repeat),
            "garp_master_refresh_repeat" => {
                self.refresh_repeat = repeat(directive, 1, problems).or(self.refresh_repeat);
            }
            "garp_lower_prio_repeat" => {
                self.lower_prio_repeat = repeat(directive, 0, problems).or(self.lower_prio_repeat);
            }
            "garp_extra_if" | "vmac_garp_intvl" => self.extra = extra(directive, problems).or(self.extra),
            _ => return false,
        }
        true
    }
}

/// `[all] SECONDS`.
fn extra(directive: &Directive, problems: &mut Problems) -> Option<(bool, Duration)> {
    let (all, words) = match directive.parameters() {
        [all, rest @ ..] if all.text == "all" => (true, rest),
        words => (false, words),
    };
    let Some((word, rest)) = words.split_first() else {
        problems.push(missing(directive, "seconds"));
        return None;
    };
    surplus(directive, rest, problems);
    let period = seconds_in(directive.keyword(), word, Duration::ZERO..=DAY, problems)?;
    Some((all, period))
}

/// How often; what is below the least or above 255 counts as the one or the other.
fn repeat(directive: &Directive, least: u8, problems: &mut Problems) -> Option<u8> {
    let asked = number(directive, 0..=u32::MAX, problems)?;
    let value = u8::try_from(asked.value).unwrap_or(u8::MAX).max(least);
    if u32::from(value) != asked.value {
        let keyword = directive.keyword();
        problems.push(
            Diagnostic::warning(asked.span, format!("`{keyword}` {} is out of range", asked.value))
                .label(format!("{value} is used")),
        );
    }
    Some(value)
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            version: Version::V2,
            group4: None,
            group6: None,
            interface: "eth0".to_owned(),
            garp: GarpDefaults::default(),
            down_timer_adverts: 3,
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            check_unicast_src: false,
            skip_check_adv_addr: false,
            owner_ignore_adverts: false,
            v3_checksum_as_v2: false,
            strict: false,
            priority_changes: false,
            mail: false,
        }
    }
}

/// What is put together at the end.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) globals: Globals,
    pub(super) defaults: Defaults,
    startup: Option<ScriptCommand>,
    shutdown: Option<ScriptCommand>,
    startup_timeout: Option<Duration>,
    shutdown_timeout: Option<Duration>,
    mail: Option<bool>,
    vrrp_mail: Option<bool>,
    fifos: [Pipe; 3],
    pub(super) sync: Option<Sync>,
    /// The statements that hold.
    pub(super) lines: Vec<Directive>,
}

#[derive(Debug, Default)]
struct Pipe {
    path: Option<At<String>>,
    owner: Option<User>,
    script: Option<ScriptCommand>,
}

impl Reading {
    /// `global_defs`.
    pub(super) fn block(
        &mut self,
        block: &Block,
        before: &Config,
        faults: &mut Faults,
        problems: &mut Problems,
    ) {
        for statement in effective(block, Within::GlobalDefs, problems) {
            self.statement(statement, before, faults, problems);
        }
    }

    /// A statement of `global_defs`, or one outside of all blocks. What was in force for its keyword takes its place if it
    /// has an error.
    pub(super) fn statement(
        &mut self,
        statement: &Directive,
        before: &Config,
        faults: &mut Faults,
        problems: &mut Problems,
    ) {
        let ((), errors) = problems.block(|problems| self.directive(statement, problems));
        let Some(errors) = errors else {
            self.lines.push(statement.clone());
            return;
        };
        let same = before.global_lines.iter().filter(|known| known.keyword() == statement.keyword());
        let known: Vec<Directive> = same.cloned().collect();
        for line in &known {
            // Its problems were told when it came into force.
            self.directive(line, &mut Problems::new());
        }
        faults.push(
            format!("`{}` of global_defs", statement.keyword()),
            Area::Both,
            !known.is_empty(),
            errors,
        );
        self.lines.extend(known);
    }

    fn directive(&mut self, directive: &Directive, problems: &mut Problems) {
        let keyword = directive.keyword();
        let defaults = &mut self.defaults;
        if let Some(own) = keyword.strip_prefix("vrrp_")
            && defaults.garp.directive(own, directive, problems)
        {
            return;
        }
        let mut on = |slot: &mut bool| *slot = switch(directive, problems).unwrap_or(*slot);
        match keyword {
            "instance" => self.globals.instance = name_of_files(directive, problems),
            "net_namespace" => self.globals.net_namespace = name_of_files(directive, problems),
            "vrrp_min_garp" => on(&mut defaults.garp.min),
            "vrrp_higher_prio_send_advert" => {
                let sends = switch(directive, problems);
                defaults.higher_prio_send_advert = sends.or(defaults.higher_prio_send_advert);
            }
            "vrrp_owner_ignore_adverts" => on(&mut defaults.owner_ignore_adverts),
            "v3_checksum_as_v2" => on(&mut defaults.v3_checksum_as_v2),
            "vrrp_notify_priority_changes" => on(&mut defaults.priority_changes),
            "checker_log_all_failures" => on(&mut self.globals.log_all_failures),
            "vrrp_check_unicast_src" => defaults.check_unicast_src = bare(directive, problems),
            "vrrp_skip_check_adv_addr" => defaults.skip_check_adv_addr = bare(directive, problems),
            "vrrp_strict" => defaults.strict = bare(directive, problems),
            "vrrp_lower_prio_no_advert" => defaults.lower_prio_no_advert = switch(directive, problems),
            "smtp_alert" => self.mail = switch(directive, problems),
            "smtp_alert_vrrp" => self.vrrp_mail = switch(directive, problems),
            "vrrp_version" => {
                defaults.version = version(directive, problems).map_or(defaults.version, |at| at.value);
            }
            "vrrp_mcast_group4" => {
                defaults.group4 = group(directive, problems, IpAddr::is_ipv4).or(defaults.group4);
            }
            "vrrp_mcast_group6" => {
                defaults.group6 = group(directive, problems, IpAddr::is_ipv6).or(defaults.group6);
            }
            "default_interface" => {
                if let Some(name) = text(directive, "an interface", problems) {
                    defaults.interface = name;
                }
            }
            "vrrp_garp_interval" => {
                defaults.garp.interval4 = interval(directive, problems).unwrap_or_default();
            }
            "vrrp_gna_interval" => {
                defaults.garp.interval6 = interval(directive, problems).unwrap_or_default();
            }
            "vrrp_down_timer_adverts" => {
                let adverts = number(directive, 1..=100, problems);
                defaults.down_timer_adverts = adverts.map_or(defaults.down_timer_adverts, |at| at.value);
            }
            _ => self.effects(directive, problems),
        }
    }

    /// What instances have nothing to do with.
    fn effects(&mut self, directive: &Directive, problems: &mut Problems) {
        let globals = &mut self.globals;
        match directive.keyword() {
            "enable_script_security" => globals.script_security = bare(directive, problems),
            "fifo_write_vrrp_states_on_reload" => globals.fifo_states_on_reload = bare(directive, problems),
            "log_unknown_vrids" => globals.log_unknown_vrids = bare(directive, problems),
            "no_email_faults" => globals.mail.no_faults = bare(directive, problems),
            "lvs_flush" => globals.lvs_flush = bare(directive, problems),
            "vrrp_no_swap" => globals.real_time.no_swap = bare(directive, problems),
            "lvs_flush_on_stop" | "lvs_flush_onstop" => {
                globals.lvs_flush_on_stop = ipvs::flush_on_stop(directive, problems);
            }
            "lvs_timeouts" => ipvs::timeouts(directive, &mut globals.lvs_timeouts, problems),
            "lvs_sync_daemon" => self.sync = Sync::read(directive, problems),
            "router_id" => globals.router_id = text(directive, "a name for this router", problems),
            "notification_email" => globals.mail.to.extend(mail::recipients(directive, problems)),
            "notification_email_from" => globals.mail.from = text(directive, "an e-mail address", problems),
            "smtp_server" => globals.mail.relay = mail::relay(directive, problems),
            "smtp_helo_name" => globals.mail.helo = text(directive, "a host name", problems),
            "smtp_connect_timeout" => {
                globals.mail.timeout =
                    seconds(directive, Duration::from_micros(1)..=LONGEST, problems).map(|at| at.value);
            }
            "script_user" => match user(directive, directive.parameters(), problems) {
                Some(user) => globals.script_user = Some(user),
                None => problems.push(missing(directive, "a user, and a group if need be")),
            },
            "startup_script" => self.startup = command(directive, problems),
            "shutdown_script" => self.shutdown = command(directive, problems),
            "startup_script_timeout" => self.startup_timeout = script_timeout(directive, problems),
            "shutdown_script_timeout" => self.shutdown_timeout = script_timeout(directive, problems),
            "notify_fifo" => self.fifos[0].named(directive, problems),
            "vrrp_notify_fifo" => self.fifos[1].named(directive, problems),
            "lvs_notify_fifo" => self.fifos[2].named(directive, problems),
            "notify_fifo_script" => self.fifos[0].script = command(directive, problems),
            "vrrp_notify_fifo_script" => self.fifos[1].script = command(directive, problems),
            "lvs_notify_fifo_script" => self.fifos[2].script = command(directive, problems),
            "vrrp_startup_delay" => {
                globals.startup_delay = seconds(directive, Duration::ZERO..=LONGEST, problems)
                    .map_or_else(Duration::default, |at| at.value);
            }
            "vrrp_delay_after_boot" => {
                globals.delay_after_boot = seconds(directive, Duration::ZERO..=LONGEST, problems)
                    .map_or_else(Duration::default, |at| at.value);
            }
            "nftables" | "vrrp_iptables" => globals.nftables = Some(table(directive)),
            "vrrp_rt_priority" => {
                globals.real_time.priority = Some(values::real_time_priority(directive, problems));
            }
            "vrrp_priority" => {
                globals.real_time.nice = number(directive, -20..=19, problems).map(|at| at.value)
            }
            "state_dump_file" => globals.dumps.state = text(directive, "a path", problems).map(Into::into),
            "stats_dump_file" => globals.dumps.stats = text(directive, "a path", problems).map(Into::into),
            "json_dump_file" => globals.dumps.json = text(directive, "a path", problems).map(Into::into),
            "json_version" => {
                globals.json_version_2 =
                    number(directive, 1..=2, problems).is_some_and(|at: At<u8>| at.value == 2);
            }
            _ => {}
        }
    }

    /// Everything in its place.
    pub(super) fn finish(self, problems: &mut Problems) -> (Globals, Defaults) {
        let Self { mut globals, mut defaults, startup, shutdown, startup_timeout, shutdown_timeout, .. } =
            self;
        const TIMEOUT: Duration = Duration::from_secs(10);
        globals.startup = startup.map(|script| (script, startup_timeout.unwrap_or(TIMEOUT)));
        globals.shutdown = shutdown.map(|script| (script, shutdown_timeout.unwrap_or(TIMEOUT)));
        defaults.mail = self.vrrp_mail.or(self.mail).unwrap_or(false);
        let places: Vec<_> = self.fifos.iter().filter_map(|pipe| pipe.path.clone()).collect();
        for (index, path) in places.iter().enumerate() {
            if let Some(first) = places[..index].iter().find(|first| first.value == path.value) {
                problems.push(
                    Diagnostic::warning(path.span, format!("`{}` is named for two FIFOs", path.value))
                        .label("what goes into both can not be told apart")
                        .related(first.span, "named here before"),
                );
            }
        }
        let [all, vrrp, lvs] = self.fifos.map(Pipe::finish);
        (globals.fifo, globals.vrrp_fifo, globals.lvs_fifo) = (all, vrrp, lvs);
        (globals, defaults)
    }
}

impl Pipe {
    /// `…_fifo PATH [USER [GROUP]]`.
    fn named(&mut self, directive: &Directive, problems: &mut Problems) {
        let Some((path, rest)) = directive.parameters().split_first() else {
            problems.push(missing(directive, "the path of a named pipe"));
            return;
        };
        self.path = Some(At::new(path.text.to_string(), path.span));
        self.owner = user(directive, rest, problems);
    }

    fn finish(self) -> Option<Fifo> {
        Some(Fifo { path: self.path?.value.into(), owner: self.owner, script: self.script })
    }
}

/// 2 or 3.
pub(super) fn version(directive: &Directive, problems: &mut Problems) -> Option<At<Version>> {
    let number = number(directive, 2..=3, problems)?;
    Some(At::new(if number.value == 2u8 { Version::V2 } else { Version::V3 }, number.span))
}

fn group(directive: &Directive, problems: &mut Problems, family: fn(&IpAddr) -> bool) -> Option<IpAddr> {
    let group = address(directive, problems)?;
    if group.value.is_multicast() && family(&group.value) {
        return Some(group.value);
    }
    problems.push(
        Diagnostic::mistake(group.span, format!("{} is no group for `{}`", group.value, directive.keyword()))
            .label("expected a multicast address of its family")
            .instead(IGNORED),
    );
    None
}

/// Between two frames. 0 is the default, and may be said.
pub(super) fn interval(directive: &Directive, problems: &mut Problems) -> Option<Duration> {
    seconds(directive, Duration::ZERO..=LONGEST, problems).map(|at| at.value)
}

fn script_timeout(directive: &Directive, problems: &mut Problems) -> Option<Duration> {
    seconds(directive, Duration::from_secs(1)..=Duration::from_secs(1000), problems).map(|at| at.value)
}

/// A name that becomes part of names of files.
fn name_of_files(directive: &Directive, problems: &mut Problems) -> Option<String> {
    let word = only(directive, "a name", problems)?;
    if word.text.is_empty() || word.text.starts_with('.') || word.text.contains('/') {
        problems.push(
            Diagnostic::mistake(word.span, format!("`{}` can not be part of the name of a file", word.text))
                .label("expected a name without slash")
                .instead("ignored"),
        );
        return None;
    }
    Some(word.text.to_string())
}

/// keepalived's own name for its table. `vrrp_iptables` names chains, of which there are none here.
fn table(directive: &Directive) -> String {
    let name = directive.parameters().first().filter(|_| directive.keyword() == "nftables");
    name.map_or_else(|| "keepalived".to_owned(), |word| word.text.to_string())
}
