//! Scripts of the start and of the end: `startup_script` and `shutdown_script`, which are waited for.

use std::time::Duration;

use lb_config::keepalived::model::ScriptCommand;

use super::program::{Ended, Policy, Program};

/// Runs one to its end, or for so long.
///
/// # Errors
/// A line for the log: that it can not be run, failed, or took too long. It is ended then.
pub(super) async fn run(
    purpose: &str,
    command: &ScriptCommand,
    limit: Duration,
    policy: &Policy,
) -> Result<(), String> {
    let program = Program::new(command, policy, &[]);
    let mut running = program.start().await.map_err(|error| format!("{purpose}: {error}"))?;
    match tokio::time::timeout(limit, running.wait()).await {
        Ok(Ok(Ended::Exited(0))) => Ok(()),
        Ok(Ok(ended)) => Err(format!("{purpose} {} {ended}", program.name())),
        Ok(Err(error)) => Err(format!("{purpose} {}: {error}", program.name())),
        Err(_) => {
            running.end().await;
            Err(format!("{purpose} {} ran longer than {} s and was ended", program.name(), limit.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_config::keepalived::model::User;

    async fn shell(script: &str) -> Result<(), String> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let command = ScriptCommand { argv, user: None };
        let ours = nix::unistd::geteuid().to_string();
        let policy = Policy { user: Some(User { name: ours, group: None }), security: false };
        run("startup_script", &command, Duration::from_secs(1), &policy).await
    }

    #[tokio::test]
    async fn it_is_waited_for_and_what_is_wrong_with_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("done");
        assert_eq!(shell(&format!("sleep 0.1; : > {}", path.display())).await, Ok(()));
        assert!(path.exists());
        let failed = shell("exit 3").await.unwrap_err();
        assert!(failed.contains("startup_script") && failed.contains('3'), "{failed}");
        let late = shell("sleep 30").await.unwrap_err();
        assert!(late.contains("longer than 1 s"), "{late}");
    }
}
