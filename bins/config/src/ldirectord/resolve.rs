//! From entries to values: names, defaults, and what a section takes from the globals.

mod address;
mod section;
mod validate;

use std::collections::HashMap;

use lb_core::model::ServiceKey;

use super::{
    directive::Directive,
    model::{Config, Globals},
    raw::{Entry, Mode, RawConfig, RawValue},
    values::{LogTarget, Seconds},
};
use crate::{
    diagnostic::{Diagnostic, Problems},
    document::Span,
    names::Resolver,
};

use address::Names;

/// Resolves names and fills in defaults. Also finds what is wrong across lines.
///
/// The configuration holds what could be resolved; use it only if no diagnostic, of this and of the parser, is an
/// error.
pub(super) fn resolve(raw: RawConfig, resolver: &impl Resolver) -> (Config, Vec<Diagnostic>) {
    let mut problems = Problems::new();
    let mut names = Names::new(resolver);
    let shared = Shared::new(&raw, &mut names, &mut problems);
    let mut config = Config { globals: globals(&shared), virtuals: Vec::with_capacity(raw.virtuals.len()) };
    let mut seen: HashMap<ServiceKey, Span> = HashMap::new();
    let mut texts: HashMap<String, ()> = HashMap::new();
    for section in &raw.virtuals {
        let Some(resolved) = section::resolve(section, &shared, &mut names, &mut problems) else { continue };
        let span = section.head.key.to(section.head.span);
        let same_text = texts.insert(resolved.identity, ()).is_some();
        if let Some(first) = seen.get(&resolved.service.key) {
            let key = resolved.service.key;
            let duplicate = if same_text || raw.mode == Mode::Lenient {
                Diagnostic::error(span, format!("{key} is defined twice"))
            } else {
                Diagnostic::warning(span, format!("{key} is defined twice, in two ways of writing"))
                    .note("ldirectord takes them for two services; the second one is left out here")
            };
            problems.push(duplicate.label("the second time").related(*first, "first defined here"));
            continue;
        }
        seen.insert(resolved.service.key, span);
        config.virtuals.push(resolved.service);
    }
    (config, problems.finish())
}

/// The last value of each directive, and where it stands.
pub(super) struct Settings<'a>(HashMap<Directive, &'a Entry>);

impl<'a> Settings<'a> {
    /// The last line counts; of an earlier one the reader is told.
    fn new(entries: &'a [Entry], mode: Mode, problems: &mut Problems) -> Self {
        let mut last: HashMap<Directive, &Entry> = HashMap::new();
        for entry in entries.iter().filter(|entry| entry.value != RawValue::Invalid) {
            let earlier = last.insert(entry.directive, entry);
            if let Some(earlier) = earlier
                && mode == Mode::Lenient
                && !entry.directive.repeats()
            {
                let name = entry.directive.name();
                let same = if earlier.value == entry.value { ", with the same value" } else { "" };
                problems.push(
                    Diagnostic::warning(entry.key.to(entry.span), format!("`{name}` is set twice{same}"))
                        .label("the last one counts")
                        .related(earlier.key.to(earlier.span), "set here before"),
                );
            }
        }
        Self(last)
    }

    fn entry(&self, directive: Directive) -> Option<&'a Entry> {
        self.0.get(&directive).copied()
    }

    fn value(&self, directive: Directive) -> Option<&'a RawValue> {
        self.entry(directive).map(|entry| &entry.value)
    }

    /// A text; an empty one is as none.
    fn text(&self, directive: Directive) -> Option<String> {
        match self.value(directive) {
            Some(RawValue::Text(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    fn number(&self, directive: Directive) -> Option<u64> {
        match self.value(directive) {
            Some(RawValue::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number that is a count; the largest one stands for all beyond.
    fn count(&self, directive: Directive) -> Option<u32> {
        self.number(directive).map(|number| number.try_into().unwrap_or(u32::MAX))
    }

    fn seconds(&self, directive: Directive) -> Option<Seconds> {
        self.count(directive).map(Seconds::new)
    }

    fn yes(&self, directive: Directive) -> Option<bool> {
        match self.value(directive) {
            Some(RawValue::YesNo(yes)) => Some(*yes),
            _ => None,
        }
    }
}

/// What every section needs of the globals.
pub(super) struct Shared<'a> {
    mode: Mode,
    globals: Settings<'a>,
    execute: Vec<String>,
    fallback: [Option<address::SharedFallback>; 2],
}

impl<'a> Shared<'a> {
    fn new<R: Resolver>(raw: &'a RawConfig, names: &mut Names<'_, R>, problems: &mut Problems) -> Self {
        let globals = Settings::new(&raw.globals, raw.mode, problems);
        let execute = raw
            .globals
            .iter()
            .filter(|entry| entry.directive == Directive::Execute)
            .filter_map(|entry| match &entry.value {
                RawValue::Text(name) => Some(unquoted(name).to_owned()),
                _ => None,
            })
            .filter(|name| !name.is_empty())
            .collect();
        let mut fallback = |directive| {
            // Each line has to be right, the last one counts.
            let lines = raw.globals.iter().filter(|entry| entry.directive == directive);
            lines.fold(None, |_, entry| address::shared_fallback(entry, raw.mode, names, problems))
        };
        Self {
            mode: raw.mode,
            execute,
            fallback: [fallback(Directive::Fallback), fallback(Directive::Fallback6)],
            globals,
        }
    }
}

/// ldirectord has a shell run what `execute` names, which takes quotes off.
fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

fn globals(shared: &Shared<'_>) -> Globals {
    let defaults = Globals::default();
    let set = &shared.globals;
    Globals {
        check_interval: set.seconds(Directive::CheckInterval).unwrap_or(defaults.check_interval),
        autoreload: set.yes(Directive::Autoreload).unwrap_or(defaults.autoreload),
        callback: set.text(Directive::Callback),
        log: set.text(Directive::LogFile).map_or(defaults.log, |target| {
            if target.starts_with('/') { LogTarget::File(target.into()) } else { LogTarget::Syslog(target) }
        }),
        execute: shared.execute.clone(),
        supervised: set.yes(Directive::Supervised).unwrap_or(defaults.supervised),
        fork: set.yes(Directive::Fork).unwrap_or(defaults.fork),
        readd_quiescent: set.yes(Directive::ReaddQuiescent).unwrap_or(defaults.readd_quiescent),
        email_from: set.text(Directive::EmailAlertFrom),
        maintenance_dir: set.text(Directive::MaintenanceDir).map(Into::into),
    }
}
