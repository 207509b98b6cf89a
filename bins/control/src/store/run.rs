//! Which process uses the folder, and how the one before it ended.

use std::{fs, process};

use lb_core::Time;
use lb_runtime::{
    clock::{rfc3339, wall_time},
    state_dir::StateDir,
};
use serde::{Deserialize, Serialize};

const FILE: &str = "run.json";

/// A process of the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    /// Greater than that of all processes before it.
    pub(super) run: u64,
    pid: u32,
    /// Which boot of the host it is.
    boot: String,
    #[serde(with = "wall_time")]
    started: Time,
    /// It has stopped as it was asked to.
    stopped: bool,
}

impl Run {
    /// This process, and how the one before it ended, if it did not stop by itself.
    pub(super) fn begin(folder: &StateDir, wall: Time) -> (Self, Option<String>) {
        let before = folder.read(FILE).ok().flatten();
        let before: Option<Self> = before.and_then(|text| serde_json::from_str(&text).ok());
        let number = wall.as_nanos() / 1_000_000;
        let run = Self {
            run: before.as_ref().map_or(number, |before| number.max(before.run.saturating_add(1))),
            pid: process::id(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
            started: wall,
            stopped: false,
        };
        let crashed = before.filter(|before| !before.stopped).map(|before| before.end(&run.boot));
        (run, crashed)
    }

    fn end(&self, boot: &str) -> String {
        let how = if self.boot == boot { "crashed or was killed" } else { "ended as the host went down" };
        format!("process {}, which was started at {}, {how}", self.pid, rfc3339(self.started))
    }

    pub(super) fn write(&self, folder: &StateDir, stopped: bool) -> std::io::Result<()> {
        let text = serde_json::to_string(&Self { stopped, ..self.clone() })?;
        folder.replace(FILE, &(text + "\n"))
    }
}
