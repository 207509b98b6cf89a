//! The relay's TCP side over real sockets on loopback: what clients and servers see of a connection.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

#[path = "relay/payload.rs"]
mod payload;
#[path = "relay/world.rs"]
mod world;

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv6Addr, Shutdown, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use lb_core::model::{SchedulerKind, ServiceKey, ServiceSpec};
use lb_nat::relay::{ProxyProtocol, RelayConfig, SpliceMode, Timeouts};
use socket2::SockRef;

use payload::{Check, pattern};
use world::{Echo, PATIENCE, World, connect, free_address, serve, was_reset};

const MODES: [SpliceMode; 3] = [SpliceMode::Adaptive, SpliceMode::Never, SpliceMode::Always];

fn splicing(splice: SpliceMode) -> World {
    World::with(RelayConfig { splice, ..RelayConfig::default() })
}

#[tokio::test]
async fn bytes_go_both_ways_and_servers_take_turns() {
    let world = World::new();
    let servers = [Echo::start(), Echo::start()];
    let service = world.serve(SchedulerKind::RoundRobin, &servers.each_ref().map(Echo::key)).await;
    for _ in 0..10 {
        let mut client = world.connect(&service);
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
    }
    assert_eq!(servers.each_ref().map(Echo::accepted), [5, 5]);
}

#[tokio::test]
async fn every_byte_arrives_once_and_in_order_whatever_the_size_and_the_mode() {
    for mode in MODES {
        let world = splicing(mode);
        let echo = Echo::start();
        let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
        for size in [1, 2, 1447, 1449, 4095, 16_385, 65_537, 262_143, 262_144, 262_145, 1_048_577, 20_000_003]
        {
            let client = world.connect(&service);
            let mut writer = client.try_clone().unwrap();
            let sender = thread::spawn(move || {
                pattern(size as u64, 0, size, |chunk| writer.write_all(chunk)).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut check = Check::new(size as u64);
            let received = check.read_to_end(client).unwrap();
            sender.join().unwrap();
            assert_eq!(received, size, "{mode:?}");
        }
    }
}

#[tokio::test]
async fn odd_pieces_and_long_pauses_keep_their_order() {
    for mode in MODES {
        let world = splicing(mode);
        let echo = Echo::start();
        let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
        let client = world.connect(&service);
        let mut check = Check::new(7);
        let mut at = 0;
        // Bulk, then ping-pong, then bulk: the adaptive mode changes over twice.
        for size in [700_000, 1, 1, 3, 100, 1, 900_000, 17, 400_000, 1] {
            let mut writer = client.try_clone().unwrap();
            let sender =
                thread::spawn(move || pattern(7, at, size, |chunk| writer.write_all(chunk)).unwrap());
            check.read_exactly(&client, size).unwrap();
            sender.join().unwrap();
            at += size as u64;
        }
    }
}

#[tokio::test]
async fn a_server_may_speak_first() {
    let server = serve(|mut stream| {
        stream.write_all(b"220 ready\r\n").unwrap();
        let mut line = [0; 6];
        stream.read_exact(&mut line).unwrap();
        stream.write_all(&line).unwrap();
    });
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let mut client = world.connect(&service);
    let mut greeting = [0; 11];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ready\r\n");
    client.write_all(b"QUIT\r\n").unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"QUIT\r\n");
}

#[tokio::test]
async fn the_clients_end_reaches_the_server_and_the_answer_still_comes() {
    let server = serve(|mut stream| {
        let mut request = Vec::new();
        stream.read_to_end(&mut request).unwrap();
        stream.write_all(&request.len().to_string().into_bytes()).unwrap();
    });
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let mut client = world.connect(&service);
    client.write_all(&[1; 300_000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "300000");
}

#[tokio::test]
async fn the_servers_end_reaches_the_client_and_the_client_may_go_on() {
    let (report, reported) = mpsc::channel();
    let server = serve(move |mut stream| {
        stream.write_all(b"bye").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        report.send(rest).unwrap();
    });
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let mut client = world.connect(&service);
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert_eq!(all, "bye");
    let key = server.into();
    world
        .until(&service, &key, "half closed", |counters| (counters.active, counters.inactive) == (0, 1))
        .await;
    client.write_all(b"still here").unwrap();
    drop(client);
    assert_eq!(reported.recv_timeout(PATIENCE).unwrap(), b"still here");
    world.until(&service, &key, "closed", |counters| (counters.active, counters.inactive) == (0, 0)).await;
}

/// Closing with an unread byte, or with `SO_LINGER` 0, makes the kernel send RST.
fn abort(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[tokio::test]
async fn a_reset_by_the_server_is_a_reset_for_the_client() {
    let server = serve(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        abort(stream);
    });
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let mut client = world.connect(&service);
    client.write_all(b"x").unwrap();
    assert!(was_reset(&mut client));
    world.until(&service, &server.into(), "ended", |counters| counters.active + counters.inactive == 0).await;
}

#[tokio::test]
async fn a_reset_by_the_client_is_a_reset_for_the_server() {
    let (report, reported) = mpsc::channel();
    let server = serve(move |mut stream| {
        stream.write_all(b"x").unwrap();
        report.send(was_reset(&mut stream)).unwrap();
    });
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let mut client = world.connect(&service);
    client.read_exact(&mut [0]).unwrap();
    abort(client);
    assert!(reported.recv_timeout(PATIENCE).unwrap());
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    // As a web server that refuses an upload: it answers, and closes without reading the rest.
    let server = serve(|mut stream| {
        stream.read_exact(&mut [0; 10]).unwrap();
        stream.write_all(b"413 too large").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut sink = vec![0; 1 << 16];
        while matches!(stream.read(&mut sink), Ok(1..)) {}
    });
    let world = World::new();
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let client = world.connect(&service);
    let mut writer = client.try_clone().unwrap();
    let sender = thread::spawn(move || writer.write_all(&vec![7; 8 << 20]));
    let mut answer = String::new();
    (&client).read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "413 too large");
    sender.join().unwrap().unwrap();
}

#[tokio::test]
async fn urgent_data_does_not_hold_up_what_follows() {
    for mode in MODES {
        let world = splicing(mode);
        let echo = Echo::start();
        let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
        let mut client = world.connect(&service);
        client.write_all(b"before").unwrap();
        SockRef::from(&client).send_out_of_band(b"!").unwrap();
        client.write_all(b"after").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut all = String::new();
        client.read_to_string(&mut all).unwrap();
        assert_eq!(all, "beforeafter", "{mode:?}");
    }
}

#[tokio::test]
async fn a_slow_reader_stops_the_sender_and_gets_every_byte_in_the_end() {
    const TOTAL: usize = 64 << 20;
    for mode in MODES {
        let (report, reported) = mpsc::channel();
        let server = serve(move |mut stream| {
            stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
            let mut sent = 0;
            let mut stalled = false;
            while sent < TOTAL {
                let chunk = [3; 64 << 10];
                match stream.write(&chunk[..chunk.len().min(TOTAL - sent)]) {
                    Ok(written) => sent += written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        if !stalled {
                            report.send(sent).unwrap();
                        }
                        stalled = true;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let world = splicing(mode);
        let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
        let mut client = world.connect(&service);
        // Socket buffers grow to some megabytes on either side; without back-pressure all of it would be taken.
        let taken = reported.recv_timeout(PATIENCE).expect("the sender should have been stopped");
        assert!(taken < TOTAL, "{mode:?}: {taken}");
        let read = std::io::copy(&mut client, &mut std::io::sink()).unwrap();
        assert_eq!(read, TOTAL as u64, "{mode:?}");
    }
}

#[tokio::test]
async fn ipv6_works_and_families_may_differ() {
    let world = World::new();
    let six = Echo::at(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let service = world.serve(SchedulerKind::RoundRobin, &[six.key()]).await;
    let mut client = world.connect(&service);
    client.write_all(b"4 to 6").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();

    let port = free_address().port();
    let service = ServiceKey::tcp((Ipv6Addr::LOCALHOST, port).into());
    let four = Echo::start();
    let spec = ServiceSpec::new(SchedulerKind::RoundRobin);
    world.apply(&[lb_core::Change::AddService { service, spec }, world::add(service, four.key())]).await;
    let mut client = world.connect(&service);
    client.write_all(b"6 to 4").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    assert_eq!((six.accepted(), four.accepted()), (1, 1));
}

#[tokio::test]
async fn the_proxy_header_comes_before_the_clients_first_byte() {
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let (report, reported) = mpsc::channel();
        let server = serve(move |mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            report.send(all).unwrap();
        });
        let world = World::with(RelayConfig { proxy_protocol: Some(version), ..RelayConfig::default() });
        let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
        let mut client = world.connect(&service);
        client.write_all(b"GET /").unwrap();
        let (from, to) = (client.local_addr().unwrap(), service.address().unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        let received = reported.recv_timeout(PATIENCE).unwrap();
        let expected = match version {
            ProxyProtocol::V1 => {
                format!("PROXY TCP4 {} {} {} {}\r\nGET /", from.ip(), to.ip(), from.port(), to.port())
                    .into_bytes()
            }
            ProxyProtocol::V2 => {
                let octets = |address: std::net::SocketAddr| match address.ip() {
                    IpAddr::V4(ip) => ip.octets(),
                    IpAddr::V6(_) => unreachable!("the service is IPv4"),
                };
                let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
                bytes.extend(octets(from));
                bytes.extend(octets(to));
                bytes.extend(from.port().to_be_bytes());
                bytes.extend(to.port().to_be_bytes());
                bytes.extend(b"GET /");
                bytes
            }
        };
        assert_eq!(received, expected, "{version:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_timeout() {
    let timeouts = Timeouts { tcp: Duration::from_millis(300), ..Timeouts::default() };
    let world = World::with(RelayConfig { timeouts, ..RelayConfig::default() });
    let echo = Echo::start();
    let service = world.serve(SchedulerKind::RoundRobin, &[echo.key()]).await;
    let mut client = world.connect(&service);
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    let start = Instant::now();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "closed without a reset");
    assert!(start.elapsed() >= Duration::from_millis(150), "not before its time: {:?}", start.elapsed());
    world.until(&service, &echo.key(), "closed", |counters| counters.active + counters.inactive == 0).await;
}

#[tokio::test]
async fn a_half_closed_connection_has_a_shorter_timeout() {
    let timeouts = Timeouts { tcp_fin: Duration::from_millis(200), ..Timeouts::default() };
    let world = World::with(RelayConfig { timeouts, ..RelayConfig::default() });
    let server = serve(|mut stream| {
        // Says its end and then neither reads on nor closes before the relay does.
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let service = world.serve(SchedulerKind::RoundRobin, &[server.into()]).await;
    let client = connect(service.address().unwrap());
    world.until(&service, &server.into(), "half closed", |counters| counters.inactive == 1).await;
    world.until(&service, &server.into(), "given up", |counters| counters.inactive == 0).await;
    drop(client);
}
