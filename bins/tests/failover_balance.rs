//! lb-failover as a balancer: the program itself, real nginx, the relay.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{Web, free, require_program, wait};

/// A process that does not outlive its test.
struct Process(Child);

impl Process {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// An nginx that answers with its name.
fn nginx(program: &Path, folder: &Path, name: &str, address: SocketAddr) -> Process {
    let home = folder.join(name);
    fs::create_dir_all(&home).unwrap();
    let root = home.display();
    let config = format!(
        "daemon off; master_process off; pid {root}/pid; error_log {root}/error;\n\
         events {{ }}\n\
         http {{ access_log off; client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;\n\
         uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
         server {{ listen {address}; location / {{ default_type text/plain; return 200 \"{name}\\n\"; }} }} }}\n"
    );
    fs::write(home.join("conf"), config).unwrap();
    let child = Command::new(program)
        .arg("-p")
        .arg(&home)
        .arg("-c")
        .arg(home.join("conf"))
        .stderr(Stdio::null())
        .spawn();
    Process(child.unwrap())
}

/// What a client of the service gets.
fn ask(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.trim().to_owned())
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait(what, || is_so().then_some(()));
}

#[test]
fn clients_are_served_while_servers_die_return_and_the_file_changes() {
    let test = "clients_are_served_while_servers_die_return_and_the_file_changes";
    let Some(program) = require_program(test, "nginx") else { return };
    let nginx = |folder: &Path, name: &str, address: SocketAddr| nginx(&program, folder, name, address);
    let folder = tempfile::tempdir().unwrap();
    let (service, first, second) = (free(), free(), free());
    let sorry = Web::start("sorry");
    let diary = folder.path().join("diary");
    let note = folder.path().join("note");
    fs::write(&note, format!("#!/bin/sh\necho $1 >> {}\n", diary.display())).unwrap();
    fs::set_permissions(&note, fs::Permissions::from_mode(0o755)).unwrap();
    let real = |address: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!(
            "real_server {ip} {port} {{\n weight 1\n notify_down \"{} {port}\"\n HTTP_GET {{\n  url {{\n   path /\n   status_code 200\n  }}\n }}\n}}\n",
            note.display()
        )
    };
    let text = |reals: &str| {
        // With -C it does not count.
        let instance = "vrrp_instance V {\n interface absent0\n virtual_router_id 1\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
        format!(
            "{instance}global_defs {{\n script_user {}\n}}\nvirtual_server {} {} {{\n protocol TCP\n lvs_sched rr\n lvs_method NAT\n delay_loop 0.1\n \
             retry 1\n delay_before_retry 0.1\n quorum_down \"{} quorum\"\n sorry_server {} {}\n{reals}}}\n",
            nix::unistd::geteuid(),
            service.ip(),
            service.port(),
            note.display(),
            sorry.address.ip(),
            sorry.address.port()
        )
    };
    let config = folder.path().join("keepalived.conf");
    fs::write(&config, text(&(real(first) + &real(second)))).unwrap();
    let a = nginx(folder.path(), "a", first);
    let b = nginx(folder.path(), "b", second);
    until("both nginx", || ask(first).is_some() && ask(second).is_some());

    let log = fs::File::create(folder.path().join("log")).unwrap();
    let daemon = Command::new(env!("CARGO_BIN_EXE_lb-failover"))
        .args(["-C", "--dont-fork", "--log-console", "--dont-respawn", "--data-plane", "relay", "--use-file"])
        .arg(&config)
        .arg("--socket")
        .arg(folder.path().join("socket"))
        .arg("--pid")
        .arg(folder.path().join("pid"))
        .arg("--state-dir")
        .arg(folder.path().join("state"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let daemon = Process(daemon.unwrap());
    let told = |text: &str| fs::read_to_string(folder.path().join("log")).unwrap().contains(text);
    let served = |names: &[&str]| {
        let answers: Vec<String> = (0..4).filter_map(|_| ask(service)).collect();
        answers.len() == 4
            && names.iter().all(|name| answers.iter().any(|answer| answer == name))
            && answers.iter().all(|answer| names.contains(&answer.as_str()))
    };
    until("both answer", || served(&["a", "b"]));

    drop(a);
    until("b alone", || served(&["b"]));
    until("the line", || told(&format!("Removing service [{}]:tcp:{} from VS", first.ip(), first.port())));

    let lbctl = |order: &str| {
        let mut lbctl = Command::new(env!("CARGO_BIN_EXE_lbctl"));
        let output = lbctl.arg("--socket").arg(folder.path().join("socket")).arg(order).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let events = lbctl("events");
    assert!(events.contains(&first.to_string()), "the journal has what became of servers: {events}");

    assert!(!told("(V)"), "no instance is run");

    drop(b);
    until("the sorry server", || served(&["sorry"]));
    let _a = nginx(folder.path(), "a", first);
    until("a again", || served(&["a"]));

    // A reload with a server more: what was found down stays down, what is new is in use.
    let third = free();
    let _c = nginx(folder.path(), "c", third);
    until("the third nginx", || ask(third).is_some());
    fs::write(&config, text(&(real(first) + &real(second) + &real(third)))).unwrap();
    let plan = lbctl("plan");
    let expected = format!(
        "{} changes in the data plane relay:\n  add server {third} to tcp:{service} (masq weight 1)\nNo connection ends.\n",
        config.display()
    );
    assert_eq!(plan, expected);
    daemon.signal(Signal::SIGHUP);
    until("a and c", || served(&["a", "c"]));

    let notes = || fs::read_to_string(&diary).unwrap_or_default();
    let expected = format!("{}\n{}\nquorum\n", first.port(), second.port());
    until("the scripts", || notes() == expected);
}
