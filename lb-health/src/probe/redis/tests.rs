use super::{Redis, Role};
use crate::testing::{Act, against, endures, failure, hangs, hear, say};
use crate::{FailureKind, Login};

const PING: &str = "*1\r\n$4\r\nPING\r\n";
const ROLE: &str = "*1\r\n$4\r\nROLE\r\n";

fn good() -> Vec<Act> {
    vec![hear(PING), say("+PONG\r\n"), hear("QUIT\r\n"), say("+OK\r\n")]
}

fn of_role(role: Role) -> Redis {
    Redis { role: Some(role), ..Default::default() }
}

fn answering_role(role: &str) -> Vec<Act> {
    let array = format!("*3\r\n${}\r\n{role}\r\n:0\r\n*0\r\n", role.len());
    vec![hear(PING), say("+PONG\r\n"), hear(ROLE), say(array)]
}

#[tokio::test]
async fn passes_a_good_server_and_tells_what_it_said() {
    assert_eq!(against(&Redis::default(), good()).await.unwrap().detail, "PONG");
}

#[tokio::test]
async fn endures_bad_servers() {
    endures(&Redis::default(), &good()).await;
    endures(&of_role(Role::Master), &answering_role("master")).await;
    hangs(&of_role(Role::Master), &answering_role("master")[..3]).await;
}

#[tokio::test]
async fn logs_in_with_and_without_a_name() {
    for (user, auth) in [
        ("", "*2\r\n$4\r\nAUTH\r\n$7\r\nsec\r\nre\r\n"),
        ("bob", "*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$7\r\nsec\r\nre\r\n"),
    ] {
        let check = Redis { login: Some(Login::new(user, "sec\r\nre")), ..Default::default() };
        let mut acts = vec![hear(auth), say("+OK\r\n")];
        acts.extend(good());
        assert!(against(&check, acts.clone()).await.is_ok());
        acts[1] = say("-ERR invalid password\r\n");
        assert_eq!(failure(&check, acts).await.kind, FailureKind::Denied);
    }
}

#[tokio::test]
async fn fails_a_server_that_is_not_well() {
    for (answer, kind) in [
        ("-NOAUTH Authentication required.\r\n", FailureKind::Denied),
        ("-LOADING Redis is loading the dataset in memory\r\n", FailureKind::WrongAnswer),
        ("-MASTERDOWN Link with MASTER is down\r\n", FailureKind::WrongAnswer),
        ("+PING\r\n", FailureKind::WrongAnswer),
        ("HTTP/1.1 400 Bad Request\r\n", FailureKind::Protocol),
    ] {
        assert_eq!(failure(&Redis::default(), [hear(PING), say(answer)]).await.kind, kind, "{answer}");
    }
    let half_closed = [Act::HalfClose, Act::Hang];
    assert_eq!(failure(&Redis::default(), half_closed).await.kind, FailureKind::Closed);
}

#[tokio::test]
async fn tells_masters_from_replicas() {
    for (role, name) in [(Role::Master, "master"), (Role::Replica, "slave"), (Role::Sentinel, "sentinel")] {
        assert!(against(&of_role(role), answering_role(name)).await.is_ok());
        let other = if role == Role::Master { Role::Replica } else { Role::Master };
        let wrong = failure(&of_role(other), answering_role(name)).await;
        assert_eq!(wrong.kind, FailureKind::WrongAnswer);
        assert!(wrong.detail.contains(&format!("the role is {name}, expected ")), "{wrong}");
    }
    let odd = [hear(PING), say("+PONG\r\n"), hear(ROLE), say("+master\r\n")];
    assert_eq!(failure(&of_role(Role::Master), odd).await.kind, FailureKind::Protocol);
}
