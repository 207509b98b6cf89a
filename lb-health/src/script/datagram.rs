//! Questions and answers in single datagrams.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::connect::{connect_datagram, io_failure};
use crate::{Failure, Target};

/// Pause after which an unanswered question is asked again.
const RESEND: Duration = Duration::from_secs(1);

/// Longest datagram that is taken, in bytes.
const MAX_DATAGRAM: usize = 8192;

/// Datagrams that are read as they come between two requests; further ones are read at this pace, as no server answers
/// so often.
const PROMPT: u32 = 64;
const PACE: Duration = Duration::from_millis(10);

/// Asks, again every second, until `judge` has come to a verdict about a datagram from the target; `None` means
/// "not an answer to this question", and the wait goes on. Ends by itself only on an error such as ICMP's "port
/// unreachable".
pub(crate) async fn ask<T>(
    target: &Target,
    question: &[u8],
    mut judge: impl FnMut(&[u8]) -> Option<Result<T, Failure>>,
) -> Result<T, Failure> {
    let socket = connect_datagram(target).await?;
    let mut datagram = [0; MAX_DATAGRAM];
    loop {
        socket.send(question).await.map_err(|error| io_failure("sending the request", &error))?;
        let next = Instant::now() + RESEND;
        let mut unfit = 0_u32;
        while let Ok(received) = timeout_at(next, socket.recv(&mut datagram)).await {
            let length = received.map_err(|error| io_failure("waiting for an answer", &error))?;
            if let Some(verdict) = judge(&datagram[..length]) {
                return verdict;
            }
            unfit += 1;
            if unfit > PROMPT {
                sleep(PACE).await;
            }
        }
    }
}
