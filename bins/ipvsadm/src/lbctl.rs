//! `lbctl ipvs`: ipvsadm's commands with messages that help, and its own `save` and `restore`.

use std::{
    io::{BufRead, Read as _},
    path::Path,
};

use lb_config::{diagnostic::Colors, document::Source};
use lb_ipvs::{
    Client, Command as Change, Error, Namespace, format,
    sysctl::{self, Assignment, Setting, Sysctl},
};

use super::{
    Streams,
    command::{Command, List},
    fault::Fault,
    help,
    names::SystemNames,
    parse::parse,
    restore,
    run::{REFUSED, Session, UNLISTED, Unheard, Voice, WRONG},
    switch::Switch,
};

/// Does what the words after `lbctl ipvs` say; returns the exit status, which is one of ipvsadm's.
pub(super) fn run(arguments: &[String], streams: Streams<'_>) -> Result<u8, Unheard> {
    let names = SystemNames::default();
    let order = match arguments {
        [] => Order::Ipvsadm(Command::List(List::TABLE)),
        [word, rest @ ..] if word == "restore" => match restoration(rest) {
            Some(order) => order,
            None => return fail(streams, "usage: lbctl ipvs restore [--clear] [FILE]"),
        },
        [word] if word == "save" => Order::Save,
        [word, rest @ ..] if word == "sysctl" => return sysctls(rest, streams),
        words => match parse(&dashed(words), &names) {
            Ok(command) => Order::Ipvsadm(command),
            Err(problem) if problem.fault == Fault::NoCommand => {
                return fail(streams, "that is no command; `lbctl ipvs --help` shows them");
            }
            Err(problem) => {
                fail(streams, problem.fault.to_string().trim_end())?;
                return Ok(problem.fault.status());
            }
        },
    };
    // Before the kernel is asked for anything.
    let source = match &order {
        Order::Restore { file, .. } => match read(file, streams.input) {
            Ok(source) => source,
            Err(error) => return fail(streams, &format!("{file}: {error}")),
        },
        _ => Source::new("", ""),
    };
    let steps = match restore::read(&source, &names) {
        Ok(steps) => steps,
        Err(wrong) => {
            for diagnostic in &wrong {
                writeln!(streams.err, "{}", diagnostic.render(&source, Colors::No))?;
            }
            return fail(streams, "nothing was changed");
        }
    };
    if let Order::Ipvsadm(Command::Help | Command::Version) = order {
        let text = if order == Order::Ipvsadm(Command::Help) {
            [help::USAGE, help::WORDS]
        } else {
            [help::VERSION, ""]
        };
        streams.out.write_all(text.concat().as_bytes())?;
        return Ok(0);
    }
    let client = match Client::open() {
        Ok(client) => client,
        Err(error) => return fail(streams, &error.to_string()),
    };
    let Streams { input, out, err } = streams;
    let mut session = Session { voice: Voice::Lbctl, names, client, input, out, err };
    match order {
        Order::Ipvsadm(command) => session.order(&command),
        Order::Save => save(&mut session),
        Order::Restore { clear, .. } => apply(&mut session, &source, steps, clear),
    }
}

#[derive(Debug, PartialEq)]
enum Order {
    Ipvsadm(Command),
    Save,
    Restore { clear: bool, file: String },
}

fn fail(streams: Streams<'_>, words: &str) -> Result<u8, Unheard> {
    writeln!(streams.err, "lbctl ipvs: {words}")?;
    Ok(WRONG)
}

/// `sysctl [NAME[=VALUE]…]`: what each is and means, or sets them; nothing is set if one of the words is wrong.
fn sysctls(words: &[String], streams: Streams<'_>) -> Result<u8, Unheard> {
    let (assignments, names): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.contains('='));
    let wishes: Result<Vec<Assignment>, _> = assignments.iter().map(|word| word.parse()).collect();
    let names: Result<Vec<Sysctl>, _> = names.iter().map(|word| word.parse()).collect();
    let (wishes, mut names) = match (wishes, names) {
        (Ok(wishes), Ok(names)) => (wishes, names),
        (Err(error), _) | (_, Err(error)) => return fail(streams, &error.to_string()),
    };
    // It loads the module, without which there is nothing to read.
    if let Err(error) = Client::open() {
        return fail(streams, &error.to_string());
    }
    let namespace = Namespace::own();
    for Assignment { sysctl, value } in wishes {
        match sysctl::replace(&namespace, sysctl, value) {
            Ok(before) => writeln!(streams.out, "{sysctl}: from {before} to {value}")?,
            Err(error) => {
                fail(streams, &error.to_string())?;
                return Ok(REFUSED);
            }
        }
    }
    if words.is_empty() {
        names.extend(Sysctl::ALL);
    }
    for name in names {
        match sysctl::read(&namespace, name) {
            Ok(value) => writeln!(streams.out, "{}", Setting { sysctl: name, value })?,
            Err(error) => {
                fail(streams, &error.to_string())?;
                return Ok(UNLISTED);
            }
        }
    }
    Ok(0)
}

/// A command may stand there as a word: `list -n`.
fn dashed(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut()
        && Switch::by_name(first).is_some_and(|(switch, _)| switch.is_command())
    {
        first.insert_str(0, "--");
    }
    words
}

fn restoration(words: &[String]) -> Option<Order> {
    let (clear, rest) = match words {
        [first, rest @ ..] if first == "--clear" => (true, rest),
        rest => (false, rest),
    };
    match rest {
        [] => Some(Order::Restore { clear, file: "-".to_owned() }),
        [file] if file == "-" || !file.starts_with('-') => Some(Order::Restore { clear, file: file.clone() }),
        _ => None,
    }
}

fn read(file: &str, input: &mut dyn BufRead) -> std::io::Result<Source> {
    if file != "-" {
        return Source::read(Path::new(file));
    }
    let mut bytes = Vec::new();
    input.take(Source::MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Source::from_bytes("standard input", &bytes))
}

/// Without loss, and in the form that ipvsadm restores too.
fn save(session: &mut Session<'_>) -> Result<u8, Unheard> {
    match session.entries(None) {
        Ok(mut entries) => {
            // Servers stay in the order in which the kernel's schedulers see them.
            entries.sort_by_key(|(entry, _)| entry.service.key);
            session.say(&format::save_complete(&entries))
        }
        Err(error) => {
            session.complain(&error)?;
            Ok(UNLISTED)
        }
    }
}

fn apply(
    session: &mut Session<'_>,
    source: &Source,
    steps: Vec<restore::Step>,
    clear: bool,
) -> Result<u8, Unheard> {
    let (mut lines, mut changes) = (Vec::new(), Vec::new());
    if clear {
        lines.push(0);
        changes.push(Change::Flush);
    }
    for restore::Step { change, line } in steps {
        lines.push(line);
        changes.push(change);
    }
    let refused = match session.client.apply(&changes) {
        Ok(refused) => refused,
        Err(error) => {
            session.complain(&error)?;
            return Ok(REFUSED);
        }
    };
    for refused in &refused {
        writeln!(session.err, "{}:{}: {}", source.name(), lines[refused.index], refused.error)?;
    }
    Ok(if refused.is_empty() { 0 } else { REFUSED })
}

impl Session<'_> {
    fn complain(&mut self, error: &Error) -> Result<(), Unheard> {
        Ok(writeln!(self.err, "lbctl ipvs: {error}")?)
    }
}
