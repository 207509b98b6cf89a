//! ipvsadm and lbctl, run as programs.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::Result;

/// A program that speaks with the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// ipvsadm itself.
    Ipvsadm,
    /// lbctl, called by that name.
    Namesake,
    /// `lbctl ipvs`.
    Lbctl,
}

/// A line that says what to install, when ipvsadm is missing.
pub(crate) fn find_ipvsadm() -> Result<()> {
    match Program::Ipvsadm.command().arg("-h").output() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("needs ipvsadm (apt-get install ipvsadm): {error}").into()),
    }
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::Ipvsadm => {
                let mut command = Command::new("ipvsadm");
                // Where an administrator's programs are, whatever this one was started with.
                let path = std::env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
                command
            }
            Self::Namesake => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
                command.arg0("ipvsadm");
                command
            }
            Self::Lbctl => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
                command.arg("ipvs");
                command
            }
        }
    }

    /// As whom it does what a line says.
    pub(crate) fn named(self, line: &str) -> String {
        let name = match self {
            Self::Ipvsadm => "ipvsadm",
            Self::Namesake => "lbctl as ipvsadm",
            Self::Lbctl => "lbctl ipvs",
        };
        format!("{name} {line}")
    }

    /// What a line prints, and how many seconds it takes from start to end.
    pub(crate) fn run(self, line: &str, input: Option<&Path>) -> Result<(f64, String)> {
        let mut command = self.command();
        command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(input.map(File::open).transpose()?.map_or_else(Stdio::null, Stdio::from));
        let begin = Instant::now();
        let output = command.output()?;
        let seconds = begin.elapsed().as_secs_f64();
        if !output.status.success() || !output.stderr.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or_default();
            return Err(format!("{}: {}: {first}", self.named(line), output.status).into());
        }
        Ok((seconds, String::from_utf8(output.stdout)?))
    }
}
