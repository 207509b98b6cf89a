//! Where daemons and operators meet: sockets and pid files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The folder of the control sockets: `/run/lb-director` for root, else below `XDG_RUNTIME_DIR`, else below the
/// folder for temporary files, apart for each user.
pub fn socket_folder() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/run/lb-director".into();
    }
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => Path::new(&folder).join("lb-director"),
        None => env::temp_dir().join(format!("lb-director-{}", nix::unistd::geteuid())),
    }
}

/// The control socket of the instance with this configuration.
pub fn socket(config: &Path) -> PathBuf {
    socket_folder().join(format!("{}.sock", instance(config)))
}

/// The pid file of the instance with this configuration, where ldirectord has it.
pub fn pid_file(config: &Path) -> PathBuf {
    let folder = if nix::unistd::geteuid().is_root() { "/var/run".into() } else { socket_folder() };
    folder.join(format!("ldirectord.{}.pid", instance(config)))
}

/// The last part of the configuration's path.
fn instance(config: &Path) -> String {
    config.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Finds the socket of the only daemon that there is.
///
/// # Errors
/// When there is none, or more than one, which are named then.
pub fn only_socket() -> io::Result<PathBuf> {
    let folder = socket_folder();
    let mut sockets: Vec<PathBuf> = match fs::read_dir(&folder) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "sock"))
            .collect(),
        Err(_) => Vec::new(),
    };
    sockets.sort();
    match sockets.len() {
        1 => Ok(sockets.remove(0)),
        0 => Err(io::Error::other(format!(
            "no daemon has a socket in {}; name it with --socket if it is elsewhere",
            folder.display()
        ))),
        _ => {
            let names: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
            Err(io::Error::other(format!(
                "several daemons are there; choose with --socket: {}",
                names.join(", ")
            )))
        }
    }
}
