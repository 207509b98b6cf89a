//! Resignations for a process that is dead, sent by another one.

use std::io;

use super::{LinuxError, frame::Frames, packet::PacketSocket, sender::Sender};
use crate::{
    Family, Transmit,
    driver::{Resignation, platform::Via},
};

/// Sends [`Resignation`]s for a process that died: a Backup then takes over after its skew time, or sooner, and not after
/// three intervals and more.
///
/// It needs `CAP_NET_RAW`, no runtime and no thread. Its sockets are opened once and for all, and receive nothing.
///
/// ```no_run
/// use std::process::Child;
///
/// use lb_vrrp::driver::{Resignation, linux::Resigner};
///
/// /// Waits for the process that runs the driver. `latest` is what it told of
/// /// [`Control::resignations`](lb_vrrp::driver::Control::resignations) last.
/// fn supervise(mut daemon: Child, latest: &[Resignation]) -> Result<(), Box<dyn std::error::Error>> {
///     let mut resigner = Resigner::new()?;
///     if !daemon.wait()?.success() {
///         resigner.send(latest)?;
///     }
///     Ok(())
/// }
/// ```
pub struct Resigner {
    v4: Sender,
    /// For those with an IP authentication header.
    sealed: Sender,
    /// `None` on a machine without IPv6.
    v6: Option<Sender>,
    frames: Frames,
    packets: PacketSocket,
}

impl Resigner {
    /// Opens the sockets.
    ///
    /// # Errors
    /// What could not be opened, and which privilege is missing. That the machine has no IPv6 is no error.
    pub fn new() -> Result<Self, LinuxError> {
        let v6 = match Sender::open(Family::V6, false) {
            Err(error) if lacks_ipv6(&error) => Ok(None),
            opened => opened.map(Some),
        };
        let v4 = |sealed| {
            Sender::open(Family::V4, sealed).map_err(LinuxError::new("opening a raw socket for IPv4"))
        };
        Ok(Self {
            v4: v4(false)?,
            sealed: v4(true)?,
            v6: v6.map_err(LinuxError::new("opening a raw socket for IPv6"))?,
            frames: Frames::default(),
            packets: PacketSocket::new().map_err(LinuxError::new("opening a packet socket"))?,
        })
    }

    /// Sends each of them twice, all of them before any for the second time: one that is lost costs a whole down interval,
    /// and a Backup that took over by the first ignores the second. Those with an IP authentication header are sent once:
    /// there are two of each already, since a second copy would be a replay. Never blocks.
    ///
    /// # Errors
    /// The first error, after all was sent that could be.
    pub fn send(&mut self, resignations: &[Resignation]) -> io::Result<()> {
        let mut result = Ok(());
        for again in [false, true] {
            let sent = self.send_once(resignations.iter().filter(|one| !(again && one.sealed)));
            result = result.and(sent);
        }
        result
    }

    fn send_once<'a>(&mut self, resignations: impl Iterator<Item = &'a Resignation>) -> io::Result<()> {
        let Self { v4, sealed, v6, frames, packets } = self;
        let mut result = Ok(());
        for one in resignations {
            let message =
                Transmit { source: one.source, destination: one.destination, payload: &one.payload };
            let sender = match Family::of(one.source) {
                Family::V4 if one.sealed => Some(&mut *sealed),
                Family::V4 => Some(&mut *v4),
                Family::V6 => v6.as_mut(),
            };
            let via =
                Via { interface: one.interface, mac: one.mac, sealed: one.sealed, ttl: one.ttl, sender: 0 };
            match (one.mac, sender) {
                (Some(mac), _) => frames.push(via, mac, message),
                (None, Some(sender)) => sender.push(via, message),
                (None, None) => result = result.and(Err(io::ErrorKind::Unsupported.into())),
            }
        }
        let mut failed = |_, error| {
            if result.is_ok() {
                result = Err(error);
            }
        };
        for sender in [Some(v4), Some(sealed), v6.as_mut()].into_iter().flatten() {
            sender.flush(&mut failed);
        }
        frames.flush(packets, &mut failed);
        result
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}
