use super::MemberStatus;
use crate::{Cause, Input, State};

/// A member as its group sees it.
#[derive(Clone, Debug)]
pub(super) struct Member<K> {
    pub(super) key: K,
    /// Why it would be Active if it were not for the group.
    pub(super) ready: Option<Cause>,
    pub(super) fault: bool,
    /// The state that it is in, or was ordered into.
    state: State,
    /// Whether it has yet to say that it followed an order. What it says of older states is of no interest until then.
    ordered: bool,
    /// Whether the others were Active before it came, and stay so without it until it could be, too.
    joins: bool,
}

impl<K> Member<K> {
    pub(super) fn new(key: K, state: State, joins: bool) -> Self {
        Self { key, ready: None, fault: false, state, ordered: false, joins }
    }

    pub(super) fn join(&mut self) {
        self.joins = self.state != State::Active;
    }

    pub(super) fn joins_no_more(&mut self) {
        self.joins = false;
    }

    pub(super) fn is_active_or_joins(&self) -> bool {
        self.state == State::Active || self.joins
    }

    pub(super) fn status(&self) -> MemberStatus {
        MemberStatus { state: self.state, ready: self.ready.is_some(), fault: self.fault }
    }

    /// Whether the router that was Active on its link gave up by itself.
    pub(super) fn was_resigned_to(&self) -> bool {
        matches!(self.ready, Some(Cause::Resigned(_)))
    }

    /// Takes down what an order will make of it; returns whether that is anything new.
    pub(super) fn expect(&mut self, order: Input<'_>) -> bool {
        let to = match (order, self.state) {
            (Input::Startup, State::Initialize) => State::Backup,
            (Input::TakeOver, State::Backup) => State::Active,
            (Input::StepDown(_), State::Active) => State::Backup,
            (Input::Shutdown(_), State::Backup | State::Active) => State::Initialize,
            _ => return false,
        };
        self.state = to;
        self.ordered = true;
        self.ready = None;
        self.joins &= to != State::Active;
        true
    }

    /// Takes down that it changed its state; returns whether it did so by itself.
    pub(super) fn follows(&mut self, to: State) -> bool {
        if self.ordered {
            self.ordered = to != self.state;
            return false;
        }
        self.state = to;
        self.ready = None;
        true
    }
}
