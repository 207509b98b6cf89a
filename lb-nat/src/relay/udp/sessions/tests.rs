use std::{fs::File, net::SocketAddr};

use super::*;

fn session(port: u16) -> Session<()> {
    session_at(0, port)
}

fn session_at(listener: u32, port: u16) -> Session<()> {
    let client = SocketAddr::from(([127, 0, 0, 1], port));
    let socket = File::open("/dev/null").unwrap().into();
    let key = Key { listener, client, server: None };
    Session { key, socket, claim: (), server_limit: 0, client_limit: 0 }
}

fn second(seconds: u64) -> Time {
    Time::from_secs(seconds)
}

/// Ports from the oldest on, by taking them out one by one.
fn by_age(mut sessions: Sessions<()>) -> Vec<u16> {
    let mut ports = Vec::new();
    while let Some((index, _)) = sessions.oldest() {
        ports.push(sessions.remove(index).unwrap().key.client.port());
    }
    assert!(sessions.is_empty());
    ports
}

#[test]
fn sessions_are_found_by_client_and_forgotten_when_removed() {
    let mut sessions = Sessions::new();
    let (one, two) = (session(1), session(2));
    let (first, second_key) = (one.key, two.key);
    let index = sessions.insert(one, second(1));
    sessions.insert(two, second(1));
    assert_eq!(sessions.find(&first), Some(index));
    assert_ne!(sessions.find(&second_key), Some(index));
    assert!(sessions.remove(index).is_some());
    assert!(sessions.remove(index).is_none());
    assert_eq!(sessions.find(&first), None);
    assert!(sessions.session(index).is_none());
}

#[test]
fn numbers_are_used_again_and_known_before() {
    let mut sessions = Sessions::new();
    let first = sessions.insert(session(1), second(1));
    sessions.insert(session(2), second(1));
    sessions.remove(first);
    assert_eq!(sessions.next(), first);
    assert_eq!(sessions.insert(session(3), second(2)), first);
    assert_eq!(sessions.next(), 2);
}

#[test]
fn using_a_session_makes_it_the_youngest() {
    let mut sessions = Sessions::new();
    let indices: Vec<u32> = (1..=4).map(|port| sessions.insert(session(port), second(port.into()))).collect();
    assert_eq!(sessions.oldest(), Some((indices[0], second(1))));
    sessions.touch(indices[0], second(5));
    sessions.touch(indices[2], second(6));
    sessions.touch(indices[2], second(7));
    assert_eq!(sessions.oldest(), Some((indices[1], second(2))));
    assert_eq!(by_age(sessions), [2, 4, 1, 3]);
}

#[test]
fn removing_from_the_middle_keeps_the_order() {
    let mut sessions = Sessions::new();
    let indices: Vec<u32> = (1..=5).map(|port| sessions.insert(session(port), second(1))).collect();
    for index in [indices[2], indices[4], indices[0]] {
        sessions.remove(index);
    }
    assert_eq!(by_age(sessions), [2, 4]);
}

#[test]
fn touching_a_session_that_has_ended_changes_nothing() {
    let mut sessions = Sessions::new();
    let ended = sessions.insert(session(1), second(1));
    sessions.insert(session(2), second(1));
    sessions.remove(ended);
    sessions.touch(ended, second(2));
    assert_eq!(by_age(sessions), [2]);
}

#[test]
fn each_listener_has_an_oldest_session_of_its_own() {
    let mut sessions = Sessions::new();
    let of_first = sessions.insert(session_at(0, 1), second(2));
    let of_third = sessions.insert(session_at(2, 1), second(1));
    sessions.insert(session_at(2, 2), second(3));
    assert_eq!(sessions.oldest_of(0), Some((of_first, second(2))));
    assert_eq!((sessions.oldest_of(1), sessions.oldest_of(9)), (None, None));
    assert_eq!(sessions.oldest(), Some((of_third, second(1))));
    sessions.touch(of_third, second(4));
    assert_eq!(sessions.oldest(), Some((of_first, second(2))));
    sessions.remove(of_first);
    assert_eq!(sessions.oldest_of(0), None);
    assert_eq!(by_age(sessions), [2, 1]);
}
