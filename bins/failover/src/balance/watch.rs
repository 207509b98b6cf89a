//! Which check concerns which server, and what all of them have found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lb_config::keepalived::model::{Checker, CheckerKind, VirtualName, VirtualServer};
use lb_core::{
    Health,
    model::{ServerKey, Weight},
};
use lb_health::{CheckId, CheckStatus, Runner, RunnerSettings, Verdict};

use super::{
    probes,
    vitals::{self, Finding},
};
use crate::program::Policy;

/// A check of a real server of a virtual server, by their places in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    pub(super) server: usize,
    pub(super) real: usize,
    pub(super) check: usize,
}

/// Runs the checks. Equal ones are one, whoever asked for them.
pub(super) struct Watch {
    runner: Runner,
    /// By virtual server, real server and check.
    known: Vec<Vec<Vec<Known>>>,
    seats: BTreeMap<CheckId, Vec<Seat>>,
    paused: BTreeSet<CheckId>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: CheckId,
    finding: Finding,
}

impl Watch {
    pub(super) fn start(settings: RunnerSettings) -> Self {
        Self {
            runner: Runner::start(settings),
            known: Vec::new(),
            seats: BTreeMap::new(),
            paused: BTreeSet::new(),
        }
    }

    /// Checks these servers from now on. What is known of a check that was there `before` is kept.
    pub(super) fn set(&mut self, servers: &[VirtualServer], before: &[VirtualServer], policy: &Policy) {
        let old = self.remembered(before);
        let mut findings = Vec::new();
        let mut checks = Vec::new();
        for (server, real, checker) in all(servers) {
            let known = old.get(&(&server.name, real)).into_iter().flatten();
            let mut finding = known
                .filter(|(kind, _)| **kind == checker.kind)
                .map(|(_, finding)| *finding)
                .next()
                .unwrap_or_default();
            finding.alpha = checker.alpha;
            checks.push(probes::check(checker, policy, finding.health));
            findings.push(finding);
        }
        let ids = self.runner.set(checks);
        self.seats.clear();
        self.known = servers.iter().map(|server| vec![Vec::new(); server.reals.len()]).collect();
        let mut found = ids.into_iter().zip(findings);
        for (place, server) in servers.iter().enumerate() {
            for (real, entry) in server.reals.iter().enumerate() {
                for (check, checker) in entry.checkers.iter().enumerate() {
                    let Some((id, mut finding)) = found.next() else { return };
                    // A new server may be looked at by a check that has its verdict already.
                    if let Some(status) = self.runner.status_of(id) {
                        finding.health = status.health;
                        if let Some(Ok(passed)) = status.last.map(|look| look.outcome) {
                            finding.share = probes::share(&checker.kind, &passed);
                        }
                    }
                    self.known[place][real].push(Known { id, finding });
                    self.seats.entry(id).or_default().push(Seat { server: place, real, check });
                }
            }
        }
        self.paused.retain(|id| self.seats.contains_key(id));
    }

    fn remembered<'a>(
        &self,
        before: &'a [VirtualServer],
    ) -> HashMap<(&'a VirtualName, ServerKey), Vec<(&'a CheckerKind, Finding)>> {
        let mut old: HashMap<_, Vec<_>> = HashMap::new();
        let findings = self.known.iter().flatten().flatten().map(|known| known.finding);
        for ((server, real, checker), finding) in all(before).zip(findings) {
            old.entry((&server.name, real)).or_default().push((&checker.kind, finding));
        }
        old
    }

    /// Waits for the next verdict. Cancel safe.
    pub(super) async fn verdict(&self) -> Verdict {
        self.runner.verdict().await
    }

    /// The next verdict, if there is one.
    pub(super) fn try_verdict(&self) -> Option<Verdict> {
        self.runner.try_verdict()
    }

    /// Takes note of a verdict; returns whom it concerns.
    pub(super) fn note(&mut self, verdict: &Verdict, servers: &[VirtualServer]) -> Vec<Seat> {
        let seats = self.seats.get(&verdict.check).cloned().unwrap_or_default();
        for seat in &seats {
            let finding = &mut self.known[seat.server][seat.real][seat.check].finding;
            finding.health = verdict.health;
            if let Ok(passed) = &verdict.look.outcome {
                let kind = &servers[seat.server].reals[seat.real].checkers[seat.check].kind;
                finding.share = probes::share(kind, passed);
            }
        }
        seats
    }

    /// The health of a real server.
    pub(super) fn health(&self, server: usize, real: usize) -> Health {
        vitals::health(self.findings(server, real))
    }

    /// Whether that is taken for granted, since not every check has ended yet.
    pub(super) fn is_assumed(&self, server: usize, real: usize) -> bool {
        self.findings(server, real).any(|finding| finding.health == Health::Unknown)
    }

    /// The weight of a real server, from that of the configuration.
    pub(super) fn weight(&self, server: usize, real: usize, base: Weight) -> Weight {
        vitals::weight(base, self.findings(server, real))
    }

    fn findings(&self, server: usize, real: usize) -> impl Iterator<Item = &Finding> {
        let checks = self.known.get(server).and_then(|server| server.get(real));
        checks.into_iter().flatten().map(|known| &known.finding)
    }

    /// What is known of the checks of a real server.
    pub(super) fn status(&self, server: usize, real: usize) -> impl Iterator<Item = CheckStatus> {
        let checks = self.known.get(server).and_then(|server| server.get(real));
        checks.into_iter().flatten().filter_map(|known| self.runner.status_of(known.id))
    }

    /// Makes no checks that concern only virtual servers for which `suspended` is true.
    pub(super) fn suspend(&mut self, suspended: &[bool]) {
        for (id, seats) in &self.seats {
            let idle = seats.iter().all(|seat| suspended.get(seat.server) == Some(&true));
            if idle && self.paused.insert(*id) {
                self.runner.pause(*id);
            } else if !idle && self.paused.remove(id) {
                self.runner.resume(*id);
            }
        }
    }
}

/// All checks in the order of the configuration.
fn all(servers: &[VirtualServer]) -> impl Iterator<Item = (&VirtualServer, ServerKey, &Checker)> {
    servers.iter().flat_map(|server| {
        server
            .reals
            .iter()
            .flat_map(move |real| real.checkers.iter().map(move |checker| (server, real.key, checker)))
    })
}
