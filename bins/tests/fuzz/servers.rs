//! Each probe against a server on loopback that says what the input has, and closes.

use std::{net::Ipv4Addr, time::Duration};

use lb_health::{
    HealthCheck, Login, Pattern, Secret, Security, Target as Address,
    probe::{
        dns::{Dns, Expect},
        ftp::Ftp,
        http::{BodyRules, Http, HttpSettings},
        http_proxy::HttpProxy,
        imap::Imap,
        ldap::Ldap,
        mysql::Mysql,
        nntp::Nntp,
        pgsql::Pgsql,
        pop::Pop,
        radius::Radius,
        redis::{Redis, Role},
        simpletcp::SimpleTcp,
        sip::Sip,
        smtp::Smtp,
        udp::Udp,
    },
    tls::TlsSettings,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::targets::{Target, corpus};

/// A deadline, as the runner has it; most probes end when the server closes.
const DEADLINE: Duration = Duration::from_secs(2);

/// The same for datagrams, which have no end.
const SILENCE: Duration = Duration::from_millis(20);

/// Who speaks first.
#[derive(Clone, Copy)]
enum First {
    Server,
    Client,
    /// Datagrams; so many bytes of the question come back at the start of the answer.
    Datagram(usize),
}

pub(crate) fn targets() -> Vec<Target> {
    let login = || Login::new("bob", "secret");
    let pattern = |text| Pattern::new(text).unwrap();
    // Looks ahead and behind, and backtracks.
    let body = || BodyRules::matching(pattern(r"(?=.*x)y|^(a|aa)+(b)\2$|hello"));
    let settings = || HttpSettings { body: body(), redirects: 3, login: Some(login()), ..Default::default() };
    let tls = TlsSettings { verify: false, ..TlsSettings::default() };
    let https = HttpSettings { tls: Some(tls), ..HttpSettings::default() };
    let sip = Sip { tcp: true, ..Sip::default() };
    let tunnel = HttpProxy::new("https://www.example/", https.clone()).unwrap();
    let lines = SimpleTcp { expect: Some(pattern(r"^(?!starting)(\w+): up$")), ..SimpleTcp::default() };
    let redis = Redis { login: Some(login()), role: Some(Role::Master), ..Redis::default() };
    let dns = Dns { name: "www.example".into(), expect: Expect::Match(pattern("^10")), ..Dns::default() };
    let udp = Udp { expect: Some(pattern("^pong$")), ..Udp::default() };
    let radius = Radius { secret: Secret::new("s"), login: login(), ..Radius::default() };
    let ldap = Ldap { login: Some(login()), expect: Some(pattern("x")), ..Ldap::default() };
    let security = Security::Plain;
    vec![
        target("probe-http", "http", First::Client, Http::new(settings()).unwrap()),
        target("probe-http-status", "http", First::Client, Http::new(HttpSettings::default()).unwrap()),
        target("probe-https", "tls", First::Client, Http::new(https).unwrap()),
        target("probe-http-proxy", "http", First::Client, tunnel),
        target("probe-smtp", "smtp", First::Server, Smtp::default()),
        target("probe-ftp", "ftp", First::Server, Ftp { login: login(), ..Ftp::default() }),
        target("probe-pop", "pop", First::Server, Pop { login: Some(login()), ..Pop::default() }),
        target("probe-imap", "imap", First::Server, Imap { login: Some(login()), ..Imap::default() }),
        target("probe-nntp", "nntp", First::Server, Nntp { security }),
        target("probe-redis", "redis", First::Client, redis),
        target("probe-simpletcp", "simpletcp", First::Server, lines),
        target("probe-mysql", "mysql", First::Server, Mysql { login: Some(login()), ..Mysql::default() }),
        target("probe-pgsql", "pgsql", First::Client, Pgsql { login: Some(login()), ..Pgsql::default() }),
        target("probe-ldap", "ldap", First::Client, ldap),
        target("probe-sip-tcp", "sip", First::Client, sip),
        target("probe-sip-udp", "sip", First::Datagram(0), Sip::default()),
        target("probe-dns", "dns", First::Datagram(2), dns.clone()),
        target("probe-radius", "radius", First::Datagram(0), radius),
        target("probe-udp", "udp", First::Datagram(0), udp),
    ]
}

fn target(name: &'static str, kind: &'static str, first: First, check: impl HealthCheck + 'static) -> Target {
    // One thread, as in the daemons: what a probe computes on it keeps all others waiting.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let seeds = move || corpus(&format!("probes/{kind}"));
    Target::new(name, move |bytes| against(&runtime, &check, first, bytes), seeds)
}

fn against(runtime: &Runtime, check: &dyn HealthCheck, first: First, bytes: &[u8]) {
    runtime.block_on(async {
        match first {
            First::Datagram(copied) => {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let address = Address::new(socket.local_addr().unwrap());
                let server = async {
                    let mut question = [0; 2048];
                    while let Ok((length, peer)) = socket.recv_from(&mut question).await {
                        let mut answer = bytes[..bytes.len().min(8192)].to_vec();
                        let copied = copied.min(length).min(answer.len());
                        answer[..copied].copy_from_slice(&question[..copied]);
                        let _ = socket.send_to(&answer, peer).await;
                    }
                };
                tokio::select! {
                    _ = timeout(SILENCE, check.check(&address)) => {}
                    () = server => {}
                }
            }
            First::Server | First::Client => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                let address = Address::new(listener.local_addr().unwrap());
                let server = async {
                    // Redirects and the like make further connections.
                    while let Ok((mut stream, _)) = listener.accept().await {
                        let mut heard = [0; 4096];
                        if matches!(first, First::Client) {
                            let _ = stream.read(&mut heard).await;
                        }
                        let _ = stream.write_all(bytes).await;
                        let _ = stream.shutdown().await;
                        while let Ok(1..) = stream.read(&mut heard).await {}
                    }
                };
                tokio::select! {
                    _ = timeout(DEADLINE, check.check(&address)) => {}
                    () = server => {}
                }
            }
        }
    });
}
