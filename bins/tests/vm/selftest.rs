//! The kernel's own test of IPVS, which is fetched and not part of this: it drives `ipvsadm`, which is `lbctl` here, through direct
//! routing, masquerading and tunnels.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use lb_lab::vm;

use crate::{
    guest::{has_modules, on_ipvs},
    support::{skip, text},
};

/// In an empty folder; the file alone is unpacked of the kernel's sources.
const FETCH: &str = r#"
package=$(apt-cache depends linux-source | sed -n 's/.*Depends: \(linux-source-[0-9.]*\)$/\1/p')
apt-get -q download "$package" >&2
dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
    tar -xJ --wildcards 'linux-source-*/tools/testing/selftests/*/ipvs.sh'
find . -name ipvs.sh -exec mv {} . \;
"#;
/// What it waits for has to happen on a machine that is ten times slower than it expects.
const SLOW: [(&str, &str); 2] = [
    ("sleep", "#!/bin/sh\nexec /bin/sleep 2\n"),
    ("timeout", "#!/bin/sh\nshift\nexec /usr/bin/timeout 30 \"$@\"\n"),
];

#[test]
fn the_kernels_own_test_passes() {
    on_ipvs(|| match script() {
        Ok(script) if has_modules("the kernel's own test", &["ipip"]) => run(&script),
        Ok(_) => {}
        Err(lack) => skip("the kernel's own test", &format!("the package linux-source: {lack}")),
    });
}

/// The test, from the cache or from the package.
pub(crate) fn script() -> Result<PathBuf, String> {
    let cache = vm::cache();
    let script = cache.join("ipvs.sh");
    if !script.exists() {
        let fetch = || -> std::io::Result<_> {
            fs::create_dir_all(&cache)?;
            let folder = tempfile::tempdir_in(&cache)?;
            let output = Command::new("sh").args(["-ec", FETCH]).current_dir(folder.path()).output()?;
            if output.status.success() {
                fs::rename(folder.path().join("ipvs.sh"), &script)?;
            }
            Ok(output)
        };
        let output = fetch().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(text(&output.stderr));
        }
    }
    Ok(script)
}

fn run(script: &Path) {
    let folder = tempfile::tempdir().unwrap();
    for (name, lines) in SLOW {
        let path = folder.path().join(name);
        fs::write(&path, lines).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_lbctl"), folder.path().join("ipvsadm")).unwrap();
    // That one is here in any case.
    symlink("/usr/bin/busybox", folder.path().join("nc")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    // The names that it gives to namespaces are its own.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-ec", "mount -t tmpfs tmpfs /run; exec sh \"$0\""]).arg(script);
    let output = command.env("PATH", path).output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for tested in ["DR mode", "NAT mode", "Tunnel mode", "PASS"] {
        assert!(said.contains(tested), "{said}");
    }
}
