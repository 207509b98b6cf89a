//! Watches a link, or a capture of one, for VRRP: who is Active, and what is wrong with the setup. Sends nothing but the
//! membership reports that make a switch deliver the group.
//!
//! `vrrp-watch eth0` until Ctrl-C, `vrrp-watch eth0 --once 10` for a script, `vrrp-watch --read lan.pcapng --json`.
//! Exits with 1 when an error was found.
#![allow(clippy::print_stderr, clippy::print_stdout)]

#[path = "vrrp_watch/capture.rs"]
mod capture;
#[path = "vrrp_watch/live.rs"]
mod live;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use lb_vrrp::{
    Time,
    watch::{Finding, Group, Monitor, Severity, Speaker},
};

/// Watches a link for VRRP, and tells what is wrong.
#[derive(Parser)]
#[command(name = "vrrp-watch", version)]
struct Arguments {
    /// The interface to listen at, such as eth0; eth0.10 for VLAN 10. Needs CAP_NET_RAW
    #[arg(required_unless_present = "read", conflicts_with = "read")]
    interface: Option<String>,
    /// A capture to read instead, pcap or pcapng; `-` for standard input
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
    /// One JSON object per line: each finding, and the routers at the end
    #[arg(long)]
    json: bool,
    /// Listen for so many seconds only
    #[arg(long, value_name = "SECONDS", conflicts_with = "read")]
    once: Option<f64>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(Severity::Error) => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vrrp-watch: {error}");
            ExitCode::from(2)
        }
    }
}

/// The worst that was found.
fn run(arguments: &Arguments) -> Result<Severity, Box<dyn Error>> {
    let mut report =
        Report { json: arguments.json, monitor: Monitor::new(), start: None, worst: Severity::Note };
    match (&arguments.read, &arguments.interface) {
        (Some(file), _) => capture::read(file, &mut report)?,
        (None, interface) => {
            let time = arguments.once.map(Duration::try_from_secs_f64).transpose()?;
            live::listen(interface.as_deref().unwrap_or_default(), time, &mut report)?;
        }
    }
    report.end();
    Ok(report.worst)
}

/// Passes on what comes, and prints what is told.
struct Report {
    json: bool,
    monitor: Monitor,
    start: Option<Time>,
    worst: Severity,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    at: f64,
    severity: Severity,
    text: String,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl Report {
    fn handle_frame(&mut self, now: Time, frame: &[u8]) {
        self.handle_timeout(now);
        self.monitor.handle_frame(now, frame);
        self.print_findings(now);
    }

    fn handle_packet(&mut self, now: Time, packet: &[u8]) {
        self.handle_timeout(now);
        self.monitor.handle_packet(now, packet);
        self.print_findings(now);
    }

    /// Runs what is due until now, each at its time.
    fn handle_timeout(&mut self, now: Time) {
        while let Some(due) = self.monitor.poll_timeout().filter(|due| *due <= now) {
            self.monitor.handle_timeout(due);
            self.print_findings(due);
        }
    }

    fn print_findings(&mut self, now: Time) {
        let at = now.since(*self.start.get_or_insert(now)).as_secs_f64();
        while let Some(finding) = self.monitor.poll_output() {
            let severity = finding.severity();
            self.worst = self.worst.max(severity);
            if self.json {
                print_json(&Line { at, severity, text: finding.to_string(), finding: &finding });
            } else {
                println!("{at:10.3}  {severity:7}  {finding}");
            }
        }
    }

    fn end(&self) {
        if self.monitor.lost() > 0 {
            eprintln!("vrrp-watch: {} findings were lost", self.monitor.lost());
        }
        let groups: Vec<&Group> = self.monitor.groups().collect();
        if self.json {
            return print_json(&serde_json::json!({ "routers": groups }));
        }
        println!("{}", if groups.is_empty() { "No VRRP was heard." } else { "" });
        for group in groups {
            println!("{}", group.router);
            for speaker in &group.speakers {
                println!("{}", row(group, speaker));
            }
        }
    }
}

fn row(group: &Group, speaker: &Speaker) -> String {
    let state = match group.active == Some(speaker.source) && speaker.priority.is_some() {
        true if group.silent => "silent",
        true => "Active",
        false => "",
    };
    let addresses: Vec<String> = speaker.addresses.iter().map(ToString::to_string).collect();
    format!(
        "  {state:6} {:<24} {} priority {:<8} every {:<7} from {} heard {:>6} times: {}",
        speaker.source,
        speaker.version,
        speaker.priority.map_or("resigned".to_owned(), |priority| priority.to_string()),
        format!("{:?}", speaker.interval.duration()),
        speaker.mac.map_or("?".to_owned(), |mac| mac.to_string()),
        speaker.adverts,
        addresses.join(" "),
    )
}

fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("vrrp-watch: {error}"),
    }
}
