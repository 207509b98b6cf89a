//! What a daemon needs from its system: clock, log, signals, the data plane that works here.

pub mod clock;
pub mod detach;
pub(crate) mod file_id;
pub(crate) mod group;
pub mod hook;
pub mod limits;
pub mod log;
pub mod mail;
pub mod namespace;
pub mod paths;
pub mod pidfile;
pub mod plane;
pub mod printable;
pub mod relay_limit;
pub mod role;
pub mod state_dir;
pub mod systemd;
