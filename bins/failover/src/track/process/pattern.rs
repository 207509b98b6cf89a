//! Whether a process is of a kind: pure.

use lb_config::keepalived::model::{ParamMatch, Process};

/// Characters that the kernel keeps of a process's name.
const NAME: usize = 15;

/// What is to be known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its short name, as in `/proc/PID/comm`.
    pub(super) name: String,
    /// Its command line; empty where nobody asks for it, and for threads of the kernel.
    pub(super) command: Vec<String>,
}

/// Whether command lines have to be read.
pub(super) fn needs_command(process: &Process) -> bool {
    by_command(process) || process.parameters.is_some()
}

/// A path can only be meant for the command line, since no short name has a slash.
fn by_command(process: &Process) -> bool {
    process.full_command || process.command.first().is_some_and(|name| name.contains('/'))
}

pub(super) fn matches(process: &Process, seen: &Seen) -> bool {
    let Some((name, wanted)) = process.command.split_first() else { return false };
    let is_named = if by_command(process) {
        seen.command.first() == Some(name)
    } else {
        seen.name.as_bytes() == &name.as_bytes()[..name.len().min(NAME)]
    };
    let Some(how) = process.parameters else { return is_named };
    let parameters = seen.command.get(1..).unwrap_or_default();
    is_named
        && match how {
            ParamMatch::Exact => parameters == wanted,
            // Where none are named there may be none, whatever word follows `param_match`.
            _ if wanted.is_empty() => parameters.is_empty(),
            ParamMatch::Initial => wanted.split_last().is_some_and(|(last, before)| {
                parameters.starts_with(before)
                    && parameters.get(before.len()).is_some_and(|parameter| parameter.starts_with(last))
            }),
            ParamMatch::Partial => parameters.starts_with(wanted),
        }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn process(command: &str, parameters: Option<ParamMatch>) -> Process {
        Process {
            name: "P".into(),
            command: command.split(' ').map(str::to_owned).collect(),
            parameters,
            full_command: false,
            weight: Default::default(),
            quorum: 1,
            quorum_max: None,
            fork_delay: Default::default(),
            terminate_delay: Default::default(),
        }
    }

    fn seen(name: &str, command: &str) -> Seen {
        Seen { name: name.into(), command: command.split_whitespace().map(str::to_owned).collect() }
    }

    #[test]
    fn the_short_name_is_what_counts_as_a_rule() {
        let squid = process("squid", None);
        assert!(matches(&squid, &seen("squid", "(squid-1) --kid squid-1")));
        assert!(!matches(&squid, &seen("squidy", "squid")));
        assert!(!needs_command(&squid));
        // Of which the kernel keeps fifteen characters.
        let exporter = process("prometheus-node-exporter", None);
        assert!(matches(&exporter, &seen("prometheus-node", "x")));
        assert!(!matches(&exporter, &seen("prometheus-nod", "x")));
    }

    #[test]
    fn a_path_and_a_full_command_are_compared_with_the_command_line() {
        let path = process("/usr/sbin/squid", None);
        assert!(needs_command(&path) && matches(&path, &seen("other", "/usr/sbin/squid -f x")));
        let full = Process { full_command: true, ..process("squid", None) };
        assert!(needs_command(&full) && !matches(&full, &seen("squid", "/usr/sbin/squid")));
        assert!(!matches(&full, &seen("squid", "")));
    }

    #[test]
    fn parameters_are_compared_as_asked_for() {
        let is = |wanted, how, command| matches(&process(wanted, Some(how)), &seen("a", command));
        assert!(is("a b c", ParamMatch::Exact, "a b c"));
        assert!(!is("a b", ParamMatch::Exact, "a b c"));
        for how in [ParamMatch::Exact, ParamMatch::Initial, ParamMatch::Partial] {
            assert!(is("a", how, "a") && !is("a", how, "a b"), "{how:?}");
        }
        assert!(is("a b", ParamMatch::Partial, "a b c") && !is("a b", ParamMatch::Partial, "a bb c"));
        assert!(is("a b c", ParamMatch::Initial, "a b cc d") && !is("a b c", ParamMatch::Initial, "a bb c"));
        assert!(!is("a b c", ParamMatch::Initial, "a b"));
    }
}
