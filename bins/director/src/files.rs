//! Files that the daemon writes to, and that it may not be able to write to.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use lb_config::{
    diagnostic::{Diagnostic, Severity},
    ldirectord::{Directive, Entry, RawConfig, RawValue},
};
use nix::{
    libc,
    unistd::{AccessFlags, access, geteuid},
};

/// `logfile` and `monitorfile` that cannot be opened: errors, as in ldirectord. No file is made.
pub(super) fn problems(raw: &RawConfig) -> Vec<Diagnostic> {
    let problem = |entry: &Entry| {
        let RawValue::Text(value) = &entry.value else { return None };
        let path = Path::new(value);
        let is_file = match entry.directive {
            // Else it is a facility of syslog.
            Directive::LogFile => path.is_absolute(),
            Directive::MonitorFile => !value.is_empty(),
            _ => false,
        };
        let error = is_file.then(|| writable(path).err()).flatten()?;
        let message = format!("{} {value} cannot be opened: {error}", entry.directive.name());
        let user = geteuid();
        let (severity, remedy) = match error.kind() {
            io::ErrorKind::NotFound => (Severity::Error, "make the folder, or name another file".to_owned()),
            // Whoever only checks the file of a daemon of root's.
            io::ErrorKind::PermissionDenied if !user.is_root() => {
                (Severity::Warning, format!("user {user} may not write to it; root may"))
            }
            _ => (Severity::Error, "name another file".to_owned()),
        };
        Some(Diagnostic::new(severity, entry.span, message).help(remedy))
    };
    raw.entries().filter_map(problem).collect()
}

/// Whether lines can be appended to a file, or to one that is made then.
fn writable(path: &Path) -> io::Result<()> {
    // A FIFO without a reader would wait for one.
    let opened = fs::OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(path);
    match opened {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
            Ok(access(&folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn a_file_that_lines_can_be_appended_to_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        writable(&path("new")).unwrap();
        assert!(!path("new").exists());
        fs::write(path("old"), "line\n").unwrap();
        writable(&path("old")).unwrap();
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "line\n");
        mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        writable(&path("fifo")).unwrap();

        assert_eq!(writable(&path("missing/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(writable(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        symlink(path("missing/file"), path("link")).unwrap();
        assert!(writable(&path("old/file")).is_err(), "a file is no folder");
    }
}
