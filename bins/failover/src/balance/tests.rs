mod lifecycle;

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use lb_balancer::plane::Choice;
use lb_config::keepalived::{language, model::Config, resolve::resolve};
use lb_control::protocol::{Answer, Request, ServerStatus};
use lb_core::{desired::ServerState, event::Cause, overrides::Action};
use lb_runtime::{
    clock::Clock,
    log::{Log, Target},
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpListener,
    sync::mpsc::UnboundedReceiver,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{Balance, Output, Settings, Status};
use crate::requirements::address;

/// Only to notice what hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn config(text: &str) -> Config {
    let settings = language::Settings::default();
    let (document, sources, mut problems) =
        language::read_text(text, Path::new("f"), &settings, &mut language::Machine::default());
    let config = resolve(&document, &mut problems);
    let problems: Vec<String> = problems.finish().iter().map(|problem| problem.line(&sources)).collect();
    assert_eq!(problems, [""; 0], "{text}");
    config
}

/// A server that answers every connection with a page, until it is closed.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::at(SocketAddr::new(address(), 0)).await
    }

    async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nfine").await;
            }
        });
        Self { address, task }
    }

    async fn close(self) -> SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.address
    }

    /// A `real_server` with these lines and this check, which is quick.
    fn real(&self, check: &str, lines: &str) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!("real_server {ip} {port} {{\n{check} {{\nurl {{\npath /\n}}\n}}\n{lines}\n}}\n")
    }

    fn tcp(&self, lines: &str) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!("real_server {ip} {port} {{\nTCP_CHECK {{\n}}\n{lines}\n}}\n")
    }
}

/// A real server as the log names it.
fn named(address: SocketAddr) -> String {
    format!("[{}]:tcp:{}", address.ip(), address.port())
}

/// A virtual server 10.0.0.1:80, all of whose checks are quick.
fn virtual_server(lines: &str) -> String {
    format!(
        "virtual_server 10.0.0.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n\
         delay_loop 0.05\nretry 1\ndelay_before_retry 0.05\nconnect_timeout 5\n{lines}\n}}\n"
    )
}

/// A running `Balance`, its outputs and its log.
struct Bench {
    balance: Balance,
    told: UnboundedReceiver<Output>,
    folder: TempDir,
    here: Arc<Mutex<BTreeSet<IpAddr>>>,
}

impl Bench {
    async fn start(text: &str) -> Self {
        Self::start_with(text, Choice::Memory).await
    }

    async fn start_with(text: &str, plane: Choice) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let log = Log::new(Target::File(folder.path().join("log")), clock, "f");
        let here: Arc<Mutex<BTreeSet<IpAddr>>> = Arc::default();
        let settings = Settings {
            plane,
            addresses: {
                let here = here.clone();
                Arc::new(move || Ok(here.lock().unwrap().clone()))
            },
            ..Settings::default()
        };
        let (balance, told) =
            Balance::start(&config(text), settings, clock, log, Default::default(), Vec::new()).await;
        Self { balance, told, folder, here }
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text.lines().filter_map(|line| Some(line.split_once("] ")?.1.to_owned())).collect()
    }

    async fn fifo(&mut self) -> String {
        loop {
            match timeout(PATIENCE, self.told.recv()).await.expect("a line in time").unwrap() {
                Output::Fifo(line) => return line,
                Output::Event(_) | Output::Mail { .. } | Output::Run { .. } => {}
            }
        }
    }

    /// Waits until what is known is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let so = async {
            loop {
                let status = self.balance.status().await;
                if is_so(&status) {
                    return status;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("not in time: {what}\n{:#?}", self.log()))
    }
}

fn of(status: &Status, server: SocketAddr) -> &ServerStatus {
    status.services[0].servers.iter().find(|status| status.server.socket() == server).expect("the server")
}

fn weight(status: &Status, server: SocketAddr) -> Option<u16> {
    of(status, server).weight.map(|weight| weight.get())
}

fn looked_at(status: &Status, server: SocketAddr) -> bool {
    of(status, server).check.age.is_some()
}

#[tokio::test]
async fn a_server_leaves_after_its_retries_and_comes_back_with_one_success() {
    let (a, b) = (Server::start().await, Server::start().await);
    let text = virtual_server(&(a.real("HTTP_GET", "") + &b.tcp("")));
    let mut bench = Bench::start(&text).await;
    let (first, second) = (a.address, b.address);
    // Without alpha they are in use before they were looked at.
    let status = bench.balance.status().await;
    assert_eq!((weight(&status, first), weight(&status, second)), (Some(1), Some(1)));
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 UP");
    bench.until("a look", |status| looked_at(status, first) && looked_at(status, second)).await;

    a.close().await;
    let name = named(first);
    assert_eq!(bench.fifo().await, format!("RS {name} [10.0.0.1]:tcp:80 DOWN"));
    let status = bench.until("gone", |status| weight(status, first).is_none()).await;
    assert_eq!(weight(&status, second), Some(1));
    assert_eq!(status.services[0].quorum, Some(true));

    let _again = Server::at(first).await;
    assert_eq!(bench.fifo().await, format!("RS {name} [10.0.0.1]:tcp:80 UP"));
    bench.until("back", |status| weight(status, first) == Some(1)).await;

    let log = bench.log();
    let at = |text: &str| {
        log.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {log:#?}"))
    };
    let lines = [
        format!("Activating healthchecker for service {name} for VS [10.0.0.1]:tcp:80"),
        "Gained quorum 1+0=1 <= 2 for VS [10.0.0.1]:tcp:80".to_owned(),
        // Refused, or reset when the server had the connection in its queue.
        format!("HTTP_CHECK on service {name} failed, 1 of 2 ("),
        format!("HTTP_CHECK on service {name} failed after 1 retries (connection refused"),
        format!("Removing service {name} from VS [10.0.0.1]:tcp:80"),
        format!("Remote Web server {name} succeed on service."),
        format!("Adding service {name} to VS [10.0.0.1]:tcp:80"),
    ];
    assert!(lines.iter().map(|line| at(line)).is_sorted(), "{log:#?}");
}

#[tokio::test]
async fn with_alpha_nobody_is_in_use_before_a_check_has_passed() {
    let a = Server::start().await;
    let dead = Server::start().await.close().await;
    let other = format!("real_server {} {} {{\nTCP_CHECK {{\n}}\n}}\n", dead.ip(), dead.port());
    let mut bench = Bench::start(&virtual_server(&format!("alpha\n{}{other}", a.tcp("")))).await;
    // Its first look may be over by now, but not without a line.
    let line = |address, word| format!("RS {} [10.0.0.1]:tcp:80 {word}", named(address));
    let lines: BTreeSet<String> = [bench.fifo().await, bench.fifo().await, bench.fifo().await].into();
    let expected = [line(a.address, "UP"), "VS [10.0.0.1]:tcp:80 UP".to_owned(), line(dead, "DOWN")];
    assert_eq!(lines, expected.into());
    let status = bench.until("down", |status| of(status, dead).state == ServerState::Down).await;
    assert_eq!((weight(&status, a.address), weight(&status, dead)), (Some(1), None));
    assert!(!bench.log().iter().any(|line| line.starts_with("Removing")), "it was never there");
}

#[tokio::test]
async fn the_sorry_server_takes_over_with_the_quorum_and_scripts_are_run_in_order() {
    let note = |word: &str| format!("\"/bin/note {word}\"");
    let (a, b) = (Server::start().await, Server::start().await);
    let scripts = |name: &str| {
        format!("notify_up {}\nnotify_down {}", note(&format!("{name} up")), note(&format!("{name} down")))
    };
    let lines = format!(
        "quorum 2\nquorum_up {}\nquorum_down {}\nsorry_server 127.0.0.9 80\n{}{}",
        note("quorum up"),
        note("quorum down"),
        a.tcp(&scripts("a")),
        b.tcp(&scripts("b"))
    );
    let mut bench = Bench::start(&virtual_server(&lines)).await;
    let (first, second) = (a.address, b.address);
    bench.until("a look", |status| looked_at(status, first) && looked_at(status, second)).await;
    a.close().await;
    let status = bench.until("the sorry server", |status| status.services[0].fallback_active).await;
    assert_eq!((weight(&status, first), weight(&status, second)), (None, None));
    assert_eq!(of(&status, second).state, ServerState::Standby);
    let _again = Server::at(first).await;
    let status = bench.until("the servers", |status| !status.services[0].fallback_active).await;
    assert_eq!((weight(&status, first), weight(&status, second)), (Some(1), Some(1)));
    let log = bench.log();
    for line in [
        "Lost quorum 2-0=2 > 1 for VS [10.0.0.1]:tcp:80",
        "Adding sorry server [127.0.0.9]:tcp:80 to VS [10.0.0.1]:tcp:80",
        "Removing alive servers from the pool for VS [10.0.0.1]:tcp:80",
        "Gained quorum 2+0=2 <= 2 for VS [10.0.0.1]:tcp:80",
        "Removing sorry server [127.0.0.9]:tcp:80 from VS [10.0.0.1]:tcp:80",
        "Adding alive servers to the pool for VS [10.0.0.1]:tcp:80",
    ] {
        assert!(log.iter().any(|found| found == line), "{line}: {log:#?}");
    }
    let standing_by = format!("Removing service {} from", named(second));
    assert!(!log.iter().any(|line| line.starts_with(&standing_by)), "it has not failed: {log:#?}");
    let outputs = std::iter::from_fn(|| bench.told.try_recv().ok());
    let commands: Vec<String> = outputs
        .filter_map(|output| match output {
            Output::Run { purpose, command, .. } => {
                Some(format!("{purpose}: {}", command.argv[1..].join(" ")))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        commands,
        [
            "quorum_up: quorum up",
            "notify_down: a down",
            "quorum_down: quorum down",
            "notify_up: a up",
            "quorum_up: quorum up"
        ]
    );
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_and_touches_only_what_differs() {
    let (a, b) = (Server::start().await, Server::start().await);
    let dead = Server::start().await.close().await;
    let gone = format!("real_server {} {} {{\nTCP_CHECK {{\n}}\n}}\n", dead.ip(), dead.port());
    let text = virtual_server(&(a.tcp("") + &gone));
    let bench = Bench::start(&text).await;
    bench.until("down", |status| weight(status, dead).is_none()).await;

    // Another check of the same server, which can not have ended yet: it is not taken to be up.
    let slow = gone.replace("TCP_CHECK {", "MISC_CHECK {\nmisc_path \"/bin/sleep 600\"\nmisc_timeout 700");
    bench.balance.configure(&config(&virtual_server(&(a.tcp("weight 7") + &slow + &b.tcp("")))));
    let status = bench.balance.status().await;
    assert_eq!(
        (weight(&status, a.address), weight(&status, dead), weight(&status, b.address)),
        (Some(7), None, Some(1))
    );
    assert_eq!(of(&status, dead).state, ServerState::Down);
    let log = bench.log();
    assert!(
        log.iter().any(|line| line.starts_with("Changing weight from 1 to 7 for active service")),
        "{log:#?}"
    );
    assert_eq!(
        log.iter().filter(|line| line.starts_with("Gained quorum")).count(),
        1,
        "the quorum was there before"
    );
    assert_eq!(log.iter().filter(|line| line.starts_with("Removing")).count(), 1, "{log:#?}");

    bench.balance.configure(&config("global_defs {\n}\n"));
    assert_eq!(bench.balance.status().await.services, []);
    let Answer::Table(table) = bench.balance.serve(Request::Table, None).await else { panic!("a table") };
    assert_eq!(table.table.services.len(), 0);
}

#[tokio::test]
async fn with_ha_suspend_servers_are_checked_only_where_the_address_is() {
    let a = Server::start().await;
    let bench = Bench::start(&virtual_server(&format!("ha_suspend\n{}", a.tcp("")))).await;
    let address = a.close().await;
    // Long enough for a dozen of looks, if there were any. A test that passes by chance here fails below.
    sleep(Duration::from_millis(600)).await;
    let status = bench.balance.status().await;
    assert_eq!((weight(&status, address), looked_at(&status, address)), (Some(1), false));
    bench.here.lock().unwrap().insert([10, 0, 0, 1].into());
    bench.balance.addresses_changed();
    bench.until("down", |status| weight(status, address).is_none()).await;
    bench.here.lock().unwrap().clear();
    bench.balance.addresses_changed();
    let _again = Server::at(address).await;
    let status = bench.balance.status().await;
    assert_eq!(weight(&status, address), None, "what was found last counts");
    bench.here.lock().unwrap().insert([10, 0, 0, 1].into());
    bench.until("up, noticed without being told", |status| weight(status, address) == Some(1)).await;
}

#[tokio::test]
async fn programs_and_files_decide_on_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (status_file, number) = (folder.path().join("status"), folder.path().join("number"));
    let script = folder.path().join("check");
    fs::write(&script, format!("#!/bin/sh\nexit $(cat {})\n", status_file.display())).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(&status_file, "0").unwrap();
    fs::write(&number, "0\n").unwrap();
    let text = format!(
        "track_file f {{\nfile {}\nweight 2\n}}\n{}",
        number.display(),
        virtual_server(&format!(
            "real_server 127.0.0.1 80 {{\nweight 10\nMISC_CHECK {{\nmisc_path \"{}\"\nmisc_dynamic\nmisc_timeout 5\n}}\n\
             FILE_CHECK {{\ntrack_file f\n}}\n}}\n",
            script.display()
        ))
    );
    let bench = Bench::start(&text).await;
    let server: SocketAddr = ([127, 0, 0, 1], 80).into();
    bench.until("as configured", |status| weight(status, server) == Some(10)).await;
    fs::write(&status_file, "32").unwrap();
    bench.until("as the program says", |status| weight(status, server) == Some(30)).await;
    fs::write(&number, "-4\n").unwrap();
    bench.until("less by the file", |status| weight(status, server) == Some(22)).await;
    let line = "Changing weight from 30 to 22 for active service [127.0.0.1]:tcp:80 of VS [10.0.0.1]:tcp:80";
    assert!(bench.log().iter().any(|found| found == line), "{:#?}", bench.log());
    // Written at once, since an empty file would be a failure too.
    let next = folder.path().join("next");
    fs::write(&next, "1").unwrap();
    fs::rename(&next, &status_file).unwrap();
    bench.until("failed", |status| weight(status, server).is_none()).await;
}

#[tokio::test]
async fn a_check_that_can_not_be_made_has_failed() {
    let text = virtual_server(
        "real_server 127.0.0.1 80 {\nMISC_CHECK {\nmisc_path /no/such/program\n}\n}\n\
         real_server 127.0.0.2 80 {\nMISC_CHECK {\nmisc_path /bin/true\nuser no-such-user\n}\n}\n",
    );
    let bench = Bench::start(&text).await;
    let down =
        |status: &Status| status.services[0].servers.iter().all(|server| server.state == ServerState::Down);
    let status = bench.until("down", down).await;
    let seen: Vec<&str> =
        status.services[0].servers.iter().map(|server| server.check.seen.as_str()).collect();
    assert!(seen[0].contains("/no/such/program") && seen[1].contains("no-such-user"), "{seen:?}");
}

#[tokio::test]
async fn the_operator_drains_a_server_until_told_otherwise() {
    let (a, b) = (Server::start().await, Server::start().await);
    let mut bench = Bench::start(&virtual_server(&(a.tcp("") + &b.tcp("")))).await;
    let order = |action| Request::Order {
        server: a.address.into(),
        service: None,
        action,
        reason: "new disk".into(),
        lasting: None,
    };
    assert!(matches!(bench.balance.serve(order(Some(Action::Drain)), None).await, Answer::Done(_)));
    assert_eq!(weight(&bench.balance.status().await, a.address), Some(0));
    assert!(matches!(bench.balance.serve(order(None), None).await, Answer::Done(_)));
    assert_eq!(weight(&bench.balance.status().await, a.address), Some(1));
    let ordered = |output| match output {
        Output::Event(event) => event.cause == Cause::Operator("new disk".to_owned()),
        _ => false,
    };
    assert!(std::iter::from_fn(|| bench.told.try_recv().ok()).any(ordered), "the journal learns why");
}

#[tokio::test]
async fn mails_are_written_to_those_who_want_them() {
    let a = Server::start().await;
    let mut bench = Bench::start(&virtual_server(&format!("smtp_alert\n{}", a.tcp("")))).await;
    let address = a.address;
    bench.until("a look", |status| looked_at(status, address)).await;
    a.close().await;
    let mut subjects = Vec::new();
    while subjects.len() < 3 {
        if let Output::Mail { subject, body } = timeout(PATIENCE, bench.told.recv()).await.unwrap().unwrap() {
            subjects.push(format!("{subject}: {body}"));
        }
    }
    assert_eq!(subjects[0], "Virtualserver [10.0.0.1]:tcp:80 - UP: => Gained quorum 1+0=1 <= 1 <=");
    let server = format!(
        "Realserver {} of virtual server [10.0.0.1]:tcp:80 - DOWN: => CHECK failed on service : connection refused",
        named(address)
    );
    assert!(subjects[1].starts_with(&server), "{subjects:?}");
    assert_eq!(subjects[2], "Virtualserver [10.0.0.1]:tcp:80 - DOWN: => Lost quorum 1-0=1 > 0 <=");
}

#[tokio::test]
async fn all_services_of_a_group_share_their_checks_and_news() {
    let a = Server::start().await;
    let text = virtual_server(&a.tcp("")).replace("10.0.0.1 80", "group web");
    let text = format!("virtual_server_group web {{\n10.0.0.1-3 80\nfwmark 7\n}}\n{text}");
    let mut bench = Bench::start(&text).await;
    assert_eq!(bench.fifo().await, "VS [web]:0 UP");
    let address = a.close().await;
    assert_eq!(bench.fifo().await, format!("RS {} [web]:0 DOWN", named(address)));
    assert_eq!(bench.fifo().await, "VS [web]:0 DOWN");
    let status = bench.balance.status().await;
    assert_eq!(status.services.len(), 4);
    assert!(status.services.iter().all(|service| service.quorum == Some(false)));
}
