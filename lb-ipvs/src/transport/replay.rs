//! A recording in the kernel's place, so that tests need neither root nor IPVS.

use std::{collections::VecDeque, io};

use super::Transport;
use crate::wire::{
    consts::{control, netlink},
    message::{self, Message, Messages},
};

/// Answers from a recording. What is asked has to be what was recorded, byte for byte, in whatever order; equal requests
/// get their answers in the order of the recording.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    recording: VecDeque<(Vec<u8>, Vec<Recorded>)>,
    answers: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

/// One thing that the kernel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A message of the family: command, version, two zeroes, attributes.
    Message(Vec<u8>),
    /// The end of a request: 0 or an errno.
    Acknowledged(i32),
    /// The end of a dump.
    Done,
    /// The dump that ends here was not of one moment.
    Interrupted,
}

/// The number under which the replayed kernel knows the family.
const FAMILY: u16 = 0x1d;

impl Replay {
    /// An empty recording, but for the question after the family's number, which every client begins with.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more request: command, version, two zeroes and attributes; and what the kernel answered.
    #[must_use]
    pub fn expect(mut self, request: &[u8], answers: impl IntoIterator<Item = Recorded>) -> Self {
        self.recording.push_back((request.to_vec(), answers.into_iter().collect()));
        self
    }

    /// What was sent so far, datagram by datagram.
    pub fn sent(&self) -> &[Vec<u8>] {
        &self.sent
    }

    /// Whether everything recorded was asked for.
    pub fn is_exhausted(&self) -> bool {
        self.recording.is_empty()
    }

    fn answer(&mut self, request: Message<'_>) -> io::Result<()> {
        let Message { kind, flags, sequence, payload } = request;
        let mut out = Vec::new();
        if kind == control::FAMILY {
            message::put(&mut out, control::FAMILY, 0, sequence, |out| {
                use crate::wire::attribute::Put;
                message::put_generic(out, 1);
                out.put_u16(control::FAMILY_ID, FAMILY);
            });
            message::put(&mut out, netlink::ERROR, 0, sequence, |out| out.extend_from_slice(&[0; 4]));
        } else {
            let found = self.recording.iter().position(|(request, _)| request == payload);
            let (_, answers) = found
                .and_then(|at| self.recording.remove(at))
                .ok_or_else(|| io::Error::other(format!("that was not recorded: {payload:02x?}")))?;
            for answer in answers {
                let (kind, flags, payload) = match answer {
                    // Of success nobody is told who does not ask.
                    Recorded::Acknowledged(0) if flags & netlink::ACK == 0 => continue,
                    Recorded::Message(payload) => (FAMILY, netlink::MULTI, payload),
                    Recorded::Acknowledged(errno) => (netlink::ERROR, 0, (-errno).to_ne_bytes().to_vec()),
                    Recorded::Done => (netlink::DONE, netlink::MULTI, vec![0; 4]),
                    Recorded::Interrupted => (netlink::DONE, netlink::MULTI | netlink::DUMP_INTR, vec![0; 4]),
                };
                message::put(&mut out, kind, flags, sequence, |out| out.extend_from_slice(&payload));
            }
        }
        if !out.is_empty() {
            self.answers.push_back(out);
        }
        Ok(())
    }
}

impl Transport for Replay {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.sent.push(datagram.to_vec());
        for message in Messages(datagram) {
            self.answer(message.map_err(io::Error::other)?)?;
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        *into = self.answers.pop_front().ok_or(io::ErrorKind::TimedOut)?;
        Ok(())
    }

    fn discard(&mut self) {
        self.answers.clear();
    }

    fn window(&self) -> usize {
        64
    }
}
