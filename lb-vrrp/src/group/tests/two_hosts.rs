//! Two hosts with the same group, whose routers exchange real messages over links that lose them.

use std::{collections::BTreeMap, net::IpAddr, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{
    Config, Datagram, Endpoint, Envelope, Output, Preempt, Priority, RouterKey, VirtualRouter, Vrid,
};

#[derive(Clone, Debug)]
struct Plan {
    /// For each member: the priorities on both hosts, and which host has the greater address.
    members: Vec<([u8; 2], bool)>,
    preempt: bool,
    /// What happens, each a quarter of a second after the one before.
    steps: Vec<Step>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Nothing,
    /// From now on a link loses so many of 256 messages.
    Loss(usize, u8),
    Fault(usize, usize),
    Recovered(usize, usize),
    /// The operator of a host gives everything to the other one, with the least priority from then on.
    Switch(usize),
}

struct Host {
    endpoint: Endpoint,
    group: SyncGroup<RouterKey>,
    keys: Vec<RouterKey>,
    /// Messages to send, with their link.
    sent: Vec<(usize, IpAddr, Vec<u8>)>,
    changes: Vec<(Time, State)>,
}

/// A message on its way.
struct Arrival {
    host: usize,
    link: usize,
    source: IpAddr,
    payload: Vec<u8>,
}

impl Host {
    fn new(plan: &Plan, host: usize) -> Self {
        let mut endpoint = Endpoint::new();
        let mut keys = Vec::new();
        for (link, (priorities, first_greater)) in plan.members.iter().enumerate() {
            let vrid = Vrid::new(51).unwrap();
            let address = IpAddr::from([198, 51, 100, link as u8]);
            let preempt = if plan.preempt || priorities[host] == 255 { Preempt::Yes } else { Preempt::No };
            let priority = Priority::new(priorities[host]).unwrap();
            let config = Config::v3(vrid, [address]).priority(priority).preempt(preempt).build().unwrap();
            let last = if (host == 0) == *first_greater { 9 } else { 1 };
            let key = RouterKey::new(link as u32, &config);
            let router = VirtualRouter::new(config, IpAddr::from([192, 0, link as u8, last])).unwrap();
            endpoint.insert(key, router).unwrap();
            keys.push(key);
        }
        let group = SyncGroup::new(keys.clone(), DOWN);
        Self { endpoint, group, keys, sent: Vec::new(), changes: Vec::new() }
    }

    /// What a driver does after each input, until there is nothing more to do.
    fn drain(&mut self, now: Time) {
        loop {
            while let Some((key, output)) = self.endpoint.poll_output() {
                match output {
                    Output::Send(message) => {
                        self.sent.push((key.interface as usize, message.source, message.payload.to_vec()));
                    }
                    Output::Event(event) => {
                        self.group.handle_input(now, GroupInput::Event { member: &key, event });
                    }
                    _ => {}
                }
            }
            match self.group.poll_output() {
                Some(GroupOutput::Member(key, input)) => {
                    assert!(self.endpoint.handle_input(now, key, input));
                }
                Some(GroupOutput::State { to, .. }) => {
                    self.changes.push((now, to));
                    // Whoever it was given to has lost it.
                    for key in self.keys.iter().filter(|_| to == State::Active) {
                        let configured = self.endpoint.router(*key).unwrap().config().priority();
                        self.endpoint.handle_input(now, *key, Input::Priority(configured));
                    }
                }
                None => break,
            }
        }
        let active = self.endpoint.iter().filter(|(_, router)| router.state() == State::Active).count();
        assert!(active == 0 || active == self.keys.len(), "{active} of {} are Active", self.keys.len());
        for (key, status) in self.group.members() {
            assert_eq!(self.endpoint.router(*key).unwrap().state(), status.state);
        }
        assert_eq!(self.group.state() == State::Active, active > 0);
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.endpoint.poll_timeout().into_iter().chain(self.group.poll_timeout()).min()
    }
}

/// Runs until long after the last step, without loss and faults from then on.
fn run(plan: &Plan) -> [Host; 2] {
    let mut hosts = [Host::new(plan, 0), Host::new(plan, 1)];
    let mut random = plan.seed | 1;
    let mut chance = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let quarter = Duration::from_millis(250);
    let mut losses = vec![0u8; plan.members.len()];
    let mut steps: Vec<(Time, Step)> = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        steps.push((Time::ZERO + quarter * index as u32, *step));
    }
    let healed = Time::ZERO + quarter * plan.steps.len() as u32;
    for link in 0..plan.members.len() {
        let all = [Step::Loss(link, 0), Step::Recovered(0, link), Step::Recovered(1, link)];
        steps.extend(all.map(|step| (healed, step)));
    }
    steps.reverse();
    let mut arriving: BTreeMap<(Time, u64), Arrival> = BTreeMap::new();
    let mut count = 0;
    let end = healed + Duration::from_secs(60);
    for host in &mut hosts {
        host.group.handle_input(Time::ZERO, GroupInput::Startup);
        host.drain(Time::ZERO);
    }
    loop {
        let next = steps.last().map(|(at, _)| *at).into_iter();
        let next = next.chain(arriving.keys().next().map(|(at, _)| *at));
        let now = next.chain(hosts.iter().filter_map(Host::poll_timeout)).min().unwrap();
        if now > end {
            return hosts;
        }
        if let Some((_, step)) = steps.pop_if(|(at, _)| *at <= now) {
            match step {
                Step::Nothing => {}
                Step::Loss(link, loss) => losses[link] = loss,
                Step::Fault(host, link) => {
                    let member = &hosts[host].keys[link].clone();
                    hosts[host]
                        .group
                        .handle_input(now, GroupInput::Fault { member, farewell: Farewell::Resign });
                }
                Step::Switch(host) if hosts[host].group.state() == State::Active => {
                    for key in hosts[host].keys.clone() {
                        hosts[host].endpoint.handle_input(now, key, Input::Priority(Priority::MIN));
                        hosts[host].endpoint.handle_input(now, key, Input::HandOver(Duration::ZERO));
                    }
                }
                Step::Switch(_) => {}
                Step::Recovered(host, link) => {
                    let member = &hosts[host].keys[link].clone();
                    hosts[host].group.handle_input(now, GroupInput::Recovered { member });
                }
            }
        } else if let Some(entry) = arriving.first_entry().filter(|entry| entry.key().0 <= now) {
            let Arrival { host, link, source, payload } = entry.remove();
            let destination = crate::Family::V4.multicast_group();
            let envelope = Envelope { source, destination, ttl: Some(255), authenticated: false };
            let datagram = Datagram { received: now, envelope, payload: &payload };
            hosts[host].endpoint.handle_datagram(now, link as u32, datagram);
        } else {
            for host in &mut hosts {
                host.endpoint.handle_timeout(now);
                host.group.handle_timeout(now);
            }
        }
        for (index, host) in hosts.iter_mut().enumerate() {
            host.drain(now);
            for (link, source, payload) in host.sent.drain(..) {
                if chance() % 256 < u64::from(losses[link]) {
                    continue;
                }
                count += 1;
                let arrival = now + Duration::from_millis(1);
                arriving.insert((arrival, count), Arrival { host: 1 - index, link, source, payload });
            }
        }
    }
}

fn settles(plan: &Plan) {
    let hosts = run(plan);
    let active: Vec<_> = hosts.iter().filter(|host| host.group.state() == State::Active).collect();
    assert_eq!(active.len(), 1, "{:?}", hosts.each_ref().map(|host| host.changes.clone()));
    let end = Time::ZERO + Duration::from_millis(250) * plan.steps.len() as u32 + Duration::from_secs(60);
    for host in &hosts {
        let (last, _) = host.changes.last().unwrap();
        assert!(end.since(*last) > Duration::from_secs(20), "changed {last}: {:?}", host.changes);
    }
}

fn plan(members: &[([u8; 2], bool)], steps: Vec<Step>) -> Plan {
    Plan { members: members.to_vec(), preempt: true, steps, seed: 1 }
}

#[test]
fn each_host_is_the_stronger_on_another_link() {
    settles(&plan(&[([200, 100], true), ([100, 200], true)], vec![]));
    settles(&plan(&[([100, 100], true), ([100, 100], false)], vec![]));
    settles(&plan(&[([100, 100], false), ([100, 100], true), ([100, 100], false)], vec![]));
}

#[test]
fn owners_do_not_go_apart() {
    settles(&plan(&[([255, 100], true), ([255, 100], true)], vec![]));
    settles(&plan(&[([255, 100], true), ([100, 255], true)], vec![]));
}

#[test]
fn a_link_that_is_parted_moves_nothing() {
    let mut steps = vec![Step::Nothing; 40];
    steps.push(Step::Loss(1, 255));
    steps.extend(vec![Step::Nothing; 200]);
    let hosts = run(&plan(&[([200, 100], true), ([200, 100], true)], steps));
    assert_eq!(hosts[0].group.state(), State::Active);
    let states = |host: &Host| host.changes.iter().map(|(_, state)| *state).collect::<Vec<_>>();
    assert_eq!(states(&hosts[0]), [State::Backup, State::Active]);
    assert_eq!(states(&hosts[1]), [State::Backup]);
}

#[test]
fn a_fault_moves_all_within_the_skew_time() {
    let mut steps = vec![Step::Nothing; 40];
    steps.push(Step::Fault(0, 1));
    steps.extend(vec![Step::Nothing; 40]);
    let hosts = run(&plan(&[([200, 100], true), ([200, 100], true)], steps));
    let at = |host: &Host, wanted, nth: usize| {
        host.changes.iter().filter(|(_, state)| *state == wanted).nth(nth).map(|(at, _)| *at).unwrap()
    };
    let fault = at(&hosts[0], State::Initialize, 0);
    let taken = at(&hosts[1], State::Active, 0);
    assert!(taken.since(fault) < Duration::from_millis(620), "{}", taken.since(fault).as_millis());
    assert_eq!(hosts[0].group.state(), State::Active, "it preempts when it has recovered");
}

#[test]
fn what_was_just_taken_back_can_be_given_away_and_stays_there() {
    for quarters in 0..40 {
        let mut steps = vec![Step::Nothing; 40];
        steps.extend([Step::Fault(0, 1), Step::Nothing, Step::Nothing, Step::Nothing, Step::Recovered(0, 1)]);
        // It preempts within this time.
        steps.extend(vec![Step::Nothing; 13 + quarters]);
        steps.push(Step::Switch(0));
        steps.extend(vec![Step::Nothing; 80]);
        let hosts = run(&plan(&[([200, 100], true), ([200, 100], true)], steps));
        let states = |host: &Host| host.changes.iter().map(|(_, state)| *state).collect::<Vec<_>>();
        let (init, backup, active) = (State::Initialize, State::Backup, State::Active);
        let changes = &hosts[0].changes;
        assert_eq!(
            states(&hosts[0]),
            [backup, active, init, backup, active, backup],
            "{quarters}: {changes:?}"
        );
        assert_eq!(states(&hosts[1]), [backup, active, backup, active], "{quarters}: {:?}", hosts[1].changes);
    }
}

fn step(members: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Nothing),
        2 => (0..members, any::<u8>()).prop_map(|(link, loss)| Step::Loss(link, loss)),
        1 => (0..members, Just(255)).prop_map(|(link, loss)| Step::Loss(link, loss)),
        1 => (0..2usize, 0..members).prop_map(|(host, link)| Step::Fault(host, link)),
        1 => (0..2usize, 0..members).prop_map(|(host, link)| Step::Recovered(host, link)),
        1 => (0..2usize).prop_map(Step::Switch),
    ]
}

fn plans() -> impl Strategy<Value = Plan> {
    let priority = prop_oneof![3 => Just(100u8), 2 => Just(200), 1 => 1u8..=255];
    let member = ([priority.clone(), priority], any::<bool>());
    prop::collection::vec(member, 1..4).prop_flat_map(|members| {
        let steps = prop::collection::vec(step(members.len()), 0..80);
        (Just(members), any::<bool>(), steps, any::<u64>()).prop_map(|(members, preempt, steps, seed)| Plan {
            members,
            preempt,
            steps,
            seed,
        })
    })
}

proptest! {
    /// On the way there, [`Host::drain`] checks that a host has all members Active, or none.
    #[test]
    fn all_members_end_on_one_host_and_stay_there(plan in plans()) {
        settles(&plan);
    }
}
