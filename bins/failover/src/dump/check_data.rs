//! `keepalived_check.data`: virtual servers, real servers and their checks as text. Settings of a virtual server that only serve
//! as defaults are shown where they count: at its real servers and their checks. What is up is what `lbctl status` shows.

use lb_config::keepalived::model::{
    Checker, CheckerKind, HttpVersion, RealServer, Sni, Url, VirtualName, VirtualServer,
};
use lb_core::model::{
    Forwarding, SchedulerFlags, SchedulerKind, ServerKey, ServiceKey, Tunnel, TunnelChecksum, TunnelKind,
};
use lb_health::probe::http::StatusSet;

use super::{
    entry,
    page::{FIELD, ITEM, Page, SECTION, enabled, yes},
};
use crate::view::View;

/// Before an entry of a list in a list.
const SUBITEM: usize = 7;

pub(super) fn check_data(view: &View<'_>) -> String {
    let mut page = Page::default();
    page.header("LVS Topology");
    for server in &view.config.virtual_servers {
        virtual_server(&mut page, server);
    }
    page.header("Health checkers");
    for server in &view.config.virtual_servers {
        for real in &server.reals {
            for check in &real.checkers {
                checker(&mut page, server, real, check);
            }
        }
    }
    page.finish()
}

fn virtual_server(page: &mut Page, server: &VirtualServer) {
    page.line(SECTION, "------< Virtual server >------");
    match &server.name {
        VirtualName::Service(ServiceKey::Address { address, port, .. }) => {
            page.line(SECTION, &format!("VS VIP = {address}, VPORT = {port}"));
        }
        VirtualName::Service(ServiceKey::FwMark { mark, .. }) => page.field(SECTION, "VS FWMARK", mark),
        VirtualName::Group { .. } => {
            page.field(SECTION, "VS GROUP", &server.name);
            for service in &server.services {
                match service {
                    ServiceKey::Address { address, port, .. } => {
                        page.line(ITEM, &format!("VIP = {address}, VPORT = {port}"));
                    }
                    ServiceKey::FwMark { mark, .. } => page.field(ITEM, "FWMARK", mark),
                }
            }
        }
    }
    let family = server.family().map(|family| if family.bits() == 32 { "inet" } else { "inet6" });
    page.field(FIELD, "Address family", family.unwrap_or("inet"));
    let spec = &server.spec;
    page.field(FIELD, "lvs_sched", &spec.scheduler);
    let flags = |bits| SchedulerFlags::from_bits(bits).names(&spec.scheduler).next();
    let shown: &[u8] = match spec.scheduler {
        SchedulerKind::SourceHash | SchedulerKind::Maglev => &[2, 1],
        _ => &[1, 2, 4],
    };
    for bit in shown {
        let is_set = spec.flags.contains(SchedulerFlags::from_bits(*bit));
        page.field(FIELD, flags(*bit).unwrap_or_default(), enabled(is_set));
    }
    page.field(FIELD, "One packet scheduling", enabled(spec.one_packet));
    if let Some(persistence) = &spec.persistence {
        page.field(FIELD, "persistence timeout", persistence.timeout);
        if let Some(length) = persistence.prefix {
            page.field(FIELD, "persistence granularity", granularity(server, length));
        }
        if let Some(engine) = &persistence.engine {
            page.field(FIELD, "persistence engine", engine);
        }
    }
    let protocol =
        server.name.protocol().filter(|_| server.services.iter().any(|key| key.protocol().is_some()));
    let protocol = protocol.map_or("none".to_owned(), |protocol| protocol.to_string().to_uppercase());
    page.field(FIELD, "protocol", protocol);
    page.line(FIELD, &format!("omega is {}", on(server.omega)));
    page.line(FIELD, &format!("quorum = {}, hysteresis = {}", server.quorum, server.hysteresis));
    if let Some(script) = &server.quorum_up {
        page.field(FIELD, "Quorum up notify script", entry::command(script));
    }
    if let Some(script) = &server.quorum_down {
        page.field(FIELD, "Quorum down notify script", entry::command(script));
    }
    if server.ha_suspend {
        page.line(FIELD, "Using HA suspend");
    }
    page.field(FIELD, "Using smtp notification", yes(server.mail));
    if let Some(sorry) = &server.sorry {
        page.field(FIELD, "sorry server", name_of(server, sorry.key));
        page.field(ITEM, "forwarding method", forwarding(sorry.spec.forwarding));
        page.line(ITEM, &format!("Inhibit on failure is {}", on(sorry.inhibit)));
    }
    for real in &server.reals {
        real_server(page, real);
    }
}

fn real_server(page: &mut Page, real: &RealServer) {
    page.line(FIELD, "------< Real server >------");
    let weight = real.spec.weight;
    page.line(FIELD, &format!("RIP = {}, RPORT = {}, WEIGHT = {weight}", real.key.address, real.key.port));
    page.field(FIELD, "forwarding method", forwarding(real.spec.forwarding));
    let limits = real.spec.thresholds;
    page.field(FIELD, "connection limit range", format!("{} -> {}", limits.lower, limits.upper));
    page.line(FIELD, &format!("Inhibit on failure is {}", on(real.inhibit_on_failure)));
    if let Some(script) = &real.notify_up {
        page.field(ITEM, "RS up notify script", entry::command(script));
    }
    if let Some(script) = &real.notify_down {
        page.field(ITEM, "RS down notify script", entry::command(script));
    }
    page.field(FIELD, "Using smtp notification", yes(real.mail));
}

fn checker(page: &mut Page, server: &VirtualServer, real: &RealServer, checker: &Checker) {
    page.line(SECTION, &format!("{} -> {}", server.name, name_of(server, real.key)));
    let pace = &checker.pace;
    if !matches!(checker.kind, CheckerKind::File { .. }) {
        page.field(FIELD, "Alpha", yes(checker.alpha));
        page.field(FIELD, "Delay loop", format!("{} us", pace.delay_loop.as_micros()));
        page.field(FIELD, "Retries", pace.retry);
        page.field(FIELD, "Delay before retry", format!("{} us", pace.delay_before_retry.as_micros()));
    }
    if !matches!(checker.kind, CheckerKind::File { .. } | CheckerKind::Misc { .. }) {
        let target = &checker.target;
        page.line(FIELD, "Connection");
        page.field(ITEM, "Dest", format!("[{}]:{}", target.address.ip(), target.address.port()));
        if let Some(source) = target.source {
            page.field(ITEM, "Bind to", format!("[{source}]:0"));
        }
        if let Some(interface) = &target.interface {
            page.field(ITEM, "Bind i/f", interface);
        }
        if let Some(mark) = target.mark {
            page.field(ITEM, "Mark", mark);
        }
        page.field(ITEM, "Timeout", format!("{:.6}", pace.timeout.as_secs_f64()));
    }
    kind(page, checker);
}

fn kind(page: &mut Page, checker: &Checker) {
    const METHOD: &str = "Keepalive method";
    match &checker.kind {
        CheckerKind::Tcp => page.field(FIELD, METHOD, "TCP_CHECK"),
        CheckerKind::Ping => page.field(FIELD, METHOD, "PING_CHECK"),
        CheckerKind::Http { urls, version, tls } => {
            let name = if tls.is_some() { "SSL_GET" } else { "HTTP_GET" };
            let version = match version {
                HttpVersion::V1_0 => "1.0",
                HttpVersion::V1_1 => "1.1",
            };
            page.field(FIELD, METHOD, format!("{name}, http protocol {version}"));
            let is_set = if *tls == Some(Sni::VirtualHost) { "set" } else { "unset" };
            page.line(FIELD, &format!("Enable SNI {is_set}"));
            urls.iter().for_each(|url| self::url(page, url));
        }
        CheckerKind::Smtp { hello } => {
            page.field(FIELD, METHOD, "SMTP_CHECK");
            if let Some(hello) = hello {
                page.field(FIELD, "helo", hello);
            }
        }
        CheckerKind::Dns { record, name } => {
            page.field(FIELD, METHOD, "DNS_CHECK");
            page.field(FIELD, "Type", record);
            page.field(FIELD, "Name", name);
        }
        CheckerKind::Udp { payload, reply } => {
            page.field(FIELD, METHOD, "UDP_CHECK");
            page.field(FIELD, "Payload len", payload.as_bytes().len());
            page.field(FIELD, "Require reply", yes(reply.is_some()));
            if let Some(reply) = reply {
                page.field(ITEM, "Min reply length", reply.shortest);
                page.field(ITEM, "Max reply length", reply.longest);
                if !reply.bytes.is_empty() {
                    page.field(ITEM, "Reply data len", reply.bytes.len());
                }
            }
        }
        CheckerKind::Misc { command, dynamic } => {
            page.field(FIELD, METHOD, "MISC_CHECK");
            page.field(FIELD, "script", entry::command(command));
            page.field(FIELD, "timeout", checker.pace.timeout.as_secs());
            page.field(FIELD, "dynamic", if *dynamic { "YES" } else { "NO" });
        }
        CheckerKind::File { name, weight, .. } => {
            page.field(FIELD, METHOD, "FILE_CHECK");
            page.field(ITEM, "Tracked file", name);
            page.field(ITEM, "Weight", weight);
        }
    }
}

fn url(page: &mut Page, url: &Url) {
    page.field(FIELD, "Checked url", &url.path);
    if let Some(digest) = &url.digest {
        page.field(ITEM, "digest", digest.to_string().trim_start_matches("md5:"));
    }
    page.line(ITEM, "HTTP Status Code(s)");
    status(page, &url.status);
    if let Some(host) = &url.host {
        page.field(ITEM, "Virtual host", host);
    }
    if let Some(pattern) = &url.pattern {
        page.field(ITEM, "Regex", format!("\"{}\"", pattern.pattern));
        if pattern.absent {
            page.line(ITEM, "Regex no match");
        }
    }
}

fn status(page: &mut Page, status: &StatusSet) {
    for range in status.to_string().split(',') {
        page.line(SUBITEM, range);
    }
}

/// `[10.1.0.1]:tcp:80`.
fn name_of(server: &VirtualServer, key: ServerKey) -> String {
    let protocol = server.name.protocol().map_or("none".to_owned(), |protocol| protocol.to_string());
    format!("[{}]:{protocol}:{}", key.address, key.port)
}

fn forwarding(method: Forwarding) -> String {
    let tunnel = match method {
        Forwarding::Tunnel(tunnel) => tunnel,
        Forwarding::Direct => return "DR".to_owned(),
        // No file names another one.
        _ => return "NAT".to_owned(),
    };
    let Tunnel { kind, checksum } = tunnel;
    let kind = match kind {
        TunnelKind::Gue(port) => format!("GUE, port = {port}"),
        TunnelKind::Gre => "GRE".to_owned(),
        _ => return "TUN, type = IPIP".to_owned(),
    };
    let checksum = match checksum {
        TunnelChecksum::None => "no checksum",
        TunnelChecksum::Full => "checksum",
        TunnelChecksum::Remote => "remote checksum",
    };
    format!("TUN, type = {kind}, {checksum}")
}

fn granularity(server: &VirtualServer, length: u8) -> String {
    match server.family().map(|family| family.bits()) {
        Some(128) => length.to_string(),
        _ => match ipnet::Ipv4Net::new([0, 0, 0, 0].into(), length) {
            Ok(net) => net.netmask().to_string(),
            Err(_) => length.to_string(),
        },
    }
}

fn on(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}
