//! Which directives this program acts upon. A directive that it reads and does not act upon gets a warning, so
//! that nothing is ignored in silence.

use super::{
    directive::Directive,
    raw::{RawConfig, RawValue},
};
use crate::diagnostic::{Diagnostic, Problems};

/// One row for each directive: whether it is acted upon, and if not, what it would have done and why it is not.
const ACTED: &[(Directive, bool, &str)] = &[
    (Directive::Virtual, true, ""),
    (Directive::Virtual6, true, ""),
    (Directive::Real, true, ""),
    (Directive::Real6, true, ""),
    (Directive::CheckType, true, ""),
    (Directive::Service, true, ""),
    (Directive::CheckCommand, true, ""),
    (Directive::CheckPort, true, ""),
    (Directive::Request, true, ""),
    (Directive::Receive, true, ""),
    (Directive::HttpMethod, true, ""),
    (Directive::VirtualHost, true, ""),
    (Directive::Login, true, ""),
    (Directive::Passwd, true, ""),
    (Directive::Database, true, ""),
    (Directive::Secret, true, ""),
    (Directive::Load, false, "a text for load testing, which ldirectord itself does not use"),
    (Directive::Scheduler, true, ""),
    (Directive::SchedFlags, true, ""),
    (Directive::Persistent, true, ""),
    (Directive::Netmask, true, ""),
    (Directive::Protocol, true, ""),
    (Directive::Ops, true, ""),
    (Directive::MonitorFile, true, ""),
    (Directive::ServiceName, true, ""),
    (Directive::Comment, true, ""),
    (Directive::CheckTimeout, true, ""),
    (Directive::NegotiateTimeout, true, ""),
    (Directive::CheckInterval, true, ""),
    (Directive::CheckCount, true, ""),
    (Directive::FailureCount, true, ""),
    (Directive::Fallback, true, ""),
    (Directive::Fallback6, true, ""),
    (Directive::FallbackCommand, true, ""),
    (Directive::Quiescent, true, ""),
    (Directive::CleanStop, true, ""),
    (Directive::EmailAlert, true, ""),
    (Directive::EmailAlertFreq, true, ""),
    (Directive::EmailAlertStatus, true, ""),
    (Directive::Smtp, true, ""),
    (Directive::ConnectTimeout, true, ""),
    (Directive::Autoreload, true, ""),
    (Directive::Callback, true, ""),
    (Directive::LogFile, true, ""),
    (Directive::Execute, true, ""),
    (Directive::Supervised, true, ""),
    (
        Directive::Fork,
        false,
        "gives each virtual service a process of its own; checks never wait for each other here",
    ),
    (Directive::ReaddQuiescent, true, ""),
    (Directive::EmailAlertFrom, true, ""),
    (Directive::MaintenanceDir, true, ""),
    (Directive::Timeout, true, ""),
];

/// A warning for each line that is understood and not acted upon.
pub fn not_acted_on(raw: &RawConfig) -> Vec<Diagnostic> {
    let mut problems = Problems::new();
    for entry in raw.entries() {
        let row = ACTED.iter().find(|(directive, ..)| *directive == entry.directive);
        // `fork = no` and the like ask for nothing.
        let asks = entry.value != RawValue::YesNo(false) && entry.value != RawValue::Invalid;
        if let Some((directive, false, note)) = row
            && asks
        {
            let message = format!("`{}` is not acted upon", directive.name());
            problems.push(Diagnostic::warning(entry.key.to(entry.span), message).note(*note));
        }
    }
    problems.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_has_one_row_and_the_ones_not_acted_upon_say_why() {
        for directive in Directive::ALL {
            let rows: Vec<_> = ACTED.iter().filter(|(of, ..)| of == directive).collect();
            assert_eq!(rows.len(), 1, "{directive:?}");
            assert_eq!(rows[0].1, rows[0].2.is_empty(), "{directive:?}");
        }
    }
}
