//! The data plane `ipvs`.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use lb_core::{
    DataPlane, Reconciler,
    model::{self, SchedulerKind, ServerKey, ServerSpec, ServiceKey, ServiceSpec, ServiceTable, Weight},
};
use lb_ipvs::{ErrorKind, Ipvs, Namespace};

use crate::{
    client::{client, key},
    guest::{alone_on_ipvs, on_ipvs},
    site::{Net, Site, VIP},
};

/// A connection that stays open holds its server back from being drained.
#[test]
fn a_server_is_drained_when_its_last_connection_has_ended() {
    on_ipvs(|| {
        let site = Site::nat(1);
        let _webs = site.webs(80);
        site.director.feed(
            "ipvsadm -R",
            &format!("-A -t {VIP}:80 -s rr\n-a -t {VIP}:80 -r 192.168.0.1:80 -m -w 5 -x 10 -y 5\n"),
        );
        let (web, one) = (key(&format!("tcp:{VIP}:80")), "192.168.0.1:80".parse().unwrap());
        let client = client(&site.director);
        let mut held = site.client.on(|| TcpStream::connect((VIP, 80)).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ipvs = Ipvs::new(client.into(), Namespace::own());
        runtime.block_on(async {
            ipvs.quiesce(web, one).await.unwrap();
            let servers = ipvs.client().call(move |client| client.destinations(&web)).await.unwrap();
            let found = &servers[0];
            assert_eq!((found.destination.weight, found.destination.thresholds.upper), (0, 10));
            let soon = Duration::from_millis(700);
            let waiting = tokio::time::timeout(soon, ipvs.drained(web, one, Duration::from_millis(50))).await;
            assert!(waiting.is_err(), "a connection is open");
            // It still works.
            held.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            held.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let (mut answer, mut piece) = (String::new(), [0; 512]);
            while !answer.ends_with("web1") {
                let length = held.read(&mut piece).unwrap();
                assert_ne!(length, 0, "{answer}");
                answer += std::str::from_utf8(&piece[..length]).unwrap();
            }
            // With a reset it counts for ten more seconds; else it would for two minutes, in TIME_WAIT.
            socket2::SockRef::from(&held).set_linger(Some(Duration::ZERO)).unwrap();
            drop(held);
            ipvs.drained(web, one, Duration::from_millis(50)).await.unwrap();
            let missing = ipvs.quiesce(web, "192.168.0.9:80".parse().unwrap()).await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NoSuchServer);
            ipvs.drained(web, "192.168.0.9:80".parse().unwrap(), Duration::from_secs(1)).await.unwrap();
        });
    });
}

/// Loaded in one go, found to be as it should, and of one weight that changes nothing else is touched.
#[test]
fn a_large_table_is_loaded_and_read() {
    alone_on_ipvs(|| {
        let net = Net::new("director");
        let (mut table, mut lines) = (ServiceTable::new(), String::new());
        for number in 0..1000_u32 {
            let address = std::net::SocketAddr::from(([10, 1, (number >> 8) as u8, number as u8], 80));
            let mut service = model::Service::new(ServiceSpec::new(SchedulerKind::RoundRobin));
            writeln!(lines, "-A -t {address} -s rr").unwrap();
            for server in 1..=10 {
                let key = ServerKey::new([192, 168, 0, server].into(), 80);
                service = service.with_server(key, ServerSpec::masq(Weight::ONE));
                writeln!(lines, "-a -t {address} -r {key} -m -w 1").unwrap();
            }
            table = table.with_service(ServiceKey::tcp(address), service);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ipvs: Arc<dyn DataPlane> = Arc::new(Ipvs::new(client(&net).into(), Namespace::own()));
        let mut reconciler = Reconciler::new(ipvs);
        let report = runtime.block_on(reconciler.sync(&table)).unwrap();
        assert_eq!((report.applied.len(), report.refused.len()), (11_000, 0));
        assert!(net.run("ipvsadm -S -n") == lines, "what ipvsadm saves is what it would load");
        let report = runtime.block_on(reconciler.full_sync(&table)).unwrap();
        assert_eq!((report.applied, report.interference), (vec![], vec![]));
        // One in the middle.
        let (changed, service) = table.services.iter_mut().nth(500).unwrap();
        let (server, spec) = service.servers.iter_mut().nth(5).unwrap();
        spec.weight = Weight::new(7);
        let line = format!("-a -t {} -r {server} -m -w ", changed.address().unwrap());
        let expected = lines.replace(&format!("{line}1\n"), &format!("{line}7\n"));
        let report = runtime.block_on(reconciler.sync(&table)).unwrap();
        assert_eq!((report.applied.len(), report.refused.len()), (1, 0));
        assert!(lines != expected && net.run("ipvsadm -S -n") == expected, "one line is another one");
    });
}
