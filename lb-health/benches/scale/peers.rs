//! The checkers: how each is configured and what it says when a server is down.

use std::{
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use crate::lab::{Lab, Result, end, sh};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Tcp,
    Http,
}

/// A running checker.
pub(crate) struct Checker {
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Checker {
    /// Starts a checker of all servers; `None` with a line if it is not installed.
    pub(crate) fn new(name: &'static str, kind: Kind, lab: &Lab) -> Result<Option<Self>> {
        let config = lab.folder.join(format!("{name}.conf"));
        let mut command = match name {
            "ours" | "hyper" => {
                fs::write(
                    &config,
                    lab.addresses().fold(String::new(), |all, address| format!("{all}{address}\n")),
                )?;
                let mut command = lab.command(&std::env::current_exe()?.display().to_string());
                let what = match (kind, name) {
                    (Kind::Tcp, _) => "tcp",
                    (Kind::Http, "ours") => "http",
                    (Kind::Http, _) => "body",
                };
                command.args(["--checker", what]).arg(&config);
                command
            }
            "haproxy" => {
                if sh("haproxy -v").is_err() {
                    println!("skipped: haproxy: needs HAProxy (apt-get install haproxy)");
                    return Ok(None);
                }
                fs::write(&config, haproxy(kind, lab))?;
                let mut command = lab.command("haproxy");
                command.args(["-db", "-f"]).arg(&config);
                command
            }
            _ => {
                let shim = lab.folder.join("no-ipvs.so");
                let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/scale/no_ipvs.c");
                let built = sh(&format!("cc -shared -fPIC -O2 -o {} {source}", shim.display()));
                if built.is_err() || sh("command -v keepalived").is_err() {
                    println!(
                        "skipped: keepalived: needs keepalived and a C compiler (apt-get install keepalived gcc)"
                    );
                    return Ok(None);
                }
                fs::write(&config, keepalived(kind, lab))?;
                let folder = lab.folder.display();
                let mut command = lab.command("keepalived");
                command.args(["-n", "-l", "-G", "-D", "-C", "-f"]).arg(&config).env("LD_PRELOAD", shim);
                for (flag, file) in [("-p", "kp"), ("-r", "kr"), ("-c", "kc")] {
                    command.arg(flag).arg(format!("{folder}/{file}"));
                }
                command
            }
        };
        Self::start(&mut command).map(Some)
    }

    fn start(command: &mut Command) -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn()?;
        // Its copies of the writing end would keep the reader waiting.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(std::result::Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// CPU time of the checker and its children so far.
    pub(crate) fn cpu(&mut self) -> Result<Duration> {
        if let Some(status) = self.child.try_wait()? {
            let said: Vec<String> = self.lines.try_iter().map(|(_, line)| line).collect();
            return Err(format!("the checker has ended ({status}): {}", said.join("\n")).into());
        }
        let mut nanos = 0;
        for process in family(self.child.id())? {
            for thread in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
                let stat = fs::read_to_string(thread.path().join("schedstat"))?;
                nanos += stat.split(' ').next().unwrap_or_default().parse::<u64>()?;
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    pub(crate) fn resident_mib(&self) -> Result<f64> {
        let mut kib = 0.0;
        for process in family(self.child.id())? {
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
            let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
            kib += rss
                .and_then(|rss| rss.trim().trim_end_matches(" kB").trim().parse::<f64>().ok())
                .unwrap_or(0.0);
        }
        Ok(kib / 1024.0)
    }

    /// Servers that were called down since the last call; shows the first one.
    pub(crate) fn downs(&self) -> usize {
        let downs: Vec<_> = self.lines.try_iter().filter(|(_, line)| says_down(line)).collect();
        if let Some((_, line)) = downs.first() {
            println!("false: {line}");
        }
        downs.len()
    }

    /// When the checker said that this server is down; `None` if not within 10 s.
    pub(crate) fn wait_for_down(&self, address: Ipv4Addr) -> Option<Instant> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let address = address.to_string();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((at, line)) if says_down(&line) && mentions(&line, &address) => return Some(at),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn says_down(line: &str) -> bool {
    ["is DOWN", "Removing service"].iter().any(|word| line.contains(word))
}

fn mentions(line: &str, address: &str) -> bool {
    line.match_indices(address)
        .any(|(at, _)| !line[at + address.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// A process and its descendants.
fn family(root: u32) -> Result<Vec<u32>> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(&process) = family.get(next) {
        next += 1;
        let children =
            fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(family)
}

fn haproxy(kind: Kind, lab: &Lab) -> String {
    let (mode, check) = if kind == Kind::Tcp { ("tcp", "") } else { ("http", " option httpchk GET /\n") };
    let mut text = format!(
        "global\n maxconn 5000\n nbthread 1\n log stdout format raw local0\ndefaults\n mode {mode}\n timeout connect 1s\n \
         timeout client 10s\n timeout server 10s\n timeout check 1s\n log global\nfrontend f\n bind 127.0.0.1:9\n \
         default_backend b0\n"
    );
    for (n, address) in lab.addresses().enumerate() {
        if n % 100 == 0 {
            let _ = write!(text, "backend b{}\n{check}", n / 100);
        }
        let _ = writeln!(text, " server s{address} {address}:80 check inter 1s fall 1 rise 1");
    }
    text
}

fn keepalived(kind: Kind, lab: &Lab) -> String {
    let check = match kind {
        Kind::Tcp => "TCP_CHECK {\n connect_timeout 1\n retry 0\n }",
        Kind::Http => "HTTP_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 1\n retry 0\n }",
    };
    let mut text = String::from("global_defs {\n router_id b\n}\n");
    for (n, address) in lab.addresses().enumerate() {
        if n % 100 == 0 {
            let end = if n == 0 { "" } else { "}\n" };
            let _ = writeln!(
                text,
                "{end}virtual_server 10.90.{}.1 80 {{\n delay_loop 1\n lb_algo rr\n lb_kind NAT\n protocol TCP",
                n / 100
            );
        }
        let _ = writeln!(text, " real_server {address} 80 {{\n weight 1\n {check}\n }}");
    }
    text + "}\n"
}
