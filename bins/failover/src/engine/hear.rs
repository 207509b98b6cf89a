//! What the protocol tells.

use std::net::IpAddr;

use lb_config::keepalived::model::Instance;
use lb_control::event::{Condition, Event, Subject, What};
use lb_core::Time;
use lb_vrrp::{
    DropReason, Event as Heard,
    driver::{Happening, LinkState, Notice},
    router::Basis,
};

use super::Engine;
use crate::{
    notify::{Happened, Kind, Progress},
    supervise::Resume,
};

impl Engine {
    /// The protocol tells something.
    pub(super) async fn hear(&mut self, notice: Notice) {
        let Notice { at, instance: name, what, basis } = notice;
        let at = self.time_of(at);
        if let Happening::Stranger { vrid, source } = what {
            return self.stranger(at, &name, vrid, source);
        }
        if let Some(basis) = basis {
            let what = self.basis(&basis);
            self.tell(Event { at, subject: Subject::Instance(name.clone()), what });
        }
        let steps = match &what {
            Happening::Router(Heard::State { to, cause, .. }) => self.state.changed(&name, *to, *cause, at),
            Happening::Router(Heard::Priority { to, .. }) => self.state.runs_with(&name, *to, at),
            Happening::Router(Heard::ActivePriority { from, to, .. }) if to < from => {
                self.state.take_back(&name, at)
            }
            Happening::Router(Heard::NoSuccessor) => self.state.take_back(&name, at),
            Happening::InstallFailed { error } => self.state.unusable(&name, error, at),
            Happening::Link(link) => {
                self.note_link(&name, *link, at);
                self.state.link(&name, *link, at)
            }
            Happening::Group { to, .. } => self.state.group_changed(&name, *to, at),
            _ => Vec::new(),
        };
        if let Happening::Router(Heard::OtherActive { .. }) = what {
            self.notify(Kind::Instance, &name, Happened::MasterRxLowerPri);
        }
        if matches!(
            what,
            Happening::Router(Heard::State { .. } | Heard::Priority { .. }) | Happening::Link(_)
        ) {
            self.unsaid.add(name.clone());
        }
        if let Some(told) = told(&what) {
            if matches!(told, What::Installed(_) | What::Removed(_)) {
                self.balance.addresses_changed();
            }
            self.tell(Event { at, subject: Subject::Instance(name.clone()), what: told });
        }
        self.take(steps).await;
        self.note_outcome(&name, &what).await;
    }

    /// An interface went up or down, or is gone: in keepalived's words, once for all instances on it. What is tracked as
    /// such is reported by its tracker.
    fn note_link(&mut self, name: &str, link: LinkState, at: Time) {
        let Some(interface) = self.model(name).map(|model| model.interface.clone()) else { return };
        let text = match (link, self.interfaces.insert(interface.clone(), link)) {
            (LinkState::Gone, None | Some(LinkState::Gone)) | (LinkState::Down, Some(LinkState::Down)) => {
                return;
            }
            (LinkState::Gone, _) => format!("Interface {interface} deleted"),
            _ if self.is_tracked(&interface) => return,
            (LinkState::Down, _) => format!("Netlink reports {interface} down"),
            (_, Some(LinkState::Down | LinkState::Gone)) => format!("Netlink reports {interface} up"),
            _ => return,
        };
        self.tell(Event { at, subject: Subject::Daemon, what: What::Note(text) });
    }

    fn is_tracked(&self, interface: &str) -> bool {
        let instances = self.config.instances.iter().map(|instance| &*instance.tracks);
        let mut all = instances.chain(self.config.groups.iter().map(|group| &group.tracks));
        all.any(|tracks| tracks.interfaces.iter().any(|tracked| tracked.name == interface))
    }

    /// `log_unknown_vrids`, in keepalived's words, once for each.
    fn stranger(&mut self, at: Time, interface: &str, vrid: u8, source: IpAddr) {
        if self.config.globals.log_unknown_vrids {
            let text = format!(
                "Unknown VRID({vrid}) received on interface({interface}). ignoring... (from {source})"
            );
            self.tell(Event { at, subject: Subject::Daemon, what: What::Note(text) });
        }
    }

    /// IPVS copies connections to the peer, or from it, as its instance is.
    pub(super) fn follow_ipvs(&self) {
        let globals = &self.config.globals;
        let instance = globals.lvs_sync.as_ref().and_then(|sync| sync.instance.as_deref());
        let found = instance.and_then(|name| self.state.instance(name));
        let master = found.is_some_and(|(_, one)| one.condition_since().0 == Condition::Master);
        self.ipvs.set(globals, master);
    }

    /// A notification script was started, or has ended.
    pub(super) fn notified(&mut self, progress: Progress) {
        let Progress { of, name, script, ended } = progress;
        let subject = match of {
            Kind::Instance => Subject::Instance(name),
            Kind::Group => Subject::Group(name),
        };
        self.note(subject, What::Notified { script, ended });
    }

    fn basis(&self, basis: &Basis) -> What {
        let Basis { adverts, interval, skew, .. } = *basis;
        let (interval, skew_ms) = (interval.duration().as_millis(), skew.as_micros() as f64 / 1000.0);
        What::Basis {
            heard: basis.heard.map(|heard| (self.time_of(heard.at), heard.source)),
            timer: basis.due.map(|_| format!("{adverts} x {interval} ms + {skew_ms:.1} ms skew")),
            due: basis.due.map(|due| self.time_of(due)),
            dropped: basis.dropped.map(Into::into),
        }
    }

    /// Some notices were missed: everything is looked at.
    pub(super) async fn catch_up(&mut self, missed: u64) {
        let text = format!("{missed} notices were missed, everything is looked at");
        self.note(Subject::Daemon, What::Note(text));
        self.look_at_all().await;
    }

    /// Instances of a predecessor go on, or do not: then nobody will say that their addresses are removed, and their routes
    /// and rules go. The supervisor learns of those that do.
    pub(super) async fn go_on(&mut self, resume: &Resume) {
        if resume.is_empty() {
            return;
        }
        self.look_at_all().await;
        let inactive: Vec<&Instance> = self
            .config
            .instances
            .iter()
            .filter(|model| resume.has(&model.name))
            .filter(|model| !self.state.instance(&model.name).is_some_and(|(_, one)| one.is_active()))
            .collect();
        inactive.into_iter().for_each(|model| self.kernel.active(model, false));
        while !self.unsaid.is_empty() {
            self.tell_supervisor().await;
        }
    }

    pub(super) async fn look_at_all(&mut self) {
        let now = self.clock.now();
        let Ok(all) = self.vrrp.control.status_of_all().await else { return };
        for status in all {
            self.unsaid.add(status.name.clone());
            let steps = self.state.found(&status, now);
            self.take(steps).await;
        }
    }
}

/// What is written down of what the protocol tells, besides changes of state and priority.
fn told(what: &Happening) -> Option<What> {
    Some(match what {
        Happening::Installed { addresses } => What::Installed(*addresses),
        Happening::Removed { addresses } => What::Removed(*addresses),
        Happening::PutBack { address, more: 0, suspect: None, .. } => What::PutBack(*address),
        Happening::Router(Heard::NewActive { source, priority }) => {
            What::NewMaster { source: *source, priority: *priority }
        }
        Happening::Untold { count } => What::Untold(*count),
        Happening::Router(Heard::Late { by }) => What::Late(*by),
        Happening::Router(Heard::State { .. } | Heard::Priority { .. } | Heard::Ready(_))
        // Whoever takes no part is told so once, by its state.
        | Happening::Router(Heard::Dropped { reason: DropReason::NotRunning, .. })
        | Happening::Link(_)
        | Happening::Fault(_)
        | Happening::Group { .. } => return None,
        Happening::Router(event) => What::Router(*event),
        other => What::Trouble(other.to_string()),
    })
}
