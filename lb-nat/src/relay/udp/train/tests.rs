use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn trains(limit: u16) -> Trains {
    Trains { limit, ..Trains::default() }
}

fn piece(buffer: usize, length: usize) -> Piece {
    Piece { buffer, start: 0, length }
}

/// Which pieces the messages are made of, and the sizes of their segments.
fn shapes(trains: &Trains) -> Vec<(std::ops::Range<usize>, u16)> {
    trains.messages.iter().map(|message| (message.pieces.clone(), message.segment)).collect()
}

/// Lengths of the datagrams that the kernel makes of the messages.
fn sent(trains: &Trains) -> Vec<usize> {
    let mut lengths = Vec::new();
    for message in &trains.messages {
        let length: usize = trains.pieces[message.pieces.clone()].iter().map(|piece| piece.length).sum();
        let size = if message.segment == 0 { length } else { message.segment.into() };
        let mut left = length;
        loop {
            lengths.push(size.min(left));
            left -= size.min(left);
            if left == 0 {
                break;
            }
        }
    }
    lengths
}

#[test]
fn equal_datagrams_become_one_train() {
    let to: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let mut trains = Trains::default();
    trains.reset(Some(to), u16::MAX);
    for buffer in 0..5 {
        trains.push(piece(buffer, 100), 0);
    }
    assert_eq!(trains.messages, [Outgoing { to: Some(to), pieces: 0..5, segment: 100 }]);
}

#[test]
fn a_shorter_datagram_ends_a_train() {
    let mut trains = trains(u16::MAX);
    for (buffer, length) in [100, 100, 40, 40, 100].into_iter().enumerate() {
        trains.push(piece(buffer, length), 0);
    }
    // Of the two short ones the first ends the train, and the second is the beginning of nothing longer.
    assert_eq!(shapes(&trains), [(0..3, 100), (3..4, 0), (4..5, 0)]);
}

#[test]
fn a_longer_datagram_begins_a_train() {
    let mut trains = trains(u16::MAX);
    for (buffer, length) in [40, 100, 100].into_iter().enumerate() {
        trains.push(piece(buffer, length), 0);
    }
    assert_eq!(shapes(&trains), [(0..1, 0), (1..3, 100)]);
}

#[test]
fn trains_of_one_size_are_coupled_and_others_are_not() {
    let mut trains = trains(u16::MAX);
    trains.push(piece(0, 300), 100);
    trains.push(piece(1, 250), 100);
    trains.push(piece(2, 100), 0);
    trains.push(piece(3, 100), 50);
    assert_eq!(shapes(&trains), [(0..2, 100), (2..3, 0), (3..4, 50)]);
    assert_eq!(sent(&trains), [100, 100, 100, 100, 100, 50, 100, 50, 50]);
}

#[test]
fn empty_datagrams_stay_by_themselves() {
    let mut trains = trains(u16::MAX);
    for (buffer, length) in [0, 0, 10, 0, 10].into_iter().enumerate() {
        trains.push(piece(buffer, length), 0);
    }
    assert_eq!(trains.messages.len(), 5);
    assert!(trains.messages.iter().all(|message| message.segment == 0));
}

#[test]
fn a_train_holds_no_more_than_the_kernel_takes() {
    let mut trains = trains(u16::MAX);
    for buffer in 0..64 {
        trains.push(piece(buffer, 1400), 0);
    }
    trains.push(piece(0, 60_000), 1200);
    trains.push(piece(0, 60_000), 1200);
    for message in &trains.messages {
        let length: usize = trains.pieces[message.pieces.clone()].iter().map(|piece| piece.length).sum();
        assert!(length <= MAX_BYTES, "{length} bytes in one train");
        assert!(datagrams(length, message.segment) <= MAX_SEGMENTS);
    }
}

#[test]
fn what_exceeds_the_limit_is_sent_singly() {
    let mut trains = trains(99);
    trains.push(piece(0, 250), 100);
    trains.push(piece(1, 100), 0);
    trains.push(piece(2, 99), 0);
    trains.push(piece(3, 99), 0);
    assert_eq!(shapes(&trains), [(0..1, 0), (1..2, 0), (2..3, 0), (3..4, 0), (4..6, 99)]);
    let starts: Vec<_> = trains.pieces[..3].iter().map(|piece| (piece.start, piece.length)).collect();
    assert_eq!(starts, [(0, 100), (100, 100), (200, 50)]);
}

#[test]
fn uncoupling_spares_what_was_sent_and_what_is_small() {
    let mut trains = trains(u16::MAX);
    trains.push(piece(0, 350), 100);
    trains.push(piece(1, 350), 100);
    trains.push(piece(2, 100), 50);
    let before = sent(&trains);
    trains.uncouple(1, 99);
    assert_eq!(sent(&trains), before);
    let segments: Vec<_> = trains.messages.iter().map(|message| message.segment).collect();
    assert_eq!(segments, [100, 0, 0, 0, 0, 50]);
}

proptest! {
    /// Whatever comes in goes out: the same datagrams in the same order, with and without a limit and uncoupling.
    #[test]
    fn no_datagram_changes(
        messages in prop::collection::vec(
            (0_usize..5000, prop::sample::select(vec![0_u16, 50, 100, 1400])),
            0..64,
        ),
        limit in prop::sample::select(vec![0_u16, 60, 1400, u16::MAX]),
        from in 0_usize..64,
    ) {
        let mut trains = trains(limit);
        let mut expected = Vec::new();
        for (buffer, &(length, segment)) in messages.iter().enumerate() {
            // As the inbox tells it: a message of one datagram has no segment size.
            let segment = if usize::from(segment) < length { segment } else { 0 };
            trains.push(piece(buffer, length), segment);
            let size = if segment == 0 { length } else { segment.into() };
            expected.extend((0..datagrams(length, segment)).map(|nth| size.min(length - nth * size)));
        }
        prop_assert_eq!(&sent(&trains), &expected);
        trains.uncouple(from, 60);
        prop_assert_eq!(&sent(&trains), &expected);
    }
}
