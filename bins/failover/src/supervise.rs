//! The process that starts the daemon again when it dies, and that acts for it while there is none.
//!
//! lb-failover is two processes. The supervisor is the one that is started, and whose number is in the pid file: it does
//! nothing but keep the other one running, the daemon. The daemon tells it of each instance that becomes Active, with the
//! message that resigns it, ready to be sent, and of everything that it installs in the kernel. When the
//! daemon dies, the supervisor starts another one, which goes on where it stopped. What does not go on within a tenth of
//! its interval is resigned, so that a peer takes over at once. If there is no further daemon, the supervisor removes
//! everything that is installed.
//!
//! ```text
//! signals, messages, ends of the daemon, time ──▶ machine (pure) ──▶ start, signal, resign, remove, log, exit
//!                                       driver ──┘            └── driver
//! ```

mod driver;
mod executable;
mod handover;
mod line;
mod machine;
mod message;
mod signals;
#[cfg(test)]
mod testing;

pub use driver::{Failed, Plan, supervise};
pub use line::{Line, Supervised};
pub use message::{Predecessor, Resume};
pub use signals::Signals;
