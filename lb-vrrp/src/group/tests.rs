use std::vec::Vec;

use super::*;

mod two_hosts;

const NOW: Time = Time::from_secs(100);
const DOWN: Duration = Duration::from_millis(3600);

type Group = SyncGroup<char>;

/// A group whose orders are followed, and what it ordered.
struct Followed {
    group: Group,
    log: Vec<GroupOutput<char>>,
}

impl Followed {
    fn new(members: &str) -> Self {
        let mut followed = Self { group: Group::new(members.chars(), DOWN), log: Vec::new() };
        followed.give(NOW, GroupInput::Startup);
        followed.log.clear();
        followed
    }

    fn give(&mut self, now: Time, input: GroupInput<'_, char>) {
        self.group.handle_input(now, input);
        self.follow(now);
    }

    fn follow(&mut self, now: Time) {
        while let Some(output) = self.group.poll_output() {
            self.log.push(output);
            let GroupOutput::Member(member, input) = output else { continue };
            let (from, to) = match input {
                Input::Startup => (State::Initialize, State::Backup),
                Input::TakeOver => (State::Backup, State::Active),
                Input::StepDown(_) => (State::Active, State::Backup),
                Input::Shutdown(_) => (State::Backup, State::Initialize),
                _ => continue,
            };
            let event = Event::State { from, to, cause: Cause::Requested };
            self.group.handle_input(now, GroupInput::Event { member: &member, event });
        }
    }

    fn ready(&mut self, now: Time, member: char) {
        self.ready_for(now, member, Cause::Silence);
    }

    fn ready_for(&mut self, now: Time, member: char, cause: Cause) {
        self.give(now, GroupInput::Event { member: &member, event: Event::Ready(Some(cause)) });
    }

    fn yields(&mut self, now: Time, member: char) {
        let cause = Cause::GreaterAddress("192.0.2.9".parse().unwrap());
        let event = Event::State { from: State::Active, to: State::Backup, cause };
        self.give(now, GroupInput::Event { member: &member, event });
    }

    fn active(members: &str) -> Self {
        let mut followed = Self::new(members);
        members.chars().for_each(|member| followed.ready(NOW, member));
        assert_eq!(followed.group.state(), State::Active);
        followed.log.clear();
        followed
    }
}

fn changed(from: State, to: State) -> GroupOutput<char> {
    GroupOutput::State { from, to }
}

const RESIGN: Input<'static> = Input::Shutdown(Farewell::Linger);
const STEP_DOWN: Input<'static> = Input::StepDown(Farewell::Linger);

#[test]
fn members_are_held_before_they_are_started() {
    let mut group = Group::new("ab".chars(), DOWN);
    group.handle_input(NOW, GroupInput::Startup);
    let outputs: Vec<_> = core::iter::from_fn(|| group.poll_output()).collect();
    assert_eq!(
        outputs,
        [
            GroupOutput::Member('a', Input::Hold(true)),
            GroupOutput::Member('b', Input::Hold(true)),
            GroupOutput::Member('a', Input::Startup),
            GroupOutput::Member('b', Input::Startup),
            changed(State::Initialize, State::Backup),
        ]
    );
}

#[test]
fn all_take_over_when_the_last_is_ready() {
    let mut followed = Followed::new("ab");
    followed.ready(NOW, 'b');
    assert_eq!(followed.log, []);
    followed.give(NOW, GroupInput::Event { member: &'b', event: Event::Ready(None) });
    followed.ready(NOW, 'a');
    assert_eq!(followed.log, []);
    followed.ready(NOW, 'b');
    assert_eq!(
        followed.log,
        [
            GroupOutput::Member('a', Input::TakeOver),
            GroupOutput::Member('b', Input::TakeOver),
            changed(State::Backup, State::Active),
        ]
    );
}

#[test]
fn a_fault_of_one_is_a_fault_of_all_until_the_last_is_over() {
    let mut followed = Followed::active("abc");
    followed.give(NOW, GroupInput::Fault { member: &'b', farewell: Farewell::Silent });
    assert_eq!(
        followed.log,
        [
            GroupOutput::Member('b', Input::Shutdown(Farewell::Silent)),
            GroupOutput::Member('a', RESIGN),
            GroupOutput::Member('c', RESIGN),
            changed(State::Active, State::Initialize),
        ]
    );
    followed.log.clear();
    followed.give(NOW, GroupInput::Fault { member: &'c', farewell: Farewell::Silent });
    followed.give(NOW, GroupInput::Recovered { member: &'b' });
    assert_eq!(followed.log, []);
    followed.give(NOW, GroupInput::Recovered { member: &'c' });
    assert_eq!(followed.log.len(), 4);
    assert_eq!(followed.group.state(), State::Backup);
    assert!(followed.group.members().all(|(_, status)| status.state == State::Backup));
}

#[test]
fn a_fault_before_the_start_keeps_all_from_starting() {
    let mut group = Group::new("ab".chars(), DOWN);
    group.handle_input(NOW, GroupInput::Fault { member: &'a', farewell: Farewell::Resign });
    group.handle_input(NOW, GroupInput::Startup);
    assert_eq!(group.state(), State::Initialize);
    group.handle_input(NOW, GroupInput::Recovered { member: &'a' });
    assert_eq!(group.state(), State::Backup);
}

#[test]
fn when_one_yields_the_others_resign() {
    let mut followed = Followed::active("abc");
    followed.yields(NOW, 'b');
    assert_eq!(
        followed.log,
        [
            GroupOutput::Member('a', STEP_DOWN),
            GroupOutput::Member('c', STEP_DOWN),
            changed(State::Active, State::Backup),
        ]
    );
}

#[test]
fn who_yielded_with_the_first_member_lets_the_other_host_go_first() {
    let mut followed = Followed::active("ab");
    followed.yields(NOW, 'a');
    followed.log.clear();
    followed.ready(NOW, 'a');
    followed.ready(NOW, 'b');
    assert_eq!(followed.log, []);
    let until = followed.group.poll_timeout().unwrap();
    assert!(until > NOW + DOWN);
    followed.group.handle_timeout(NOW + DOWN);
    followed.follow(NOW + DOWN);
    assert_eq!(followed.log, []);
    followed.group.handle_timeout(until);
    followed.follow(until);
    assert_eq!(followed.group.state(), State::Active);
    assert_eq!(followed.group.poll_timeout(), None);
}

#[test]
fn who_waits_for_the_other_host_does_so_until_it_resigns_on_all_links() {
    let resigned = Cause::Resigned("192.0.2.9".parse().unwrap());
    for (causes, taken) in [([resigned, resigned], true), ([resigned, Cause::Silence], false)] {
        let mut followed = Followed::active("ab");
        followed.yields(NOW, 'a');
        followed.ready_for(NOW, 'a', causes[0]);
        followed.ready_for(NOW, 'b', causes[1]);
        assert_eq!(followed.group.state() == State::Active, taken, "{causes:?}");
        assert_eq!(followed.group.poll_timeout().is_none(), taken);
    }
}

#[test]
fn who_yielded_with_another_member_does_not_wait() {
    let mut followed = Followed::active("ab");
    followed.yields(NOW, 'b');
    followed.ready(NOW, 'a');
    followed.ready(NOW, 'b');
    assert_eq!(followed.group.state(), State::Active);
}

#[test]
fn the_operator_moves_all_by_moving_one() {
    let mut followed = Followed::new("ab");
    let event = Event::State { from: State::Backup, to: State::Active, cause: Cause::Requested };
    followed.give(NOW, GroupInput::Event { member: &'b', event });
    assert_eq!(followed.group.state(), State::Active);
    let event = Event::State { from: State::Active, to: State::Backup, cause: Cause::Requested };
    followed.give(NOW, GroupInput::Event { member: &'b', event });
    assert_eq!(followed.group.state(), State::Backup);
    assert!(followed.log.contains(&GroupOutput::Member('a', STEP_DOWN)));
}

#[test]
fn shutdown_is_passed_on() {
    let mut followed = Followed::active("ab");
    followed.give(NOW, GroupInput::Shutdown(Farewell::Linger));
    assert_eq!(followed.log[..2], [GroupOutput::Member('a', RESIGN), GroupOutput::Member('b', RESIGN)]);
    followed.ready(NOW, 'a');
    followed.ready(NOW, 'b');
    assert_eq!(followed.group.state(), State::Initialize);
}

#[test]
fn what_a_member_says_of_a_state_before_an_order_moves_nobody() {
    let mut followed = Followed::new("ab");
    for member in ['a', 'b'] {
        let event = Event::Ready(Some(Cause::Silence));
        followed.group.handle_input(NOW, GroupInput::Event { member: &member, event });
    }
    // 'a' yielded before 'b' had told that it took over.
    let tell = |group: &mut Group, member, from, to, cause| {
        group.handle_input(NOW, GroupInput::Event { member, event: Event::State { from, to, cause } });
    };
    let (backup, active) = (State::Backup, State::Active);
    let cause = Cause::GreaterAddress("192.0.2.9".parse().unwrap());
    tell(&mut followed.group, &'a', backup, active, Cause::Silence);
    tell(&mut followed.group, &'a', active, backup, cause);
    tell(&mut followed.group, &'b', backup, active, Cause::Silence);
    tell(&mut followed.group, &'b', active, backup, Cause::Requested);
    let orders: Vec<_> = core::iter::from_fn(|| followed.group.poll_output())
        .filter(|output| matches!(output, GroupOutput::Member(..)))
        .collect();
    let order = GroupOutput::Member;
    assert_eq!(orders, [order('a', Input::TakeOver), order('b', Input::TakeOver), order('b', STEP_DOWN)]);
    assert_eq!(followed.group.state(), State::Backup);
}

#[test]
fn who_joins_an_active_group_disturbs_nobody() {
    let mut followed = Followed::active("ab");
    followed.group.insert('c', State::Initialize);
    followed.group.insert('c', State::Initialize);
    followed.follow(NOW);
    let order = GroupOutput::Member;
    assert_eq!(followed.log, [order('c', Input::Hold(true)), order('c', Input::Startup)]);
    followed.log.clear();
    followed.ready(NOW, 'c');
    assert_eq!(followed.log, [order('c', Input::TakeOver)]);
    assert_eq!(followed.group.state(), State::Active);
}

#[test]
fn who_leaves_is_let_go_and_takes_its_fault_along() {
    let mut followed = Followed::new("ab");
    followed.give(NOW, GroupInput::Fault { member: &'a', farewell: Farewell::Resign });
    followed.log.clear();
    followed.group.remove(NOW, &'a');
    followed.follow(NOW);
    assert!(followed.log.contains(&GroupOutput::Member('a', Input::Hold(false))));
    assert!(followed.log.contains(&GroupOutput::Member('b', Input::Startup)));
    assert_eq!(followed.group.state(), State::Backup);
}

#[test]
fn restored_members_go_on_together() {
    for (states, orders) in [
        ([State::Active, State::Active], &[][..]),
        ([State::Active, State::Backup], &[GroupOutput::Member('a', STEP_DOWN)][..]),
        ([State::Active, State::Initialize], &[GroupOutput::Member('b', Input::Startup)][..]),
    ] {
        let mut group = Group::new([], DOWN);
        group.insert('a', states[0]);
        group.insert('b', states[1]);
        while group.poll_output().is_some() {}
        group.handle_input(NOW, GroupInput::Startup);
        let given: Vec<_> = core::iter::from_fn(|| group.poll_output())
            .filter(|output| matches!(output, GroupOutput::Member(..)))
            .collect();
        assert_eq!(given, orders);
        let expected = if states[1] == State::Backup { State::Backup } else { State::Active };
        assert_eq!(group.state(), expected);
    }
}

#[test]
fn strangers_are_ignored() {
    let mut group = Group::new("a".chars(), DOWN);
    group.handle_input(NOW, GroupInput::Startup);
    while group.poll_output().is_some() {}
    group.handle_input(NOW, GroupInput::Fault { member: &'z', farewell: Farewell::Resign });
    let event = Event::Ready(Some(Cause::Silence));
    group.handle_input(NOW, GroupInput::Event { member: &'z', event });
    assert_eq!(group.poll_output(), None);
}
