//! `lbctl demo` in poor environments: it ends with success, by itself or by `q`, and says why it can not do more.
//!
//! lbctl is alone in a folder here: it needs no other program of this package.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use support::{run, skip, text, wait};

/// A folder with lbctl and nothing else, which every user can read.
struct Alone {
    folder: tempfile::TempDir,
}

impl Alone {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let alone = Self { folder };
        let built = env!("CARGO_BIN_EXE_lbctl");
        if fs::hard_link(built, alone.program()).is_err() {
            fs::copy(built, alone.program()).unwrap();
        }
        alone
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("lbctl")
    }

    /// The demo below a shell that prepares the environment; `$@` is the demo.
    fn demo(&self, preparation: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-ec", preparation, "environment"]).arg(self.program());
        command.args(["demo", "--json", "--for", "8"]);
        command
    }

    /// The same on a terminal of this size, and in what its screen shows.
    fn on_terminal(&self, rows: u16, columns: u16, environment: &str, options: &str) -> Command {
        let program = self.program();
        let line = format!(
            "stty rows {rows} cols {columns}; exec env {environment} {} demo {options}",
            program.display()
        );
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }
}

/// A mount namespace, in which the following lines may mount; none where that is not allowed.
fn mounts(test: &str) -> Option<&'static str> {
    let shell = if nix::unistd::geteuid().is_root() { "unshare -m sh -ec" } else { "unshare -Urm sh -ec" };
    let allowed =
        Command::new("sh").args(["-c", &format!("{shell} 'mount --bind /tmp /tmp'")]).output().unwrap();
    if !allowed.status.success() {
        skip(test, "mount namespaces");
        return None;
    }
    Some(shell)
}

/// Whether there can be a lab here at all.
fn has_lab() -> bool {
    lb_lab::Lab::new().is_ok()
}

/// The report of a demo that has ended well.
fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    let printed = text(&output.stdout);
    let report: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert!(report["requests"].as_u64().unwrap() > 0, "{report}");
    report
}

/// The pair played if a lab is possible at all.
fn assert_pair(output: &Output) {
    let report = report(output);
    assert_eq!(report["alone"].is_null(), has_lab(), "{report}");
}

/// One balancer played on loopback, and the plain lines and the report say why.
fn assert_alone(output: &Output, reason: &str) {
    let report = report(output);
    let alone = report["alone"].as_str().unwrap_or_else(|| panic!("the pair played: {report}"));
    assert!(alone.contains(reason), "{alone}");
    let lines = text(&output.stdout);
    let notice =
        format!("on loopback, with one balancer and without failovers: {}", alone.lines().next().unwrap());
    let position = |wanted: &str| lines.lines().position(|line| line.contains(wanted));
    assert!(position(&notice) < position("three web servers behind"), "{lines}");
    assert!(text(&output.stderr).is_empty(), "{output:?}");
}

#[test]
fn lbctl_alone_is_enough() {
    assert_pair(&run(Alone::new().demo("exec \"$@\"")));
}

#[test]
fn without_user_namespaces() {
    let preparation = "exec unshare -Ur sh -ec '
        echo 0 >/proc/sys/user/max_user_namespaces
        exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \"$@\"' environment \"$@\"";
    if !Command::new("unshare").args(["-Ur", "true"]).output().unwrap().status.success() {
        return skip("without_user_namespaces", "a user namespace, to forbid further ones in it");
    }
    assert_alone(&run(Alone::new().demo(preparation)), "sysctl -w user.max_user_namespaces=10000");
}

/// Hides a program, which is possible where `mounts` is.
fn hidden(shell: &str, program: &str) -> String {
    format!(
        "exec {shell} '
        for folder in $(echo /usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:$PATH | tr : \" \"); do
            [ ! -f $folder/{program} ] || mount --bind /dev/null $folder/{program}
        done
        exec \"$@\"' environment \"$@\""
    )
}

#[test]
fn without_ip() {
    let Some(shell) = mounts("without_ip") else { return };
    assert_alone(&run(Alone::new().demo(&hidden(shell, "ip"))), "apt-get install iproute2");
}

#[test]
fn without_nft_the_whole_demo_plays() {
    let Some(shell) = mounts("without_nft_the_whole_demo_plays") else { return };
    let output = run(Alone::new().demo(&hidden(shell, "nft")));
    assert_pair(&output);
    if has_lab() {
        // Its cable is cut, and mended again.
        assert_eq!(report(&output)["failovers"].as_array().unwrap().len(), 3, "{output:?}");
    }
}

#[test]
fn where_a_lab_but_no_host_can_be_made() {
    let Some(shell) = mounts("where_a_lab_but_no_host_can_be_made") else { return };
    if !has_lab() {
        return skip("where_a_lab_but_no_host_can_be_made", "namespaces");
    }
    assert_alone(&run(Alone::new().demo(&hidden(shell, "hostname"))), "hostname");
}

#[test]
fn on_a_read_only_filesystem() {
    let Some(shell) = mounts("on_a_read_only_filesystem") else { return };
    let preparation = format!(
        "exec {shell} '
        while read -r _ place _; do mount -o remount,bind,ro \"$place\" 2>/dev/null || :; done </proc/self/mounts
        ! touch /tmp/x 2>/dev/null || exit 99
        exec \"$@\"' environment \"$@\""
    );
    assert_alone(&run(Alone::new().demo(&preparation)), "Read-only file system");
}

#[test]
fn without_a_terminal() {
    assert_pair(&run(Alone::new().demo("exec setsid --wait \"$@\"")));
}

/// What a demo prints on a terminal, and its exit status.
fn finish(mut command: Command) -> (String, Option<i32>) {
    let mut child = command.spawn().unwrap();
    let mut printed = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut printed).unwrap();
    (String::from_utf8_lossy(&printed).into_owned(), child.wait().unwrap().code())
}

#[test]
fn a_terminal_that_can_not_draw_gets_lines() {
    for environment in ["TERM=dumb", "-u TERM", "TERM="] {
        let alone = Alone::new();
        let (printed, status) = finish(alone.on_terminal(24, 80, environment, "--for 8"));
        assert_eq!(status, Some(0), "{environment}: {printed}");
        assert!(!printed.contains('\x1b') && printed.contains("three web servers behind"), "{printed}");
    }
}

#[test]
fn q_ends_it_at_every_size() {
    for (rows, columns) in [(5, 20), (24, 80), (1, 1)] {
        let alone = Alone::new();
        let mut child = alone.on_terminal(rows, columns, "TERM=xterm", "--for 600").spawn().unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // It draws before it has built anything; then it is left alone for a moment, or it is not.
        let mut printed = vec![0];
        screen.read_exact(&mut printed).unwrap();
        keys.write_all(b"q").unwrap();
        screen.read_to_end(&mut printed).unwrap();
        let status = wait("its end", || child.try_wait().unwrap());
        let printed = String::from_utf8_lossy(&printed);
        assert!(status.success() && !printed.contains("panicked"), "{rows}x{columns}: {status} {printed}");
    }
}

#[test]
fn without_home() {
    assert_pair(&run(Alone::new().demo("unset HOME; exec \"$@\"")));
}

#[test]
fn in_a_container_without_capabilities() {
    let output =
        run(Alone::new().demo("exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \"$@\""));
    if text(&output.stderr).contains("setpriv: ") {
        return skip("in_a_container_without_capabilities", "the right to drop capabilities");
    }
    report(&output);
}

#[test]
fn with_settings_that_are_read_only() {
    let Some(shell) = mounts("with_settings_that_are_read_only") else { return };
    let preparation = format!(
        "exec {shell} '
        mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
        exec \"$@\"' environment \"$@\""
    );
    report(&run(Alone::new().demo(&preparation)));
}

#[test]
fn without_a_folder_for_temporary_files() {
    assert_alone(&run(Alone::new().demo("export TMPDIR=/nowhere/at/all; exec \"$@\"")), "/nowhere/at/all");
}

#[test]
fn with_64_open_files() {
    assert_alone(&run(Alone::new().demo("ulimit -n 64; exec \"$@\"")), "64 open files are too few");
}

/// The user that tests of an ordinary user run as; it needs no entry in a list of users.
const USER: &str = "setpriv --reuid=47211 --regid=47211 --clear-groups --inh-caps=-all --bounding-set=-all";

#[test]
fn as_an_ordinary_user() {
    let alone = Alone::new();
    if !nix::unistd::geteuid().is_root() {
        return skip("as_an_ordinary_user", "root, to become one");
    }
    let probe = format!("exec {USER} test -x \"$1\"");
    let mut reach = Command::new("sh");
    reach.args(["-ec", &probe, "environment"]).arg(alone.program());
    if !reach.output().unwrap().status.success() {
        return skip("as_an_ordinary_user", "a folder for temporary files that other users can read");
    }
    let namespaces = format!("exec {USER} unshare -Urn true");
    let output = run(alone.demo(&format!("exec {USER} \"$@\"")));
    let allowed = Command::new("sh").args(["-c", &namespaces]).output().unwrap().status.success();
    assert_eq!(report(&output)["alone"].is_null(), allowed, "{output:?}");
}

/// A topology that runs both daemons, with nothing but lbctl.
fn lab_up(alone: &Alone, prefix: &str) -> Output {
    let folder = alone.folder.path();
    let configuration = "vrrp_instance v {\n interface eth0\n virtual_router_id 1\n priority 100\n advert_int 0.1\n version 3\n \
                         virtual_ipaddress {\n  10.9.0.100/24\n }\n}\n";
    fs::write(folder.join("failover.conf"), configuration).unwrap();
    let balance =
        "virtual=10.9.0.1:80\n\treal=127.0.0.1:81 masq\n\tchecktype=off\n\tscheduler=rr\n\tprotocol=tcp\n";
    fs::write(folder.join("director.cf"), balance).unwrap();
    let topology = "switches = ['lan']\n[hosts.a]\nlinks.eth0 = { switch = 'lan', addresses = ['10.9.0.1/24'] }\n\
        files.'/etc/keepalived/keepalived.conf' = 'failover.conf'\nfiles.'/etc/ha.d/director.cf' = 'director.cf'\n\
        run = ['lb-failover -n -l --socket /run/failover.sock', 'lb-director --data-plane relay --socket /run/director.sock /etc/ha.d/director.cf']\n";
    fs::write(folder.join("lab.toml"), topology).unwrap();
    // The daemon dies once, so that its supervisor starts it again.
    let script = "
        answer() { # what, in which socket, command
            for _ in $(seq 300); do
                lbctl lab exec a lbctl --socket \"$2\" $3 2>/dev/null | grep -q \"$1\" && return
                sleep 0.1
            done
            lbctl lab exec a lbctl --socket \"$2\" $3
            exit 1
        }
        answer MASTER /run/failover.sock status
        answer 10.9.0.1:80 /run/director.sock 'list -n'
        lbctl lab exec a lb-director --version
        lbctl lab exec a sh -c 'kill -KILL $(pgrep -f -- [-]-supervised)'
        sleep 0.5
        answer MASTER /run/failover.sock status
        lbctl lab exec a pgrep -f -- --supervised";
    let mut command = Command::new("sh");
    command.args(["-ec", &format!("exec {prefix} \"$@\""), "environment"]).arg(alone.program());
    command.args(["lab", "up", "lab.toml", "--", "sh", "-ec", script]).current_dir(folder);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    run(command)
}

#[test]
fn lbctl_stands_in_for_daemons_that_are_not_installed() {
    if !has_lab() {
        return skip("lbctl_stands_in_for_daemons_that_are_not_installed", "namespaces");
    }
    let mut prefixes = vec![""];
    if nix::unistd::geteuid().is_root() {
        prefixes.push(USER);
    }
    for prefix in prefixes {
        let output = lab_up(&Alone::new(), prefix);
        assert!(output.status.success(), "{prefix}: {output:?}");
        assert!(text(&output.stdout).contains("lb-director "), "{output:?}");
    }
}
