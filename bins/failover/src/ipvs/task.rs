//! Brings what is wanted and what there is together.

use std::time::Duration;

use lb_balancer::plane::Choice;
use lb_ipvs::{AsyncClient, Client, Command, Daemon, DaemonRole, Error, Timeouts, transport::Transport};
use lb_runtime::log::Log;
use tokio::{sync::watch, time::sleep};

use super::wanted::{Ours, Wanted};
use crate::inventory::{Entry, Inventory, Recorder};

/// When it is tried again after it failed for the first time; after the last one, as often as it is looked after.
const SOON: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(1000),
    Duration::from_millis(3000),
];

pub(super) struct Task {
    plane: Choice,
    period: Duration,
    log: Log,
    wanted: watch::Receiver<Wanted>,
    troubles: watch::Sender<Vec<String>>,
    client: Option<AsyncClient>,
    ours: Ours,
    recorder: Recorder,
    /// What was wanted when all of it was as wanted for the last time.
    settled: Option<Wanted>,
    /// How often it was tried in vain since something was wanted.
    attempt: usize,
}

/// What was done, and what could not be.
struct Done {
    steps: Vec<Command>,
    /// The same length: why not.
    refused: Vec<Option<Error>>,
    ours: Ours,
}

impl Task {
    pub(super) fn new(
        plane: Choice,
        period: Duration,
        log: Log,
        wanted: watch::Receiver<Wanted>,
        troubles: watch::Sender<Vec<String>>,
        recorder: Recorder,
        inventory: &Inventory,
    ) -> Self {
        let inherited = inventory.iter().find_map(|entry| match entry {
            Entry::Ipvs(ours) => Some(ours.clone()),
            _ => None,
        });
        Self {
            plane,
            period,
            log,
            wanted,
            troubles,
            client: None,
            ours: inherited.unwrap_or_default(),
            recorder,
            settled: None,
            attempt: 0,
        }
    }

    /// Until nothing is wanted any longer, or nobody is left to want anything.
    pub(super) async fn run(mut self) {
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            self.sync(&wanted).await;
            if wanted.ended {
                return;
            }
            let failing = !self.troubles.borrow().is_empty();
            let pause = SOON.get(self.attempt).filter(|_| failing).copied().unwrap_or(self.period);
            tokio::select! {
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.attempt = 0,
                    Err(_) => return,
                },
                () = sleep(pause) => self.attempt = if failing { self.attempt.saturating_add(1) } else { 0 },
            }
        }
    }

    async fn sync(&mut self, wanted: &Wanted) {
        if wanted.is_empty() && self.ours.is_empty() {
            return self.tell(Vec::new());
        }
        if !matches!(self.plane, Choice::Auto | Choice::Ipvs) {
            let lacks = format!("the data plane {} has nothing of the kind", self.plane);
            return self.tell(vec![wanted.undone(&lacks)]);
        }
        let client = match self.open().await {
            Ok(client) => client,
            Err(error) => return self.tell(vec![wanted.undone(&error.to_string())]),
        };
        let target = wanted.clone();
        let mut ours = self.ours.clone();
        let claimed = client.call(move |client| {
            ours.take(&target, &client.timeouts()?);
            Ok(ours)
        });
        let claimed = match claimed.await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.client = None;
                return self.tell(vec![wanted.undone(&error.to_string())]);
            }
        };
        self.claim(claimed.clone()).await;
        let target = wanted.clone();
        let done = client.call(move |client| act(client, &target, claimed)).await;
        match done {
            Ok(done) => {
                self.claim(done.ours.clone()).await;
                self.done(wanted, done);
            }
            Err(error) => {
                // Another socket may do better.
                self.client = None;
                self.tell(vec![wanted.undone(&error.to_string())]);
            }
        }
    }

    /// Records what is ours to be set back.
    async fn claim(&mut self, ours: Ours) {
        let entry = |ours: &Ours| (!ours.is_empty()).then(|| Entry::Ipvs(ours.clone()));
        let before = std::mem::replace(&mut self.ours, ours);
        self.recorder.add(entry(&self.ours)).await;
        if before != self.ours {
            self.recorder.remove(entry(&before));
        }
    }

    async fn open(&mut self) -> Result<AsyncClient, Error> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = AsyncClient::open().await?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn done(&mut self, wanted: &Wanted, Done { steps, refused, ours }: Done) {
        self.ours = ours;
        // What was as it is wanted, and is not any longer, was changed by others.
        let others = self.settled.as_ref() == Some(wanted);
        let mut troubles = Vec::new();
        for (step, refused) in steps.iter().zip(refused) {
            match refused {
                None => self.log.line(&format!("IPVS: {}{}", words(step), cause(step, wanted, others))),
                Some(error) => troubles.push(format!("IPVS: {error}")),
            }
        }
        self.settled = troubles.is_empty().then(|| wanted.clone());
        self.tell(troubles);
    }

    /// Says what is new about the troubles.
    fn tell(&self, troubles: Vec<String>) {
        self.troubles.send_if_modified(|before| {
            for trouble in troubles.iter().filter(|trouble| !before.contains(trouble)) {
                self.log.line(trouble);
            }
            std::mem::replace(before, troubles) != *before
        });
    }
}

/// Sets back what a daemon that is gone has changed.
///
/// # Errors
/// What cannot be set back.
pub async fn set_back(ours: Ours) -> Result<(), String> {
    let nothing = Wanted { ended: true, ..Wanted::default() };
    let done = match AsyncClient::open().await {
        Ok(client) => client.call(move |client| act(client, &nothing, ours)).await,
        Err(error) => Err(error),
    };
    match done.map(|done| done.refused.into_iter().flatten().next()) {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => Err(error.to_string()),
    }
}

fn act<T: Transport>(client: &mut Client<T>, wanted: &Wanted, mut ours: Ours) -> Result<Done, Error> {
    let (daemons, timeouts) = (client.daemons()?, client.timeouts()?);
    ours.take(wanted, &timeouts);
    let steps = ours.steps(wanted, &daemons, &timeouts);
    let mut refused: Vec<Option<Error>> = steps.iter().map(|_| None).collect();
    for refusal in client.apply(&steps)? {
        refused[refusal.index] = Some(refusal.error);
    }
    if refused.iter().all(Option::is_none) {
        ours.release(wanted);
    }
    Ok(Done { steps, refused, ours })
}

fn words(step: &Command) -> String {
    match step {
        Command::StartDaemon(Daemon { role, interface, sync_id, .. }) => {
            let what = match role {
                DaemonRole::Master => "connections are copied to the peer",
                DaemonRole::Backup => "copies of the peer's connections are taken",
            };
            format!("{what} ({role} sync daemon on {interface}, id {sync_id})")
        }
        Command::StopDaemon(role) => format!("the {role} sync daemon is stopped"),
        Command::SetTimeouts(Timeouts { tcp, tcp_fin, udp }) => {
            let named = [("tcp", tcp), ("tcpfin", tcp_fin), ("udp", udp)];
            let set = named.iter().filter(|(_, seconds)| **seconds > 0);
            let set: Vec<String> = set.map(|(name, seconds)| format!("{name} {seconds} s")).collect();
            format!("timeouts are set: {}", set.join(", "))
        }
        other => other.to_string(),
    }
}

fn cause(step: &Command, wanted: &Wanted, others: bool) -> String {
    if others {
        return ": somebody else had changed that".to_owned();
    }
    let instance = wanted.sync.as_ref().and_then(|sync| sync.instance.as_deref());
    match (step, instance) {
        (Command::SetTimeouts(_), _) | (_, None) => String::new(),
        (_, Some(name)) => format!(": {name} is {}MASTER", if wanted.master { "" } else { "not " }),
    }
}
