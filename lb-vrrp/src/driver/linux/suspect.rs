//! Who may remove addresses that are not its own.

use std::{fs, path::Path};

/// What to do about a program that manages this interface, if there is one that is known to remove addresses. `root` is
/// `/`, or what stands for it in a test.
pub(super) fn suspect(root: &Path, index: u32, name: &str) -> Option<String> {
    let read = |path: String| fs::read_to_string(root.join(path)).unwrap_or_default();
    let networkd = read(format!("run/systemd/netif/links/{index}"));
    if networkd.lines().any(|line| {
        line.strip_prefix("ADMIN_STATE=").is_some_and(|state| !matches!(state, "unmanaged" | "pending"))
    }) {
        return Some(format!(
            "systemd-networkd manages {name} and removes addresses that it does not know: set KeepConfiguration=yes in \
             the [Network] section of its .network file"
        ));
    }
    let manager = read(format!("run/NetworkManager/devices/{index}"));
    if manager.lines().any(|line| matches!(line, "managed=true" | "managed=1")) {
        return Some(format!(
            "NetworkManager manages {name} and removes addresses that it does not know: `nmcli device set {name} \
             managed no`, or unmanaged-devices=interface-name:{name} in NetworkManager.conf"
        ));
    }
    let client = ["dhclient", "dhcpcd"].into_iter().find(|client| {
        let files = [format!("run/{client}.{name}.pid"), format!("run/{client}-{name}.pid")];
        files.iter().any(|file| root.join(file).exists())
    })?;
    Some(format!("{client} runs on {name} and may remove addresses when its lease ends or changes"))
}

#[cfg(test)]
mod tests;
