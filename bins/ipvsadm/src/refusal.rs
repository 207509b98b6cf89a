//! What the kernel refuses, in ipvsadm's words.

use lb_ipvs::{Command as Change, Error, ErrorKind};

/// What ipvsadm says when the kernel does not make a change.
pub(super) fn of_change(change: &Change, error: &Error) -> String {
    let words = match (error.kind(), change) {
        (ErrorKind::Exists, Change::StartDaemon(_)) => "Daemon has already run",
        (ErrorKind::Exists, Change::AddDestination(..)) => "Destination already exists",
        (ErrorKind::Exists, _) => "Service already exists",
        (
            ErrorKind::NoSuchService,
            Change::AddDestination(..) | Change::EditDestination(..) | Change::DeleteDestination(..),
        ) => "Service not defined",
        (ErrorKind::NoSuchServer, _) => "No such destination",
        (ErrorKind::NoSuchScheduler, _) => "Scheduler or persistence engine not found",
        (ErrorKind::NoDaemon, _) => "No daemon is running",
        _ => return of_query(error),
    };
    words.to_owned()
}

/// What ipvsadm says when the kernel does not answer a question.
pub(super) fn of_query(error: &Error) -> String {
    match (error.kind(), error.errno()) {
        (ErrorKind::NoSuchService, _) => "No such service".to_owned(),
        (ErrorKind::Denied, _) => "Permission denied (you must be root)".to_owned(),
        (ErrorKind::NotLoaded, _) => "Protocol not available".to_owned(),
        (ErrorKind::Invalid, _) => {
            "Invalid operation.  Possibly wrong module version, address not unicast, ...".to_owned()
        }
        (_, Some(number)) => system(number),
        _ => error.to_string(),
    }
}

/// The C library's words for a number of errno.h.
fn system(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
