//! Who is notified of what.

use std::sync::Arc;

use lb_config::keepalived::model::Notify;
use lb_control::event::{Condition, What};

use super::Engine;
use crate::notify::{Happened, Kind, Notification};

impl Engine {
    pub(super) fn notify(&mut self, of: Kind, name: &Arc<str>, what: Happened) {
        let (priority, peer) = match of {
            Kind::Group => (0, None),
            Kind::Instance => match self.state.instance(name) {
                Some((_, instance)) => (instance.priority().get(), instance.peer()),
                None => return,
            },
        };
        let wanted = match of {
            Kind::Instance => self.places.get(&**name).and_then(|place| self.config.instances.get(*place)),
            Kind::Group => None,
        };
        let group = || self.config.groups.get(*self.group_places.get(&**name)?);
        let wanted = match (of, wanted) {
            (Kind::Instance, Some(model)) => &*model.notify,
            (Kind::Group, _) => match group() {
                Some(group) => &group.notify,
                None => return,
            },
            (Kind::Instance, None) => return,
        };
        self.notifier.tell(&Notification { of, name: name.clone(), what, priority, peer }, wanted);
    }

    /// `fifo_write_vrrp_states_on_reload`: pipes are told what each instance is, and nobody else.
    pub(super) fn tell_states(&mut self) {
        for (name, instance) in self.state.instances() {
            let Some(what) = state_told(instance.condition_since().0) else { continue };
            let priority = instance.priority().get();
            let notification =
                Notification { of: Kind::Instance, name: name.clone(), what, priority, peer: None };
            self.notifier.tell(&notification, &Notify::default());
        }
    }

    /// What scripts and pipes are told of an event.
    pub(super) fn happened(&self, name: &str, what: &What) -> Option<Happened> {
        match what {
            What::State { to, .. } => state_told(*to),
            What::Priority { .. } => match self.state.instance(name)?.1.condition_since().0 {
                Condition::Master => Some(Happened::MasterPriority),
                Condition::Backup => Some(Happened::BackupPriority),
                _ => None,
            },
            _ => None,
        }
    }
}

pub(super) fn state_told(condition: Condition) -> Option<Happened> {
    match condition {
        Condition::Master => Some(Happened::Master),
        Condition::Backup => Some(Happened::Backup),
        Condition::Fault => Some(Happened::Fault),
        Condition::Init => None,
    }
}
