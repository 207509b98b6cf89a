//! A configuration as ldirectord.cf, in one canonical form that strict readers accept.

use std::fmt::{self, Write};

use lb_core::model::{Family, Protocol, SchedulerFlags, ServerSpec, ServiceKey, Weight};

use super::{
    model::{Config, Globals, Real, Virtual},
    values::{AlertStates, CheckService, HttpMethod, LogTarget, Secret},
};

/// The file that reads as this configuration, passwords included. Every section spells out its effective values.
///
/// A text that ldirectord.cf cannot hold (a line feed, a `#`) does not survive; no file can have led to one.
pub fn render(config: &Config) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_config(&mut out, config, true);
    out
}

/// As [`render`] with passwords masked: for people, not to be read again.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_config(f, self, false)
    }
}

fn write_config(out: &mut impl Write, config: &Config, secrets: bool) -> fmt::Result {
    write_globals(out, &config.globals)?;
    // Only the global command can have quotes in it, and then every section that sets none has this one.
    if let Some(command) = config.virtuals.iter().find_map(shell_command) {
        writeln!(out, "fallbackcommand = {command}")?;
    }
    for (index, service) in config.virtuals.iter().enumerate() {
        if index > 0 || config.globals != Globals::default() {
            writeln!(out)?;
        }
        write_virtual(out, service, secrets)?;
    }
    Ok(())
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn write_globals(out: &mut impl Write, globals: &Globals) -> fmt::Result {
    let defaults = Globals::default();
    if globals.check_interval != defaults.check_interval {
        writeln!(out, "checkinterval = {}", globals.check_interval)?;
    }
    for (name, value) in [
        ("autoreload", globals.autoreload),
        ("supervised", globals.supervised),
        ("fork", globals.fork),
        ("readdquiescent", globals.readd_quiescent),
    ] {
        if value {
            writeln!(out, "{name} = {}", yes(value))?;
        }
    }
    if let Some(callback) = &globals.callback {
        writeln!(out, "callback = \"{callback}\"")?;
    }
    match &globals.log {
        log if *log == defaults.log => {}
        LogTarget::File(path) => writeln!(out, "logfile = \"{}\"", path.display())?,
        LogTarget::Syslog(facility) => writeln!(out, "logfile = \"{facility}\"")?,
    }
    for name in &globals.execute {
        writeln!(out, "execute = {name}")?;
    }
    if let Some(from) = &globals.email_from {
        writeln!(out, "emailalertfrom = {from}")?;
    }
    if let Some(directory) = &globals.maintenance_dir {
        writeln!(out, "maintenancedir = {}", directory.display())?;
    }
    Ok(())
}

fn write_virtual(out: &mut impl Write, service: &Virtual, secrets: bool) -> fmt::Result {
    let six = if service.key.family() == Family::V6 { "6" } else { "" };
    match service.key {
        ServiceKey::Address { .. } => match service.key.address() {
            Some(address) => writeln!(out, "virtual{six} = {address}")?,
            None => return Err(fmt::Error),
        },
        ServiceKey::FwMark { mark, .. } => writeln!(out, "virtual{six} = {mark}")?,
    }
    let protocol = service.key.protocol().map_or("fwm", Protocol::name);
    writeln!(out, "\tprotocol = {protocol}")?;
    write_spec(out, service)?;
    for real in &service.reals {
        write_real(out, real, six)?;
    }
    if let Some(fallback) = &service.fallback {
        writeln!(out, "\tfallback{six} = {} {}", fallback.key, fallback.spec.forwarding)?;
    }
    if let (Some(command), None) = (&service.fallback_command, shell_command(service)) {
        write_maybe_quoted(out, "fallbackcommand", command)?;
    }
    write_check(out, service, secrets)?;
    writeln!(out, "\tquiescent = {}", yes(service.quiescent))?;
    writeln!(out, "\tcleanstop = {}", yes(service.clean_stop))?;
    if let Some(email) = &service.email {
        write_maybe_quoted(out, "emailalert", &email.to)?;
        writeln!(out, "\temailalertfreq = {}", email.repeat.map_or(0, |seconds| seconds.get()))?;
        writeln!(out, "\temailalertstatus = {}", states(email.during))?;
        if let Some(smtp) = &email.smtp {
            writeln!(out, "\tsmtp = {smtp}")?;
        }
    }
    if let Some(path) = &service.monitor_file {
        write_maybe_quoted(out, "monitorfile", &path.display().to_string())?;
    }
    for (name, text) in [("servicename", &service.name), ("comment", &service.comment)] {
        if let Some(text) = text {
            writeln!(out, "\t{name} = {text}")?;
        }
    }
    Ok(())
}

/// A fallback command with quotes, which a shell has to understand.
fn shell_command(service: &Virtual) -> Option<&str> {
    service.fallback_command.as_deref().filter(|command| command.contains('"'))
}

fn write_spec(out: &mut impl Write, service: &Virtual) -> fmt::Result {
    let spec = &service.spec;
    writeln!(out, "\tscheduler = {}", spec.scheduler)?;
    if spec.flags != SchedulerFlags::EMPTY {
        let flags: Vec<&str> = spec.flags.names(&spec.scheduler).collect();
        writeln!(out, "\tschedflags = {}", flags.join(","))?;
    }
    if let Some(persistence) = &spec.persistence {
        writeln!(out, "\tpersistent = {}", persistence.timeout)?;
        if let Some(prefix) = persistence.prefix {
            match service.key.family() {
                Family::V6 => writeln!(out, "\tnetmask = {prefix}")?,
                Family::V4 => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
                    writeln!(out, "\tnetmask = {}", std::net::Ipv4Addr::from(mask))?;
                }
            }
        }
    }
    if spec.one_packet {
        writeln!(out, "\tops = yes")?;
    }
    Ok(())
}

fn write_real(out: &mut impl Write, real: &Real, six: &str) -> fmt::Result {
    let ServerSpec { weight, forwarding, thresholds } = real.spec;
    write!(out, "\treal{six} = {} {forwarding}", real.key)?;
    if weight != Weight::ONE {
        write!(out, " {weight}")?;
    }
    if real.request.is_some() || real.receive.is_some() {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        write!(out, " \"{}\", \"{}\"", text(&real.request), text(&real.receive))?;
    }
    if thresholds.lower > 0 {
        write!(out, " l:{}", thresholds.lower)?;
    }
    if thresholds.upper > 0 {
        write!(out, " u:{}", thresholds.upper)?;
    }
    writeln!(out)
}

fn write_check(out: &mut impl Write, service: &Virtual, secrets: bool) -> fmt::Result {
    let check = &service.check;
    writeln!(out, "\tchecktype = {}", check.kind)?;
    let port = service.key.address().map_or(0, |address| address.port());
    if check.service != CheckService::of_port(port) {
        writeln!(out, "\tservice = {}", check.service)?;
    }
    if let Some(port) = check.port {
        writeln!(out, "\tcheckport = {port}")?;
    }
    writeln!(out, "\tchecktimeout = {}", check.check_timeout)?;
    writeln!(out, "\tnegotiatetimeout = {}", check.negotiate_timeout)?;
    writeln!(out, "\tcheckinterval = {}", check.interval)?;
    if check.attempts != 1 {
        writeln!(out, "\tcheckcount = {}", check.attempts)?;
    }
    writeln!(out, "\tfailurecount = {}", check.failures)?;
    let secret = |secret: &Option<Secret>| {
        secret
            .as_ref()
            .map(|secret| if secrets { secret.reveal().to_owned() } else { Secret::MASK.to_owned() })
    };
    for (name, text) in [
        ("request", check.request.clone()),
        ("receive", check.receive.clone()),
        ("login", check.login.clone()),
        ("passwd", secret(&check.password)),
        ("database", check.database.clone()),
        ("secret", secret(&check.secret)),
    ] {
        if let Some(text) = text {
            writeln!(out, "\t{name} = \"{text}\"")?;
        }
    }
    if check.http_method != HttpMethod::Get {
        writeln!(out, "\thttpmethod = {}", check.http_method)?;
    }
    for (name, text) in [("virtualhost", &check.virtual_host), ("checkcommand", &check.command)] {
        if let Some(text) = text {
            write_maybe_quoted(out, name, text)?;
        }
    }
    Ok(())
}

/// Quotes where the text would otherwise lose blanks; a text with quotes in it has to stand without.
fn write_maybe_quoted(out: &mut impl Write, name: &str, text: &str) -> fmt::Result {
    if text.contains('"') {
        writeln!(out, "\t{name} = {text}")
    } else {
        writeln!(out, "\t{name} = \"{text}\"")
    }
}

fn states(states: AlertStates) -> String {
    let named = [
        (states.starting, "starting"),
        (states.running, "running"),
        (states.stopping, "stopping"),
        (states.reloading, "reloading"),
    ];
    let on: Vec<&str> = named.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
    match on.len() {
        0 => "none".into(),
        4 => "all".into(),
        _ => on.join(","),
    }
}
