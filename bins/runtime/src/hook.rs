//! A program that a configuration asks for, with a time limit.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::group::Group;

/// Longest run of a hook.
const LIMIT: Duration = Duration::from_secs(60);

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

    /// Runs it, and waits for it.
    ///
    /// # Errors
    /// What it was, and why it failed.
    pub async fn run(&self) -> Result<(), String> {
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
}
