//! How requests are carried: in batches, until each of them is answered.

use std::{collections::VecDeque, fmt::Display};

use super::{Client, Refused};
use crate::{
    command::{Command, Query},
    error::{Error, ErrorKind, errno},
    exchange::Exchange,
    transport::Transport,
    wire::{
        Answer, DecodeError,
        attribute::{Attributes, Put},
        consts::{control, netlink},
        message,
    },
};

/// How often a dump is tried that the kernel calls a mixture, or of which a part was lost.
const ATTEMPTS: u32 = 5;
/// As the kernel registers it.
const FAMILY_NAME: &str = "IPVS";
/// A datagram is sent when it is that long, so that it fits the socket's send buffer.
const DATAGRAM: usize = 64 << 10;

impl<T: Transport> Client<T> {
    /// Makes many changes in order, with few system calls. One that the kernel refuses is reported and does not keep
    /// the others from being made.
    ///
    /// # Errors
    /// When nothing can be said about some of them, as when no answer comes. Read the table again then.
    pub fn apply(&mut self, batch: &[Command]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        let mut waiting: VecDeque<usize> = (0..batch.len()).collect();
        let mut family_is_fresh = false;
        while !waiting.is_empty() {
            let sent = self.fill(batch, &mut waiting, &mut refused);
            let Some(operation) = sent.first().and_then(|index| batch.get(*index)) else {
                break;
            };
            let ends: Vec<i32> = self.exchange(operation, sent.len(), |_| Ok(()))?.ends().collect();
            // Said of a family that is gone, as well as of a server or a scheduler that is not there.
            if ends.contains(&errno::ENOENT) && !family_is_fresh {
                family_is_fresh = true;
                if self.renew()? {
                    let again = sent.iter().zip(&ends).rev().filter(|(_, end)| **end == errno::ENOENT);
                    again.for_each(|(index, _)| waiting.push_front(*index));
                    let others = sent.iter().zip(&ends).filter(|(_, end)| **end != errno::ENOENT);
                    refused.extend(others.filter_map(|(index, end)| refusal(batch, *index, *end)));
                    continue;
                }
            }
            refused.extend(sent.iter().zip(ends).filter_map(|(index, end)| refusal(batch, *index, end)));
        }
        refused.sort_by_key(|refused| refused.index);
        Ok(refused)
    }

    /// Puts as many commands into `self.outgoing` as fit a datagram and the window, and says which. One that can not
    /// be put into a message is refused.
    fn fill(
        &mut self,
        batch: &[Command],
        waiting: &mut VecDeque<usize>,
        refused: &mut Vec<Refused>,
    ) -> Vec<usize> {
        let window = self.transport.window().max(1);
        let first = self.sequence.wrapping_add(1);
        let mut filled = Vec::new();
        let mut last = 0;
        self.outgoing.clear();
        while filled.len() < window
            && self.outgoing.len() < DATAGRAM
            && let Some(index) = waiting.pop_front()
        {
            let command = &batch[index];
            let start = self.outgoing.len();
            let sequence = first.wrapping_add(filled.len() as u32);
            let mut fits = Ok(());
            message::put(&mut self.outgoing, self.family, netlink::REQUEST, sequence, |out| {
                fits = command.emit(out);
            });
            match fits {
                Ok(()) => {
                    filled.push(index);
                    last = start;
                }
                Err(why) => {
                    self.outgoing.truncate(start);
                    let error = Error::new(ErrorKind::Invalid, command, why.to_string());
                    refused.push(Refused { index, error });
                }
            }
        }
        message::set_flags(&mut self.outgoing[last..], netlink::REQUEST | netlink::ACK);
        filled
    }

    /// Any number of answers.
    pub(super) fn dump<R>(
        &mut self,
        query: Query,
        pick: impl Fn(Answer) -> Option<R>,
    ) -> Result<Vec<R>, Error> {
        for _ in 0..ATTEMPTS {
            let mut found = Vec::new();
            match self.query(query, |answer| found.extend(pick(answer))) {
                Ok(exchange) if !exchange.interrupted() => return Ok(found),
                Err(error) if error.kind() != ErrorKind::Overrun => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        let reason = format!("the table changed each of the {ATTEMPTS} times that it was read");
        Err(Error::new(ErrorKind::Interrupted, query, reason))
    }

    /// One answer.
    pub(super) fn one<R>(&mut self, query: Query, pick: impl Fn(Answer) -> Option<R>) -> Result<R, Error> {
        let mut found = None;
        self.query(query, |answer| found = pick(answer))?;
        found.ok_or_else(|| Error::new(ErrorKind::Malformed, query, "the kernel answered without an answer"))
    }

    fn query(&mut self, query: Query, mut take: impl FnMut(Answer)) -> Result<Exchange, Error> {
        let flags = netlink::REQUEST | netlink::ACK | if query.is_dump() { netlink::DUMP } else { 0 };
        let mut family_is_fresh = false;
        loop {
            self.outgoing.clear();
            let sequence = self.sequence.wrapping_add(1);
            message::put(&mut self.outgoing, self.family, flags, sequence, |out| query.emit(out));
            let exchange = self.exchange(&query, 1, |message| {
                take(Answer::decode(message, query.family())?);
                Ok(())
            })?;
            match exchange.failure() {
                None => return Ok(exchange),
                Some(errno::ENOENT) if !family_is_fresh && self.renew()? => family_is_fresh = true,
                Some(end) => return Err(Error::query(&query, end)),
            }
        }
    }

    /// Sends `self.outgoing`, which holds `count` requests, and receives until the last of them is answered.
    fn exchange(
        &mut self,
        operation: &dyn Display,
        count: usize,
        mut reply: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<Exchange, Error> {
        let mut exchange = Exchange::new(self.sequence.wrapping_add(1), count);
        self.sequence = self.sequence.wrapping_add(count as u32);
        let ended = self.transport.send(&self.outgoing).map_err(|error| Error::transport(operation, error));
        let ended = ended.and_then(|()| {
            while !exchange.is_done() {
                self.transport
                    .receive(&mut self.incoming)
                    .map_err(|error| Error::transport(operation, error))?;
                exchange
                    .receive(&self.incoming, |message| reply(message.payload))
                    .map_err(|error| Error::malformed(operation, error))?;
            }
            Ok(exchange)
        });
        if ended.is_err() {
            // While the rest of a dump waits to be read, the kernel begins no other.
            self.transport.discard();
        }
        ended
    }

    /// Asks for the family's number again, which changes when the module is unloaded and loaded. Says whether it has.
    fn renew(&mut self) -> Result<bool, Error> {
        let old = self.family;
        self.resolve()?;
        Ok(self.family != old)
    }

    /// Asks for the family's number.
    pub(super) fn resolve(&mut self) -> Result<(), Error> {
        const OPERATION: &str = "look for the kernel's IP Virtual Server";
        self.outgoing.clear();
        let sequence = self.sequence.wrapping_add(1);
        message::put(&mut self.outgoing, control::FAMILY, netlink::REQUEST | netlink::ACK, sequence, |out| {
            message::put_generic(out, control::GET_FAMILY);
            out.put_text(control::FAMILY_NAME, FAMILY_NAME);
        });
        let mut family = None;
        let exchange = self.exchange(&OPERATION, 1, |message| {
            for attribute in Attributes(message.get(4..).unwrap_or_default()) {
                let attribute = attribute?;
                if attribute.kind() == control::FAMILY_ID {
                    family = Some(attribute.u16()?);
                }
            }
            Ok(())
        })?;
        match (exchange.failure(), family) {
            (None, Some(family)) => {
                self.family = family;
                Ok(())
            }
            (None, None) | (Some(errno::ENOENT), _) => Err(Error::not_loaded(OPERATION)),
            (Some(end), _) => Err(Error::system(OPERATION, end)),
        }
    }
}

fn refusal(batch: &[Command], index: usize, end: i32) -> Option<Refused> {
    (end != 0).then(|| Refused { index, error: Error::command(&batch[index], end) })
}
