//! The process that speaks for a daemon that has died.
//!
//! lb-failover is two processes. The one that is started, and whose number is in the pid file, is the supervisor: it does
//! nothing but keep the other one running, the daemon. The daemon tells it of each instance that becomes Active, with the
//! message that would resign it, ready to be sent. When the daemon dies, the supervisor starts another one, which goes on
//! where it stopped; and what did not go on within a tenth of its interval, the supervisor resigns, so that a peer takes
//! over at once instead of waiting for the silence to become long enough.

mod charge;
mod line;
mod process;
mod supervised;

pub use line::Resume;
pub use process::{Failed, Plan, supervise};
pub use supervised::Supervised;
