//! `ldirectord.cf`, the configuration of ldirectord 4.12.
//!
//! [`parse`] reads lines, [`resolve`] names and defaults; both collect every problem and stop at none. What
//! ldirectord does with a file was measured with its `status` command on some 1,700 files.
//!
//! ```
//! use lb_config::{document::Source, ldirectord, names::SystemResolver};
//!
//! let source = Source::new("ldirectord.cf", "virtual = 10.0.0.1:80\n\treal = 192.168.0.1:80 masq 5\n");
//! let (raw, problems) = ldirectord::parse(&source, ldirectord::Mode::Lenient);
//! assert!(problems.is_empty());
//! let (config, problems) = ldirectord::resolve(raw, &SystemResolver::new());
//! assert!(problems.is_empty());
//! assert_eq!(config.virtuals[0].reals[0].spec.weight.get(), 5);
//! ```

mod acted;
mod directive;
mod entry;
mod grammar;
mod layout;
mod model;
mod raw;
mod render;
mod resolve;
mod values;

use super::{diagnostic::Diagnostic, document::Source, names::Resolver};

pub use acted::not_acted_on;
pub use directive::{Directive, Scope};
pub use model::{Check, Config, EmailAlert, Fallback, Globals, Real, Virtual};
pub use raw::{Entry, Mode, RawConfig, RawFallback, RawReal, RawService, RawValue, RawVirtual, Word};
pub use render::render;
pub use values::{AlertStates, CheckService, CheckType, HttpMethod, LogTarget, Seconds, Secret};

/// Reads the lines of a file. Lines with errors are left out of the result.
pub fn parse(source: &Source, mode: Mode) -> (RawConfig, Vec<Diagnostic>) {
    layout::parse(source, mode)
}

/// Resolves names, fills in defaults, and looks for what is wrong across lines.
///
/// The configuration holds what could be resolved; use it only if no diagnostic of [`parse`] and of this is an
/// error.
pub fn resolve(raw: RawConfig, resolver: &impl Resolver) -> (Config, Vec<Diagnostic>) {
    resolve::resolve(raw, resolver)
}

/// [`parse`], [`not_acted_on`] and [`resolve`] in one, the problems in the order of the file.
///
/// # Errors
/// No configuration if a problem is an error.
pub fn load(source: &Source, mode: Mode, resolver: &impl Resolver) -> (Option<Config>, Vec<Diagnostic>) {
    let (raw, mut problems) = parse(source, mode);
    problems.extend(not_acted_on(&raw));
    let (config, more) = resolve(raw, resolver);
    problems.extend(more);
    problems.sort_by_key(|problem| problem.span.start);
    let usable = !problems.iter().any(Diagnostic::is_error);
    (usable.then_some(config), problems)
}
