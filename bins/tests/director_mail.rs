//! Mails of lb-director: about what, when, in which words, and that nothing waits for them.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use support::{Daemon, Lab, NETWORK, Web, lines, wait};

const FRONT: &str = "192.0.2.80:80";
const SORRY: &str = "127.0.0.9:9";

/// One mail: its header and text, line by line.
type Mail = Vec<String>;

/// Takes mails on port 25, where `smtp=` has them sent.
struct MailServer {
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    /// In a network namespace of its own there is nobody else at the port.
    fn start() -> Self {
        let mails = Arc::<Mutex<Vec<Mail>>>::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 25)).unwrap();
        let sink = mails.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sink = sink.clone();
                thread::spawn(move || take(&stream.unwrap(), &sink));
            }
        });
        Self { mails }
    }

    /// Subject and `Daemon-Status` of the mails so far.
    fn seen(&self) -> Vec<(String, String)> {
        let mails = self.mails.lock().unwrap();
        let field = |mail: &Mail, name: &str| {
            mail.iter().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).unwrap_or_default()
        };
        mails.iter().map(|mail| (field(mail, "Subject:"), field(mail, "Daemon-Status:"))).collect()
    }

    /// Waits for the next mails after those of `seen`; their order does not matter.
    fn expect(&self, seen: &mut usize, expected: &[(&str, &str)]) {
        let until = *seen + expected.len();
        let found = wait(&format!("mails {expected:?}"), || {
            let all = self.seen();
            (all.len() >= until).then(|| all[*seen..].to_vec())
        });
        let mut found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        *seen = until;
    }
}

fn take(stream: &TcpStream, sink: &Mutex<Vec<Mail>>) {
    let say = |text: &str| (&*stream).write_all(text.as_bytes()).unwrap();
    say("220 relay ESMTP\r\n");
    let mut mail: Option<Mail> = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        match &mut mail {
            Some(_) if line == "." => {
                sink.lock().unwrap().extend(mail.take());
                say("250 ok\r\n");
            }
            // A long header goes on in the next line (RFC 5322 §2.2.3).
            Some(mail) if line.starts_with(' ') && !mail.contains(&String::new()) => {
                mail.last_mut().unwrap().push_str(&line);
            }
            Some(mail) => mail.push(line),
            None if line == "DATA" => {
                mail = Some(Mail::new());
                say("354 go\r\n");
            }
            None => say("250 ok\r\n"),
        }
    }
}

/// Runs the rest of a test in a network namespace of its own.
fn isolated(test: &str, body: impl FnOnce()) {
    support::run_isolated(test, NETWORK, || {
        support::succeeds(Command::new("ip").args(["link", "set", "lo", "up"]));
        body();
    });
}

fn config(globals: &str, service: &str, servers: &[&Web]) -> String {
    let mut text = format!(
        "checkinterval=1\nemailalert=\"noc@example.com, boss@example.com\"\nemailalertfrom=\"LB Alerts\" <lb@example.com>\n\
         {globals}smtp=localhost\nvirtual={FRONT}\n\tservice=http\n\trequest=\"/\"\n\tprotocol=tcp\n\
         \tservicename=Shop\n\tcomment=call the shop team\n{service}"
    );
    for server in servers {
        text += &format!("\treal={} masq\n", server.address);
    }
    text
}

#[test]
fn mails_have_the_words_and_the_occasions_of_ldirectord() {
    isolated("mails_have_the_words_and_the_occasions_of_ldirectord", || {
        let server = MailServer::start();
        let (mut one, two) = (Web::start("one"), Web::start("two"));
        let lab = Lab::new(&config("", &format!("\tfallback={SORRY} masq\n"), &[&one]));
        let (r, f) = (one.address, SORRY);
        let mut daemon = lab.start("memory");
        let mut seen = 0;
        let added = format!("[Shop] Added real server: {r} ({FRONT}) (Weight set to 1)");
        server.expect(&mut seen, &[(&added, "starting")]);
        one.die();
        let deleted = format!("[Shop] Deleted real server: {r} ({FRONT})");
        let fallback = format!("[Shop] Added fallback server: {f} ({FRONT}) (Weight set to 1)");
        server.expect(&mut seen, &[(&deleted, "running"), (&fallback, "running")]);
        one.live();
        let over = format!("[Shop] Deleted fallback server: {f} ({FRONT})");
        server.expect(&mut seen, &[(&added, "running"), (&over, "running")]);

        lab.configure(&config("", &format!("\tfallback={SORRY} masq\n"), &[&one, &two]));
        daemon.told(&["reload"]);
        let second = format!("[Shop] Added real server: {} ({FRONT}) (Weight set to 1)", two.address);
        server.expect(&mut seen, &[(&second, "reloading")]);

        assert_eq!(daemon.stop().code(), Some(0));
        let purged =
            [r, two.address].map(|server| format!("[Shop] Purged real server (stop): {server} ({FRONT})"));
        server.expect(&mut seen, &[(&purged[0], "stopping"), (&purged[1], "stopping")]);

        let mails = server.mails.lock().unwrap();
        let mail = mails.iter().find(|mail| mail.contains(&format!("Subject: {deleted}"))).unwrap();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        for line in [
            "From: \"LB Alerts\" <lb@example.com>",
            "To: noc@example.com, boss@example.com",
            &format!("ldirectord host: {}", host.trim()),
            &format!("Log-Message: {deleted}"),
            "Service name: Shop",
            "Comment: call the shop team",
        ] {
            assert!(mail.iter().any(|found| found == line), "{line}: {mail:#?}");
        }
        assert!(mail.iter().any(|line| line.starts_with("Cause: check: connection refused")), "{mail:#?}");
    });
}

#[test]
fn only_the_wanted_parts_of_the_life_of_a_daemon_are_mailed() {
    isolated("only_the_wanted_parts_of_the_life_of_a_daemon_are_mailed", || {
        let server = MailServer::start();
        let (one, mut two) = (Web::start("one"), Web::start("two"));
        let states = "emailalertstatus=running,reloading\nemailalertfreq=1\n";
        let lab = Lab::new(&config(states, "", &[&one, &two]));
        let mut daemon = lab.start("memory");
        daemon.wait_for_state(one.address, "active");
        daemon.wait_for_state(two.address, "active");
        two.die();
        let still = format!("[Shop] Inaccessible real server: {} ({FRONT})", two.address);
        wait("a mail that says it again", || {
            server
                .seen()
                .iter()
                .any(|(subject, status)| *subject == still && status == "running")
                .then_some(())
        });
        assert_eq!(daemon.stop().code(), Some(0));
        let deleted = format!("[Shop] Deleted real server: {} ({FRONT})", two.address);
        let seen = server.seen();
        assert_eq!(seen[0], (deleted, "running".to_owned()));
        assert!(seen[1..].iter().all(|(subject, _)| *subject == still), "{seen:?}");
    });
}

#[test]
fn nothing_waits_for_a_mail_server_that_hangs() {
    isolated("nothing_waits_for_a_mail_server_that_hangs", || {
        // Connections are accepted by the kernel, and nobody says a word.
        let _silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 25)).unwrap();
        let mut one = Web::start("one");
        let lab = Lab::new("");
        let told = lab.path("told");
        let program = lab.script("command", &format!("echo $1 >>{}", told.display()));
        let service = format!("\tfallback={SORRY} masq\n\tfallbackcommand=\"{}\"\n", program.display());
        lab.configure(&config("", &service, &[&one]));
        let mut daemon: Daemon = lab.start("memory");
        for word in ["stop", "start", "stop", "start"] {
            wait(&format!("`{word}`"), || (lines(&told).last()? == word).then_some(()));
            if word == "stop" { one.die() } else { one.live() }
        }
        daemon.wait_for_state(one.address, "active");
        assert_eq!(daemon.stop().code(), Some(0));
        daemon.assert_logged("Mails are dropped: none was sent within 2 s", 1);
    });
}
