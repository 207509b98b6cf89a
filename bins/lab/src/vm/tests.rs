use std::process::Command;

use super::*;

#[test]
fn a_command_survives_the_shell() {
    let mut command = Command::new("printf");
    command.args(["%s|", "it's", "", "a b\n$HOME", "-x"]).env("GREETING", "so, 'hi'").current_dir("/");
    let text = script(&command);
    assert!(text.starts_with("cd '/' || exit\nexec env GREETING="), "{text}");
    let output = Command::new("sh").args(["-c", &text]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "it's||a b\n$HOME|-x|");
}

#[test]
fn statuses_are_told_from_failures_of_the_machine() {
    let status = |code| guest_status(code, "last words".to_owned());
    for (code, expected) in [(3, 0), (5, 1), (253, 125)] {
        assert_eq!(status(Some(code)).unwrap(), expected);
    }
    for code in [Some(0), Some(1), Some(2), None] {
        let error = status(code).unwrap_err().to_string();
        assert!(error.ends_with(": last words"), "{error}");
    }
}

#[test]
fn a_list_of_processes_does_not_show_the_environment_of_a_command() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("lib/modules/6.0")).unwrap();
    let kernel = Kernel::at(folder.path()).unwrap();
    let machine = Machine { kernel, initramfs: "initramfs".into(), cache: folder.path().to_owned() };
    let mut command = Command::new("env");
    command.env("PASSWORD", "secret");
    let slot = machine.slot().unwrap();
    for _ in 0..2 {
        let qemu = machine.qemu(&slot, &script(&command)).unwrap();
        assert!(!format!("{qemu:?}").contains("secret"), "{qemu:?}");
        let file = folder.path().join("script.0");
        assert!(fs::read_to_string(&file).unwrap().contains("PASSWORD='secret'"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_cache_that_others_could_have_filled_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("a/lb-lab");
    create_cache(&cache).unwrap();
    create_cache(&cache).unwrap();
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);

    let refused = |cache: &Path| create_cache(cache).unwrap_err().to_string();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused(&cache).contains("mode 777"), "{}", refused(&cache));
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).unwrap();
    symlink(&cache, folder.path().join("link")).unwrap();
    assert!(refused(&folder.path().join("link")).contains("not a folder"));
    if geteuid().is_root() {
        chown(&cache, Some(47211), None).unwrap();
        assert!(refused(&cache).contains("user 47211"), "{}", refused(&cache));
    }
}
