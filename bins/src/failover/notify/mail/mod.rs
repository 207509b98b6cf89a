//! Mails about changes: to the relay of the configuration, or to the local MTA by `sendmail`.
//!
//! One after the other, in order; 256 may wait, further ones are left out with a line in the log. One that a relay does
//! not take for now, or that does not reach it, is tried three times, a few seconds apart.

mod message;
mod smtp;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use message::Message;
use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};

use super::{Happened, Notification, words};
use crate::{
    config::keepalived::model::{Globals, Mail, Relay},
    director::hooks::Hook,
    failover::task::Task,
    runtime::log::Log,
};

/// Mails that wait.
const WAITING: usize = 256;
/// Pauses between tries.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];
/// Default of `smtp_connect_timeout`; each answer may take as long.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends mails.
#[derive(Debug)]
pub(super) struct Mailer {
    settings: Mail,
    router: Option<String>,
    queue: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    log: Log,
    _work: Task,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicU64,
    dropped: AtomicU64,
    sent: Notify,
}

#[derive(Debug)]
struct Job {
    settings: Mail,
    subject: String,
    text: String,
    at: jiff::Timestamp,
}

impl Mailer {
    pub(super) fn start(log: Log) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING);
        let shared = Arc::<Shared>::default();
        let work = Task::start(work(jobs, Arc::clone(&shared), log.clone(), PAUSES));
        Self { settings: Mail::default(), router: None, queue, shared, log, _work: work }
    }

    pub(super) fn configure(&mut self, globals: &Globals) {
        self.settings = globals.mail.clone();
        self.router = globals.router_id.clone();
    }

    /// About an instance or group.
    pub(super) fn state(&self, notification: &Notification, what: Happened) {
        if what == Happened::Fault && self.settings.no_faults {
            return;
        }
        if let Some((subject, text)) = words::mail(notification, what) {
            self.send(&subject, &text);
        }
    }

    /// About anything.
    pub(super) fn send(&self, subject: &str, text: &str) {
        if self.settings.to.is_empty() {
            return;
        }
        let router = self.router.clone().unwrap_or_else(message::host);
        let job = Job {
            settings: self.settings.clone(),
            subject: format!("[{router}] {subject}"),
            text: text.to_owned(),
            at: jiff::Timestamp::now(),
        };
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(job).is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            if self.shared.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                self.log.line(&format!("{WAITING} mails wait: further ones are left out"));
            }
        }
    }

    /// Waits until all are sent.
    pub(super) async fn finish(&self) {
        loop {
            let sent = self.shared.sent.notified();
            if self.shared.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            sent.await;
        }
    }
}

async fn work(mut jobs: mpsc::Receiver<Job>, shared: Arc<Shared>, log: Log, pauses: [Duration; 2]) {
    while let Some(job) = jobs.recv().await {
        deliver(&job, &log, pauses).await;
        let dropped = if jobs.is_empty() { shared.dropped.swap(0, Ordering::Relaxed) } else { 0 };
        if dropped > 0 {
            log.line(&format!("{dropped} mails were left out"));
        }
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        shared.sent.notify_waiters();
    }
}

async fn deliver(job: &Job, log: &Log, pauses: [Duration; 2]) {
    let host = message::host();
    let message = Message::new(&job.settings, &host, &job.subject, &job.text);
    for refused in &message.refused {
        log.line(&format!("`{}` is no address to send mail to", refused.escape_debug()));
    }
    if message.to.is_empty() {
        return;
    }
    let Some(relay) = &job.settings.relay else {
        let hook = Hook::mail(Some(&message.from_header), &message.to.join(", "), &job.subject, &job.text);
        if let Err(error) = hook.run().await {
            log.line(&format!(
                "The {} failed: {error}; without smtp_server, a local MTA is needed (apt-get install opensmtpd)",
                hook.purpose
            ));
        }
        return;
    };
    let hello = job.settings.helo.as_deref().unwrap_or(&host);
    let limit = job.settings.timeout.unwrap_or(TIMEOUT);
    let data = message.data(&job.at);
    let mut pauses = pauses.into_iter();
    loop {
        let sent = smtp::send(relay, hello, &message.from, &message.to, &data, limit).await;
        let error = match sent {
            Ok(left_out) => {
                for (to, why) in left_out {
                    log.line(&format!("The relay {} does not send mail to {to}: {why}", name(relay)));
                }
                return;
            }
            Err(error) => error,
        };
        match pauses.next().filter(|_| error.may_pass()) {
            Some(pause) => sleep(pause).await,
            None => {
                return log.line(&format!("No mail `{}` by the relay {}: {error}", job.subject, name(relay)));
            }
        }
    }
}

fn name(relay: &Relay) -> String {
    match relay {
        Relay::Address(address) => address.to_string(),
        Relay::Name(name, port) => format!("{name}:{port}"),
    }
}
