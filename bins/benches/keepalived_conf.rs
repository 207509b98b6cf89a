//! How long a keepalived.conf of many instances takes to be read and resolved, beside `keepalived -t` of the same file.
//!
//! `cargo bench -p lb-bins --bench keepalived_conf`; keepalived is measured where it is installed and root, or user
//! namespaces, let it have a network namespace with the interfaces of the file.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::{fmt::Write as _, fs, path::Path, process::Command, time::Instant};

use lb_config::{
    document::Source,
    keepalived::{
        language::{self, Machine, Settings},
        resolve,
    },
};

const INSTANCES: usize = 16_000;
const ROUNDS: usize = 5;
const INTERFACES: usize = 64;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keepalived.conf");
    let text = configuration();
    fs::write(&path, &text).unwrap();
    println!("{INSTANCES} instances, {} lines, {} bytes", text.lines().count(), text.len());
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        let (language, whole) = measure(&path);
        let keepalived = keepalived(&path);
        let ratio = keepalived.map_or_else(
            || "keepalived can not be run here".to_owned(),
            |seconds| format!("keepalived -t {seconds:.3} s, {:.1} times as long", seconds / whole),
        );
        println!("language {language:.3} s, with resolve {whole:.3} s; {ratio}");
        ours.push(whole);
    }
    ours.sort_by(f64::total_cmp);
    println!("median {:.3} s (bar: 0.5 s)", ours[ROUNDS / 2]);
}

/// Seconds for the tree alone, and for the whole of it.
fn measure(path: &Path) -> (f64, f64) {
    let start = Instant::now();
    let source = Source::read(path).unwrap();
    let (document, sources, mut problems) =
        language::read_source(source, path, &Settings::default(), &mut Machine::default());
    let language = start.elapsed().as_secs_f64();
    let config = resolve::resolve(&document, &mut problems);
    let whole = start.elapsed().as_secs_f64();
    assert_eq!(config.instances.len(), INSTANCES);
    let problems = problems.finish();
    let lines: Vec<String> = problems.iter().map(|problem| problem.line(&sources)).collect();
    assert_eq!(lines, [""; 0]);
    (language, whole)
}

/// Ten lines and more for each instance, 250 instances on each of the interfaces.
fn configuration() -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n\n");
    for number in 0..INSTANCES {
        let (interface, vrid) = (number / 250, number % 250 + 1);
        write!(
            text,
            "vrrp_instance VI_{number} {{\n    state BACKUP\n    interface v{interface}\n    virtual_router_id {vrid}\n    \
             priority 100\n    advert_int 1\n    virtual_ipaddress {{\n        10.{interface}.{vrid}.1/24 dev v{interface}\n    \
             }}\n}}\n\n"
        )
        .unwrap();
    }
    text
}

/// Seconds that keepalived takes, most of which is its reading of the file by each of its processes.
fn keepalived(path: &Path) -> Option<f64> {
    let namespace = format!(
        "mount -t tmpfs none /run && ip link set lo up && for i in $(seq 0 2 {}); do \
         ip link add v$i type veth peer name v$((i+1)) && ip addr add 10.200.$i.1/24 dev v$i && \
         ip addr add 10.201.$i.1/24 dev v$((i+1)) && ip link set v$i up && ip link set v$((i+1)) up || exit 1; done; \
         start=$(date +%s%N); keepalived -t -f \"$0\" >/dev/null 2>&1; code=$?; echo $code $(($(date +%s%N) - start))",
        INTERFACES - 1
    );
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            &namespace,
        ])
        .arg(path)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (code, nanoseconds) = text.trim().split_once(' ')?;
    if code != "0" {
        println!("keepalived -t ends with {code}");
        return None;
    }
    nanoseconds.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}
