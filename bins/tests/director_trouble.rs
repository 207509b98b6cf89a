//! lb-director where something is in its way: what it says, and that it goes on.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo, pipe, write},
};
use support::{Lab, Web, free, get, run, text, wait};

fn config(front: impl ToString, server: impl ToString) -> String {
    format!(
        "checkinterval=1\nvirtual={}\n\treal={} masq\n\tscheduler=wlc\n\tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n",
        front.to_string(),
        server.to_string()
    )
}

#[test]
fn a_port_in_use_is_named_and_taken_over_when_it_is_free() {
    let (one, front) = (Web::start("one"), free());
    let taken = TcpListener::bind(front).unwrap();
    let lab = Lab::new(&config(front, one.address));
    let daemon = lab.start("relay");
    let line = daemon.wait_for_line("The data plane refuses a change of ");
    assert!(line.contains(&front.to_string()) && line.contains("it will be tried again"), "{line}");
    assert!(line.contains("ss -lnp") && line.contains("or choose another port"), "{line}");
    let problem = daemon.told(&["status"]);
    assert!(problem.contains("  PROBLEM: ") && problem.contains(&front.to_string()), "{problem}");
    // More than one attempt: the check of the server has ended.
    daemon.wait_for_state(one.address, "active");
    assert_eq!(daemon.logged("Added "), 0, "{}", daemon.log());
    assert!(
        daemon.logged("The data plane refuses") <= 2,
        "said once for service and server: {}",
        daemon.log()
    );

    drop(taken);
    wait("an answer", || (get(front).ok()? == "one").then_some(()));
    daemon.wait_for_line(&format!("Added virtual server: {front}"));
    wait("no problem any more", || (!daemon.told(&["status"]).contains("PROBLEM")).then_some(()));
}

#[test]
fn whoever_talks_nonsense_to_the_control_socket_is_told_so() {
    let lab = Lab::new(&config("192.0.2.80:80", "192.0.2.1:80"));
    let daemon = lab.start("memory");
    let permissions = fs::metadata(lab.socket()).unwrap().permissions();
    assert_eq!(permissions.mode() & 0o777, 0o660, "for owner and group only");
    let connect = || UnixStream::connect(lab.socket()).unwrap();

    let mut client = BufReader::new(connect());
    for nonsense in ["", "nonsense", "{}", "\"explode\"", "{\"events\":-1}", "\u{0}"] {
        writeln!(client.get_mut(), "{nonsense}").unwrap();
        let mut answer = String::new();
        client.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("{\"error\":\"not a request that this version knows: "), "{answer}");
    }
    // The same connection is good for a request that makes sense.
    writeln!(client.get_mut(), "\"table\"").unwrap();
    let mut answer = String::new();
    client.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("{\"table\":"), "{answer}");

    let mut endless = connect();
    let _ = endless.write_all(&[b'x'; 100_000]);
    let mut answer = String::new();
    // It may be cut off while it still writes.
    let _ = endless.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.contains("at most 65536 bytes"), "{answer}");

    // Some that say nothing, and some that do not wait for their answer.
    let _silent: Vec<UnixStream> = (0..10).map(|_| connect()).collect();
    for _ in 0..10 {
        connect().write_all(b"\"status\"\n").unwrap();
    }
    assert!(daemon.told(&["status"]).contains("data plane memory"));
}

/// Without any program in its path and without any privilege, so that the result is the same on every machine,
/// whatever its kernel can do.
fn without_means(lab: &Lab, data_plane: &str) -> Command {
    let mut command = without_privilege(lab, data_plane);
    command.env("PATH", lab.path("empty"));
    command
}

fn without_privilege(lab: &Lab, data_plane: &str) -> Command {
    const NOBODY: u32 = 65534;
    let mut command = lab.director(data_plane);
    command.arg(lab.config());
    if nix::unistd::geteuid().is_root() {
        fs::set_permissions(lab.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        // The program itself may lie where only its owner can go.
        let program = lab.path("lb-director");
        fs::copy(env!("CARGO_BIN_EXE_lb-director"), &program).unwrap();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new(program);
        command.args(arguments).uid(NOBODY).gid(NOBODY);
    }
    command
}

#[test]
fn a_data_plane_that_does_not_work_here_is_one_clear_line() {
    for (data_plane, remedies) in [("nft", ["nft", "nft"]), ("ipvs", ["modprobe ip_vs", "CAP_NET_ADMIN"])] {
        let lab = Lab::new(&config("192.0.2.80:80", "192.0.2.1:80"));
        let output = run(without_means(&lab, data_plane));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        let start = format!("lb-director: the data plane {data_plane} does not work here: ");
        assert!(said.starts_with(&start), "{said}");
        assert!(remedies.iter().any(|remedy| said.contains(remedy)), "{said}");
        assert!(!lab.pid_file().exists() && !lab.socket().exists());
    }
}

#[test]
fn auto_says_why_it_took_what_it_took() {
    let (one, front) = (Web::start("one"), free());
    let lab = Lab::new(&config(front, one.address));
    let daemon = lab.spawn(without_means(&lab, "auto"));
    daemon.wait_for_line(&format!("Added real server: {}", one.address));
    let plane = daemon.status()["data_plane"].clone();
    assert_eq!(plane["name"], "relay");
    let why = plane["why"].as_str().unwrap();
    assert!(why.contains("ipvs: ") && why.contains("nft: "), "{why}");
    let line = daemon.wait_for_line("Data plane relay (");
    assert!(line.contains(why), "{line}");
    assert_eq!(get(front).unwrap(), "one");
}

#[test]
fn nft_without_privilege_is_one_clear_line() {
    const NAME: &str = "nft_without_privilege_is_one_clear_line";
    let found = std::env::var("PATH").unwrap_or_default();
    if !std::env::split_paths(&found).any(|folder| folder.join("nft").exists()) {
        return support::skip(NAME, "nft (apt-get install nftables)");
    }
    let lab = Lab::new(&config("192.0.2.80:80", "192.0.2.1:80"));
    let output = run(without_privilege(&lab, "nft"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("lb-director: the data plane nft does not work here: "), "{said}");
    assert!(said.contains("root") || said.contains("CAP_NET_ADMIN"), "the remedy: {said}");
}

#[test]
fn a_log_and_a_monitor_file_that_nobody_reads_stop_nothing() {
    let (mut one, two) = (Web::start("one"), Web::start("two"));
    let lab = Lab::new("");
    let fifo = lab.path("monitor");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let addresses = [one.address, two.address];
    let text = |extra: &str| {
        let reals = addresses.map(|address| format!("\treal={address} masq\n")).concat();
        let service = "\tscheduler=wlc\n\tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n";
        format!(
            "checkinterval=1\nvirtual=192.0.2.80:80\n{reals}{service}\tmonitorfile={}\n{extra}",
            fifo.display()
        )
    };
    lab.configure(&text(""));
    // Full from the beginning, and never read.
    let (_reader, writer) = pipe().unwrap();
    fill(&writer);
    let mut command = lab.director("memory");
    command.arg(lab.config()).stderr(writer);
    let mut daemon = Ended(command.spawn().unwrap());
    let status = |what: &str| {
        let output = lab.lbctl(&["status", "--json"]);
        output.status.success().then(|| support::text(&output.stdout))?.contains(what).then_some(())
    };
    wait("an answer", || status("192.0.2.80:80"));
    wait("both servers", || {
        (lab.lbctl(&["list", "-n"]).stdout.windows(4).filter(|w| w == b"Masq").count() == 2).then_some(())
    });
    one.die();
    wait("the dead server's end", || status("\"down\""));
    lab.configure(&text("virtual=192.0.2.81:80\n\treal=192.0.2.1:80 masq\n\tchecktype=on\n"));
    kill(Pid::from_raw(i32::try_from(daemon.0.id()).unwrap()), Signal::SIGHUP).unwrap();
    wait("the new configuration", || status("192.0.2.81:80"));
    kill(Pid::from_raw(i32::try_from(daemon.0.id()).unwrap()), Signal::SIGTERM).unwrap();
    let ended = wait("the end", || daemon.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

/// Writes until nothing more fits.
fn fill(pipe: &OwnedFd) {
    let flags = OFlag::from_bits_truncate(fcntl(pipe, FcntlArg::F_GETFL).unwrap());
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    for length in [4096, 1] {
        while write(pipe, &vec![b'x'; length]).is_ok() {}
    }
    fcntl(pipe, FcntlArg::F_SETFL(flags)).unwrap();
}

/// A process that is killed with its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_whose_answer_the_check_cannot_cope_with_is_taken_out() {
    let (one, front) = (Web::start("one"), free());
    one.answer("200 OK", "aabb");
    let pattern = "\treceive=\"^(a|aa)+(b)\\2$\"\n";
    let lab = Lab::new(&(config(front, one.address) + pattern));
    let daemon = lab.start("memory");
    daemon.wait_for_state(one.address, "active");
    // The pattern goes back and forth on this until its limit is reached: that is what the server has sent.
    one.answer("200 OK", &"a".repeat(900));
    wait("the server to be out", || (daemon.state_of(one.address)? != "active").then_some(()));
    let status = daemon.told(&["status"]);
    assert!(status.contains("wrong answer: pattern /^(a|aa)+(b)\\2$/ on 900 bytes"), "{status}");
    one.answer("200 OK", "aabb");
    daemon.wait_for_state(one.address, "active");
}

#[test]
fn a_password_that_is_written_in_the_wrong_way_is_shown_nowhere() {
    let good = config("192.0.2.80:80", "192.0.2.1:80");
    let lab = Lab::new(&good);
    let daemon = lab.start("memory");
    lab.configure(&format!("{good}\tpasswd=s3cr3t\n\tpaswd = \"s3cr3t\"\n"));
    let reload = daemon.lbctl(&["reload"]);
    assert!(!reload.status.success());
    let place = format!("{}:{}", lab.config().display(), good.lines().count() + 1);
    let status = daemon.told(&["status"]);
    let tested = run({
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-director"));
        command.arg("--check").arg(lab.config());
        command
    });
    daemon.wait_for_line(&place);
    for shown in [daemon.log(), text(&reload.stderr), status, text(&tested.stderr)] {
        assert!(shown.contains(&place) && !shown.contains("s3cr3t"), "{shown}");
    }
}
