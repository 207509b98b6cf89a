use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn to(session: u32) -> Receiver {
    Receiver { session, address: None, limit: u16::MAX }
}

fn piece(buffer: usize, length: usize) -> Piece {
    Piece { buffer, start: 0, length }
}

/// Lengths of the datagrams that the kernel makes of the messages, with their sessions.
fn sent(trains: &Trains) -> Vec<(u32, usize)> {
    let mut datagrams = Vec::new();
    for message in &trains.messages {
        let length: usize = trains.pieces[message.pieces.clone()].iter().map(|piece| piece.length).sum();
        let size = if message.segment == 0 { length } else { message.segment.into() };
        let mut left = length;
        loop {
            datagrams.push((message.session, size.min(left)));
            left -= size.min(left);
            if left == 0 {
                break;
            }
        }
    }
    datagrams
}

#[test]
fn equal_datagrams_become_one_train() {
    let mut trains = Trains::default();
    for buffer in 0..5 {
        trains.push(to(1), piece(buffer, 100), 0);
    }
    assert_eq!(trains.messages, [Outgoing { session: 1, to: None, pieces: 0..5, segment: 100 }]);
}

#[test]
fn a_shorter_datagram_ends_a_train() {
    let mut trains = Trains::default();
    for (buffer, length) in [100, 100, 40, 40, 100].into_iter().enumerate() {
        trains.push(to(1), piece(buffer, length), 0);
    }
    let shapes: Vec<_> =
        trains.messages.iter().map(|message| (message.pieces.clone(), message.segment)).collect();
    assert_eq!(shapes, [(0..3, 100), (3..4, 0), (4..5, 0)]);
}

#[test]
fn a_longer_datagram_begins_a_train() {
    let mut trains = Trains::default();
    for (buffer, length) in [40, 100, 100].into_iter().enumerate() {
        trains.push(to(1), piece(buffer, length), 0);
    }
    assert_eq!(sent(&trains), [(1, 40), (1, 100), (1, 100)]);
    assert_eq!(trains.messages.len(), 2);
}

#[test]
fn trains_of_one_size_are_coupled_and_others_are_not() {
    let mut trains = Trains::default();
    trains.push(to(1), piece(0, 300), 100);
    trains.push(to(1), piece(1, 250), 100);
    trains.push(to(1), piece(2, 100), 100);
    trains.push(to(1), piece(3, 100), 50);
    let shapes: Vec<_> =
        trains.messages.iter().map(|message| (message.pieces.clone(), message.segment)).collect();
    assert_eq!(shapes, [(0..2, 100), (2..3, 0), (3..4, 50)]);
    assert_eq!(
        sent(&trains).iter().map(|&(_, length)| length).collect::<Vec<_>>(),
        [100, 100, 100, 100, 100, 50, 100, 50, 50]
    );
}

#[test]
fn empty_datagrams_stay_by_themselves() {
    let mut trains = Trains::default();
    for (buffer, length) in [0, 0, 10, 0, 10].into_iter().enumerate() {
        trains.push(to(1), piece(buffer, length), 0);
    }
    assert_eq!(trains.messages.len(), 5);
    assert!(trains.messages.iter().all(|message| message.segment == 0));
}

#[test]
fn receivers_do_not_share_trains() {
    let (one, two): (SocketAddr, SocketAddr) =
        ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    let mut trains = Trains::default();
    trains.push(Receiver { address: Some(one), ..to(1) }, piece(0, 10), 0);
    trains.push(Receiver { address: Some(two), ..to(2) }, piece(1, 10), 0);
    trains.push(Receiver { address: Some(two), ..to(2) }, piece(2, 10), 0);
    let receivers: Vec<_> =
        trains.messages.iter().map(|message| (message.to, message.pieces.len())).collect();
    assert_eq!(receivers, [(Some(one), 1), (Some(two), 2)]);
}

#[test]
fn a_train_holds_no_more_than_the_kernel_takes() {
    let mut trains = Trains::default();
    for buffer in 0..64 {
        trains.push(to(1), piece(buffer, 1400), 0);
    }
    trains.push(to(1), piece(0, 60_000), 1200);
    trains.push(to(1), piece(0, 60_000), 1200);
    for message in &trains.messages {
        let length: usize = trains.pieces[message.pieces.clone()].iter().map(|piece| piece.length).sum();
        assert!(length <= MAX_BYTES, "{length} bytes in one train");
        assert!(datagrams(length, message.segment.into()) <= MAX_SEGMENTS);
    }
}

#[test]
fn what_exceeds_the_limit_is_sent_singly() {
    let mut trains = Trains::default();
    let small = Receiver { limit: 99, ..to(1) };
    trains.push(small, piece(0, 250), 100);
    trains.push(small, piece(1, 100), 0);
    trains.push(small, piece(2, 99), 0);
    trains.push(small, piece(3, 99), 0);
    let shapes: Vec<_> =
        trains.messages.iter().map(|message| (message.pieces.clone(), message.segment)).collect();
    assert_eq!(shapes, [(0..1, 0), (1..2, 0), (2..3, 0), (3..4, 0), (4..6, 99)]);
    let starts: Vec<_> = trains.pieces[..3].iter().map(|piece| (piece.start, piece.length)).collect();
    assert_eq!(starts, [(0, 100), (100, 100), (200, 50)]);
}

#[test]
fn uncoupling_spares_what_was_sent_and_what_is_small() {
    let mut trains = Trains::default();
    trains.push(to(1), piece(0, 300), 100);
    trains.push(to(2), piece(1, 350), 100);
    trains.push(to(3), piece(2, 100), 50);
    let before = sent(&trains);
    trains.uncouple(1, 99);
    assert_eq!(sent(&trains), before);
    let shapes: Vec<_> = trains.messages.iter().map(|message| (message.session, message.segment)).collect();
    assert_eq!(shapes, [(1, 100), (2, 0), (2, 0), (2, 0), (2, 0), (3, 50)]);
}

proptest! {
    /// Whatever comes in goes out: the same datagrams in the same order, with and without a limit and uncoupling.
    #[test]
    fn no_datagram_changes(
        messages in prop::collection::vec((0_u32..3, 0_usize..5000, prop::sample::select(vec![0_u16, 50, 100, 1400])), 0..64),
        limit in prop::sample::select(vec![0_u16, 60, 1400, u16::MAX]),
        from in 0_usize..64,
    ) {
        let mut trains = Trains::default();
        let mut expected = Vec::new();
        for (buffer, &(session, length, segment)) in messages.iter().enumerate() {
            // As the inbox tells it: a message of one datagram has no segment size.
            let segment = if usize::from(segment) < length { segment } else { 0 };
            trains.push(Receiver { limit, ..to(session) }, piece(buffer, length), segment);
            let size = if segment == 0 { length } else { segment.into() };
            for start in (0..datagrams(length, size)).map(|nth| nth * size) {
                expected.push((session, size.min(length - start)));
            }
        }
        prop_assert_eq!(sent(&trains), expected.clone());
        trains.uncouple(from, 60);
        prop_assert_eq!(sent(&trains), expected);
    }
}
