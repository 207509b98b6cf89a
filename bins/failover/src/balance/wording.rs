//! What is told of virtual servers, in keepalived's words: log lines, lines of the FIFO, mails. The cause stands behind.
//! `bins/tests/vm/keepalived` compares with what keepalived says.

use lb_config::keepalived::model::{Checker, CheckerKind, VirtualServer};
use lb_core::model::{Protocol, ServerKey};

use super::news::{Change, News, Quorum};

/// The line for the log. That a server went up or down is said by its check, and by what becomes of it.
pub(super) fn line(server: &VirtualServer, news: &News) -> Option<String> {
    let name = &server.name;
    let of = |key: &ServerKey| real(server, key);
    let line = match news {
        News::Watched(key) => format!("Activating healthchecker for service {} for VS {name}", of(key)),
        News::Alive(..) => return None,
        News::Real(key, Change::Added) => format!("Adding service {} to VS {name}", of(key)),
        News::Real(key, Change::Removed) => format!("Removing service {} from VS {name}", of(key)),
        News::Real(key, Change::Enabled) => format!("Enabling service {} of VS {name}", of(key)),
        News::Real(key, Change::Disabled) => format!("Disabling service {} of VS {name}", of(key)),
        News::Real(key, Change::Weighed(from, to)) => {
            format!("Changing weight from {from} to {to} for active service {} of VS {name}", of(key))
        }
        News::Sorry(key, on) => {
            let inhibit = server.sorry.is_some_and(|sorry| sorry.inhibit);
            let (verb, preposition) = match (on, inhibit) {
                (true, false) => ("Adding", "to"),
                (false, false) => ("Removing", "from"),
                (true, true) => ("Enabling", "to"),
                (false, true) => ("Disabling", "from"),
            };
            format!("{verb} sorry server {} {preposition} VS {name}", of(key))
        }
        News::Pool(true) => format!("Adding alive servers to the pool for VS {name}"),
        News::Pool(false) => format!("Removing alive servers from the pool for VS {name}"),
        News::Quorum(what, sum) => format!("{} for VS {name}", quorum(server, *what, *sum)),
    };
    Some(line)
}

/// The line for the FIFOs, if there is one.
pub(super) fn fifo(server: &VirtualServer, news: &News) -> Option<String> {
    let word = |up: &bool| if *up { "UP" } else { "DOWN" };
    match news {
        News::Alive(key, up) => Some(format!("RS {} {} {}", real(server, key), server.name, word(up))),
        News::Quorum(what, _) => Some(format!("VS {} {}", server.name, word(&what.is_there()))),
        _ => None,
    }
}

/// Subject, without the name of the router, and text of the mail, if there is one.
pub(super) fn mail(server: &VirtualServer, news: &News, cause: &str) -> Option<(String, String)> {
    let word = |up: &bool| if *up { "UP" } else { "DOWN" };
    match news {
        News::Alive(key, up) => {
            let subject =
                format!("Realserver {} of virtual server {} - {}", real(server, key), server.name, word(up));
            let text = if *up {
                "=> CHECK succeed on service <=".to_owned()
            } else {
                format!("=> CHECK failed on service : {cause} <=")
            };
            Some((subject, text))
        }
        News::Quorum(what, sum) => {
            let subject = format!("Virtualserver {} - {}", server.name, word(&what.is_there()));
            Some((subject, format!("=> {} <=", quorum(server, *what, *sum))))
        }
        _ => None,
    }
}

/// `Gained quorum 1+0=1 <= 1`: what is needed, and what there is.
fn quorum(server: &VirtualServer, what: Quorum, sum: u32) -> String {
    let VirtualServer { quorum, hysteresis, .. } = *server;
    // In the beginning the quorum itself is enough.
    let needed = quorum.saturating_add(hysteresis);
    let (more, needed) = if sum < needed { (0, quorum) } else { (hysteresis, needed) };
    match what {
        Quorum::Gained => format!("Gained quorum {quorum}+{more}={needed} <= {sum}"),
        Quorum::Lost => {
            format!("Lost quorum {quorum}-{hysteresis}={} > {sum}", quorum.saturating_sub(hysteresis))
        }
        Quorum::Missing => format!("Starting with quorum down {quorum} > {sum}"),
    }
}

/// A check has changed its mind; before its first success one failure suffices.
pub(super) fn verdict(
    server: &VirtualServer,
    key: &ServerKey,
    check: &Checker,
    (first, up): (bool, bool),
    cause: &str,
) -> String {
    let name = real(server, key);
    let vs = &server.name;
    if up {
        return match &check.kind {
            CheckerKind::Tcp => format!("TCP connection to {name} success."),
            CheckerKind::Udp { .. } => format!("UDP connection to {name} success."),
            CheckerKind::Ping => format!("ICMP connection to {name} success."),
            CheckerKind::Http { .. } => format!("Remote Web server {name} succeed on service."),
            CheckerKind::Smtp { .. } => format!("Remote SMTP server {name} succeed on service."),
            CheckerKind::Misc { command, .. } => {
                format!("Misc check for [{name} VS {vs}] by [{}] succeeded.", command.argv.join(" "))
            }
            kind => format!("{} on service {name} success.", word(kind)),
        };
    }
    let retries = match check.pace.retry {
        0 => String::new(),
        _ if first => String::new(),
        retries => format!(" after {retries} retries"),
    };
    match &check.kind {
        CheckerKind::Misc { command, .. } => {
            format!(
                "Misc check for [{name} VS {vs}] by [{}] failed{retries} ({cause}).",
                command.argv.join(" ")
            )
        }
        kind => format!("{} on service {name} failed{retries} ({cause}).", word(kind)),
    }
}

/// A check has failed, and that is not enough to take the server down.
pub(super) fn failure(
    server: &VirtualServer,
    key: &ServerKey,
    check: &Checker,
    count: u32,
    cause: &str,
) -> String {
    let of = check.pace.retry.saturating_add(1);
    format!("{} on service {} failed, {count} of {of} ({cause}).", word(&check.kind), real(server, key))
}

/// The checks are suspended, or begin.
pub(super) fn suspended(server: &VirtualServer, suspended: bool) -> String {
    let verb = if suspended { "Suspending" } else { "Activating" };
    let why = if suspended { "none of its addresses is here" } else { "its address is here" };
    format!("{verb} healthcheckers for VS {}, since {why}", server.name)
}

const fn word(kind: &CheckerKind) -> &'static str {
    match kind {
        CheckerKind::Http { .. } => "HTTP_CHECK",
        CheckerKind::Tcp => "TCP_CHECK",
        CheckerKind::Udp { .. } => "UDP_CHECK",
        CheckerKind::Ping => "ICMP CHECK",
        CheckerKind::Smtp { .. } => "SMTP_CHECK",
        CheckerKind::Dns { .. } => "DNS_CHECK",
        CheckerKind::Misc { .. } => "MISC_CHECK",
        CheckerKind::File { .. } => "FILE_CHECK",
    }
}

/// A real server in keepalived's form: `[192.168.0.1]:tcp:80`, and `none` behind a firewall mark.
fn real(server: &VirtualServer, key: &ServerKey) -> String {
    let protocol = server.name.protocol().map_or("none", Protocol::name);
    format!("[{}]:{protocol}:{}", key.address, key.port)
}
