//! `lb-failover --config-test`: what is wrong with a file, without putting it in force.

mod host;

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    process::ExitCode,
};

use lb_config::{
    diagnostic::{Colors, Diagnostic, Severity},
    keepalived::{
        self, Loaded,
        language::{self, Completeness},
        model::{Config, Instance},
        resolve::Basis,
    },
};
use lb_runtime::printable::printable;

use super::{build, keys};

/// `EX_CONFIG` of sysexits.h.
const BAD_CONFIG: u8 = 78;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-i`: what `@` conditions are compared with. Default: the short name of the host.
    pub config_id: Option<String>,
    /// Whether to look at this host, too: interfaces, scripts, users, and who can read secrets.
    pub live: bool,
}

/// Says on standard error what is wrong with a file, each problem once, and at last how it stands.
///
/// 0: it can be run as it is written, maybe with warnings. 78: it has an error, an unknown keyword or something else that a
/// daemon ignores or replaces, or, with [`Options::live`], could not
/// do on this host what it says. Without that nothing depends on the host, and neither rights, nor interfaces, nor scripts
/// are needed.
pub fn run(path: &Path, options: &Options) -> ExitCode {
    let colors = if io::stderr().is_terminal() { Colors::Yes } else { Colors::No };
    exit_code(report(path, options, colors, &mut io::stderr().lock()))
}

/// The same, with all messages in a file.
pub fn run_to(path: &Path, options: &Options, out: &mut impl Write) -> ExitCode {
    exit_code(report(path, options, Colors::No, out))
}

fn exit_code(result: io::Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => BAD_CONFIG.into(),
    }
}

/// Whether all is well.
fn report(path: &Path, options: &Options, colors: Colors, out: &mut impl Write) -> io::Result<bool> {
    // A daemon runs on over an unknown keyword, as keepalived does; whoever asks for a test wants to know.
    let mut settings = language::Settings { unknown: Severity::Error, ..language::Settings::default() };
    if let Some(id) = &options.config_id {
        settings.config_id.clone_from(id);
    }
    let build_settings = build::Settings::default();
    // What is in files of its own is looked at with `live` only.
    let mut admit = |instance: &mut Instance| match keys::are_known(instance) {
        true => build::check(instance, &build_settings),
        false => Ok(()),
    };
    let basis = Basis { before: &Config::default(), admit: &mut admit };
    let mut loaded = match keepalived::load_beside(path, &settings, basis) {
        Ok(loaded) => loaded,
        Err(error) => {
            writeln!(out, "error: {} can not be read: {error}", path.display())?;
            return Ok(false);
        }
    };
    // A daemon runs on over what it ignores or replaces, too.
    loaded.problems = loaded.problems.into_iter().map(Diagnostic::strictly).collect();
    for problem in &loaded.problems {
        writeln!(out, "{}\n", problem.render(&loaded.sources, colors))?;
    }
    let errors = loaded.problems.iter().filter(|problem| problem.is_error()).count();
    if loaded.completeness == Completeness::Cut {
        writeln!(out, "a daemon does not start with this file, and a reload changes nothing")?;
    }
    for fault in &loaded.resolved.faults {
        writeln!(out, "a daemon starts without {}", printable(&fault.block))?;
    }
    writeln!(out, "{}: {}", path.display(), summary(&loaded, errors))?;
    let mut well = errors == 0;
    if let (true, Some(config)) = (options.live, loaded.config()) {
        let findings = host::examine(config, path, &loaded.sources);
        well &= findings.iter().all(|finding| finding.severity == Severity::Warning);
        let verdict = if findings.is_empty() { " nothing is missing" } else { "" };
        writeln!(out, "on this host:{verdict}")?;
        for finding in findings {
            writeln!(out, "  {}: {}", finding.severity, finding.text)?;
        }
    } else if options.live {
        writeln!(out, "on this host: not looked at, since the file has errors")?;
    }
    Ok(well)
}

fn summary(loaded: &Loaded, errors: usize) -> String {
    let warnings = loaded.problems.iter().filter(|problem: &&Diagnostic| !problem.is_error()).count();
    let mut parts = Vec::new();
    if let Some(config) = loaded.config() {
        parts.push(count(config.instances.len(), "instance"));
        parts.push(count(config.groups.len(), "group"));
        if !config.virtual_servers.is_empty() {
            parts.push(count(config.virtual_servers.len(), "virtual server"));
        }
    }
    parts.push(count(errors, "error"));
    parts.push(count(warnings, "warning"));
    parts.join(", ")
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
