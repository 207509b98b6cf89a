//! What changed about a virtual server, for those who are told.

use std::collections::BTreeMap;

use lb_core::{
    Health,
    model::{ServerKey, Weight},
};

use super::policy::{at, places};
use crate::{config::keepalived::model::VirtualServer, services::state::State};

/// A virtual server as its users see it. All services of a group are decided on alike; the first one stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Whether the quorum is there; `None` while that is not known.
    pub quorum: Option<bool>,
    /// The weights of the live servers.
    pub sum: u32,
    /// Whether the sorry server answers.
    pub sorry: bool,
    /// The real servers.
    pub reals: BTreeMap<ServerKey, Real>,
}

/// A real server as its users see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Real {
    /// Whether its checks pass.
    pub alive: bool,
    /// Its weight in the data plane; `None` = not in it.
    pub weight: Option<Weight>,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// A real server is, or has to be, checked from now on: the virtual server is new.
    Watched(ServerKey),
    /// The checks of a real server pass now, or no longer.
    Alive(ServerKey, bool),
    /// A real server is something else to the data plane.
    Real(ServerKey, Change),
    /// The sorry server begins or ends to answer.
    Sorry(ServerKey, bool),
    /// The quorum was gained or lost, with this sum of weights.
    Quorum(bool, u32),
}

/// What a real server is to the data plane now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// In it.
    Added,
    /// No longer in it.
    Removed,
    /// In it as before, with a weight again.
    Enabled,
    /// In it still, without a weight.
    Disabled,
    /// In it with another weight.
    Weighed(Weight, Weight),
}

impl View {
    /// What was decided about a virtual server.
    pub(super) fn of(server: &VirtualServer, state: &State) -> Self {
        let mut view = Self::default();
        let Some(service) = server.services.first() else { return view };
        if let Some(decision) = state.desired().decisions.get(service) {
            (view.quorum, view.sorry) = (decision.quorum, decision.fallback.is_some());
        }
        let sorry = server.sorry.map(|sorry| at(sorry.key, service)).filter(|_| view.sorry);
        for real in &server.reals {
            let Some((service, key)) = places(server, real).into_iter().next() else { continue };
            let alive = state.health().of(&service, &key) == Health::Up;
            let spec = state.desired().table.server(&service, &key).filter(|_| sorry != Some(key));
            let policy = state.policy().get(&service).and_then(|service| service.servers.get(&key));
            if alive {
                view.sum += policy.map_or(0, |policy| u32::from(policy.spec.weight.get()));
            }
            view.reals.insert(real.key, Real { alive, weight: spec.map(|spec| spec.weight) });
        }
        view
    }

    /// What is different from before; of a virtual server that is new only what is not to be expected. The order is
    /// keepalived's: what happened to a server, what that did to the quorum, what that did to all.
    pub(super) fn news_since(&self, before: Option<&Self>, sorry: Option<ServerKey>) -> Vec<News> {
        let mut news = Vec::new();
        let Some(before) = before else {
            news.extend(self.reals.keys().map(|key| News::Watched(*key)));
            if self.quorum == Some(true) {
                news.push(News::Quorum(true, self.sum));
            }
            return news;
        };
        let mut table = Vec::new();
        let mut keys: Vec<&ServerKey> = before.reals.keys().chain(self.reals.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (old, new) = (before.reals.get(key), self.reals.get(key));
            if let (Some(old), Some(new)) = (old, new)
                && old.alive != new.alive
            {
                news.push(News::Alive(*key, new.alive));
            }
            let (old, new) = (old.copied().unwrap_or_default(), new.copied().unwrap_or_default());
            table.extend(change(old, new).map(|change| News::Real(*key, change)));
        }
        news.append(&mut table);
        // That it was never there, and is not, is no loss.
        match (before.quorum, self.quorum) {
            (Some(false) | None, Some(true)) => news.push(News::Quorum(true, self.sum)),
            (Some(true), Some(false)) => news.push(News::Quorum(false, self.sum)),
            _ => {}
        }
        if let Some(sorry) = sorry.filter(|_| before.sorry != self.sorry) {
            news.push(News::Sorry(sorry, self.sorry));
        }
        news
    }

    /// What is told of a virtual server that ends with `omega`: everything is down.
    pub(super) fn farewell(&self) -> Vec<News> {
        let live = self.reals.iter().filter(|(_, real)| real.alive);
        let mut news: Vec<News> = live.map(|(key, _)| News::Alive(*key, false)).collect();
        if self.quorum == Some(true) {
            news.push(News::Quorum(false, 0));
        }
        news
    }
}

fn change(old: Real, new: Real) -> Option<Change> {
    let change = match (old.weight, new.weight) {
        (None, None) => return None,
        (None, Some(_)) => Change::Added,
        (Some(_), None) => Change::Removed,
        (Some(from), Some(to)) if from == to => return None,
        (Some(Weight::ZERO), Some(_)) if !old.alive && new.alive => Change::Enabled,
        (Some(_), Some(Weight::ZERO)) if old.alive && !new.alive => Change::Disabled,
        (Some(from), Some(to)) => Change::Weighed(from, to),
    };
    Some(change)
}
