//! Programs and mails that the configuration asks for on certain occasions. None of them is ever waited for by the
//! balancing; each has a time limit, and the same hook never runs twice at a time.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
};

use crate::runtime::{group::Group, log::Log};

/// Longest run of a hook.
const LIMIT: Duration = Duration::from_secs(60);
/// Hooks that wait for their turn; more are dropped with a line in the log.
const QUEUE: usize = 256;

/// Something to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What it is for, as the log names it: `fallbackcommand of 10.0.0.1:80`.
    pub purpose: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// What the program reads from its standard input.
    pub input: String,
}

impl Hook {
    /// A command line for the shell, as ldirectord runs `fallbackcommand`; the arguments are passed as they are and
    /// never read by the shell.
    pub fn shell(purpose: String, command: &str, arguments: &[&str]) -> Self {
        let mut argv =
            vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("{command} \"$@\""), "sh".to_owned()];
        argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self { purpose, argv, input: String::new() }
    }

    /// A program with arguments.
    pub fn program(purpose: String, argv: &[&str]) -> Self {
        let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
        Self { purpose, argv, input: String::new() }
    }

    /// A mail through the local mail transfer agent.
    pub fn mail(from: Option<&str>, to: &str, subject: &str, body: &str) -> Self {
        let header = |text: &str| text.replace(['\r', '\n'], " ");
        let mut input = String::new();
        if let Some(from) = from {
            input += &format!("From: {}\n", header(from));
        }
        input += &format!("To: {}\nSubject: {}\n\n{body}\n", header(to), header(subject));
        let argv = ["/usr/sbin/sendmail", "-t", "-oi"].map(str::to_owned).to_vec();
        Self { purpose: format!("mail to {}", header(to)), argv, input }
    }

    /// Runs it, and waits for it.
    ///
    /// # Errors
    /// What it was, and why it failed.
    pub(crate) async fn run(&self) -> Result<(), String> {
        let (program, arguments) = self.argv.split_first().ok_or("no program is named")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env_remove("NOTIFY_SOCKET")
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{program} can not be run: {error}"))?;
        let group = Group::of(child.id());
        let work = async {
            if let Some(mut stdin) = child.stdin.take() {
                // A program that does not read its input has no need of it.
                let _ = stdin.write_all(self.input.as_bytes()).await;
            }
            child.wait().await
        };
        let ended = tokio::time::timeout(LIMIT, work).await;
        if ended.is_ok() {
            group.leave();
        }
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
            Ok(Err(error)) => Err(format!("{program}: {error}")),
            Err(_) => Err(format!("{program} ran longer than {} s and was ended", LIMIT.as_secs())),
        }
    }
}

/// Runs hooks one after the other, in the order in which they were asked for.
#[derive(Clone)]
pub struct Hooks {
    queue: mpsc::Sender<Order>,
    log: Log,
}

enum Order {
    Run(Hook),
    /// Everything before this has been run.
    Barrier(oneshot::Sender<()>),
}

impl Hooks {
    /// Starts the task that runs them.
    pub fn start(log: Log) -> Self {
        let (queue, mut hooks) = mpsc::channel::<Order>(QUEUE);
        let task_log = log.clone();
        tokio::spawn(async move {
            while let Some(order) = hooks.recv().await {
                match order {
                    Order::Run(hook) => {
                        if let Err(error) = hook.run().await {
                            task_log.line(&format!("The {} failed: {error}", hook.purpose));
                        }
                    }
                    Order::Barrier(reached) => {
                        let _ = reached.send(());
                    }
                }
            }
        });
        Self { queue, log }
    }

    /// Asks for a hook to be run.
    pub fn run(&self, hook: Hook) {
        let order = self.queue.try_send(Order::Run(hook));
        if let Err(TrySendError::Full(Order::Run(hook)) | TrySendError::Closed(Order::Run(hook))) = order {
            self.log.line(&format!("Left out, {QUEUE} others are waiting: {}", hook.purpose));
        }
    }

    /// Waits until everything that was asked for has been run, but not for ever: 10 s.
    pub async fn finish(&self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let (reached, barrier) = oneshot::channel();
        let done = async {
            if self.queue.send(Order::Barrier(reached)).await.is_ok() {
                let _ = barrier.await;
            }
        };
        if tokio::time::timeout(PATIENCE, done).await.is_err() {
            self.log
                .line(&format!("Programs that do not end within {} s are left behind", PATIENCE.as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn arguments_are_not_read_by_the_shell() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let command = format!("printf '%s\\n' > {} ", out.display());
        Hook::shell("test".into(), &command, &["start", "$(id);x"]).run().await.unwrap();
        assert_eq!(std::fs::read_to_string(out).unwrap(), "start\n$(id);x\n");
    }

    #[tokio::test]
    async fn what_goes_wrong_is_named() {
        let error = Hook::program("test".into(), &["/no/such/program"]).run().await.unwrap_err();
        assert!(error.starts_with("/no/such/program can not be run: No such file"), "{error}");
        let error = Hook::program("test".into(), &["/bin/false"]).run().await.unwrap_err();
        assert_eq!(error, "/bin/false ended with exit status: 1");
    }

    #[test]
    fn a_mail_has_one_line_for_each_header() {
        let mail = Hook::mail(Some("lb@example.com"), "root\nBcc: all", "down\r\nX: y", "body");
        assert_eq!(mail.input, "From: lb@example.com\nTo: root Bcc: all\nSubject: down  X: y\n\nbody\n");
    }
}
