//! Reports in the words of keepalived's log, for those who search it (2.2.7, measured).

use lb_vrrp::track::Status;

use super::{Report, TrackerId};

/// A script returns something else than before, which need not change what it counts as.
pub(super) const RETURNING: &str = "now returning ";
/// A script was ended at its time limit.
pub(super) const TIMED_OUT: &str = "timed out";
/// A script ran longer than its interval.
pub(super) const STILL_RUNNING: &str = "is already running";
/// Something that needs attention, whatever was found.
pub(super) const NOTE: &str = "note: ";

impl Report {
    /// The line for the log.
    ///
    /// ```
    /// use lb_bins::failover::track::{Report, TrackerId};
    /// use lb_vrrp::track::Status;
    ///
    /// let id = TrackerId::Script("chk".into());
    /// let report = Report { id, status: Status::Down, detail: "exited with status 1".into() };
    /// assert_eq!(report.wording(), "VRRP_Script(chk) failed (exited with status 1)");
    /// ```
    pub fn wording(&self) -> String {
        let detail = &self.detail;
        if let Some(note) = detail.strip_prefix(NOTE) {
            return format!("{}: {note}", self.id);
        }
        match (&self.id, self.status) {
            (TrackerId::Script(name), _) if detail.starts_with(RETURNING) => {
                format!("Script `{name}` {detail}")
            }
            (TrackerId::Script(name), _) if detail == STILL_RUNNING => {
                format!("Track script {name} is already running, expect idle - skipping run")
            }
            (TrackerId::Script(name), _) if detail == TIMED_OUT => format!("VRRP_Script({name}) timed_out"),
            (TrackerId::Script(name), Status::Up) => format!("VRRP_Script({name}) succeeded"),
            (TrackerId::Script(name), _) => format!("VRRP_Script({name}) failed ({detail})"),
            (TrackerId::Interface(name), Status::Up) => format!("Netlink reports {name} up"),
            (TrackerId::Interface(name), _) if detail == "is down" => format!("Netlink reports {name} down"),
            (TrackerId::Process(name), Status::Up) => format!("Quorum gained for tracked process {name}"),
            (TrackerId::Process(name), _) => format!("Quorum lost for tracked process {name} ({detail})"),
            (id, Status::Value(value)) if detail.is_empty() => format!("{id} now has the value {value}"),
            (id, _) => format!("{id} {detail}"),
        }
    }
}
