use std::{path::PathBuf, time::Duration};

use super::{notify::ScriptCommand, seldom::Usual};

/// What a tracker does to the priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// -253 to 253 (-254 to 254 for processes and files, whose ends count as 253); 0 = a failure is a FAULT.
    pub value: i16,
    /// `reverse`: success and failure change places.
    pub reverse: bool,
}

/// `vrrp_script`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// `script`.
    pub command: ScriptCommand,
    /// `interval`: from one start to the next. Default 1 s.
    pub interval: Duration,
    /// `timeout`: it is killed then, and has failed. Default: the interval.
    pub timeout: Duration,
    /// `weight`, which a `track_script` entry may override.
    pub weight: Weight,
    /// `rise`: successes in a row until it counts as up. Default 1.
    pub rise: u32,
    /// `fall`: failures in a row until it counts as down. Default 1.
    pub fall: u32,
    /// `init_fail`: it counts as down until it succeeded.
    pub init_fail: bool,
}

/// `vrrp_track_process`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// `process`: the program, as the kernel names it or with `full_command` its whole path, and its arguments.
    pub command: Vec<String>,
    /// `param_match`. Default: exact where arguments are named; `None` = none are, and any will do.
    pub parameters: Option<ParamMatch>,
    /// `full_command`: the first argument of the process counts, not its short name.
    pub full_command: bool,
    /// `weight`.
    pub weight: Weight,
    /// `quorum`: so many have to run. Default 1.
    pub quorum: u32,
    /// `quorum_max`: no more than this may run; `None` = any number. 0 = it must not run.
    pub quorum_max: Option<u32>,
    /// `fork_delay`: for so long there have to be enough until that counts, up to an hour.
    pub fork_delay: Duration,
    /// `terminate_delay`: for so long there have to be too few until that counts, up to an hour.
    pub terminate_delay: Duration,
}

/// How the arguments of a process are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamMatch {
    /// All of them, and no more.
    Exact,
    /// `initial`: those that are given come first, and the last one may go on.
    Initial,
    /// `partial`: those that are given come first.
    Partial,
}

/// `track_file`: a file with a number in it, which times the weight is added to the priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFile {
    /// Its name.
    pub name: String,
    /// `file`.
    pub path: PathBuf,
    /// `weight`. Default 1; 0 = any number but 0 is a FAULT.
    pub weight: Weight,
    /// `init_file`.
    pub init: Option<FileInit>,
}

/// What is written to a tracked file at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInit {
    /// This number.
    pub value: i32,
    /// Whether over what stands there.
    pub overwrite: bool,
}

/// An entry of a `track_…` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Interface, or name of the script, process or file.
    pub name: String,
    /// Its weight: that of the entry, else that of the block that defines it, else 0.
    pub weight: Weight,
}

/// What an instance or group tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracks {
    /// `track_interface`.
    pub interfaces: Vec<Tracked>,
    /// `track_script`. They exist.
    pub scripts: Vec<Tracked>,
    /// `track_process`. They exist.
    pub processes: Vec<Tracked>,
    /// `track_file`. They exist.
    pub files: Vec<Tracked>,
}

impl Usual for Tracks {
    const USUAL: &'static Self =
        &Self { interfaces: Vec::new(), scripts: Vec::new(), processes: Vec::new(), files: Vec::new() };
}
