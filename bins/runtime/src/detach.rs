//! How a daemon leaves the terminal: the process that is to become it says on its standard output when it runs, and whoever
//! started it waits for that.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use super::role;

/// Starts this program again with these arguments as a daemon, and waits until it [says](say) that it runs; returns its
/// exit status if it ends before.
///
/// # Errors
/// When it can not be started.
pub fn start(arguments: impl IntoIterator<Item = OsString>) -> io::Result<Option<u8>> {
    let mut command = Command::new(std::env::current_exe()?);
    // The name by which this program was called, perhaps that of a link: scripts look for it in the list of processes.
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    let mut child = command
        .args(role::argument())
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let said = match child.stdout.take() {
        Some(stdout) => BufReader::new(stdout).read_line(&mut line)?,
        None => 0,
    };
    if said > 0 {
        return Ok(None);
    }
    // It has said why on standard error.
    let status = child.wait()?;
    Ok(Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1).max(1)))
}

/// In the daemon: tells [`start`] that everything is in place, and lets go of the terminal.
pub fn say() {
    // Whoever started it may be gone.
    let _ = writeln!(io::stdout(), "ready");
    // Only the leader of a process group is refused; a shell that runs it as a job of its own has made it one.
    let _ = nix::unistd::setsid();
    let_go();
}

/// Lets go of the terminal, or of whoever reads standard output and standard error.
pub fn let_go() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
        let _ = nix::unistd::dup2_stderr(&null);
    }
}
