//! One exchange with the kernel, without IO: which requests are out, and what has come back.

use crate::wire::{
    DecodeError,
    consts::netlink,
    message::{Message, Messages},
};

/// Requests with consecutive sequence numbers, and how far each of them is.
///
/// The kernel works them off one after the other. It says that one was refused without being asked, so that only the last
/// one asks to be told of its end: when that has come, what nothing was said of has been done.
#[derive(Debug)]
pub(crate) struct Exchange {
    first: u32,
    /// The errno with which each ended, 0 for success.
    ends: Vec<Option<i32>>,
    /// A dump was not of one moment: the table changed meanwhile.
    interrupted: bool,
}

impl Exchange {
    /// `count` requests are about to be sent, with the sequence numbers from `first` on.
    pub(crate) fn new(first: u32, count: usize) -> Self {
        Self { first, ends: vec![None; count], interrupted: false }
    }

    /// Takes a datagram of the kernel and hands what it says to `reply`. Messages that belong to another exchange, as
    /// the late answer to one that was given up, are dropped.
    pub(crate) fn receive(
        &mut self,
        datagram: &[u8],
        mut reply: impl FnMut(Message<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for message in Messages(datagram) {
            let message = message?;
            let index = usize::try_from(message.sequence.wrapping_sub(self.first)).unwrap_or(usize::MAX);
            let Some(end @ None) = self.ends.get_mut(index) else {
                continue;
            };
            self.interrupted |= message.flags & netlink::DUMP_INTR != 0;
            match message.kind {
                netlink::NOOP | netlink::OVERRUN => {}
                netlink::ERROR | netlink::DONE => *end = Some(message.errno()?),
                _ => reply(message)?,
            }
        }
        Ok(())
    }

    /// Whether nothing more will be said.
    pub(crate) fn is_done(&self) -> bool {
        self.ends.last().is_none_or(Option::is_some)
    }

    /// Whether what was dumped is a mixture of two tables.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// The first errno that is none of success.
    pub(crate) fn failure(&self) -> Option<i32> {
        self.ends().find(|end| *end != 0)
    }

    /// The errno of each request, 0 for success, in the order in which they were sent.
    pub(crate) fn ends(&self) -> impl Iterator<Item = i32> + '_ {
        self.ends.iter().map(|end| end.unwrap_or(0))
    }
}
