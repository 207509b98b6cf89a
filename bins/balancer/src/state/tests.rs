use lb_core::{
    desired::{Fallback, OnFailure, RealServer, VirtualService},
    model::{Forwarding, SchedulerKind, ServerSpec, Service, ServiceSpec},
    overrides::Action,
};

use super::*;

fn key() -> ServiceKey {
    "tcp:10.0.0.1:80".parse().unwrap()
}

fn server(host: u8) -> ServerKey {
    format!("192.168.0.{host}:80").parse().unwrap()
}

fn policy(hosts: &[u8], on_failure: OnFailure) -> Policy {
    let mut service = VirtualService::new(ServiceSpec::new(SchedulerKind::RoundRobin));
    for host in hosts {
        service.servers.insert(server(*host), RealServer { spec: ServerSpec::masq(Weight::ONE), on_failure });
    }
    let fallback: ServerKey = "127.0.0.1:80".parse().unwrap();
    service.fallback = Some(Fallback::new(fallback, ServerSpec::masq(Weight::ONE)));
    Policy::from([(key(), service)])
}

/// What happened, in one line each: subject, weight before and after.
fn lines(events: &[Event]) -> Vec<String> {
    let weight = |weight: &Option<Weight>| weight.map_or("-".to_owned(), |weight| weight.to_string());
    let line = |event: &Event| match &event.what {
        What::Server { before, after, .. } => {
            format!("{} {}>{} {}", event.subject, weight(before), weight(after), event.cause)
        }
        what => format!("{} {what:?} {}", event.subject, event.cause),
    };
    events.iter().map(line).collect()
}

/// A table with the service and these servers, by host and weight.
fn held(servers: &[(u8, u16)]) -> ServiceTable {
    let empty = Service::new(ServiceSpec::new(SchedulerKind::RoundRobin));
    let service = servers.iter().fold(empty, |service, (host, weight)| {
        service.with_server(server(*host), ServerSpec::masq(Weight::new(*weight)))
    });
    ServiceTable::new().with_service(key(), service)
}

/// The servers in the table with their weights.
fn weights(state: &State) -> String {
    let servers = state.desired().table.services[&key()].servers.iter();
    servers.map(|(server, spec)| format!("{server}={}", spec.weight)).collect::<Vec<_>>().join(" ")
}

fn started(on_failure: OnFailure) -> State {
    let mut state = State::default();
    state.configure(policy(&[1, 2], on_failure), Time::ZERO, "a.cf");
    let places = [(key(), server(1)), (key(), server(2))];
    state.checked(&places, Health::Up, "200 OK", Time::from_secs(1));
    state
}

#[test]
fn servers_come_in_with_their_first_good_check_and_nothing_flaps() {
    let mut state = State::default();
    let events = state.configure(policy(&[1, 2], OnFailure::Remove), Time::ZERO, "a.cf");
    assert_eq!(lines(&events), ["tcp:10.0.0.1:80 ServiceAdded configuration a.cf"]);
    let events = state.checked(&[(key(), server(1))], Health::Up, "200 OK", Time::from_secs(1));
    assert_eq!(lines(&events), ["192.168.0.1:80 (tcp:10.0.0.1:80) ->1 check: 200 OK"]);
    assert_eq!(state.checked(&[(key(), server(1))], Health::Up, "200 OK", Time::from_secs(2)), []);
    assert_eq!(state.record(&(key(), server(1))).unwrap().since, Time::from_secs(1));
}

#[test]
fn the_fallback_takes_over_with_the_last_server() {
    let mut state = started(OnFailure::Quiesce);
    state.checked(&[(key(), server(1))], Health::Down, "refused", Time::from_secs(2));
    let events = state.checked(&[(key(), server(2))], Health::Down, "refused", Time::from_secs(3));
    assert_eq!(
        lines(&events),
        [
            "192.168.0.2:80 (tcp:10.0.0.1:80) 1>0 check: refused",
            "fallback 127.0.0.1:80 (tcp:10.0.0.1:80) ->1 number of servers left",
        ]
    );
    let events = state.checked(&[(key(), server(2))], Health::Up, "200 OK", Time::from_secs(4));
    assert_eq!(
        lines(&events),
        [
            "192.168.0.2:80 (tcp:10.0.0.1:80) 0>1 check: 200 OK",
            "fallback 127.0.0.1:80 (tcp:10.0.0.1:80) 1>- number of servers left",
        ]
    );
}

#[test]
fn a_reload_keeps_what_is_known_and_forgets_who_is_gone() {
    let mut state = started(OnFailure::Remove);
    let events = state.configure(policy(&[2, 3], OnFailure::Remove), Time::from_secs(9), "a.cf");
    assert_eq!(lines(&events), ["192.168.0.1:80 (tcp:10.0.0.1:80) 1>- configuration a.cf"]);
    assert_eq!(
        state.desired().table.services[&key()].servers.keys().copied().collect::<Vec<_>>(),
        [server(2)]
    );
    assert_eq!(state.record(&(key(), server(1))), None);
    // When it comes back it has to be checked again.
    state.configure(policy(&[1, 2], OnFailure::Remove), Time::from_secs(10), "a.cf");
    assert_eq!(state.desired().decisions[&key()].servers[&server(1)], ServerState::Unchecked);
}

#[test]
fn servers_found_in_use_stay_in_use() {
    let mut state = State::default();
    state.configure(policy(&[1, 2], OnFailure::Remove), Time::ZERO, "a.cf");
    let events = state.adopt(&held(&[(1, 3), (2, 0), (9, 1)]), Time::ZERO);
    assert_eq!(
        lines(&events),
        [
            "192.168.0.1:80 (tcp:10.0.0.1:80) 3>1 found in use",
            "192.168.0.9:80 (tcp:10.0.0.1:80) 1>- configuration does not name it",
        ]
    );
    // The one without weight has connections perhaps, and is not taken out before its check says so.
    assert_eq!(weights(&state), "192.168.0.1:80=1 192.168.0.2:80=0");
    let events = state.checked(&[(key(), server(2))], Health::Down, "refused", Time::from_secs(1));
    assert_eq!(lines(&events), ["192.168.0.2:80 (tcp:10.0.0.1:80) 0>- check: refused"]);
}

#[test]
fn a_fallback_found_in_use_answers_until_a_server_is_up() {
    let mut state = State::default();
    state.configure(policy(&[1], OnFailure::Remove), Time::ZERO, "a.cf");
    let mut table = held(&[]);
    let servers = &mut table.services.get_mut(&key()).unwrap().servers;
    servers.insert("127.0.0.1:80".parse().unwrap(), ServerSpec::masq(Weight::ONE));
    assert_eq!(state.adopt(&table, Time::ZERO), []);
    assert_eq!(weights(&state), "127.0.0.1:80=1");
    let events = state.checked(&[(key(), server(1))], Health::Up, "200 OK", Time::from_secs(1));
    assert_eq!(
        lines(&events),
        [
            "192.168.0.1:80 (tcp:10.0.0.1:80) ->1 check: 200 OK",
            "fallback 127.0.0.1:80 (tcp:10.0.0.1:80) 1>- number of servers left",
        ]
    );
}

#[test]
fn the_fallback_does_not_wait_for_checks_that_take_long() {
    let mut state = State::default();
    state.configure(policy(&[1, 2], OnFailure::Remove), Time::ZERO, "a.cf");
    assert_eq!(state.stop_waiting(Time::ZERO), []);
    assert_eq!(weights(&state), "");
    let events = state.stop_waiting(Time::from_secs(1));
    assert_eq!(
        lines(&events),
        ["fallback 127.0.0.1:80 (tcp:10.0.0.1:80) ->1 number of servers left"],
        "{events:?}"
    );
    assert_eq!(weights(&state), "127.0.0.1:80=1");
    assert_eq!(state.stop_waiting(Time::from_secs(2)), []);
    // It leaves with the first server that is up, although the other one is still unchecked.
    state.checked(&[(key(), server(1))], Health::Up, "200 OK", Time::from_secs(3));
    assert_eq!(weights(&state), "192.168.0.1:80=1");
    assert_eq!(state.stop_waiting(Time::from_secs(4)), []);
    // A reload that leaves only servers that are not checked yet.
    state.configure(policy(&[3], OnFailure::Remove), Time::from_secs(5), "a.cf");
    assert_eq!(state.stop_waiting(Time::from_secs(5)), []);
    assert!(!state.stop_waiting(Time::from_secs(6)).is_empty());
    assert!(weights(&state).contains("127.0.0.1:80=1"), "{}", weights(&state));
    // Servers found in use are in use.
    let mut state = State::default();
    state.configure(policy(&[1, 2], OnFailure::Remove), Time::ZERO, "a.cf");
    state.adopt(&held(&[(1, 1)]), Time::ZERO);
    state.stop_waiting(Time::ZERO);
    assert_eq!(state.stop_waiting(Time::from_secs(1)), []);
}

#[test]
fn whoever_leaves_the_table_is_told() {
    let mut state = started(OnFailure::Remove);
    let places = [(key(), server(1)), (key(), server(2))];
    state.checked(&places, Health::Down, "refused", Time::from_secs(2));
    let mut other = policy(&[1, 2], OnFailure::Remove);
    let fallback = other.get_mut(&key()).unwrap().fallback.as_mut().unwrap();
    fallback.server = "127.0.0.1:81".parse().unwrap();
    let events = state.configure(other.clone(), Time::from_secs(3), "a.cf");
    assert_eq!(
        lines(&events),
        [
            "fallback 127.0.0.1:80 (tcp:10.0.0.1:80) 1>- number of servers left",
            "fallback 127.0.0.1:81 (tcp:10.0.0.1:80) ->1 number of servers left",
        ]
    );
    let events = state.configure(Policy::new(), Time::from_secs(4), "a.cf");
    assert_eq!(
        lines(&events),
        [
            "tcp:10.0.0.1:80 ServiceRemoved configuration a.cf",
            "192.168.0.1:80 (tcp:10.0.0.1:80) ->- configuration a.cf",
            "192.168.0.2:80 (tcp:10.0.0.1:80) ->- configuration a.cf",
            "fallback 127.0.0.1:81 (tcp:10.0.0.1:80) 1>- number of servers left",
        ]
    );
}

#[test]
fn another_forwarding_method_is_told() {
    let mut state = started(OnFailure::Remove);
    let mut other = policy(&[1, 2], OnFailure::Remove);
    let entry = other.get_mut(&key()).unwrap().servers.get_mut(&server(2)).unwrap();
    entry.spec.forwarding = Forwarding::Direct;
    let events = state.configure(other, Time::from_secs(2), "a.cf");
    assert_eq!(lines(&events), ["192.168.0.2:80 (tcp:10.0.0.1:80) 1>1 configuration a.cf"]);
}

#[test]
fn an_order_has_its_reason_and_its_end() {
    let mut state = started(OnFailure::Remove);
    let drain = Override {
        action: Action::Drain,
        reason: "new kernel".into(),
        by: None,
        until: Some(Time::from_secs(60)),
    };
    let events = state.order(server(1), None, Some(drain), Time::from_secs(5));
    assert_eq!(lines(&events), ["192.168.0.1:80 (tcp:10.0.0.1:80) 1>0 operator: new kernel"]);
    assert_eq!(state.expire(Time::from_secs(59), Time::from_secs(59)), []);
    let events = state.expire(Time::from_secs(60), Time::from_secs(60));
    assert_eq!(lines(&events), ["192.168.0.1:80 (tcp:10.0.0.1:80) 0>1 operator: ran out: new kernel"]);
    assert_eq!(state.order(server(1), None, None, Time::from_secs(61)), [], "there is nothing to take off");
}

#[test]
fn a_check_may_change_a_weight() {
    let mut state = started(OnFailure::Remove);
    let place = (key(), server(1));
    let events = state.weigh(&[(place, Weight::new(7))], "exit status 9", Time::from_secs(2));
    assert_eq!(lines(&events), ["192.168.0.1:80 (tcp:10.0.0.1:80) 1>7 check: exit status 9"]);
    assert_eq!(state.weigh(&[(place, Weight::new(7))], "exit status 9", Time::from_secs(3)), []);
}
