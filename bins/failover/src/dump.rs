//! What keepalived writes to a file when it gets SIGUSR1, SIGUSR2 or SIGRTMIN+2, from a [`View`]: for programs that
//! parse it. The control socket has it always, a file only if the configuration names one.
//!
//! Headers, names and types are those of keepalived 2.2.7. Secrets are not shown.

mod check_data;
mod data;
mod entry;
mod json;
mod page;
mod stats;

use lb_control::protocol::DumpKind;

use super::view::View;

/// A dump of everything that is in the view.
pub fn dump(kind: DumpKind, view: &View<'_>) -> String {
    match kind {
        DumpKind::Data => data::data(view),
        DumpKind::CheckData => check_data::check_data(view),
        DumpKind::Stats => stats::stats(view),
        DumpKind::Json => json::json(view),
    }
}

#[cfg(test)]
mod tests;
