//! What changed about a virtual server, for those who are told.

use std::collections::BTreeMap;

use lb_balancer::state::State;
use lb_config::keepalived::model::VirtualServer;
use lb_core::{
    Health,
    model::{ServerKey, Weight},
};

use super::policy::{at, places};

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
    /// Whether one of them has failed; with `alpha` it may be neither.
    pub failed: bool,
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
    /// The quorum was gained or lost, with this sum of weights.
    Quorum(Quorum, u32),
    /// The sorry server begins or ends to answer.
    Sorry(ServerKey, bool),
    /// All who are alive come back, or leave, since the sorry server leaves or answers.
    Pool(bool),
}

/// What became of the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quorum {
    /// It is there, and was not.
    Gained,
    /// It was there, and is not.
    Lost,
    /// It was never there, and the sorry server answers.
    Missing,
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

impl Quorum {
    pub(super) const fn is_there(self) -> bool {
        matches!(self, Self::Gained)
    }
}

impl News {
    /// The real server that this is about.
    pub(super) const fn real(&self) -> Option<ServerKey> {
        match self {
            Self::Watched(key) | Self::Alive(key, _) | Self::Real(key, _) => Some(*key),
            Self::Quorum(..) | Self::Sorry(..) | Self::Pool(_) => None,
        }
    }
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
            let health = state.health().of(&service, &key);
            let (alive, failed) = (health == Health::Up, health == Health::Down);
            let spec = state.desired().table.server(&service, &key).filter(|_| sorry != Some(key));
            let policy = state.policy().get(&service).and_then(|service| service.servers.get(&key));
            if alive {
                view.sum += policy.map_or(0, |policy| u32::from(policy.spec.weight.get()));
            }
            view.reals.insert(real.key, Real { alive, failed, weight: spec.map(|spec| spec.weight) });
        }
        view
    }

    /// What is different from before; of a virtual server that is new only what is not to be expected. The order is
    /// keepalived's: what happened to a server, what that did to the quorum, what that did to all.
    pub(super) fn news_since(&self, before: Option<&Self>, sorry: Option<ServerKey>) -> Vec<News> {
        let mut news = Vec::new();
        let was = before.and_then(|before| before.quorum);
        let quorum = match (was, self.quorum) {
            (Some(false) | None, Some(true)) => Some(Quorum::Gained),
            (Some(true), Some(false)) => Some(Quorum::Lost),
            // That it was never there, and is not, is no loss, unless somebody has to stand in.
            (None, Some(false)) if sorry.is_some() => Some(Quorum::Missing),
            _ => None,
        };
        let quorum = quorum.map(|quorum| News::Quorum(quorum, self.sum));
        let Some(before) = before else {
            news.extend(self.reals.keys().map(|key| News::Watched(*key)));
            news.extend(quorum);
            return news;
        };
        let sorry = sorry.filter(|_| before.sorry != self.sorry);
        let mut table = Vec::new();
        let mut keys: Vec<&ServerKey> = before.reals.keys().chain(self.reals.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (old, new) = (before.reals.get(key), self.reals.get(key));
            let (old, new) = (old.copied().unwrap_or_default(), new.copied().unwrap_or_default());
            let is_new = !before.reals.contains_key(key);
            if old.alive != new.alive && !is_new || new.failed && !old.failed && !old.alive {
                news.push(News::Alive(*key, new.alive));
            }
            // Who leaves or comes back for the sorry server has not changed.
            let stays = sorry.is_some() && old.alive && new.alive;
            table.extend(change(old, new).filter(|_| !stays).map(|change| News::Real(*key, change)));
        }
        news.append(&mut table);
        news.extend(quorum);
        if let Some(sorry) = sorry {
            news.extend([News::Sorry(sorry, self.sorry), News::Pool(!self.sorry)]);
        }
        news
    }

    /// What is told of a virtual server that ends: everything is down.
    pub(super) fn farewell(&self) -> Vec<News> {
        let live = self.reals.iter().filter(|(_, real)| real.alive);
        let mut news: Vec<News> = live.map(|(key, _)| News::Alive(*key, false)).collect();
        if self.quorum == Some(true) {
            news.push(News::Quorum(Quorum::Lost, 0));
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
