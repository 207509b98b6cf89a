//! Mails about changes.

use lb_config::keepalived::model::{Globals, Mail};
use lb_runtime::{
    log::Log,
    mail::{Email, MailQueue, host},
};

use super::{Happened, Notification, words};

/// Writes mails, and has them sent.
#[derive(Debug)]
pub(super) struct Mailer {
    settings: Mail,
    router: Option<String>,
    queue: MailQueue,
}

impl Mailer {
    pub(super) fn start(log: Log) -> Self {
        Self { settings: Mail::default(), router: None, queue: MailQueue::start(log) }
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
        let settings = &self.settings;
        if settings.to.is_empty() {
            return;
        }
        let router = self.router.clone().unwrap_or_else(host);
        self.queue.send(Email {
            program: "lb-failover",
            from: settings.from.clone().unwrap_or_else(|| format!("keepalived@{}", host())),
            to: settings.to.clone(),
            subject: format!("[{router}] {subject}"),
            text: text.to_owned(),
            at: jiff::Timestamp::now(),
            relay: settings.relay.clone(),
            helo: settings.helo.clone(),
            timeout: settings.timeout,
        });
    }

    /// Waits until all are sent, but not for a mail server that makes no progress.
    pub(super) async fn finish(&self) {
        self.queue.finish(super::FINISH).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::{notify::Kind, testing::PATIENCE};
    use lb_config::keepalived::model::Relay;
    use lb_runtime::{clock::Clock, log::Target};

    /// Takes every mail, and returns the subjects of so many.
    async fn subjects(listener: TcpListener, count: usize) -> Vec<String> {
        let mut subjects = Vec::new();
        while subjects.len() < count {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            stream.write_all(b"220 relay\r\n").await.unwrap();
            let (mut line, mut in_mail) = (String::new(), false);
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                subjects.extend(line.trim_end().strip_prefix("Subject: ").map(str::to_owned));
                in_mail = line == "DATA\r\n" || in_mail && line != ".\r\n";
                if !in_mail {
                    stream.write_all(b"250 ok\r\n").await.unwrap();
                } else if line == "DATA\r\n" {
                    stream.write_all(b"354 go\r\n").await.unwrap();
                }
                line.clear();
            }
        }
        subjects
    }

    #[tokio::test]
    async fn changes_are_mailed_in_order_and_faults_if_wanted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Some(Relay::Address(listener.local_addr().unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let log = Log::new(Target::File(folder.path().join("log")), Clock::start(), "test");
        let mut mailer = Mailer::start(log);
        let mail = Mail { to: vec!["root@localhost".into()], relay, no_faults: true, ..Mail::default() };
        mailer.configure(&Globals { mail, router_id: Some("R1".into()), ..Globals::default() });
        for what in [Happened::Master, Happened::Fault, Happened::Stop, Happened::Backup] {
            let notification =
                Notification { of: Kind::Instance, name: "VI_1".into(), what, priority: 1, peer: None };
            mailer.state(&notification, what);
        }
        mailer.send("Realserver x - UP", "text");
        let subjects = tokio::time::timeout(PATIENCE, subjects(listener, 3)).await.unwrap();
        assert_eq!(
            subjects,
            [
                "[R1] VRRP Instance VI_1 - Entering MASTER state",
                "[R1] VRRP Instance VI_1 - Entering BACKUP state",
                "[R1] Realserver x - UP"
            ]
        );
        tokio::time::timeout(Duration::from_secs(60), mailer.finish()).await.unwrap();
    }
}
