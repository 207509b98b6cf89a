//! What the kernel starts with: busybox, the modules that lead to this machine's file system, and a script.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{file_error, kernel::Kernel};
use crate::{
    error::{Error, Result},
    host::complete,
    namespaces::find,
};

/// Buses, file systems, and what is handed over by QEMU.
const MODULES: [&str; 5] = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "qemu_fw_cfg"];
const FOLDERS: [&str; 8] = ["bin", "proc", "sys", "dev", "modules", "other", "memory", "new"];

/// Builds it, and puts it into the cache; machines that run with an older one keep that.
pub(super) fn build(kernel: &Kernel, cache: &Path) -> Result<PathBuf> {
    let work = tempfile::tempdir_in(cache).map_err(|source| file_error(cache, source))?;
    let root = work.path().join("root");
    fill(kernel, &root)?;
    let mut pack = Command::new("sh");
    pack.current_dir(work.path())
        .args(["-ec", "cd root && find . | busybox cpio -o -H newc -R 0:0 >../initramfs"]);
    complete(pack)?;
    let path = cache.join("initramfs");
    fs::rename(work.path().join("initramfs"), &path).map_err(|source| file_error(&path, source))?;
    Ok(path)
}

fn fill(kernel: &Kernel, root: &Path) -> Result<()> {
    for folder in FOLDERS {
        let path = root.join(folder);
        fs::create_dir_all(&path).map_err(|source| file_error(&path, source))?;
    }
    let copy =
        |from: &Path, to: &Path| fs::copy(from, to).map(drop).map_err(|source| file_error(from, source));
    let busybox = find("busybox").ok_or(Error::Missing { program: "busybox", package: "busybox-static" })?;
    copy(&busybox, &root.join("bin/busybox"))?;

    let (mut order, mut seen) = (String::new(), BTreeSet::new());
    for module in MODULES {
        for file in kernel.files_of(module)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if seen.insert(name.clone()) {
                copy(&file, &root.join("modules").join(&name))?;
                order += &format!("{name}\n");
            }
        }
    }
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::write(&path, text).map_err(|source| file_error(&path, source))?;
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, executable).map_err(|source| file_error(&path, source))
    };
    write("modules/order", &order)?;
    write("init", include_str!("init.sh"))
}
