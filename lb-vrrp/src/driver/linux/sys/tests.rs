use std::{net::UdpSocket, os::fd::AsFd};

use super::*;
use crate::{
    Envelope,
    wire::{Advert, DecodeError},
};

/// The start of an advertisement of 255 addresses, as long as this.
fn message(length: usize) -> Vec<u8> {
    let mut message = vec![0; length];
    message[..8].copy_from_slice(&[0x31, 51, 100, 255, 0, 100, 0, 0]);
    message
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what does IO is tested by IO")]
fn what_does_not_fit_is_given_out_and_can_not_be_decoded() {
    let (here, there) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut inbox = Inbox::new();
    // Sent before it is received: loopback waits for nothing.
    for length in [28, 5000] {
        there.send_to(&message(length), here.local_addr().unwrap()).unwrap();
    }
    assert_eq!(inbox.receive(here.as_fd()).unwrap(), 2);
    assert_eq!(inbox.message(0).unwrap().bytes, message(28));
    assert_eq!(inbox.message(0).unwrap().source, Some(there.local_addr().unwrap().ip()));
    let cut = inbox.message(1).unwrap();
    assert_eq!(cut.bytes.len(), BUFFER);
    let envelope = |address: &str| Envelope {
        source: address.parse().unwrap(),
        destination: address.parse().unwrap(),
        ttl: Some(255),
        authenticated: false,
    };
    for address in ["10.0.0.1", "fe80::1"] {
        let error = Advert::decode(cut.bytes, &envelope(address)).unwrap_err();
        assert!(matches!(error, DecodeError::TrailingBytes(_)), "{error}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what does IO is tested by IO")]
fn each_of_thousands_is_tried_once_and_in_order() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut outbox = Outbox::default();
    for _ in 0..2 * BURST + 1 {
        // Port 0, to which nothing can be sent.
        let name = Name::ip(std::net::Ipv4Addr::LOCALHOST.into(), 0);
        outbox.push(name, Control::NONE, |bytes| bytes.push(1));
    }
    let mut tried = Vec::new();
    outbox.flush(socket.as_fd(), &mut |index, _| tried.push(index));
    assert_eq!(tried, (0..2 * BURST + 1).collect::<Vec<_>>());
    outbox.flush(socket.as_fd(), &mut |_, error| panic!("nothing is left: {error}"));
}
