//! `lbctl ipvs` where it needs no kernel: what is wrong is found before one is asked.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::{fs, process::Command};

/// Exit status, standard output, standard error.
fn lbctl(words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lbctl")).arg("ipvs").args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn usage_is_on_standard_output() {
    for words in [["-h"].as_slice(), &["--help"], &["help"]] {
        let (status, out, err) = lbctl(words);
        assert_eq!((status, &*err), (0, ""), "{words:?}");
        assert!(out.contains("--add-service") && out.contains("sysctl NAME=VALUE..."), "{out}");
    }
    assert!(lbctl(&["-v"]).1.starts_with("ipvsadm v1.31 (lbctl "));
}

#[test]
fn a_wrong_line_has_ipvsadms_words_and_status() {
    let wrong = "You need to supply the 'service-address' option for the 'add-service' command";
    for words in [["-A"], ["--add-service"], ["add-service"]] {
        assert_eq!(lbctl(&words), (2, String::new(), format!("lbctl ipvs: {wrong}\n")), "{words:?}");
    }
    let (status, _, err) = lbctl(&["frob", "-n"]);
    assert_eq!((status, &*err), (2, "lbctl ipvs: that is no command; `lbctl ipvs --help` shows them\n"));
    assert_eq!(lbctl(&["-L", "--nosuch"]).0, 255);
    assert_eq!(lbctl(&["restore", "--claer"]).0, 2);
    for (words, complaint) in [
        (["sysctl", "conntrack=2"], "`2` is no value of conntrack: 0 to 1"),
        (
            ["sysctl", "contrack"],
            "`contrack` is none of expire_nodest_conn, expire_quiescent_template, conn_reuse_mode, conntrack",
        ),
    ] {
        assert_eq!(lbctl(&words), (2, String::new(), format!("lbctl ipvs: {complaint}\n")), "{words:?}");
    }
}

#[test]
fn a_wrong_text_is_shown_with_its_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table");
    fs::write(&file, "-A -t 10.0.0.1:80 -s rr # web\n-a -t 10.0.0.1:80 -r 10.0.0.2 -w many\n").unwrap();
    let (status, out, err) = lbctl(&["restore", "--clear", file.to_str().unwrap()]);
    assert_eq!((status, &*out), (2, ""));
    let expected = format!(
        "error: illegal weight specified\n --> {}:2:34\n  |\n2 | -a -t 10.0.0.1:80 -r 10.0.0.2 -w many\n  |                                  \
         ^^^^\nlbctl ipvs: nothing was changed\n",
        file.display()
    );
    assert_eq!(err, expected);
    let (status, _, err) = lbctl(&["restore", "/nonexistent/table"]);
    assert_eq!(status, 2);
    assert!(err.starts_with("lbctl ipvs: /nonexistent/table: "), "{err}");
}
