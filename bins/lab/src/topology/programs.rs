//! Where a lab finds programs, and lbctl in the place of those of this package that are missing.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use lb_runtime::role::Role;

use crate::{Error, Lab, Result};

/// In the lab's folder.
const FOLDER: &str = "bin";
/// lbctl is these by the name that it is called by.
const LINKS: [&str; 3] = ["ipvsadm", "ipvsadm-save", "ipvsadm-restore"];

/// Puts a folder into the lab in which lbctl has the names of the other programs. [`path`] has it last, so that it is used only
/// for what is installed nowhere.
pub(super) fn install_stand_ins(lab: &Lab, lbctl: &Path) -> Result<()> {
    let folder = lab.folder().join(FOLDER);
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::File { path, source }
    };
    fs::create_dir(&folder).map_err(failed(&folder))?;
    for role in Role::ALL {
        let script = folder.join(role.name());
        let lbctl = lbctl.to_string_lossy().replace('\'', r"'\''");
        let text = format!("#!/bin/sh\nexec '{lbctl}' {} \"$@\"\n", role.name());
        fs::write(&script, text).map_err(failed(&script))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(failed(&script))?;
    }
    for name in LINKS {
        let link = folder.join(name);
        symlink(lbctl, &link).map_err(failed(&link))?;
    }
    Ok(())
}

/// The path of programs in a lab with this folder: the folder of this program, what the user has, the administrator's, and at
/// last what lbctl can stand in for.
pub fn path(lab: &Path) -> String {
    let own = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let user = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain(std::env::split_paths(&user)).chain(system).chain([lab.join(FOLDER)]);
    let folders: Vec<String> = folders.map(|folder| folder.to_string_lossy().into_owned()).collect();
    folders.iter().filter(|folder| !folder.is_empty()).map(String::as_str).collect::<Vec<_>>().join(":")
}
