//! Runs `nft` and tells what its complaints mean.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command};

use lb_core::dataplane::{DataPlaneError, ErrorKind};

/// The program and how long it may take.
#[derive(Clone, Debug)]
pub(super) struct Program {
    candidates: Vec<PathBuf>,
    timeout: Duration,
    runs: Runs,
}

/// Process ids of the last runs, by which our own changes are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs(Arc<Mutex<VecDeque<u32>>>);

impl Runs {
    /// More than can run between two looks at the notifications.
    const CAPACITY: usize = 256;

    fn record(&self, pid: u32) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() == Self::CAPACITY {
            runs.pop_front();
        }
        runs.push_back(pid);
    }

    pub(super) fn contains(&self, pid: u32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&pid)
    }
}

/// Why a run did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Something that was named is not there, or not as it was thought to be.
    Stale(String),
    /// The transaction does not fit into the socket's buffer.
    TooLong,
    /// Nothing can be done about it here.
    Fatal(DataPlaneError),
    /// The kernel or nft refused what was asked.
    Refused(DataPlaneError),
}

impl From<Failure> for DataPlaneError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stale(detail) => Self::new(ErrorKind::NotFound, detail),
            Failure::TooLong => Self::new(
                ErrorKind::Limit,
                "the rules do not fit into one netlink transaction; raise net.core.wmem_default",
            ),
            Failure::Fatal(error) | Failure::Refused(error) => error,
        }
    }
}

impl Program {
    /// The program; a bare name is looked for in `PATH` and where administrators' programs are, since daemons often
    /// run with a short `PATH`.
    pub(super) fn new(program: &Path, timeout: Duration) -> Self {
        let mut candidates = vec![program.to_owned()];
        if program.components().count() == 1 {
            candidates.extend(["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program)));
        }
        Self { candidates, timeout, runs: Runs::default() }
    }

    pub(super) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Runs it with these arguments and this text as input; the output.
    pub(super) async fn run(&self, arguments: &[&str], input: &str) -> Result<Vec<u8>, Failure> {
        let unavailable =
            |detail: String| Failure::Fatal(DataPlaneError::new(ErrorKind::Unavailable, detail));
        let mut found = None;
        for candidate in &self.candidates {
            let mut command = Command::new(candidate);
            // Its complaints are told apart by their text, so they must not be translated.
            command.args(arguments).env("LC_ALL", "C").kill_on_drop(true);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            match command.spawn() {
                Ok(child) => {
                    child.id().inspect(|pid| self.runs.record(*pid));
                    found = Some(child);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(unavailable(format!("cannot run {}: {error}", candidate.display())));
                }
            }
            break;
        }
        let name = self.candidates.first().map(|path| path.display().to_string()).unwrap_or_default();
        let Some(mut child) = found else {
            return Err(unavailable(format!("no program `{name}`: apt-get install nftables")));
        };
        let stdin = child.stdin.take();
        let feed = async {
            // A program that has seen enough closes its input; its exit status tells why.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = match tokio::time::timeout(self.timeout, run).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(unavailable(format!("reading from `{name}`: {error}"))),
            Err(_) => {
                return Err(unavailable(format!(
                    "`{name}` took longer than {:?} and was ended",
                    self.timeout
                )));
            }
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let shown: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Err(classify(&shown.join(" ".as_ref()).to_string_lossy(), &String::from_utf8_lossy(&output.stderr)))
    }
}

/// What nft's complaint means. It prints the errno's text at the end of the first line.
fn classify(arguments: &str, complaint: &str) -> Failure {
    let first =
        complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("no word of explanation").trim();
    let detail = format!("nft {arguments}: {first}");
    let refused = |kind| Failure::Refused(DataPlaneError::new(kind, detail.clone()));
    let says = |text: &str| complaint.contains(text);
    if says("Operation not permitted") || says("Permission denied") {
        let detail = format!(
            "{detail}; run as root or with CAP_NET_ADMIN, or in `unshare --user --map-root-user --net`"
        );
        Failure::Fatal(DataPlaneError::new(ErrorKind::Denied, detail))
    } else if says("Message too long") {
        Failure::TooLong
    } else if says("No such file or directory") || says("File exists") || says("does not exist") {
        Failure::Stale(detail)
    } else if says("Operation not supported") || says("Protocol not supported") || says("not supported") {
        refused(ErrorKind::Unsupported)
    } else if says("Cannot allocate memory") || says("No space left") || says("Too many open files") {
        refused(ErrorKind::Limit)
    } else if says("Device or resource busy") || says("Resource temporarily unavailable") {
        refused(ErrorKind::Unavailable)
    } else {
        refused(ErrorKind::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(complaint: &str) -> ErrorKind {
        DataPlaneError::from(classify("-f -", complaint)).kind
    }

    #[test]
    fn complaints_of_nft_1_0_6_are_told_apart() {
        assert_eq!(kind("Operation not permitted (you must be root)\n"), ErrorKind::Denied);
        let line = "/dev/stdin:1:18-19: Error: Could not process rule: ";
        assert_eq!(kind(&format!("{line}No such file or directory\nflush chain")), ErrorKind::NotFound);
        assert_eq!(kind(&format!("{line}Operation not supported")), ErrorKind::Unsupported);
        assert_eq!(kind(&format!("{line}Cannot allocate memory")), ErrorKind::Limit);
        assert_eq!(kind("/dev/stdin:5:19-22: Error: syntax error, unexpected vmap"), ErrorKind::Invalid);
        assert_eq!(kind(""), ErrorKind::Invalid);
        assert_eq!(
            classify("-f -", "netlink: Error: Could not process rule: Message too long"),
            Failure::TooLong
        );
    }

    #[tokio::test]
    async fn a_missing_program_is_named_with_its_remedy() {
        let program = Program::new(Path::new("no-such-nft"), Duration::from_secs(30));
        let error = DataPlaneError::from(program.run(&[], "").await.unwrap_err());
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.detail.contains("apt-get install nftables"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended() {
        let program = Program::new(Path::new("sleep"), Duration::from_millis(50));
        let error = DataPlaneError::from(program.run(&["1000"], "").await.unwrap_err());
        assert!(error.detail.contains("took longer"), "{error}");
    }
}
