//! The control socket and lbctl, when the path, a client or the other end is not what it should be.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, symlink},
        net::{UnixListener, UnixStream},
    },
    process::{Command, Stdio},
    thread,
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    stat::Mode,
};
use socket2::{Domain, SockAddr, Socket, Type};
use support::{Lab, run, text, wait};

const CONFIG: &str = "virtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq\n\tchecktype=on\n";

#[test]
fn only_a_socket_is_replaced_and_all_else_is_left_alone() {
    let lab = Lab::new(CONFIG);
    let (file, folder, fifo, link) =
        (lab.path("file"), lab.path("folder"), lab.path("fifo"), lab.path("link"));
    fs::write(&file, "precious\n").unwrap();
    fs::create_dir(&folder).unwrap();
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    symlink(&file, &link).unwrap();
    for option in ["--socket", "--pid-file"] {
        for (path, what) in [
            (&file, "an ordinary file"),
            (&folder, "a folder"),
            (&fifo, "a FIFO"),
            (&link, "a symbolic link"),
        ] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
            let other = if option == "--socket" {
                ("--pid-file", lab.pid_file())
            } else {
                ("--socket", lab.socket())
            };
            command.args(["--data-plane", "memory", option]).arg(path).arg(other.0).arg(other.1);
            command.arg(lab.config()).stdin(Stdio::null());
            let mut daemon = lab.spawn(command);
            assert!(!daemon.ended().success(), "{option} {what}");
            let log = daemon.log();
            assert!(log.contains(&path.display().to_string()) && log.contains("is left alone"), "{log}");
            assert!(option == "--pid-file" || log.contains(what), "{log}");
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious\n");
    assert!(folder.is_dir() && link.is_symlink());
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());

    // What a dead daemon has left is replaced, and goes with the daemon.
    drop(UnixListener::bind(lab.socket()).unwrap());
    let mut daemon = lab.start("memory");
    assert!(daemon.stop().success());
    assert!(!lab.socket().exists());
    // What has taken its place stays.
    let mut daemon = lab.start("memory");
    fs::remove_file(lab.socket()).unwrap();
    fs::write(lab.socket(), "precious\n").unwrap();
    assert!(daemon.stop().success());
    assert_eq!(fs::read_to_string(lab.socket()).unwrap(), "precious\n");
}

#[test]
fn idle_clients_keep_nobody_waiting() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(4096), hard).unwrap();
    let lab = Lab::new(CONFIG);
    let daemon = lab.start("memory");
    let address = SockAddr::unix(lab.socket()).unwrap();
    let idle: Vec<Socket> = (0..1000)
        .map(|number| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            // A full queue is an error then, and no endless wait.
            socket.set_nonblocking(true).unwrap();
            wait(&format!("a place in the queue for client {number}"), || socket.connect(&address).ok());
            socket
        })
        .collect();
    assert!(daemon.told(&["status"]).contains("192.0.2.1:80"));
    assert!(daemon.told(&["drain", "192.0.2.1:80"]).contains("1 change"));
    drop(idle);
}

#[test]
fn an_answer_without_end_is_an_error() {
    let lab = Lab::new("");
    let listener = UnixListener::bind(lab.socket()).unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        let block = vec![b' '; 1 << 20];
        (0..512).take_while(|_| (&stream).write_all(&block).is_ok()).count()
    });
    let output = lab.lbctl(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("answers with more than") && error.lines().count() == 1, "{error}");
    assert!(server.join().unwrap() < 512, "lbctl read it all");
}

#[test]
fn a_reason_cannot_write_to_the_terminal() {
    const REASON: &str = "disk\x1b]0;owned\x07\nweb.cf is fine\r\u{9b}2J\u{202e}";
    let lab = Lab::new(CONFIG);
    let mut daemon = lab.start("memory");
    daemon.wait_for_state("192.0.2.1:80", "active");
    daemon.told(&["drain", "192.0.2.1:80", "--reason", REASON]);
    for words in [["status"], ["events"]] {
        let shown = daemon.told(&words);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{shown:?}");
        assert!(shown.contains(r"disk\u{1b}]0;owned\u{7}\nweb.cf"), "{shown}");
        assert!(!shown.lines().any(|line| line.starts_with("web.cf is fine")), "{shown}");
    }
    // Programs get it as it is, in JSON that a terminal may show.
    let json = daemon.told(&["status", "--json"]);
    assert!(!json.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{json:?}");
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    let cause = status["services"][0]["servers"][0]["cause"].as_str().unwrap();
    assert!(cause.contains(REASON), "{cause:?}");

    // What the daemon echoes of a request is shown in one line, too.
    let output = daemon.lbctl(&["drain", "192.0.2.1:80", "--reason", &"x".repeat(501)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the reason has 501 bytes; at most 500 are kept"), "{output:?}");
    let mut client = UnixStream::connect(lab.socket()).unwrap();
    client.write_all(b"{\"x\x1b[2J\":1}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).unwrap();
    assert!(answer.contains("not a request"), "{answer}");
    daemon.stop();
    assert!(!daemon.log().contains(|c: char| c.is_control() && c != '\n'), "{:?}", daemon.log());
    // A text that came from nowhere but the command line is an error without escapes, too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.args(["--socket", "/nonexistent/\x1b[2Jsocket", "status"]);
    let output = run(command);
    assert!(!text(&output.stderr).contains('\x1b'), "{output:?}");
}
