mod words;

use std::{net::SocketAddr, num::NonZeroU32, path::Path, time::Duration};

use lb_core::model::{Forwarding, SchedulerFlags, SchedulerKind, ServiceKey, Weight};
use lb_health::{Payload, probe::dns::RecordType};

use super::*;
use crate::keepalived::{
    language::{self, Settings},
    model::{Checker, CheckerKind, HttpVersion, Pace, ScriptCommand, Sni, VirtualName},
};

/// The virtual servers, and the problems as one line each.
fn resolve(text: &str) -> (Vec<VirtualServer>, Vec<String>) {
    let (document, sources, mut problems) =
        language::read_text(text, Path::new("f"), &Settings::default(), &mut language::Machine::default());
    let servers = super::super::resolve(&document, &mut problems).virtual_servers;
    // As a test of the file sees them.
    let lines = problems.finish().into_iter().map(|problem| problem.strictly().line(&sources));
    // Most of these files are about something else.
    (servers, lines.filter(|line| !line.contains("has no real server")).collect())
}

fn one(text: &str) -> VirtualServer {
    let (mut servers, problems) = resolve(text);
    assert_eq!(problems, [""; 0]);
    assert_eq!(servers.len(), 1);
    servers.remove(0)
}

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

const HEAD: &str = "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n";

/// A virtual server with these lines in its only real server.
fn real(lines: &str) -> VirtualServer {
    one(&format!("{HEAD}real_server 192.168.0.1 8080 {{\n{lines}\n}}\n}}\n"))
}

/// The check that these lines are.
fn check(lines: &str) -> Checker {
    real(lines).reals[0].checkers[0].clone()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_mask_that_groups_nobody_is_none() {
    for (address, mask, prefix) in
        [("10.0.0.1", "255.255.255.255", None), ("fd00::1", "128", None), ("fd00::1", "64", Some(64))]
    {
        let head = HEAD.replace("10.0.0.1", address);
        let server = one(&format!("{head}persistence_timeout 60\npersistence_granularity {mask}\n}}"));
        assert_eq!(server.spec.persistence.unwrap().prefix, prefix, "{mask}");
    }
}

#[test]
fn a_service_has_all_its_settings() {
    let server = one("virtual_server 10.0.0.1 80 {
        protocol TCP
        lvs_sched mh
        mh-port
        mh-fallback
        lvs_method TUN type gue port 6080 csum
        persistence_timeout
        persistence_granularity 255.255.255.0
        quorum 3
        hysteresis 2
        quorum_up \"/bin/up 'a b'\" user group
        quorum_down /bin/down
        omega
        ha_suspend
        smtp_alert
        weight 2
        inhibit_on_failure
        sorry_server 192.168.0.9 80
        sorry_server_inhibit
        sorry_server_lvs_method DR
        real_server 192.168.0.1 80 {
            uthreshold 100
            lthreshold 50
            notify_down \"/bin/rs down\"
            smtp_alert off
        }
        real_server 192.168.0.2 80 {
            weight 5
            inhibit_on_failure no
        }
    }");
    assert_eq!(server.name.to_string(), "[10.0.0.1]:tcp:80");
    assert_eq!(server.services, [key("tcp:10.0.0.1:80")]);
    assert_eq!(server.spec.scheduler, SchedulerKind::Maglev);
    assert_eq!(server.spec.flags, SchedulerFlags::PORT.union(SchedulerFlags::FALLBACK));
    let persistence = server.spec.persistence.unwrap();
    assert_eq!((persistence.timeout.get(), persistence.prefix), (360, Some(24)));
    assert_eq!((server.quorum, server.hysteresis), (3, 2));
    let up = server.quorum_up.unwrap();
    assert_eq!(up.argv, ["/bin/up", "a b"]);
    assert_eq!(up.user.unwrap().group.unwrap(), "group");
    assert!(server.omega && server.ha_suspend && server.mail);
    let sorry = server.sorry.unwrap();
    assert_eq!(
        (sorry.key.to_string().as_str(), sorry.spec.forwarding, sorry.inhibit),
        ("192.168.0.9:80", Forwarding::Direct, true)
    );
    let [first, second] = &server.reals[..] else { panic!("two servers") };
    assert_eq!((first.spec.weight.get(), second.spec.weight.get()), (2, 5));
    assert_eq!((first.inhibit_on_failure, second.inhibit_on_failure), (true, false));
    assert_eq!((first.mail, second.mail), (false, true));
    assert_eq!((first.spec.thresholds.upper, first.spec.thresholds.lower), (100, 50));
    assert!(matches!(first.spec.forwarding, Forwarding::Tunnel(_)));
    assert_eq!(first.notify_down.as_ref().unwrap().argv, ["/bin/rs", "down"]);
}

#[test]
fn what_is_left_out_is_as_in_keepalived_and_said_where_it_may_surprise() {
    let (servers, problems) =
        resolve("virtual_server 10.0.0.1 80 {\nreal_server 192.168.0.1 80 {\nTCP_CHECK {\n}\n}\n}\n");
    let server = &servers[0];
    assert_eq!(server.services, [key("udp:10.0.0.1:80")]);
    assert_eq!(server.spec.scheduler, SchedulerKind::WeightedLeastConnection);
    assert_eq!((server.quorum, server.hysteresis, server.mail), (1, 0, false));
    let real = &server.reals[0];
    assert_eq!(
        (real.spec.weight, real.spec.forwarding, real.mail),
        (Weight::ONE, Forwarding::Masquerade, true)
    );
    let pace = Pace { delay_loop: 60 * SECOND, timeout: 5 * SECOND, retry: 1, delay_before_retry: SECOND };
    assert_eq!(real.checkers[0].pace, pace);
    assert!(!real.checkers[0].alpha);
    let said = ["`protocol` is missing", "`lvs_sched` is missing", "`lvs_method` is missing"];
    for (problem, said) in problems.iter().zip(said) {
        assert!(problem.starts_with(&format!("f:1:1: warning: {said}")), "{problem}");
    }
    assert_eq!(problems.len(), 3);
}

#[test]
fn groups_are_spread_out() {
    let text = "virtual_server_group web {
        10.0.0.1-2 80
        10.0.1.0/31 80
        fwmark 7
        }
        virtual_server group web {
        protocol TCP
        lvs_sched rr
        lvs_method NAT
        real_server 192.168.0.1 8080 {
        }
        }";
    let server = one(text);
    assert_eq!(
        server.name,
        VirtualName::Group { name: "web".into(), protocol: lb_core::model::Protocol::Tcp, place: 0 }
    );
    let services: Vec<String> = server.services.iter().map(ToString::to_string).collect();
    assert_eq!(
        services,
        ["tcp:10.0.0.1:80", "tcp:10.0.0.2:80", "tcp:10.0.1.0:80", "tcp:10.0.1.1:80", "fwmark:7"]
    );
    let problem = &resolve(&text.replace("group web {\n        protocol", "group wbe {\nprotocol")).1[0];
    assert!(
        problem.contains("no virtual_server_group `wbe`") && problem.contains("did you mean `web`?"),
        "{problem}"
    );
    let problem = &resolve(&text.replace("10.0.1.0/31", "10.0.0.0/8")).1[0];
    assert!(problem.contains("too many addresses") && problem.contains("fwmark"), "{problem}");
    let problem = &resolve("virtual_server_group e {\n}\nvirtual_server group e {\nprotocol TCP\n}").1[0];
    assert!(problem.contains("has no entries"), "{problem}");
}

#[test]
fn marks_take_the_family_of_their_servers() {
    let text =
        |inside: &str| format!("virtual_server fwmark 7 {{\nlvs_sched rr\nlvs_method NAT\n{inside}\n}}");
    let six = one(&text("real_server fd00::1 {\n}"));
    assert_eq!((six.services, six.name.to_string().as_str()), (vec![key("fwmark:7/ipv6")], "FWM 7"));
    let told = one(&text("ip_family inet6"));
    assert_eq!(told.services, [key("fwmark:7/ipv6")]);
    let (servers, problems) = resolve(&text("real_server 192.168.0.1 80 {\n}"));
    assert_eq!((servers[0].reals[0].key.port, problems.len()), (80, 0), "NAT leads to any port");
    let direct = text("real_server 192.168.0.1 80 {\nTCP_CHECK {\n}\n}").replace("NAT", "DR");
    let (servers, problems) = resolve(&direct);
    assert_eq!(servers[0].reals[0].key.port, 0);
    assert_eq!(
        servers[0].reals[0].checkers[0].target.address.port(),
        80,
        "it is still where the server listens"
    );
    assert!(problems[0].contains("the port 80 of 192.168.0.1 can not be reached"), "{problems:?}");
}

#[test]
fn virtual_servers_of_one_group_are_counted() {
    let server = |protocol| {
        format!("virtual_server group web {{\nprotocol {protocol}\nlvs_sched rr\nlvs_method NAT\n}}\n")
    };
    let text = format!("virtual_server_group web {{\n10.0.0.1 53\n}}\n{}{}", server("TCP"), server("UDP"));
    let names: Vec<String> = resolve(&text).0.iter().map(|server| server.name.to_string()).collect();
    assert_eq!(names, ["[web]:0", "[web]:1"]);
}

#[test]
fn options_that_do_nothing_are_left_out() {
    let with = |head: &str, inside: &str| {
        let (servers, problems) = resolve(&format!(
            "virtual_server {head} {{\nlvs_method NAT\n{inside}\nreal_server 192.168.0.1 80 {{\n}}\n}}"
        ));
        (servers[0].spec.clone(), problems.join("\n"))
    };
    let (spec, problems) = with("10.0.0.1 80", "protocol TCP\nsh-port\nmh-fallback\nlvs_sched sh\nops");
    assert_eq!((spec.flags, spec.one_packet), (SchedulerFlags::PORT, false));
    assert!(problems.contains("`mh-fallback` is an option of the scheduler mh"), "{problems}");
    assert!(problems.contains("`ops` is for UDP") && problems.lines().count() == 2, "{problems}");
    for head in ["10.0.0.1 80", "fwmark 7"] {
        let (spec, problems) = with(head, "protocol UDP\nops\nlvs_sched rr\nflag-2");
        assert_eq!((spec.flags, spec.one_packet, &*problems), (SchedulerFlags::PORT, true, ""));
    }
    let (spec, problems) = with("10.0.0.1 80", "protocol UDP\nlvs_sched rr\npersistence_engine sip");
    assert_eq!(spec.persistence, None);
    assert!(problems.contains("an engine without persistence does nothing"), "{problems}");
}

#[test]
fn ports_follow_the_forwarding_method() {
    let with = |method: &str, port: &str| {
        resolve(&format!(
            "virtual_server 10.0.0.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method {method}\nreal_server 192.168.0.1 {port} {{\n}}\n}}"
        ))
    };
    assert_eq!(with("NAT", "8080").0[0].reals[0].key.port, 8080);
    assert_eq!(with("NAT", "").0[0].reals[0].key.port, 80);
    assert_eq!(with("DR", "").0[0].reals[0].key.port, 80);
    let (servers, problems) = with("DR", "8080");
    assert_eq!(servers[0].reals[0].key.port, 80);
    assert!(problems[0].contains("port 8080 of 192.168.0.1 can not be reached"), "{problems:?}");
}

#[test]
fn every_port_needs_persistence() {
    let (servers, problems) =
        resolve("virtual_server 10.0.0.1 {\nprotocol TCP\nlvs_sched rr\nlvs_method DR\n}");
    assert_eq!(servers[0].spec.persistence.as_ref().unwrap().timeout, NonZeroU32::new(360).unwrap());
    assert!(problems[0].contains("has to be persistent"), "{problems:?}");
}

#[test]
fn quorum_and_hysteresis_are_brought_down_to_what_can_be_reached() {
    let (servers, problems) =
        resolve(&format!("{HEAD}quorum 9\nhysteresis 5\nreal_server 192.168.0.1 80 {{\nweight 3\n}}\n}}"));
    assert_eq!((servers[0].quorum, servers[0].hysteresis), (3, 2));
    assert!(problems[0].contains("quorum 9") && problems[1].contains("hysteresis 5"), "{problems:?}");
}

#[test]
fn the_pace_cascades_whatever_the_order() {
    let server = one(&format!(
        "{HEAD}real_server 192.168.0.1 80 {{\nTCP_CHECK {{\nretry 7\n}}\nPING_CHECK {{\n}}\nretry 5\nalpha\n}}\n\
         real_server 192.168.0.2 80 {{\nTCP_CHECK {{\nalpha no\n}}\n}}\nretry 3\ndelay_loop 2\nconnect_timeout 0.5\ndelay_before_retry 0.25\n}}"
    ));
    let paces: Vec<(u32, bool)> = server
        .reals
        .iter()
        .flat_map(|real| &real.checkers)
        .map(|check| (check.pace.retry, check.alpha))
        .collect();
    assert_eq!(paces, [(7, true), (5, true), (3, false)]);
    let pace = server.reals[1].checkers[0].pace;
    assert_eq!(
        (pace.delay_loop, pace.timeout, pace.delay_before_retry),
        (2 * SECOND, SECOND / 2, SECOND / 4)
    );
}

#[test]
fn checks_have_their_own_defaults() {
    let pace = |lines: &str| check(lines).pace;
    let http = pace("HTTP_GET {\nurl {\n}\n}");
    assert_eq!((http.retry, http.delay_before_retry), (1, 3 * SECOND));
    let dns = pace("delay_loop 7\nDNS_CHECK {\n}");
    assert_eq!((dns.retry, dns.delay_before_retry, dns.timeout), (3, 7 * SECOND, 5 * SECOND));
    let misc = pace("delay_loop 7\nMISC_CHECK {\nmisc_path /bin/true\n}");
    assert_eq!((misc.retry, misc.delay_before_retry, misc.timeout), (0, SECOND, 7 * SECOND));
    assert_eq!(pace("MISC_CHECK {\nmisc_path /bin/true\nmisc_timeout 3\n}").timeout, 3 * SECOND);
}

#[test]
fn a_check_looks_where_it_is_told_to() {
    let target = check(
        "TCP_CHECK {\nconnect_ip 192.168.1.1\nconnect_port 81\nbindto 10.9.9.9\nbind_if eth1\nfwmark 5\n}",
    )
    .target;
    assert_eq!(target.address, SocketAddr::from(([192, 168, 1, 1], 81)));
    assert_eq!(target.source, Some([10, 9, 9, 9].into()));
    assert_eq!((target.interface.as_deref(), target.mark), (Some("eth1"), Some(5)));
    assert_eq!(check("TCP_CHECK {\n}").target.address, SocketAddr::from(([192, 168, 0, 1], 8080)));
}

#[test]
fn urls_have_the_nearest_virtual_host() {
    let server = real(
        "virtualhost rs
        SSL_GET {
            virtualhost check
            enable_sni
            http_protocol 1.1
            url {
                path /a
                status_code 200-299 301
                digest 9b3a0c85a887a256d6939da88aabd8cd
            }
            url {
                virtualhost url
                path b
                regex \"ok|fine\"
                regex_options \"caseless multiline\"
                regex_no_match
            }
        }
        HTTP_GET {
            url {
                path /
            }
        }",
    );
    let [ssl, http] = &server.reals[0].checkers[..] else { panic!("two checks") };
    let CheckerKind::Http { urls, version, tls } = &ssl.kind else { panic!("{ssl:?}") };
    assert_eq!((*version, *tls), (HttpVersion::V1_1, Some(Sni::VirtualHost)));
    assert_eq!((urls[0].host.as_deref(), urls[1].host.as_deref()), (Some("check"), Some("url")));
    assert_eq!((urls[0].path.as_str(), urls[1].path.as_str()), ("/a", "/b"));
    assert!(urls[0].status.contains(301) && !urls[0].status.contains(302));
    assert!(urls[0].digest.is_some());
    let body = urls[1].pattern.as_ref().unwrap();
    assert!(body.absent && body.pattern.matches("it is FINE").unwrap());
    let CheckerKind::Http { urls, version, tls } = &http.kind else { panic!("{http:?}") };
    assert_eq!((urls[0].host.as_deref(), *version, *tls), (Some("rs"), HttpVersion::V1_0, None));
}

#[test]
fn the_other_checks() {
    let dns = check("DNS_CHECK {\ntype aaaa\nname example.com\n}").kind;
    assert_eq!(dns, CheckerKind::Dns { record: RecordType::Aaaa, name: "example.com".into() });
    let udp = check("UDP_CHECK {\npayload Ab12f 3 456\nrequire_reply 1X ff\nmin_reply_length 2\n}").kind;
    let CheckerKind::Udp { payload, reply: Some(reply) } = udp else { panic!("{udp:?}") };
    assert_eq!(payload, Payload::from_bytes([0xab, 0x12, 0x0f, 0x03, 0x45, 0x06]));
    assert_eq!((reply.bytes, reply.shortest, reply.longest), (vec![(0x10, 0xf0), (0xff, 0xff)], 2, 255));
    let silent = check("UDP_CHECK {\n}").kind;
    assert!(matches!(silent, CheckerKind::Udp { reply: None, .. }), "{silent:?}");
    let misc = check("MISC_CHECK {\nmisc_path \"/bin/check 'a b'\"\nmisc_dynamic\nuser nobody\n}").kind;
    let CheckerKind::Misc { command, dynamic } = misc else { panic!("{misc:?}") };
    assert_eq!(
        (command.argv, command.user.unwrap().name.as_str(), dynamic),
        (vec!["/bin/check".to_owned(), "a b".into()], "nobody", true)
    );
    let hosts =
        real("SMTP_CHECK {\nhelo_name me\nhost {\nconnect_port 26\n}\nhost {\nconnect_ip 192.168.0.2\n}\n}");
    let targets: Vec<String> =
        hosts.reals[0].checkers.iter().map(|check| check.target.address.to_string()).collect();
    assert_eq!(targets, ["192.168.0.1:26", "192.168.0.2:8080"]);
    let file = format!(
        "track_file f {{\nfile /run/f\nweight 3 reverse\n}}\n{HEAD}real_server 192.168.0.1 80 {{\nFILE_CHECK {{\ntrack_file f\n}}\n}}\n}}"
    );
    let kind = one(&file).reals[0].checkers[0].kind.clone();
    assert_eq!(kind, CheckerKind::File { name: "f".into(), path: "/run/f".into(), weight: -3 });
}

#[test]
fn global_settings_of_mail_are_the_default() {
    let both = |globals: &str| {
        let server =
            one(&format!("global_defs {{\n{globals}\n}}\n{HEAD}real_server 192.168.0.1 80 {{\n}}\n}}"));
        (server.mail, server.reals[0].mail)
    };
    assert_eq!(both(""), (false, true));
    assert_eq!(both("smtp_alert"), (true, true));
    assert_eq!(both("smtp_alert\nsmtp_alert_checker off"), (false, false));
}

/// Each problem has its place and says what would be right.
#[test]
fn mistakes_are_told_with_their_place() {
    let inside = |lines: &str| format!("{HEAD}real_server 192.168.0.1 80 {{\n{lines}\n}}\n}}");
    for (text, told) in [
        (
            "virtual_server {\n}".to_owned(),
            "f:1:1: error: `virtual_server` has no value (expected an address and a port",
        ),
        ("virtual_server fwmark {\n}".to_owned(), "f:1:16: error: `fwmark` is missing its number"),
        (
            "virtual_server web 80 {\nprotocol TCP\n}".to_owned(),
            "f:1:16: error: `web` is no IP address for virtual_server",
        ),
        (
            "virtual_server 10.0.0.1 99999 {\nprotocol TCP\n}".to_owned(),
            "f:1:25: error: `port` 99999 is out of range (expected a number from 0 to 65535)",
        ),
        (
            format!("{HEAD}lvs_sched wcl\n}}"),
            "f:5:11: error: `wcl` is no scheduler (ignored, as with keepalived); help: did you mean `wlc`?",
        ),
        (format!("{HEAD}lvs_method ROUTE\n}}"), "f:5:12: error: `ROUTE` is no forwarding method"),
        (format!("{HEAD}quorum 0\n}}"), "f:5:8: error: `quorum` 0 is out of range"),
        (format!("{HEAD}delay_loop 0\n}}"), "f:5:12: error: `delay_loop` 0 is out of range"),
        (format!("{HEAD}delay_loop x\n}}"), "f:5:12: error: `x` is no number of seconds for `delay_loop`"),
        (format!("{HEAD}alpha 1\n}}"), "f:5:7: warning: too many words after `alpha`"),
        (inside("alpha 1"), "f:6:7: error: `1` is neither on nor off"),
        (
            format!("{HEAD}persistence_granularity 255.0.255.0\n}}"),
            "f:5:25: error: `255.0.255.0` is no netmask",
        ),
        (
            format!("{HEAD}real_server fd00::1 80 {{\n}}\n}}"),
            "f:5:1: error: fd00::1 can not stand behind tcp:10.0.0.1:80",
        ),
        (
            format!(
                "{HEAD}}}\nvirtual_server 10.0.0.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n}}"
            ),
            "f:6:1: error: tcp:10.0.0.1:80 belongs to another virtual server already",
        ),
        (inside("lthreshold 5"), "f:5:1: error: lthreshold 5 is more than uthreshold 0"),
        (inside("HTTP_GET {\n}"), "f:6:1: error: HTTP_GET has no URL to ask for"),
        (
            inside("HTTP_GET {\nurl {\nstatus_code 99\n}\n}"),
            "f:8:1: error: \"99\" is not a list of HTTP status codes",
        ),
        (inside("HTTP_GET {\nurl {\ndigest abc\n}\n}"), "f:8:8: error: \"abc\" is not a digest"),
        (inside("HTTP_GET {\nurl {\nregex (\n}\n}"), "f:8:7: error: not a regular expression"),
        (inside("MISC_CHECK {\n}"), "f:6:1: error: MISC_CHECK without a program"),
        (inside("UDP_CHECK {\npayload xyz\n}"), "f:7:9: error: `xyz` is not hexadecimal"),
        (inside("DNS_CHECK {\ntype PTR\n}"), "f:7:6: error: `PTR` can not be asked for"),
        (inside("FILE_CHECK {\ntrack_file nothing\n}"), "f:7:12: error: there is no track_file `nothing`"),
        (
            inside("BFD_CHECK {\nname b\n}"),
            "f:6:1: warning: `BFD_CHECK` is not acted on (would take the server down",
        ),
        (inside("TCP_CHECK {\nbind_port 5\n}"), "f:7:1: warning: `bind_port` is not acted on"),
        (inside("weight 70000"), "f:6:1: warning: the weight 70000 is more than 65535"),
    ] {
        let problems = resolve(&text).1;
        assert!(problems.iter().any(|problem| problem.starts_with(told)), "{text}\n{told}\n{problems:#?}");
    }
}
