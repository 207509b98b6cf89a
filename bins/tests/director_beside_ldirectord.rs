//! lb-director and ldirectord check the same servers by the same file, and come to the same results.
//!
//! ldirectord runs with `-d`, and then prefers an `ipvsadm` in its working folder: here one that does nothing. Both write what
//! each check came to into their monitor files.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{Lab, has_programs, wait};

/// Sections, in which `SERVER` is a real server, `PORT` its port and `OTHER` another one, and whether the server is up.
const CASES: &[(&str, bool)] = &[
    // `$`, and bytes.
    ("request=\"/ok\"\nreceive=\"^Test Page OK one$\"", true),
    ("request=\"/ok\"\nreceive=\"one\\Z\"", true),
    ("request=\"/ok\"\nreceive=\"one\\z\"", false),
    ("request=\"/ok\"\nreceive=\"(down|one$)\"", true),
    ("request=\"/ok\"\nreceive=\"one$\\n\"", true),
    ("request=\"/multi\"\nreceive=\"^Test Page OK$\"", false),
    ("request=\"/multi\"\nreceive=\"(?m)^Test Page OK$\"", true),
    ("request=\"/crlf\"\nreceive=\"last line$\"", false),
    ("request=\"/crlf\"\nreceive=\"last line\\r$\"", true),
    ("request=\"/utf8\"\nreceive=\"Prüfung\"", true),
    ("request=\"/utf8\"\nreceive=\"Pr..fung\"", true),
    ("request=\"/utf8\"\nreceive=\"Pr.fung\"", false),
    ("request=\"/latin1\"\nreceive=\"Pr.fung\"", true),
    ("request=\"/huge\"\nreceive=\"the end$\"", true),
    ("request=\"/json\"\nreceive=\"{\"status\":\"(up|ok)\"}\"", true),
    ("request=\"/html\"\nreceive=\"\\<b\\>ok\"", true),
    // Redirects.
    ("request=\"/to?/ok\"\nreceive=\"one\"", true),
    ("request=\"/to?ok\"\nreceive=\"one\"", true),
    ("request=\"/to?./x/../ok\"\nreceive=\"one\"", true),
    ("request=\"/a/b/to?../../ok\"\nreceive=\"one\"", true),
    ("request=\"/to?http://OTHER/ok\"\nreceive=\"two\"", true),
    ("request=\"/to?//OTHER/ok\"\nreceive=\"two\"", true),
    ("request=\"/to?/500\"", false),
    ("request=\"/loop\"", false),
    ("request=\"/to?nothing://OTHER/ok\"", false),
    ("request=\"/to?http://nobody.invalid/ok\"", false),
    // Requests.
    ("request=\"/path?a b\"\nreceive=\"path /path.a%20b$\"", true),
    ("request=\"/path ä{}|<>\"\nreceive=\"/path%20%C3%A4%7B%7D%7C%3C%3E$\"", true),
    ("request=\"path?%zz[]\"\nreceive=\"/path.%zz%5B%5D$\"", true),
    ("request=\"/path \"\nreceive=\"/path$\"", true),
    ("request=\"/host\"\nreceive=\"^host 127.0.0.1$\"", true),
    (
        "request=\"/host\"\nvirtualhost=\"www.example.com:8080\"\nreceive=\"^host www.example.com:8080$\"",
        true,
    ),
    ("request=\"/host\"\nvirtualhost=\"2001:db8::1\"\nreceive=\"^host 2001:db8::1$\"", true),
    ("request=\"/host\"\nvirtualhost=\"[2001:db8::1]:81\"\nreceive=\"^host .2001:db8::1.:81$\"", true),
    ("real=SERVER masq 1 \"http://OTHER/ok\", \"two$\"", true),
    ("real=SERVER masq 1 \"http://OTHER/ok\", \"one$\"", false),
    ("checkport=9\nreal=SERVER masq 1 \"http://OTHER/host\", \"^host 127.0.0.1$\"", true),
    ("request=\"http://OTHER/ok\"\nreceive=\"two\"", false),
    (
        "service=http_proxy\nrequest=\"http://www.example.com/x y\"\nreceive=\"path http://www.example.com/x%20y$\"",
        true,
    ),
    (
        "service=http_proxy\nrequest=\"http://www.example.com/to?/a\"\nreceive=\"path http://www.example.com/a$\"",
        true,
    ),
    // Lines with their ends.
    ("service=simpletcp\nrequest=\"GET /multi HTTP/1.0\\n\\n\"\nreceive=\"^Test Page OK$\"", true),
    ("service=simpletcp\nrequest=\"GET /crlf HTTP/1.0\\n\\n\"\nreceive=\"^Test Page OK$\"", false),
    ("service=simpletcp\nrequest=\"GET /crlf HTTP/1.0\\n\\n\"\nreceive=\"OK\\r\\n\"", true),
];

/// Serves on an address of its own as long as the test runs.
fn serve(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, name));
        }
    });
    address
}

fn answer(mut stream: TcpStream, name: &str) {
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    while !request.windows(2).any(|end| end == b"\n\n" || end == b"\n\r") {
        match stream.read(&mut chunk) {
            Ok(got) if got > 0 => request.extend_from_slice(&chunk[..got]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let uri = text.split(' ').nth(1).unwrap_or_default();
    let path = uri.strip_prefix("http://www.example.com").unwrap_or(uri);
    let host =
        text.lines().find_map(|line| line.strip_prefix("Host: ").or_else(|| line.strip_prefix("host: ")));
    let mut head = "200 OK".to_owned();
    let body: Vec<u8> = match path.split('?').next().unwrap_or_default() {
        "/ok" => format!("Test Page OK {name}\n").into(),
        "/multi" => "first\nTest Page OK\nlast\n".into(),
        "/crlf" => "first\r\nTest Page OK\r\nlast line\r\n".into(),
        "/utf8" => "Prüfung\n".into(),
        "/latin1" => b"Pr\xfcfung\n".to_vec(),
        "/huge" => ["x".repeat(3 << 20), "the end\n".to_owned()].concat().into(),
        "/json" => "{\"status\":\"ok\"}".into(),
        "/html" => "<b>ok</b>".into(),
        "/host" => format!("host {}\n", host.unwrap_or("none")).into(),
        "/loop" => {
            head = "302 Found\r\nLocation: /loop".into();
            Vec::new()
        }
        to if to.ends_with("/to") => {
            head = format!("302 Found\r\nLocation: {}", path.split_once('?').unwrap_or_default().1);
            Vec::new()
        }
        "/500" => {
            head = "500 Internal Server Error".into();
            Vec::new()
        }
        _ => format!("path {uri}\n").into(),
    };
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

/// The file, with a monitor file in this folder for each section.
fn config(folder: &Path, server: SocketAddr, other: SocketAddr) -> String {
    let mut text = "negotiatetimeout=60\nchecktimeout=60\ncheckinterval=1\n".to_owned();
    for (index, (section, _)) in CASES.iter().enumerate() {
        text += &format!("virtual=192.0.2.{}:80\n", index + 1);
        let real = if section.contains("real=") { "" } else { "\nreal=SERVER masq" };
        for line in format!("{section}{real}\nmonitorfile=\"FOLDER/{index}\"").lines() {
            text += &format!("\t{line}\n");
        }
    }
    text.replace("SERVER", &server.to_string())
        .replace("OTHER", &other.to_string())
        .replace("FOLDER", &folder.display().to_string())
}

/// Waits for the first result of each check.
fn results(folder: &Path) -> BTreeMap<usize, bool> {
    let result = |index: &usize| {
        let text = fs::read(folder.join(index.to_string())).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().next()?;
        if line.contains("[up]") { Some(true) } else { line.contains("[down]").then_some(false) }
    };
    wait("a result of each check", || (0..CASES.len()).map(|index| Some((index, result(&index)?))).collect())
}

fn folder_for(lab: &Lab, name: &str) -> PathBuf {
    let folder = lab.path(name);
    fs::create_dir(&folder).unwrap();
    folder
}

struct Ldirectord(Child);

impl Drop for Ldirectord {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[test]
fn both_find_the_same_servers_up_and_down() {
    let (server, other) = (serve("one"), serve("two"));
    let lab = Lab::new("");
    let ours = folder_for(&lab, "ours");
    lab.configure(&config(&ours, server, other));
    let _daemon = lab.start("memory");
    let found = results(&ours);
    let wrong: Vec<_> = CASES.iter().enumerate().filter(|(index, (_, up))| found[index] != *up).collect();
    assert!(wrong.is_empty(), "lb-director says otherwise: {wrong:#?}");

    if !has_programs("both_find_the_same_servers_up_and_down", &["ldirectord"]) {
        return;
    }
    let theirs = folder_for(&lab, "theirs");
    let path = theirs.join("beside.cf");
    fs::write(&path, config(&theirs, server, other)).unwrap();
    let stub = "echo 'IP Virtual Server version 1.2.1 (size=4096)'";
    fs::rename(lab.script("ipvsadm", stub), theirs.join("ipvsadm")).unwrap();
    let _ldirectord = Ldirectord(
        Command::new("ldirectord")
            .args(["-d", path.to_str().unwrap(), "start"])
            .env("PATH", support::search_path())
            .current_dir(&theirs)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let found = results(&theirs);
    let wrong: Vec<_> = CASES.iter().enumerate().filter(|(index, (_, up))| found[index] != *up).collect();
    assert!(wrong.is_empty(), "ldirectord says otherwise: {wrong:#?}");
}
