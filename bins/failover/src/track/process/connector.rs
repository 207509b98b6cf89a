//! The kernel's process connector: netlink messages about each process that begins, changes or ends.
//!
//! Layout: `linux/connector.h`, `linux/cn_proc.h`; all numbers are in the order of the machine.

use std::{io, time::Duration};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_CONNECTOR};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;

use crate::track::pollable;

/// CN_IDX_PROC and CN_VAL_PROC.
const PROCESSES: u32 = 1;
/// PROC_CN_MCAST_LISTEN.
const LISTEN: u32 = 1;
/// Of a `nlmsghdr` and of a `cn_msg`.
const HEADERS: usize = 16 + 20;
/// Room for tens of thousands of events that come at once.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams that are read at once.
const BATCH: usize = 256;
/// Within this the kernel says whether it lets us listen.
const ANSWER: Duration = Duration::from_secs(1);
/// Events for others that may come before.
const EVENTS: u32 = 10_000;

/// Something that happened to a process, not to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Fork {
        parent: u32,
        child: u32,
    },
    /// It is another program, or has another name.
    Changed(u32),
    Exit(u32),
}

/// Hears of processes.
pub(super) struct Connector(AsyncFd<Socket>);

impl Connector {
    /// Starts to listen; waits for the answer.
    ///
    /// # Errors
    /// The kernel does not let us, or does not answer.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_CONNECTOR)?;
        socket.bind(&SocketAddr::new(0, PROCESSES))?;
        if nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .is_err()
        {
            SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        socket.send_to(&request(), &SocketAddr::new(0, 0), 0)?;
        SockRef::from(&socket).set_read_timeout(Some(ANSWER))?;
        // Events for somebody else may come before the answer, and without one, as in a container, mean nothing.
        for _ in 0..EVENTS {
            let mut buffer = Vec::with_capacity(4096);
            socket.recv(&mut buffer, 0)?;
            if let Some(allowed) = answer(&buffer) {
                allowed?;
                socket.set_non_blocking(true)?;
                return pollable(socket).map(Self);
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Waits for what happens; for ever, if there is no connector.
    ///
    /// # Errors
    /// Something was lost.
    pub(super) async fn read(this: &mut Option<Self>) -> io::Result<Vec<Event>> {
        let Some(Self(socket)) = this else { return std::future::pending().await };
        loop {
            let mut ready = socket.readable().await?;
            let mut events = Vec::new();
            let read = ready.try_io(|socket| {
                for _ in 0..BATCH {
                    let mut buffer = Vec::with_capacity(4096);
                    match socket.get_ref().recv(&mut buffer, 0) {
                        Ok(_) => events.extend(parse(&buffer)),
                        // What was read is not lost by that.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock && !events.is_empty() => {
                            break;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            });
            match read {
                Ok(Ok(())) if events.is_empty() => {}
                Ok(result) => return result.map(|()| events),
                Err(_would_block) => {}
            }
        }
    }
}

/// `nlmsghdr`, `cn_msg`, operation.
fn request() -> Vec<u8> {
    const DONE: u16 = 3;
    let length = HEADERS + 4;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    bytes.extend(DONE.to_ne_bytes());
    bytes.extend([0; 2 + 4 + 4]);
    for number in [PROCESSES, PROCESSES, 0, 0] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(4_u16.to_ne_bytes());
    bytes.extend([0; 2]);
    bytes.extend(LISTEN.to_ne_bytes());
    bytes
}

/// Event PROC_EVENT_NONE answers a request, with an error number in it.
fn answer(bytes: &[u8]) -> Option<io::Result<()>> {
    if number(bytes, WHAT)? != 0 {
        return None;
    }
    match number(bytes, DATA)? {
        0 => Some(Ok(())),
        error => Some(Err(io::Error::from_raw_os_error(error.cast_signed()))),
    }
}

/// Places in a `proc_event`: `what`, `cpu`, `timestamp_ns` (two), data.
const WHAT: usize = 0;
const DATA: usize = 4;

fn parse(bytes: &[u8]) -> Option<Event> {
    const FORK: u32 = 0x1;
    const EXEC: u32 = 0x2;
    const COMM: u32 = 0x200;
    const EXIT: u32 = 0x8000_0000;
    let data = |place| number(bytes, DATA + place);
    match number(bytes, WHAT)? {
        FORK => {
            // Thread and process of the parent, then of the child.
            let (parent, thread, child) = (data(1)?, data(2)?, data(3)?);
            (thread == child).then_some(Event::Fork { parent, child })
        }
        // Thread and process. A thread may have a name of its own, which is not that of the process.
        COMM | EXEC => (data(0)? == data(1)?).then_some(Event::Changed(data(1)?)),
        EXIT => (data(0)? == data(1)?).then_some(Event::Exit(data(1)?)),
        _ => None,
    }
}

/// The number at this place of a `proc_event`, in units of four bytes.
fn number(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(HEADERS + 4 * place..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: u32, data: &[u32]) -> Vec<u8> {
        let numbers = [what, 0, 0, 0].into_iter().chain(data.iter().copied());
        [0; HEADERS].into_iter().chain(numbers.flat_map(u32::to_ne_bytes)).collect()
    }

    #[test]
    fn only_what_happens_to_processes_counts() {
        assert_eq!(parse(&event(1, &[11, 10, 20, 20])), Some(Event::Fork { parent: 10, child: 20 }));
        assert_eq!(parse(&event(1, &[10, 10, 21, 20])), None, "a thread");
        assert_eq!(parse(&event(2, &[20, 20])), Some(Event::Changed(20)));
        assert_eq!(parse(&event(0x200, &[20, 20])), Some(Event::Changed(20)));
        assert_eq!(parse(&event(0x200, &[21, 20])), None, "a thread");
        assert_eq!(parse(&event(0x8000_0000, &[20, 20, 0, 17])), Some(Event::Exit(20)));
        assert_eq!(parse(&event(0x8000_0000, &[21, 20, 0, 17])), None, "a thread");
        assert_eq!(parse(&event(0x40, &[20, 20])), None);
        assert_eq!(parse(&event(2, &[20])), None, "cut short");
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn a_refusal_is_an_error() {
        let refused = answer(&event(0, &[1])).unwrap();
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(nix::libc::EPERM));
        answer(&event(0, &[0])).unwrap().unwrap();
        assert!(answer(&event(2, &[7, 7])).is_none() && answer(&[]).is_none());
    }
}
