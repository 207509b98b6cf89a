//! How they begin and end.

use super::*;

#[tokio::test]
async fn omega_says_goodbye() {
    let a = Server::start().await;
    let mut bench = Bench::start(&virtual_server(&format!("omega\n{}", a.tcp("")))).await;
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 UP");
    let Bench { mut balance, mut told, .. } = bench;
    balance.stop(false).await;
    let name = format!("[127.0.0.1]:tcp:{}", a.address.port());
    let rest: Vec<Output> =
        std::iter::from_fn(|| told.try_recv().ok()).filter(|told| matches!(told, Output::Fifo(_))).collect();
    let lines = [format!("RS {name} [10.0.0.1]:tcp:80 DOWN"), "VS [10.0.0.1]:tcp:80 DOWN".to_owned()];
    assert_eq!(rest, lines.map(Output::Fifo));
}

#[tokio::test]
async fn omega_says_goodbye_when_a_reload_takes_the_virtual_server_away() {
    let a = Server::start().await;
    let with = |omega| virtual_server(&format!("{omega}\n{}", a.tcp("")));
    let other = with("").replace("10.0.0.1 80", "10.0.0.2 80");
    let mut bench = Bench::start(&(with("omega") + &other)).await;
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 UP");
    assert_eq!(bench.fifo().await, "VS [10.0.0.2]:tcp:80 UP");
    bench.balance.configure(&config(&with("").replace("10.0.0.1 80", "10.0.0.3 80")));
    let name = format!("[127.0.0.1]:tcp:{}", a.address.port());
    assert_eq!(bench.fifo().await, format!("RS {name} [10.0.0.1]:tcp:80 DOWN"));
    assert_eq!(bench.fifo().await, "VS [10.0.0.1]:tcp:80 DOWN");
    assert_eq!(bench.fifo().await, "VS [10.0.0.3]:tcp:80 UP", "the one without omega goes in silence");
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
        matches!(bench.balance.serve(Request::Table).await, Answer::Error(why) if why.contains(&plane.why))
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
        format!("real_server 127.0.0.1 {} {{\nTCP_CHECK {{\n{lines}\n}}\n}}\n", server.port())
    };
    let sure = |server: SocketAddr| format!("real_server 127.0.0.1 {} {{\n}}\n", server.port());
    let bench = Bench::start(&virtual_server(&(real(down, "") + &sure(up)))).await;
    bench.until("the one that is down", |status| of(status, down).state == ServerState::Down).await;
    let wanted = virtual_server(&(real(down, "") + &sure(new) + &real(checked, "alpha")));
    let plan = async || {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let path = Path::new("f").to_owned();
        bench.balance.planner().plan(config(&wanted), path, vec!["odd".to_owned()], reply);
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
    assert_eq!((found.data_plane.as_str(), found.warnings), ("memory", vec!["odd".to_owned()]));
    let awaited: Vec<SocketAddr> = found.awaited.iter().map(|(_, server)| server.socket()).collect();
    assert_eq!(awaited, [checked]);
    assert_eq!(weight(&bench.balance.status().await, up), Some(1), "nothing is done");

    bench.balance.configure(&config(&wanted));
    bench.until("the new one", |status| weight(status, new) == Some(1)).await;
    assert_eq!(plan().await.steps, []);
}
