//! Scheduler and persistence of a section.

use std::num::NonZeroU32;

use lb_core::model::{Persistence, SchedulerFlags, SchedulerKind, ServiceSpec};

use super::Section;
use crate::{
    diagnostic::Diagnostic,
    document::Span,
    ldirectord::{directive::Directive, raw::RawValue, resolve::validate},
};

impl Section<'_, '_> {
    pub(super) fn spec(&mut self) -> ServiceSpec {
        let scheduler = match self.settings.text(Directive::Scheduler) {
            Some(name) => self.scheduler(&name),
            None => SchedulerKind::WeightedRoundRobin,
        };
        ServiceSpec {
            flags: self.flags(),
            persistence: self.persistence(),
            one_packet: self.settings.yes(Directive::Ops).unwrap_or(false),
            ..ServiceSpec::new(scheduler)
        }
    }

    fn scheduler(&mut self, name: &str) -> SchedulerKind {
        let span = self.settings.entry(Directive::Scheduler).map_or(Span::default(), |entry| entry.span);
        match name.parse() {
            Ok(SchedulerKind::Other(other)) => {
                self.problems.push(
                    Diagnostic::warning(span, format!("unknown scheduler `{other}`"))
                        .label("it has to be a module of the kernel")
                        .did_you_mean(&other, SchedulerKind::KNOWN.iter().map(SchedulerKind::name)),
                );
                SchedulerKind::Other(other)
            }
            Ok(known) => known,
            Err(_) => {
                let error =
                    Diagnostic::new(self.severity(), span, "the name of a scheduler has at most 15 letters");
                self.problems.push(error);
                SchedulerKind::WeightedRoundRobin
            }
        }
    }

    fn flags(&mut self) -> SchedulerFlags {
        let Some(text) = self.settings.text(Directive::SchedFlags) else { return SchedulerFlags::EMPTY };
        let span = self.settings.entry(Directive::SchedFlags).map_or(Span::default(), |entry| entry.span);
        let mut flags = SchedulerFlags::EMPTY;
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match SchedulerFlags::parse_one(word) {
                Ok(flag) => flags = flags.union(flag),
                Err(_) => {
                    const KNOWN: [&str; 7] =
                        ["sh-fallback", "sh-port", "mh-fallback", "mh-port", "flag-1", "flag-2", "flag-3"];
                    self.problems.push(
                        Diagnostic::new(self.severity(), span, format!("unknown scheduler flag `{word}`"))
                            .label(format!("expected a list of {}", KNOWN.join(", ")))
                            .did_you_mean(word, KNOWN),
                    );
                }
            }
        }
        flags
    }

    fn persistence(&mut self) -> Option<Persistence> {
        // The length that leaves every client by itself is what there is without a mask.
        let prefix = self.netmask().filter(|length| *length < self.family.bits());
        let seconds = NonZeroU32::new(self.settings.count(Directive::Persistent)?)?;
        Some(Persistence { prefix, ..Persistence::seconds(seconds) })
    }

    fn netmask(&mut self) -> Option<u8> {
        let mut prefix = None;
        for entry in self.section.entries.iter().filter(|entry| entry.directive == Directive::Netmask) {
            let RawValue::Text(text) = &entry.value else { continue };
            prefix = validate::netmask(text, entry.span, self.family, self.severity(), self.problems);
        }
        prefix
    }
}
