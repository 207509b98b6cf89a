//! `emailalert`: mails about servers that come and go, in the words of ldirectord's mails.

use std::{collections::BTreeMap, time::Duration};

use lb_balancer::state::{Place, State};
use lb_config::ldirectord::{AlertStates, Config, EmailAlert, Virtual};
use lb_control::wording::services as wording;
use lb_core::{
    Event, Time,
    desired::ServerState,
    event::{Cause, Subject, What},
    model::Weight,
};
use lb_runtime::{
    log::Log,
    mail::{self, Email, MailQueue, Relay},
};

/// How long a mail server may make no progress while the daemon ends; one that hangs already is not waited for.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// In which part of its life the daemon is: mails can be limited to some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first check of some server has not ended.
    Starting,
    /// All servers were checked.
    Running,
    /// As `Starting`, after the configuration was read again.
    Reloading,
    /// It ends.
    Stopping,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Reloading => "reloading",
            Self::Stopping => "stopping",
        }
    }

    const fn is_in(self, states: AlertStates) -> bool {
        match self {
            Self::Starting => states.starting,
            Self::Running => states.running,
            Self::Reloading => states.reloading,
            Self::Stopping => states.stopping,
        }
    }
}

/// Writes mails, and has them sent.
pub(super) struct Alerts {
    mails: MailQueue,
    log: Log,
    /// In which part of its life the daemon is.
    pub(super) stage: Stage,
    /// When the last mail about each server that is down was written.
    sent: BTreeMap<Place, Time>,
}

impl Alerts {
    /// Must be called inside a tokio runtime.
    pub(super) fn start(log: Log) -> Self {
        Self { mails: MailQueue::start(log.clone()), log, stage: Stage::Starting, sent: BTreeMap::new() }
    }

    /// Writes a mail about what has happened to a server, if one is wanted.
    pub(super) fn of(&mut self, event: &Event, config: &Config) {
        let What::Server { after, .. } = event.what else { return };
        let service = match event.subject {
            Subject::Server(service, server) => {
                if after.is_none_or(Weight::is_zero) {
                    self.sent.insert((service, server), event.at);
                } else {
                    self.sent.remove(&(service, server));
                }
                service
            }
            Subject::Fallback(service, _) => service,
            _ => return,
        };
        let service = config.virtuals.iter().find(|entry| entry.key == service);
        if let (Some(service), Some(text)) = (service, wording::alert(event)) {
            self.send(service, &text, &event.cause, config);
        }
    }

    /// `emailalertfreq`: says again who is still down.
    pub(super) fn repeat(&mut self, config: &Config, state: &State, now: Time) {
        for service in &config.virtuals {
            let Some(every) = service.email.as_ref().and_then(|alert| alert.repeat) else { continue };
            for real in &service.reals {
                let place = (service.key, real.key);
                let due = self.sent.get(&place).is_some_and(|last| now.since(*last) >= every.duration());
                let decision = state.desired().decisions.get(&service.key);
                let found = decision.and_then(|decision| decision.servers.get(&real.key));
                if !due || found != Some(&ServerState::Down) {
                    continue;
                }
                let cause = state.record(&place).map_or(&Cause::Lifecycle, |record| &record.cause);
                self.send(service, &wording::inaccessible(&service.key, &real.key), cause, config);
                self.sent.insert(place, now);
            }
        }
    }

    /// Waits until all mails are sent, but not for a mail server that hangs.
    pub(super) async fn finish(&self) {
        if !self.mails.finish(STALL_TIMEOUT).await {
            self.log.line(&format!("Mails are dropped: none was sent within {} s", STALL_TIMEOUT.as_secs()));
        }
    }

    fn send(&self, service: &Virtual, text: &str, cause: &Cause, config: &Config) {
        let Some(alert) = service.email.as_ref().filter(|alert| self.stage.is_in(alert.during)) else {
            return;
        };
        let from = config.globals.email_from.as_deref();
        self.mails.send(email(alert, service, (text, cause), self.stage, from));
    }
}

fn email(
    alert: &EmailAlert,
    service: &Virtual,
    (text, cause): (&str, &Cause),
    stage: Stage,
    from: Option<&str>,
) -> Email {
    let host = mail::host();
    let subject = match &service.name {
        Some(name) => format!("[{name}] {text}"),
        None => text.to_owned(),
    };
    // Line by line what ldirectord writes, which filters for mail may know, but for the cause.
    let mut text = format!(
        "ldirectord host: {host}\nLog-Message: {subject}\nDaemon-Status: {}\nCause: {cause}\n\n",
        stage.name()
    );
    if let Some(name) = &service.name {
        text += &format!("Service name: {name}\n");
    }
    if let Some(comment) = &service.comment {
        text += &format!("Comment: {comment}\n");
    }
    Email {
        program: "lb-director",
        // As sendmail does it for a daemon of root.
        from: from.map_or_else(|| format!("root@{host}"), str::to_owned),
        to: alert.to.split(',').map(|to| to.trim().to_owned()).collect(),
        subject,
        text,
        at: jiff::Timestamp::now(),
        relay: alert.smtp.clone().map(|name| Relay::Name(name, mail::SMTP_PORT)),
        helo: None,
        timeout: None,
    }
}
