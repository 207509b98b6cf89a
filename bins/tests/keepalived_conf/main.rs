//! keepalived.conf: any bytes are read, and what keepalived accepts loads.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "../support/requirements.rs"]
mod requirements;

mod arguments;
mod beside;
mod compare;
mod daemons;
mod generate;

use std::{
    fs,
    path::{Path, PathBuf},
};

use lb_config::{
    diagnostic::Diagnostic,
    fuzz,
    keepalived::{self, language::Settings},
};
use proptest::prelude::*;

use self::requirements::{has_programs, skip, unshare_command};

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", directory.display());
    files
}

fn corpus() -> Vec<PathBuf> {
    let mut files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/keepalived"));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    assert!(files.len() >= 6, "{files:?}");
    files
}

#[test]
fn the_corpus_is_read() {
    for file in corpus() {
        fuzz::keepalived(&fs::read(file).unwrap());
    }
}

#[test]
fn any_part_of_the_corpus_is_read() {
    for file in corpus() {
        let bytes = fs::read(&file).unwrap();
        for end in (0..bytes.len()).step_by(7) {
            fuzz::keepalived(&bytes[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::keepalived(&bytes);
    }

    #[test]
    fn any_words_of_the_language_are_read(words in prop::collection::vec(word(), 0..80)) {
        fuzz::keepalived(words.concat().as_bytes());
    }
}

/// What the language is made of.
fn word() -> impl Strategy<Value = String> {
    let parts = [
        " ",
        " ",
        " ",
        "\n",
        "\n",
        "{",
        "}",
        "\"",
        "'",
        "#",
        "!",
        "\\",
        "\\\n",
        "$A=",
        "$B= \\\n",
        "$A",
        "${A}",
        "${B}",
        "$B\n",
        "@main ",
        "@^main ",
        "~SEQ(A,1,3) ",
        "~SEQx(B,9,12) ",
        "~LST({A,B},{1,2},{3}) ",
        "include ",
        "includea ",
        "small.conf\n",
        "fuzz\n",
        "*.conf",
        "${_RANDOM}",
        "${_HASH}",
        "vrrp_instance ",
        "global_defs ",
        "priority ",
        "virtual_ipaddress ",
        "10.0.0.1/24 ",
        "vrrp_script ",
        "script ",
        "notify ",
        "authentication ",
        "auth_pass ",
        "\u{e9}",
        "\u{2028}",
        "\0",
        "é{",
    ];
    prop::sample::select(parts.to_vec()).prop_map(str::to_owned)
}

/// Errors of a file, and of what it includes, and what is ignored or replaced, one line each.
fn errors(file: &Path) -> Vec<String> {
    let settings = Settings { config_id: "main".into(), ..Settings::default() };
    let loaded = keepalived::load(file, &settings).unwrap();
    let errors =
        loaded.problems.iter().filter(|problem: &&Diagnostic| problem.is_error() || problem.is_mistake);
    errors.map(|problem| problem.line(&loaded.sources)).collect()
}

#[test]
fn the_examples_load_without_a_word() {
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/configs/keepalived")) {
        let loaded = keepalived::load(&file, &Settings::default()).unwrap();
        assert_eq!(loaded.problems, [], "{}", file.display());
        assert_eq!(loaded.config().unwrap().instances.len(), 2);
    }
}

/// The examples that come with keepalived, and its verdict on each.
#[test]
fn every_sample_that_keepalived_accepts_loads() {
    const SAMPLES: &str = "/usr/share/doc/keepalived/samples";
    let Some(verdicts) = verdicts("every_sample_that_keepalived_accepts_loads", Path::new(SAMPLES)) else {
        return;
    };
    let accepted: Vec<&PathBuf> =
        verdicts.iter().filter(|(_, code)| *code == 0).map(|(file, _)| file).collect();
    assert!(accepted.len() > 10, "{verdicts:?}");
    for file in accepted {
        assert_eq!(errors(file), [""; 0], "{}", file.display());
    }
}

/// What `keepalived -t` ends with for each file, in a network namespace with the interfaces that the samples name.
fn verdicts(test: &str, directory: &Path) -> Option<Vec<(PathBuf, i32)>> {
    const TEST: &str = "ip link add eth0 type veth peer name eth1 && ip link add eth2 type veth peer name eth3 && \
        mount -t tmpfs none /run && \
        for i in 0 1 2 3; do ip addr add 10.9.$i.1/24 dev eth$i; ip link set eth$i up; done; \
        for f in \"$@\"; do timeout 10 keepalived -t -i main -f \"$f\" >/dev/null 2>&1; echo $?; done";
    if !has_programs(test, &["keepalived", "ip", "mount", "timeout"]) {
        return None;
    }
    if !directory.is_dir() {
        skip(test, &format!("{} (not excluded by dpkg)", directory.display()));
        return None;
    }
    let namespaces: &[&str] =
        &["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
    let mut unshare = unshare_command(test, &[namespaces, &namespaces[2..]])?;
    let files: Vec<PathBuf> = files(directory)
        .into_iter()
        .filter(|file| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("keepalived.conf"))
        })
        .collect();
    let output = unshare.args(["sh", "-c", TEST, "sh"]).args(&files).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let codes: Vec<i32> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(codes.len(), files.len(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(files.into_iter().zip(codes).collect())
}
