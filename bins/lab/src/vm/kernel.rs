//! Debian's kernel, unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::file_error;
use crate::{
    error::{Error, Result},
    host::complete,
    namespaces::search_path,
};

/// The package that depends on the current kernel.
const CURRENT: &str = "linux-image-amd64";
/// The modules that are kept: what networks, and the way to this machine's files, are made of.
const MODULES: [&str; 8] =
    ["arch", "crypto", "drivers/firmware", "drivers/net", "drivers/virtio", "fs", "lib", "net"];
/// In an empty folder; `apt-get` says what is wrong with a file that no one but root can read, and goes on.
const UNPACK: &str = r#"
package=$1
shift
apt-get -q download "$package" >&2
mkdir kernel
dpkg-deb --fsys-tarfile ./*.deb | tar -C kernel -x --wildcards -f - './boot/vmlinuz-*' './lib/modules/*/modules.*' "$@"
"#;

/// A kernel and its modules.
#[derive(Debug)]
pub(super) struct Kernel {
    /// With `boot` and `lib/modules` in it.
    folder: PathBuf,
    version: String,
}

impl Kernel {
    /// The one in the cache, or else the current one, which is fetched.
    pub(super) fn find_or_fetch(cache: &Path) -> Result<Self> {
        let folder = cache.join("kernel");
        if !folder.exists() {
            fetch(cache, &folder)?;
        }
        Self::at(&folder)
    }

    pub(super) fn at(folder: &Path) -> Result<Self> {
        let modules = folder.join("lib/modules");
        let entries = fs::read_dir(&modules).map_err(|source| file_error(&modules, source))?;
        let version = entries.flatten().find_map(|entry| entry.file_name().into_string().ok());
        let version = version.ok_or_else(|| Error::InVain(format!("a kernel in {}", modules.display())))?;
        Ok(Self { folder: folder.to_owned(), version })
    }

    pub(super) fn image(&self) -> PathBuf {
        self.folder.join(format!("boot/vmlinuz-{}", self.version))
    }

    /// What is `/lib/modules` for it.
    pub(super) fn modules(&self) -> PathBuf {
        self.folder.join("lib/modules")
    }

    /// Files of a module and all that it needs, in the order in which they are loaded.
    pub(super) fn files_of(&self, module: &str) -> Result<Vec<PathBuf>> {
        let mut command = tool("modprobe");
        command.arg("-d").arg(&self.folder).args(["-S", &self.version, "--show-depends", module]);
        let text = complete(command)?;
        let path = |line: &str| line.strip_prefix("insmod ").map(|path| PathBuf::from(path.trim()));
        Ok(text.lines().filter_map(path).collect())
    }
}

/// Fetches the current kernel and unpacks it; the folder is there entirely or not at all.
fn fetch(cache: &Path, folder: &Path) -> Result<()> {
    let mut depends = tool("apt-cache");
    depends.args(["depends", CURRENT]);
    let text = complete(depends)?;
    let package = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let package = package.ok_or_else(|| {
        Error::InVain(format!("the package {CURRENT}, which Debian has for amd64; is `apt-get update` due?"))
    })?;
    let work = tempfile::tempdir_in(cache).map_err(|source| file_error(cache, source))?;
    let mut unpack = tool("sh");
    unpack.current_dir(work.path()).args(["-ec", UNPACK, "unpack", package]);
    unpack.args(MODULES.map(|name| format!("./lib/modules/*/kernel/{name}")));
    complete(unpack)?;
    let new = work.path().join("kernel");
    let kernel = Kernel::at(&new)?;
    let mut index = tool("depmod");
    index.arg("-b").arg(&new).arg(&kernel.version);
    complete(index)?;
    fs::rename(&new, folder).map_err(|source| file_error(folder, source))
}

fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path());
    command
}
