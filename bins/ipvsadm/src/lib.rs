//! ipvsadm 1.31's command line and outputs on the kernel's own interface.
//!
//! A line goes from words to switches (`scan`, `switch`), is read switch by switch (`line`), held against the rules of
//! its command (`rules`) and becomes an order (`order`, `command`), which is carried out (`run`). Called as `ipvsadm`, the
//! program does and says what ipvsadm does; as `lbctl ipvs` it says more, and restores with more care (`lbctl`, `restore`).
#![forbid(unsafe_code)]

mod address;
mod command;
mod fault;
#[doc(hidden)]
pub mod fuzz;
mod help;
mod lbctl;
mod line;
mod lines;
mod names;
mod order;
mod parse;
mod refusal;
mod restore;
mod rules;
mod run;
mod scan;
mod switch;

use std::{
    ffi::OsString,
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
};

use lb_ipvs::Client;

use self::{
    command::Command,
    names::SystemNames,
    run::{Session, Unheard, Voice, WRONG},
};

/// The names under which the program is ipvsadm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `ipvsadm`.
    Ipvsadm,
    /// `ipvsadm-save`: `ipvsadm -S`.
    Save,
    /// `ipvsadm-restore`: `ipvsadm -R` into an empty table, without comments.
    Restore,
}

impl Name {
    /// The name that a program was called by, with or without a path.
    pub fn of(program: &Path) -> Option<Self> {
        match program.file_name()?.to_str()? {
            "ipvsadm" => Some(Self::Ipvsadm),
            "ipvsadm-save" => Some(Self::Save),
            "ipvsadm-restore" => Some(Self::Restore),
            _ => None,
        }
    }
}

/// Input and outputs of a command.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// Is ipvsadm, in the network namespace of the calling thread. `arguments` are without the program's name; the result is
/// the exit status.
pub fn ipvsadm(name: Name, arguments: &[String], streams: Streams<'_>) -> u8 {
    if name != Name::Ipvsadm && arguments.iter().any(|word| word.starts_with('-') && word != "-n") {
        let _ = writeln!(streams.out, "{}", if name == Name::Save { help::SAVE } else { help::RESTORE });
        return 1;
    }
    let status = match Client::open().and_then(|mut client| client.info().map(|_| client)) {
        Err(error) => writeln!(
            streams.err,
            "Can't initialize ipvs: {}\nAre you sure that IP Virtual Server is built in the kernel or as module?",
            refusal::of_query(&error)
        )
        .map(|()| WRONG)
        .map_err(Unheard::from),
        Ok(client) => {
            let Streams { input, out, err } = streams;
            let mut session = Session { voice: Voice::Ipvsadm, names: SystemNames::default(), client, input, out, err };
            match name {
                Name::Ipvsadm => session.line(arguments),
                Name::Save => session.order(&Command::Save { numeric: arguments.iter().any(|word| word == "-n") }),
                Name::Restore => session.replace(),
            }
        }
    };
    // A reader that has gone away, as of `ipvsadm -L | head`, has enough.
    status.unwrap_or(1)
}

/// `lbctl ipvs`: the same commands, and some with more care.
///
/// The command may be a word, as in `list -n` and `add-service -t 10.0.0.1:80`. The words `restore` and `save` are this
/// project's own, `-R` and `-S` are ipvsadm's: `docs/from-ipvsadm.md` has the differences.
pub fn lbctl(arguments: &[String], streams: Streams<'_>) -> u8 {
    lbctl::run(arguments, streams).unwrap_or(1)
}

/// The program as ipvsadm; arguments without its name.
pub fn main(name: Name, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    on_standard_streams(arguments, |words, streams| ipvsadm(name, words, streams))
}

/// The program as `lbctl ipvs`; arguments after these two words.
pub fn lbctl_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    on_standard_streams(arguments, lbctl)
}

fn on_standard_streams(
    arguments: impl Iterator<Item = OsString>,
    run: impl FnOnce(&[String], Streams<'_>) -> u8,
) -> ExitCode {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let (mut input, mut out, mut err) = (io::stdin().lock(), io::stdout().lock(), io::stderr());
    run(&words, Streams { input: &mut input, out: &mut out, err: &mut err }).into()
}
