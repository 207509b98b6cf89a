//! The example units for systemd: the daemons work with the users, capabilities and restrictions that these give them.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use lb_lab::{Host, Lab, Right};
use support::{skip, wait};

/// A user without privileges on every system.
const NOBODY: &str = "65534";

/// A unit as systemd would run it, as far as setpriv can do the same.
struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/systemd").join(name);
        let text = fs::read_to_string(path).unwrap();
        let settings = text.lines().filter_map(|line| line.split_once('='));
        Self { settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Capabilities as setpriv writes them: `-all,+net_admin`.
    fn capabilities(&self, name: &str) -> String {
        let words = self.get(name).unwrap_or_default().split_whitespace();
        let names = words.filter_map(|word| word.strip_prefix("CAP_"));
        names.fold("-all".to_owned(), |all, name| format!("{all},+{}", name.to_lowercase()))
    }

    /// A command that runs what is appended to it as the unit does.
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.arg(format!("--bounding-set={}", self.capabilities("CapabilityBoundingSet")));
        if self.get("User").is_some_and(|user| user != "root") {
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
            let ambient = self.capabilities("AmbientCapabilities");
            command.arg(format!("--inh-caps={ambient}")).arg(format!("--ambient-caps={ambient}"));
        }
        if self.get("NoNewPrivileges") == Some("yes") {
            command.arg("--no-new-privs");
        }
        command
    }
}

fn host(test: &str) -> Option<(Lab, Host)> {
    if !Path::new("/usr/bin/setpriv").exists() {
        skip(test, "setpriv (apt-get install util-linux)");
        return None;
    }
    let lab = match Right::Root.check().and_then(|()| Lab::by(Right::Root)) {
        Ok(lab) if nix::unistd::geteuid().is_root() => lab,
        Ok(_) => {
            skip(test, "root, to change to another user");
            return None;
        }
        Err(error) => {
            skip(test, &error.to_string());
            return None;
        }
    };
    let host = lab.host("node").unwrap();
    Some((lab, host))
}

/// A program where every user can run it.
fn installed(host: &Host, program: &str) -> PathBuf {
    let path = Path::new("/tmp/sbin").join(Path::new(program).file_name().unwrap());
    host.sh(&format!("mkdir -p /tmp/sbin && cp {program} {0} && chmod -R a+rx /tmp/sbin", path.display()))
        .unwrap();
    path
}

/// The name of the folder that `smtp_server` writes to, in its environment.
const SMTP_SERVER: &str = "LB_SMTP_SERVER";

/// Not a test: run by one on a host, it takes mails at port 25 and writes down what it reads.
#[test]
fn smtp_server() {
    let Some(file) = std::env::var_os(SMTP_SERVER) else { return };
    let listener = TcpListener::bind("127.0.0.1:25").unwrap();
    for stream in listener.incoming().flatten() {
        let mut answers = stream.try_clone().unwrap();
        let mut answer = |text: &str| answers.write_all(format!("{text}\r\n").as_bytes()).is_ok();
        let mut in_mail = false;
        let mut mail = fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
        answer("220 localhost ESMTP");
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            writeln!(mail, "{line}").unwrap();
            in_mail = in_mail && line != ".";
            if in_mail {
                continue;
            }
            let code = match line.split(' ').next().unwrap_or_default() {
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            in_mail = line == "DATA";
            if !answer(code) {
                break;
            }
        }
    }
}

#[test]
fn mail_alerts_work_as_the_unit_of_lb_director_runs_it() {
    let Some((_lab, host)) = host("mail_alerts_work_as_the_unit_of_lb_director_runs_it") else { return };
    let mut server = Command::new(std::env::current_exe().unwrap());
    server.args(["--exact", "smtp_server", "--nocapture"]).env(SMTP_SERVER, "/tmp/mails");
    let _server = host.spawn(&server).unwrap();
    // The server that is checked is the one that takes the mail about it.
    host.write(
        "/etc/ha.d/web.cf",
        "checkinterval=1\nemailalert=\"root@localhost, admin@example.com\"\nvirtual=192.0.2.80:80\n\
         \treal=127.0.0.1:25 masq\n\tchecktype=connect\n\tservicename=shop\n",
    )
    .unwrap();
    let mut command = Unit::read("lb-director@.service").command();
    command.arg(env!("CARGO_BIN_EXE_lb-director"));
    command.args(["--foreground", "--data-plane", "memory", "--socket", "/run/lb.sock", "/etc/ha.d/web.cf"]);
    let mut daemon = host.spawn(&command).unwrap();
    let mails = || host.read("/tmp/mails").unwrap_or_default();
    wait("a mail", || mails().contains("Subject: [shop] Added real server: 127.0.0.1:25").then_some(()));
    wait("its end", || mails().contains("\n.\nQUIT").then_some(()));
    assert!(mails().contains("RCPT TO:<root@localhost>\nRCPT TO:<admin@example.com>\nDATA\n"), "{}", mails());
    assert!(
        mails().contains("X-Mailer: lb-director") && mails().contains("Service name: shop"),
        "{}",
        mails()
    );
    daemon.stop().unwrap();
    assert!(!daemon.log().contains("mail"), "{}", daemon.log());
}

#[test]
fn addresses_come_and_go_as_the_unit_of_lb_failover_runs_it() {
    let Some((lab, host)) = host("addresses_come_and_go_as_the_unit_of_lb_failover_runs_it") else { return };
    lab.switch("lan").unwrap();
    lab.link(&host, "lan", "eth0", &["10.9.0.1/24".parse().unwrap()]).unwrap();
    let address = "10.9.0.100".parse().unwrap();
    host.write(
        "/etc/keepalived/keepalived.conf",
        "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n priority 100\n advert_int 1\n \
         virtual_ipaddress {\n 10.9.0.100/24\n }\n virtual_routes {\n 198.51.100.0/24 via 10.9.0.7\n }\n}\n\
         virtual_server 10.9.0.100 80 {\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
         real_server 10.9.0.2 80 {\n }\n}\n",
    )
    .unwrap();
    let program = installed(&host, env!("CARGO_BIN_EXE_lb-failover"));
    let unit = Unit::read("lb-failover.service");
    assert_ne!(unit.get("User"), None, "it runs as an ordinary user");
    let mut command = unit.command();
    host.sh(&format!("install -d -o {NOBODY} /run/lb-director")).unwrap();
    command.arg(program).args(["--dont-fork", "--log-console", "--data-plane", "relay"]);
    command.args(["--socket", "/run/lb-director/keepalived.conf.sock"]);
    let mut daemon = host.spawn(&command).unwrap();
    wait("the address", || host.has(address).unwrap().then_some(()));
    let user = host.sh("stat -c %u /run/lb-director/keepalived.conf.sock").unwrap();
    assert_eq!(user.trim(), NOBODY);
    wait("the route", || host.sh("ip route").unwrap().contains("198.51.100.0/24").then_some(()));
    wait("the virtual server", || host.sh("ss -Hltn").unwrap().contains("10.9.0.100:80").then_some(()));
    daemon.stop().unwrap();
    assert!(!host.has(address).unwrap(), "{}", daemon.log());
    assert!(!host.sh("ip route").unwrap().contains("198.51.100.0/24"), "{}", daemon.log());
}
