//! The signals of the supervisor.

use std::io;

use lb_control::protocol::DumpKind;
use nix::sys::signal::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::machine::{Forward, Input, Stop};

/// Signals that wait until the supervisor handles them. Several of one kind count as one.
const QUEUE_CAPACITY: usize = 16;

/// SIGRTMIN + 2 as the C library counts, which keeps two for itself.
const JSON_SIGNAL: i32 = 36;
/// SIGRTMAX - 1.
const STATS_CLEAR_SIGNAL: i32 = 63;

/// Signals that this process handles from now on.
#[derive(Debug)]
pub struct Signals(mpsc::Receiver<Input>);

impl Signals {
    /// To be called inside a tokio runtime, before anybody can know the process id.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE_CAPACITY);
        let handled = [
            (Signal::SIGTERM as i32, Input::Stop(Stop::Terminate)),
            (Signal::SIGINT as i32, Input::Stop(Stop::Interrupt)),
            (Signal::SIGHUP as i32, Input::Forward(Forward::Reload)),
            (Signal::SIGUSR1 as i32, Input::Forward(Forward::Dump(DumpKind::Data))),
            (Signal::SIGUSR2 as i32, Input::Forward(Forward::Dump(DumpKind::Stats))),
            (STATS_CLEAR_SIGNAL, Input::Forward(Forward::Dump(DumpKind::Stats))),
            (JSON_SIGNAL, Input::Forward(Forward::Dump(DumpKind::Json))),
        ];
        for (number, input) in handled {
            let mut signals = signal(SignalKind::from_raw(number))?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() && sender.send(input.clone()).await.is_ok() {}
            });
        }
        Ok(Self(receiver))
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Input {
        match self.0.recv().await {
            Some(input) => input,
            None => std::future::pending().await,
        }
    }
}
