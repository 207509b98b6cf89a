//! What is asked and ordered of lb-failover's instances.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::Args;
use lb_control::{
    client::Client,
    protocol::{Answer, DumpKind, MAX_HAND_OVER, Request},
};
use lb_core::{Time, model::ServerKey, overrides::Action};
use lb_runtime::printable::printable_lines;

use super::{
    Failure, OrderArguments, as_json, ask, connect, done, explain as rendering, give, impact::Impact, put,
    unexpected,
};

#[derive(Debug, Args)]
pub(super) struct FailoverArguments {
    /// The instance; one that is in a sync group takes the others along. Or the sync group
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
    /// Why; shown in status and log
    #[arg(long, default_value = "by hand")]
    reason: String,
    /// Only say how many connections that would end
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct MaintenanceArguments {
    /// A real server, such as 192.168.0.1:80; or `on` or `off` for this node with all its instances
    #[arg(value_name = "SERVER|on|off")]
    target: Target,
    /// A real server in this virtual service only, such as tcp:10.0.0.1:80
    #[arg(long)]
    service: Option<lb_core::model::ServiceKey>,
    /// Why; shown in status and log
    #[arg(long, default_value = "by hand")]
    reason: String,
    /// For how long, such as 30m; without it until `resume`, or `maintenance off`
    #[arg(long = "for", value_name = "TIME", value_parser = lb_runtime::span::parse_span)]
    lasting: Option<Duration>,
    /// With `on`: only say how many connections that would end
    #[arg(long)]
    dry_run: bool,
    /// Remove the addresses of this node even if no other node takes them over
    #[arg(long)]
    force: bool,
}

/// What is taken out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The whole node, or not.
    Node(bool),
    /// One real server.
    Server(ServerKey),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self::Node(true)),
            "off" => Ok(Self::Node(false)),
            server => server
                .parse()
                .map(Self::Server)
                .map_err(|error| format!("{error}; or `on` or `off` for the whole node")),
        }
    }
}

/// Says how many connections end when this node gives up what an instance or group (`None`: the node) has. Returns whether
/// to go on.
fn announce(client: &mut Client, of: Option<&str>, dry_run: bool) -> Result<bool, Failure> {
    let Answer::Status(status) = client.ask(&Request::Status)? else { return Err(unexpected()) };
    if status.instances.is_empty() {
        return if dry_run { Err(NO_INSTANCES.into()) } else { Ok(true) };
    }
    let sentence = Impact::of_handover(&status, of).sentence();
    if dry_run {
        put(&format!("{sentence}\n"))?;
    } else {
        // Scripts read what became of the order on standard output.
        let _ = writeln!(io::stderr(), "{sentence}");
    }
    Ok(!dry_run)
}

const NO_INSTANCES: &str = "this daemon has no VRRP instances; name the socket of lb-failover with --socket";

pub(super) fn fail_over(socket: Option<PathBuf>, order: FailoverArguments) -> Result<(), Failure> {
    if !announce(&mut connect(socket.clone())?, order.name.as_deref(), order.dry_run)? {
        return Ok(());
    }
    let request = Request::Failover { of: order.name, reason: order.reason };
    done(&connect(socket)?.ask_within(&request, MAX_HAND_OVER)?)
}

pub(super) fn maintain(socket: Option<PathBuf>, order: MaintenanceArguments) -> Result<(), Failure> {
    let MaintenanceArguments { target, service, reason, lasting, dry_run, force } = order;
    match target {
        Target::Server(_) | Target::Node(false) if dry_run => Err("--dry-run goes with `on`".into()),
        Target::Server(_) | Target::Node(false) if force => Err("--force goes with `on`".into()),
        Target::Server(server) => {
            give(socket, OrderArguments { server, service, reason, lasting }, Some(Action::Maintenance))
        }
        Target::Node(_) if service.is_some() => Err("--service goes with a real server".into()),
        Target::Node(false) if lasting.is_some() => Err("--for goes with `on`".into()),
        Target::Node(true) if !announce(&mut connect(socket.clone())?, None, dry_run)? => Ok(()),
        Target::Node(on) => {
            let request = Request::Maintenance { on, reason, lasting, force };
            done(&connect(socket)?.ask_within(&request, MAX_HAND_OVER)?)
        }
    }
}

pub(super) fn explain(
    socket: Option<PathBuf>,
    of: Option<String>,
    at: Option<Time>,
    json: bool,
) -> Result<(), Failure> {
    let answer = ask(&mut connect(socket)?, &Request::Explain { of, at }, json)?;
    let Answer::Explanation(explanation) = answer else { return Err(unexpected()) };
    if json {
        return put(&as_json(&explanation)?);
    }
    put(&rendering::render(&explanation))
}

pub(super) fn dump(socket: Option<PathBuf>, kind: DumpKind) -> Result<(), Failure> {
    let answer = connect(socket)?.ask_raw(&Request::Dump(kind))?;
    let Answer::Dump(text) = answer else { return Err(unexpected()) };
    put(&printable_lines(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_is_of_a_server_or_of_the_node() {
        assert_eq!("on".parse(), Ok(Target::Node(true)));
        assert_eq!("off".parse(), Ok(Target::Node(false)));
        assert_eq!("192.168.0.1:80".parse(), Ok(Target::Server("192.168.0.1:80".parse().unwrap())));
        assert!("of".parse::<Target>().unwrap_err().contains("`on` or `off`"));
    }

    #[test]
    fn what_does_not_go_together_is_refused_before_a_daemon_is_asked() {
        let order = |target, service: Option<&str>, lasting| MaintenanceArguments {
            target,
            service: service.map(|service| service.parse().unwrap()),
            reason: String::new(),
            lasting,
            dry_run: false,
            force: false,
        };
        let nowhere = || Some(PathBuf::from("/nonexistent/socket"));
        let error =
            maintain(nowhere(), order(Target::Node(true), Some("tcp:10.0.0.1:80"), None)).unwrap_err();
        assert!(error.to_string().contains("--service"), "{error}");
        let error = maintain(nowhere(), order(Target::Node(false), None, Some(Duration::ZERO))).unwrap_err();
        assert!(error.to_string().contains("--for"), "{error}");
        for target in [Target::Node(false), Target::Server("192.168.0.1:80".parse().unwrap())] {
            let order = MaintenanceArguments { force: true, ..order(target, None, None) };
            let error = maintain(nowhere(), order).unwrap_err();
            assert!(error.to_string().contains("--force goes with `on`"), "{error}");
        }
    }
}
