//! Mails to people: to a relay, or to the mail server of this host.
//!
//! One after the other, in order, in a task of their own: a server that hangs delays other mails and nothing else. 256 may
//! wait, further ones are dropped with a line in the log. One that a relay does not take for now, or that does not reach
//! it, is tried three times, a few seconds apart.
//!
//! Without a relay, mails go to the SMTP server on localhost, which takes no privilege. Where none listens, or it refuses,
//! they go to `sendmail`, which is often set-group-ID and then needs more than a well-guarded daemon has.

mod message;
mod smtp;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
    time::{Instant, sleep, timeout_at},
};

use self::{message::Message, smtp::NotSent};
use super::{hook::Hook, log::Log};

pub use self::message::host;

/// Mails that wait.
const QUEUE_CAPACITY: usize = 256;
/// Pauses between attempts.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];
/// Default of a connection attempt; each answer may take as long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Port of SMTP.
pub const SMTP_PORT: u16 = 25;

/// A mail relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    /// By address.
    Address(SocketAddr),
    /// By name, which is looked up when it is used.
    Name(String, u16),
}

/// A mail, and how it is sent.
#[derive(Clone, Debug)]
pub struct Email {
    /// The program, for the header `X-Mailer`.
    pub program: &'static str,
    /// Sender, perhaps with a name: `LB <lb@example.com>`.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
    /// When it was written.
    pub at: jiff::Timestamp,
    /// Which server takes it. Default: the mail server of this host.
    pub relay: Option<Relay>,
    /// What the relay is told this host is called. Default: its name.
    pub helo: Option<String>,
    /// Limit for a connection attempt and for each answer. Default 30 s.
    pub timeout: Option<Duration>,
}

/// Sends mails. Those that wait are dropped with it.
#[derive(Debug)]
pub struct MailQueue {
    queue: mpsc::Sender<Email>,
    shared: Arc<Shared>,
    log: Log,
    work: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicU64,
    dropped: AtomicU64,
    sent: Notify,
    /// When a mail was last begun or done with.
    progress: Mutex<Option<Instant>>,
}

impl Shared {
    fn note_progress(&self) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn progress(&self) -> Instant {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now)
    }
}

impl MailQueue {
    /// Must be called inside a tokio runtime.
    pub fn start(log: Log) -> Self {
        let local = Relay::Name("localhost".to_owned(), SMTP_PORT);
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        let shared = Arc::<Shared>::default();
        let work = tokio::spawn(work(jobs, Arc::clone(&shared), log.clone(), PAUSES, local));
        Self { queue, shared, log, work: work.abort_handle() }
    }

    /// Sends a mail, without waiting for it.
    pub fn send(&self, email: Email) {
        if self.shared.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.shared.note_progress();
        }
        if self.queue.try_send(email).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            if self.shared.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                self.log.line(&format!("{QUEUE_CAPACITY} mails wait: further ones are dropped"));
            }
        }
    }

    /// Waits until all are sent. Returns `false` as soon as there was no progress for so long, perhaps at once.
    pub async fn finish(&self, stall: Duration) -> bool {
        loop {
            let sent = self.shared.sent.notified();
            if self.shared.waiting.load(Ordering::Relaxed) == 0 {
                return true;
            }
            if timeout_at(self.shared.progress() + stall, sent).await.is_err() {
                return false;
            }
        }
    }
}

impl Drop for MailQueue {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn work(
    mut jobs: mpsc::Receiver<Email>,
    shared: Arc<Shared>,
    log: Log,
    pauses: [Duration; 2],
    local: Relay,
) {
    while let Some(email) = jobs.recv().await {
        shared.note_progress();
        deliver(&email, &log, pauses, &local).await;
        shared.note_progress();
        let dropped = if jobs.is_empty() { shared.dropped.swap(0, Ordering::Relaxed) } else { 0 };
        if dropped > 0 {
            log.line(&format!("{dropped} mails were dropped"));
        }
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        shared.sent.notify_waiters();
    }
}

async fn deliver(email: &Email, log: &Log, pauses: [Duration; 2], local: &Relay) {
    let host = message::host();
    let message = Message::new(email, &host);
    for refused in &message.refused {
        log.line(&format!("`{}` is not an address to send mail to", refused.escape_debug()));
    }
    if message.to.is_empty() {
        return;
    }
    let relay = email.relay.as_ref().unwrap_or(local);
    let hello = email.helo.as_deref().unwrap_or(&host);
    let limit = email.timeout.unwrap_or(TIMEOUT);
    let mut pauses = pauses.into_iter();
    loop {
        let error = match smtp::send(relay, hello, &message, limit).await {
            Ok(left_out) => {
                for (to, why) in left_out {
                    log.line(&format!("The relay {} does not send mail to {to}: {why}", name(relay)));
                }
                return;
            }
            Err(error) => error,
        };
        if email.relay.is_none() && error.is_final() {
            return by_sendmail(&message, relay, &error, log).await;
        }
        match pauses.next().filter(|_| error.may_pass()) {
            Some(pause) => sleep(pause).await,
            None => {
                return log.line(&format!(
                    "No mail `{}` by the relay {}: {error}",
                    email.subject,
                    name(relay)
                ));
            }
        }
    }
}

async fn by_sendmail(message: &Message, local: &Relay, why: &NotSent, log: &Log) {
    // Not by lettre's transport, which has no limit of time and leaves a program that hangs behind.
    let mut argv = vec!["/usr/sbin/sendmail", "-i"];
    if let Some(from) = &message.from {
        argv.extend(["-f", from.as_ref()]);
    }
    argv.push("--");
    argv.extend(message.to.iter().map(String::as_str));
    let input = message.content.replace("\r\n", "\n");
    let hook = Hook { input, ..Hook::program("mail".to_owned(), &argv) };
    if let Err(error) = hook.run().await {
        log.line(&format!(
            "The mail to {} failed: the mail server {}: {why}; {error}; run one on this host (apt-get install opensmtpd), or name a relay",
            message.to.join(", "),
            name(local),
        ));
    }
}

fn name(relay: &Relay) -> String {
    match relay {
        Relay::Address(address) => address.to_string(),
        Relay::Name(name, port) => format!("{name}:{port}"),
    }
}
