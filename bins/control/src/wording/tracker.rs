//! What trackers report in the words of keepalived's log, for those who search it (2.2.7, measured).

use lb_vrrp::track::Status;

use crate::event::TrackerId;

/// A script returns something else than before, which need not change what it counts as.
pub const RETURNING: &str = "now returning ";
/// A script was ended at its time limit.
pub const TIMED_OUT: &str = "timed out";
/// A script ran longer than its interval.
pub const STILL_RUNNING: &str = "is already running";
/// There is no such interface.
pub const ABSENT: &str = "does not exist";
/// Something that needs attention, whatever was found.
pub const NOTE: &str = "note: ";

impl TrackerId {
    /// The line for the log about what this was found to be.
    ///
    /// ```
    /// use lb_control::event::TrackerId;
    /// use lb_vrrp::track::Status;
    ///
    /// let id = TrackerId::Script("chk".into());
    /// let line = id.wording(Status::Down, "exited with status 1");
    /// assert_eq!(line, "VRRP_Script(chk) failed (exited with status 1)");
    /// ```
    pub fn wording(&self, status: Status, detail: &str) -> String {
        if let Some(note) = detail.strip_prefix(NOTE) {
            return format!("{self}: {note}");
        }
        let behind = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        match (self, status) {
            (Self::Script(name), _) if detail.starts_with(RETURNING) => format!("Script `{name}` {detail}"),
            (Self::Script(name), _) if detail == STILL_RUNNING => {
                format!("Track script {name} is already running, expect idle - skipping run")
            }
            (Self::Script(name), _) if detail == TIMED_OUT => format!("VRRP_Script({name}) timed_out"),
            (Self::Script(name), Status::Up) => format!("VRRP_Script({name}) succeeded"),
            (Self::Script(name), _) => format!("VRRP_Script({name}) failed{behind}"),
            (Self::Interface(name), Status::Up) => format!("Netlink reports {name} up"),
            (Self::Interface(name), _) if detail == ABSENT => format!("interface {name} {ABSENT}"),
            (Self::Interface(name), _) => format!("Netlink reports {name} down"),
            (Self::Process(name), Status::Up) => format!("Quorum gained for tracked process {name}"),
            (Self::Process(name), _) => format!("Quorum lost for tracked process {name}{behind}"),
            (Self::File(name), Status::Value(value)) => format!("tracked file {name} is now {value}{behind}"),
            (Self::File(name), _) => format!("tracked file {name} can not be read{behind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_keepalived() {
        let script = |status, detail| TrackerId::Script("chk".into()).wording(status, detail);
        assert_eq!(script(Status::Up, "now returning 4"), "Script `chk` now returning 4");
        assert_eq!(
            script(Status::Down, "exited with status 4"),
            "VRRP_Script(chk) failed (exited with status 4)"
        );
        assert_eq!(script(Status::Down, TIMED_OUT), "VRRP_Script(chk) timed_out");
        assert_eq!(script(Status::Up, "succeeded"), "VRRP_Script(chk) succeeded");
        assert_eq!(script(Status::Down, "init_fail"), "VRRP_Script(chk) failed (init_fail)");
        assert_eq!(script(Status::Unknown, "note: mind the gap"), "script chk: mind the gap");
        assert_eq!(
            script(Status::Up, STILL_RUNNING),
            "Track script chk is already running, expect idle - skipping run"
        );
        let interface = |status, detail| TrackerId::Interface("eth0".into()).wording(status, detail);
        assert_eq!(interface(Status::Up, "is up"), "Netlink reports eth0 up");
        assert_eq!(interface(Status::Down, "is down"), "Netlink reports eth0 down");
        assert_eq!(interface(Status::Down, ABSENT), "interface eth0 does not exist");
        let process = |status, detail| TrackerId::Process("P".into()).wording(status, detail);
        assert_eq!(process(Status::Down, "0 running"), "Quorum lost for tracked process P (0 running)");
        assert_eq!(process(Status::Up, "1 running"), "Quorum gained for tracked process P");
        assert_eq!(TrackerId::File("F".into()).wording(Status::Value(-5), ""), "tracked file F is now -5");
    }
}
