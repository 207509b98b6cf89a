use std::path::PathBuf;

use super::*;

/// A folder that is gone with this value.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("lb-vrrp-suspect.{}.{name}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        Self(root)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn nobody_is_suspected_without_reason() {
    let root = Root::new("nobody");
    assert_eq!(suspect(&root.0, 2, "eth0"), None);
    root.write("run/systemd/netif/links/2", "# private\nADMIN_STATE=unmanaged\nOPER_STATE=routable\n");
    root.write("run/systemd/netif/links/3", "ADMIN_STATE=configured\n");
    root.write("run/NetworkManager/devices/2", "[device]\nmanaged=false\n");
    root.write("run/dhclient.eth1.pid", "7\n");
    assert_eq!(suspect(&root.0, 2, "eth0"), None);
}

#[test]
fn the_one_that_manages_the_interface_is_named_with_a_remedy() {
    let root = Root::new("all");
    let says = |word: &str| {
        let text = suspect(&root.0, 2, "eth0").unwrap();
        assert!(text.contains(word) && text.contains("eth0"), "{text}");
    };
    root.write("run/dhclient.eth0.pid", "7\n");
    says("dhclient runs");
    root.write("run/NetworkManager/devices/2", "[device]\nmanaged=true\n");
    says("nmcli device set eth0 managed no");
    root.write("run/systemd/netif/links/2", "ADMIN_STATE=configured\nOPER_STATE=routable\n");
    says("KeepConfiguration=yes");
}
