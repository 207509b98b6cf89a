//! How they begin and end.

use super::*;

#[tokio::test]
async fn omega_says_goodbye() {
    let a = Server::start().await;
    let mut bench = Bench::start(&virtual_server(&format!("omega\n{}", a.tcp("")))).await;
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 UP");
    let Bench { mut balance, mut told, .. } = bench;
    balance.stop().await;
    let name = named(a.address);
    let rest: Vec<Output> =
        std::iter::from_fn(|| told.try_recv().ok()).filter(|told| matches!(told, Output::Fifo(_))).collect();
    let lines = [format!("RS {name} [10.0.0.1]:tcp:80 DOWN"), "VS [10.0.0.1]:tcp:80 DOWN".to_owned()];
    assert_eq!(rest, lines.map(Output::Fifo));
}

#[tokio::test]
async fn who_is_left_out_by_a_reload_is_down() {
    let (a, b, gone) = (Server::start().await, Server::start().await, Server::start().await);
    let with = |port: u16, lines: &str| virtual_server(lines).replace("0.1 80", &format!("0.1 {port}"));
    let note = |word: &str| format!("notify_down \"/bin/note {word}\"");
    let leaving = format!("quorum_down \"/bin/note quorum\"\n{}", a.tcp(&note("a")));
    let text = with(80, &(b.tcp("") + &gone.tcp(&note("gone")))) + &with(81, &leaving);
    let mut bench = Bench::start(&text).await;
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 UP");
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:81 UP");
    bench.balance.configure(&config(&(with(80, &b.tcp("")) + &with(82, &b.tcp("")))));
    bench.balance.status().await;
    let (mut lines, mut notes) = (Vec::new(), Vec::new());
    while let Ok(output) = bench.told.try_recv() {
        match output {
            Output::Fifo(line) => lines.push(line),
            Output::Run { command, .. } => notes.push(command.argv[1].clone()),
            Output::Event(_) | Output::Mail { .. } => {}
        }
    }
    let name = |server: &Server| named(server.address);
    let expected = [
        format!("RS {} [10.0.0.1]:tcp:81 DOWN", name(&a)),
        "VS [10.0.0.1]:tcp:81 DOWN".to_owned(),
        format!("RS {} [10.0.0.1]:tcp:80 DOWN", name(&gone)),
        "VS [10.0.0.1]:tcp:82 UP".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(notes, ["a", "quorum", "gone"]);
    assert!(bench.log().contains(&"Removing Virtual Server [10.0.0.1]:tcp:81".to_owned()));
}

#[tokio::test]
async fn with_alpha_a_first_failure_is_told_and_why_the_sorry_server_answers() {
    let address = Server::start().await.close().await;
    let real = format!("real_server {} {} {{\nTCP_CHECK {{\n}}\n}}", address.ip(), address.port());
    let lines = format!("alpha\nquorum_down /bin/down\nsorry_server 127.0.0.9 80\n{real}");
    let mut bench = Bench::start(&virtual_server(&lines)).await;
    let name = named(address);
    assert_eq!(bench.fifo().await, format!("RS {name} [10.0.0.1]:tcp:80 DOWN"));
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 DOWN");
    assert!(
        bench.until("the sorry server", |status| status.services[0].fallback_active).await.foreign.is_empty()
    );
    let log = bench.log();
    assert!(log.contains(&"Starting with quorum down 1 > 0 for VS [10.0.0.1]:tcp:80".to_owned()), "{log:#?}");
    let first = format!("TCP_CHECK on service {name} failed (");
    assert!(log.iter().any(|line| line.starts_with(&first)), "there was no retry: {log:#?}");
    let run = std::iter::from_fn(|| bench.told.try_recv().ok());
    assert!(run.into_iter().any(|output| matches!(output, Output::Run { purpose: "quorum_down", .. })));
}

#[tokio::test]
async fn a_sorry_server_that_waits_is_enabled_and_disabled() {
    let a = Server::start().await;
    let lines = format!("sorry_server 127.0.0.9 80\nsorry_server_inhibit\n{}", a.tcp(""));
    let bench = Bench::start(&virtual_server(&lines)).await;
    let address = a.close().await;
    bench.until("the sorry server", |status| status.services[0].fallback_active).await;
    let _again = Server::at(address).await;
    bench.until("the server", |status| !status.services[0].fallback_active).await;
    let log = bench.log();
    for words in
        ["Enabling sorry server [127.0.0.9]:tcp:80 to", "Disabling sorry server [127.0.0.9]:tcp:80 from"]
    {
        assert!(log.contains(&format!("{words} VS [10.0.0.1]:tcp:80")), "{words}: {log:#?}");
    }
}

#[tokio::test]
async fn what_is_to_be_left_is_left_and_nobody_is_told() {
    let a = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let log = Log::new(Target::File(folder.path().join("log")), clock, "f");
    let settings = Settings { plane: Choice::Memory, leave: true, ..Settings::default() };
    let text = virtual_server(&format!("omega\n{}", a.tcp("")));
    let (mut balance, mut told) =
        Balance::start(&config(&text), settings, clock, log, Default::default(), Vec::new()).await;
    balance.stop().await;
    let down = |output: &Output| matches!(output, Output::Fifo(line) if line.ends_with("DOWN"));
    assert!(!std::iter::from_fn(|| told.try_recv().ok()).any(|output| down(&output)));
}

#[tokio::test]
async fn without_a_data_plane_it_says_so_once_and_waits_for_one() {
    let a = Server::start().await;
    let bench = Bench::start_with(&virtual_server(&a.tcp("")), Choice::Never).await;
    let status = bench.balance.status().await;
    assert!(status.services.is_empty());
    let plane = status.data_plane.unwrap();
    assert_eq!((plane.name.as_str(), plane.errors.len()), ("none", 1), "{plane:?}");
    assert!(
        matches!(bench.balance.serve(Request::Table, None).await, Answer::Error(why) if why.contains(&plane.why))
    );
    // It is tried every second.
    sleep(Duration::from_millis(2500)).await;
    let lines = || bench.log().iter().filter(|line| line.starts_with("No virtual server works")).count();
    assert_eq!(lines(), 1);

    bench.balance.configure(&config(""));
    assert_eq!(bench.balance.status().await.data_plane, None, "there is no need of one");
}

#[tokio::test]
async fn a_plan_is_what_the_data_plane_then_holds() {
    let down = Server::start().await.close().await;
    let [up, new, checked] = [8001, 8002, 8003].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let real = |server: SocketAddr, lines: &str| {
        format!("real_server {} {} {{\nTCP_CHECK {{\n{lines}\n}}\n}}\n", server.ip(), server.port())
    };
    let sure = |server: SocketAddr| format!("real_server {} {} {{\n}}\n", server.ip(), server.port());
    let bench = Bench::start(&virtual_server(&(real(down, "") + &sure(up)))).await;
    bench.until("the one that is down", |status| of(status, down).state == ServerState::Down).await;
    let wanted = virtual_server(&(real(down, "") + &sure(new) + &real(checked, "alpha")));
    let plan = async || {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let planned = lb_control::protocol::Plan { config: "f".into(), ..Default::default() };
        bench.balance.planner().plan(config(&wanted).virtual_servers, planned, reply);
        match answer.await.unwrap() {
            Answer::Plan(plan) => plan,
            other => panic!("{other:?}"),
        }
    };
    let found = plan().await;
    let steps: Vec<String> = found.steps.iter().map(|step| step.change.to_string()).collect();
    // What is down stays down, and who has no check is in use at once.
    let expected = [
        format!("add server {new} to tcp:10.0.0.1:80 (masq weight 1)"),
        format!("remove server {up} from tcp:10.0.0.1:80"),
    ];
    assert_eq!(steps, expected);
    assert_eq!((found.data_plane.as_str(), found.config.to_str()), ("memory", Some("f")));
    let later: Vec<String> = found.later.iter().map(|step| step.change.to_string()).collect();
    assert_eq!(later, [format!("add server {checked} to tcp:10.0.0.1:80 (masq weight 1)")]);
    assert_eq!(weight(&bench.balance.status().await, up), Some(1), "nothing is done");

    bench.balance.configure(&config(&wanted));
    bench.until("the new one", |status| weight(status, new) == Some(1)).await;
    assert_eq!(plan().await.steps, []);
}

#[tokio::test]
async fn what_was_refused_is_tried_again_at_once_when_addresses_change() {
    let occupant = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = occupant.local_addr().unwrap();
    let text = virtual_server("real_server 127.0.0.1 9 {\n}")
        .replace("10.0.0.1 80", &format!("127.0.0.1 {}", address.port()));
    let bench = Bench::start_with(&text, Choice::Relay).await;
    let errors = async || bench.balance.status().await.data_plane.unwrap().errors;
    assert_eq!(errors().await.len(), 1, "the port is taken");
    drop(occupant);
    bench.balance.addresses_changed();
    assert_eq!(errors().await, [""; 0]);
}

#[tokio::test]
async fn the_relay_listens_before_an_address_of_an_instance_arrives_and_at_no_other() {
    let instance = "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n198.51.100.1/24\n}\n\
                    virtual_ipaddress_excluded {\n2001:db8::1/64\n}\n}\n\
                    static_ipaddress {\n198.51.100.3/24 dev eth0\n}\n";
    // Held until the end, so that no other copy of this test has the same port.
    let reserved = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = reserved.local_addr().unwrap().port();
    let server = |address: &str| {
        let real = if address.contains(':') { "::1" } else { "127.0.0.1" };
        let lines = format!("real_server {real} 9 {{\n}}");
        virtual_server(&lines).replace("10.0.0.1 80", &format!("{address} {port}"))
    };
    let servers = ["198.51.100.1", "2001:db8::1", "198.51.100.3", "198.51.100.2"].map(server).concat();
    let bench = Bench::start_with(&format!("{instance}{servers}"), Choice::Relay).await;
    let errors = async || bench.balance.status().await.data_plane.unwrap().errors;
    let found = errors().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains(&format!("198.51.100.2:{port}"))
            && found[0].contains("add 198.51.100.2 to an interface"),
        "{found:?}"
    );
    // A reload brings it.
    bench.balance.configure(&config(&format!(
        "{}{servers}",
        instance.replace("100.1/24", "100.1/24\n198.51.100.2/24")
    )));
    assert_eq!(errors().await, [""; 0]);
}
