//! A command line into an order. What is wrong is found in the order in which ipvsadm finds it, so that of several
//! mistakes the same one is told.

use lb_config::names::Resolver;

use super::{
    address,
    command::Command,
    fault::{Fault, Problem},
    line::Line,
    scan::Scanner,
    switch::Switch,
};

/// The longest timeout that ipvsadm takes: 31 days in seconds.
pub(super) const MONTH: i64 = 31 * 86_400;

/// The order that the words of a line give; the name of the program is not among them.
pub(super) fn parse(words: &[String], names: &dyn Resolver) -> Result<Command, Problem> {
    let mut scanner = Scanner::new(words);
    let no_command = |at| Problem { at, fault: Fault::NoCommand };
    let first = match scanner.switch() {
        None => return Err(no_command(None)),
        Some(Err((at, _))) => return Err(no_command(Some(at))),
        Some(Ok(first)) if !first.switch.is_command() => return Err(no_command(Some(first.word))),
        Some(Ok(first)) => first,
    };
    match first.switch {
        Switch::Help => return Ok(Command::Help),
        Switch::Version => return Ok(Command::Version),
        _ => {}
    }
    let mut line = Line::new(&first, names)?;
    while let Some(found) = scanner.switch() {
        let found = found.map_err(|(at, misfit)| Problem {
            at: Some(at),
            fault: Fault::Misfit(words[at].clone(), misfit),
        })?;
        if found.switch.is_command() {
            let fault = Fault::SecondCommand(words[found.word].clone());
            return Err(Problem { at: Some(found.word), fault });
        }
        line.take(&found)?;
    }
    let mut timeouts = [0; 3];
    if first.switch == Switch::Set {
        let mut given = [(0, ""); 3];
        for value in &mut given {
            *value = scanner.other().ok_or(Problem { at: None, fault: Fault::ThreeTimeouts })?;
        }
        for (timeout, (at, text)) in timeouts.iter_mut().zip(given) {
            *timeout = address::number(text, 0, MONTH).ok_or_else(|| Problem {
                at: Some(at),
                fault: Fault::InvalidValue("timeout", text.to_owned()),
            })?;
        }
    }
    if let Some((at, text)) = scanner.other() {
        return Err(Problem { at: Some(at), fault: Fault::Unexpected(text.to_owned()) });
    }
    line.finish(timeouts)
}

#[cfg(test)]
mod tests;
