//! The script that reads a pipe: it is started again when it ends, ever less often if it ends soon.

use std::{path::PathBuf, time::Duration};

use lb_config::keepalived::model::{ScriptCommand, User};
use lb_runtime::log::Log;
use tokio::{
    sync::watch,
    task,
    time::{Instant, sleep},
};

use super::find;
use crate::{
    program::{Policy, Program},
    task::until_set,
};

/// From the end of a script to its next start, at first; each time twice as long.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest that becomes.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs it until it is to end.
pub(super) async fn keep(
    command: ScriptCommand,
    policy: Policy,
    path: PathBuf,
    owner: Option<User>,
    parting: watch::Receiver<bool>,
    log: Log,
) {
    let program = Program::new(&command, &policy, &[&path.to_string_lossy()]);
    let mut pause = SHORTEST;
    loop {
        let (path, owner) = (path.clone(), owner.clone());
        let usable = task::spawn_blocking(move || find(&path, owner.as_ref()).is_ok()).await;
        if !matches!(usable, Ok(true)) {
            // Why not is said by the one that writes to it.
            tokio::select! {
                () = sleep(SHORTEST) => continue,
                () = until_set(parting.clone()) => return,
            }
        }
        let started = Instant::now();
        let why = match program.start().await {
            Err(error) => error.to_string(),
            Ok(mut running) => tokio::select! {
                ended = running.wait() => {
                    running.leave();
                    ended.map_or_else(|error| error.to_string(), |ended| ended.to_string())
                }
                () = until_set(parting.clone()) => return running.part(),
            },
        };
        pause = next_pause(pause, started.elapsed());
        log.line(&format!("{}, which reads a pipe: {why}; again in {} s", program.name(), pause.as_secs()));
        tokio::select! {
            () = sleep(pause) => {}
            () = until_set(parting.clone()) => return,
        }
        pause *= 2;
    }
}

/// One that ran for long begins anew with a short one.
fn next_pause(pause: Duration, ran: Duration) -> Duration {
    if ran > LONGEST { SHORTEST } else { pause.min(LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_runs_for_long() {
        assert_eq!(next_pause(SHORTEST, Duration::ZERO), SHORTEST);
        assert_eq!(next_pause(LONGEST * 2, Duration::ZERO), LONGEST);
        assert_eq!(next_pause(LONGEST, LONGEST * 2), SHORTEST);
    }
}
