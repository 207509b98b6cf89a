//! Orders to hand over whose outcome somebody waits for. Pure: the engine says what it hears and what time it is.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use lb_core::Time;

/// How an instance fared that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This router took over.
    TakenOver(IpAddr),
    /// Nobody took over: it is MASTER here.
    Stayed,
    /// It is not known: time ran out, or the instance takes no part any more.
    Unknown,
}

/// Hand-overs that are under way. `T` is what is given back when one has ended.
#[derive(Debug)]
pub struct HandOvers<T> {
    pending: Vec<Pending<T>>,
}

/// A hand-over that has ended for all of its instances.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended<T> {
    /// What it was begun with.
    pub ticket: T,
    /// How each instance fared.
    pub outcomes: BTreeMap<Arc<str>, Outcome>,
}

#[derive(Debug)]
struct Pending<T> {
    ticket: T,
    outcomes: BTreeMap<Arc<str>, Option<Outcome>>,
    until: Time,
}

impl<T> Default for HandOvers<T> {
    fn default() -> Self {
        Self { pending: Vec::new() }
    }
}

impl<T> HandOvers<T> {
    /// These instances are handed over. What is not known at `until` stays unknown.
    pub fn begin(&mut self, ticket: T, instances: impl IntoIterator<Item = Arc<str>>, until: Time) {
        let outcomes = instances.into_iter().map(|name| (name, None)).collect();
        self.pending.push(Pending { ticket, outcomes, until });
    }

    /// This is what became of an instance. The first outcome counts.
    pub fn handle_input(&mut self, instance: &str, outcome: Outcome) {
        for pending in &mut self.pending {
            if let Some(known) = pending.outcomes.get_mut(instance) {
                known.get_or_insert(outcome);
            }
        }
    }

    /// Ends what has waited for too long.
    pub fn handle_timeout(&mut self, now: Time) {
        for pending in self.pending.iter_mut().filter(|pending| pending.until <= now) {
            for outcome in pending.outcomes.values_mut() {
                outcome.get_or_insert(Outcome::Unknown);
            }
        }
    }

    /// The next one that has ended.
    pub fn poll_output(&mut self) -> Option<Ended<T>> {
        let has_ended = |pending: &Pending<T>| pending.outcomes.values().all(Option::is_some);
        let place = self.pending.iter().position(has_ended)?;
        let Pending { ticket, outcomes, .. } = self.pending.remove(place);
        let known = |(name, outcome): (Arc<str>, Option<Outcome>)| Some((name, outcome?));
        Some(Ended { ticket, outcomes: outcomes.into_iter().filter_map(known).collect() })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.pending.iter().map(|pending| pending.until).min()
    }
}

/// What became of the instances, as a sentence.
pub fn describe(outcomes: &BTreeMap<Arc<str>, Outcome>) -> String {
    let mut taken: BTreeMap<IpAddr, Vec<&str>> = BTreeMap::new();
    let (mut stayed, mut unknown) = (Vec::new(), Vec::new());
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::TakenOver(by) => taken.entry(*by).or_default().push(name),
            Outcome::Stayed => stayed.push(&**name),
            Outcome::Unknown => unknown.push(&**name),
        }
    }
    let mut parts: Vec<String> =
        taken.iter().map(|(by, names)| format!("{by} took over {}", names.join(", "))).collect();
    if !stayed.is_empty() {
        parts.push(format!("nobody took over {}: this node stays MASTER", stayed.join(", ")));
    }
    if !unknown.is_empty() {
        parts.push(format!(
            "it is not known who has {}: see `lbctl status` of the other node",
            unknown.join(", ")
        ));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(100);
    const UNTIL: Time = Time::from_secs(105);

    fn peer(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn begun(names: &[&str]) -> HandOvers<&'static str> {
        let mut hand_overs = HandOvers::default();
        hand_overs.begin("ticket", names.iter().map(|name| Arc::from(*name)), UNTIL);
        hand_overs
    }

    #[test]
    fn a_hand_over_ends_when_the_outcome_of_each_instance_is_known() {
        let mut hand_overs = begun(&["a", "b"]);
        assert_eq!(hand_overs.poll_timeout(), Some(UNTIL));
        hand_overs.handle_input("a", Outcome::TakenOver(peer(2)));
        hand_overs.handle_input("c", Outcome::Stayed);
        hand_overs.handle_timeout(NOW);
        assert_eq!(hand_overs.poll_output(), None);
        hand_overs.handle_input("a", Outcome::Stayed);
        hand_overs.handle_input("b", Outcome::TakenOver(peer(3)));
        let Ended { ticket, outcomes } = hand_overs.poll_output().unwrap();
        assert_eq!(
            (ticket, describe(&outcomes).as_str()),
            ("ticket", "10.0.0.2 took over a; 10.0.0.3 took over b")
        );
        assert_eq!((hand_overs.poll_output(), hand_overs.poll_timeout()), (None, None));
    }

    #[test]
    fn what_is_not_known_in_time_is_unknown() {
        let mut hand_overs = begun(&["a", "b", "c", "d"]);
        hand_overs.handle_input("a", Outcome::Stayed);
        hand_overs.handle_input("b", Outcome::Stayed);
        hand_overs.handle_timeout(UNTIL);
        let Ended { outcomes, .. } = hand_overs.poll_output().unwrap();
        let expected = "nobody took over a, b: this node stays MASTER; it is not known who has c, d: \
                        see `lbctl status` of the other node";
        assert_eq!(describe(&outcomes), expected);
    }

    #[test]
    fn two_who_ask_for_the_same_are_both_answered() {
        let mut hand_overs = begun(&["a"]);
        hand_overs.begin("other", [Arc::from("a")], UNTIL);
        hand_overs.handle_input("a", Outcome::TakenOver(peer(2)));
        let tickets: Vec<_> =
            std::iter::from_fn(|| hand_overs.poll_output()).map(|ended| ended.ticket).collect();
        assert_eq!(tickets, ["ticket", "other"]);
    }
}
