//! What a test needs of the machine: programs, namespaces, privileges.
//!
//! A test that lacks one of them says so in one line and does nothing; with `LB_REQUIRE_ALL=1` it fails. This is the one place
//! for it: the other crates have a link to this file in their own `tests/support/`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "every test program uses its part, and a failure is a failed test"
)]

use std::{
    env,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU8, Ordering::SeqCst},
};

/// The programs that tests run, and Debian's packages for them.
const PACKAGES: [(&str, &str); 44] = [
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/scapy", "python3-scapy"),
    ("/usr/lib/ocf/resource.d/heartbeat/ldirectord", "resource-agents"),
    ("bridge", "iproute2"),
    ("cc", "gcc"),
    ("curl", "curl"),
    ("dovecot", "dovecot-imapd dovecot-pop3d"),
    ("dumpcap", "tshark"),
    ("freeradius", "freeradius"),
    ("getent", "libc-bin"),
    ("hostname", "hostname"),
    ("initdb", "postgresql"),
    ("ip", "iproute2"),
    ("ipvsadm", "ipvsadm"),
    ("keepalived", "keepalived"),
    ("kill", "procps"),
    ("ldirectord", "ldirectord"),
    ("mariadb-install-db", "mariadb-server"),
    ("mariadbd", "mariadb-server"),
    ("mount", "mount"),
    ("named", "bind9"),
    ("nft", "nftables"),
    ("nginx", "nginx"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("perl", "perl"),
    ("ping", "iputils-ping"),
    ("postgres", "postgresql"),
    ("ps", "procps"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
    ("setsid", "util-linux"),
    ("slapadd", "slapd"),
    ("slapd", "slapd"),
    ("smtpd", "opensmtpd"),
    ("squid", "squid"),
    ("tc", "iproute2"),
    ("tshark", "tshark"),
    ("unshare", "util-linux"),
    ("vrrpd", "frr"),
    ("vsftpd", "vsftpd"),
    ("vtysh", "frr"),
    ("zebra", "frr"),
    ("sysctl", "procps"),
];

/// Folders of programs that an ordinary user may not have in `PATH`.
const FOLDERS: [&str; 7] =
    ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/lib/frr"];

/// A network namespace: in a user namespace, or by root where these are not allowed.
pub const NETWORK: &[&[&str]] = &[&["--user", "--map-root-user", "--net"], &["--net"]];

/// Set in the process that [`run_isolated`] starts.
const ISOLATED: &str = "LB_TEST_ISOLATED";

/// Prints why a test does nothing here; with `LB_REQUIRE_ALL=1` that is a failure.
pub fn skip(test: &str, needs: &str) {
    let line = format!("skipped: {test}: needs {needs}");
    assert!(env::var_os("LB_REQUIRE_ALL").is_none_or(|all| all != "1"), "{line}");
    // Not by a macro: `cargo test` captures what macros print. In one piece, since other tests print at the same time.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Where a program is installed; skips the test where it is not.
pub fn require_program(test: &str, program: &str) -> Option<PathBuf> {
    let found = find_program(program);
    if found.is_none() {
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
        let known = PACKAGES.iter().find(|(known, _)| *known == program || *known == name);
        let (_, package) = known.unwrap_or_else(|| panic!("name the package of {program} in {}", file!()));
        skip(test, &format!("{name} (apt-get install {package})"));
    }
    found
}

/// Whether all of these programs are installed; skips the test for the first that is not.
pub fn has_programs(test: &str, programs: &[&str]) -> bool {
    programs.iter().all(|program| require_program(test, program).is_some())
}

fn find_program(program: &str) -> Option<PathBuf> {
    let path = search_path();
    let mut places = env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.exists())
}

/// `PATH`, and behind it the folders that an ordinary user may not have in there.
pub fn search_path() -> std::ffi::OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&own).chain(FOLDERS.map(PathBuf::from)).collect();
    // PostgreSQL's programs are kept by version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    env::join_paths(folders).unwrap()
}

/// Whether a command succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A command that runs what is appended to it in new namespaces, made by the first of these lists of arguments to `unshare` that
/// works here; skips the test where none does.
pub fn unshare_command(test: &str, choices: &[&[&str]]) -> Option<Command> {
    let program = require_program(test, "unshare")?;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).env("PATH", search_path());
        command
    };
    let Some(arguments) = choices.iter().find(|arguments| succeeds(command(arguments).arg("true"))) else {
        skip(test, "user namespaces (sysctl -w kernel.unprivileged_userns_clone=1), or root");
        return None;
    };
    Some(command(arguments))
}

/// Runs the body of a test in another process, in new namespaces; see [`unshare_command`].
pub fn run_isolated(test: &str, choices: &[&[&str]], body: impl FnOnce()) {
    if env::var_os(ISOLATED).is_some() {
        return body();
    }
    let Some(mut command) = unshare_command(test, choices) else { return };
    let output = command
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ISOLATED, "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success(), "in its namespaces {test} failed");
    assert!(out.contains("1 passed"), "{test} is not the name of the test");
    // What the test has skipped in there.
    for line in err.lines().filter(|line| line.starts_with("skipped: ")) {
        let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    }
}

/// A loopback address that no other test, no other copy of this program and no outgoing connection has: a port on it stays free
/// while nobody listens there.
pub fn address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = NEXT.fetch_add(1, SeqCst);
    assert_ne!(next, 0, "a test program has 255 addresses");
    Ipv4Addr::new(127, next, high, low).into()
}

/// An address and port that nobody listens on.
pub fn free() -> SocketAddr {
    TcpListener::bind((address(), 0)).unwrap().local_addr().unwrap()
}
