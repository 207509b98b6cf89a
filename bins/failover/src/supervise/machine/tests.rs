use super::*;
use crate::{inventory::Entry, supervise::testing::held};

const START: Time = Time::from_secs(1000);
const SECOND: Duration = Duration::from_secs(1);

fn entry() -> Entry {
    Entry::Address { interface: 2, net: "192.0.2.100/24".parse().unwrap(), peer: None }
}

fn active() -> Message {
    Message::Active("web".to_owned(), Box::new(held("web", START, SECOND)))
}

fn killed(signal: u8) -> Input {
    Input::Exited(Exit { killed: true, code: 128 + signal, text: format!("signal: {signal}") })
}

fn exited(code: u8) -> Input {
    Input::Exited(Exit { killed: false, code, text: format!("exit status: {code}") })
}

/// A supervisor with a daemon that does what it is told, and a kernel.
struct World {
    machine: Supervisor,
    now: Time,
    daemon: Daemon,
    /// Whether the next starts fail.
    refuses: bool,
    installed: bool,
    starts: usize,
    reloads: usize,
    resigned: usize,
    ready: usize,
    code: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Daemon {
    None,
    /// It has no handlers: a signal kills it.
    Deaf,
    Running,
}

impl World {
    fn new(respawns: bool) -> Self {
        Self {
            machine: Supervisor::new(respawns),
            now: START,
            daemon: Daemon::None,
            refuses: false,
            installed: false,
            starts: 0,
            reloads: 0,
            resigned: 0,
            ready: 0,
            code: None,
        }
    }

    fn input(&mut self, input: Input) {
        if matches!(input, Input::Exited(_)) {
            self.daemon = Daemon::None;
        }
        self.machine.handle_input(self.now, input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            assert_eq!(self.code, None, "{output:?} after the end");
            match output {
                Output::Start => {
                    assert_eq!(self.daemon, Daemon::None, "a second daemon");
                    self.starts += 1;
                    let input = match self.refuses {
                        true => Input::StartFailed("Cannot allocate memory".to_owned()),
                        false => {
                            self.daemon = Daemon::Deaf;
                            Input::Started { pid: 7 }
                        }
                    };
                    self.machine.handle_input(self.now, input);
                }
                Output::Stop(stop) => match self.daemon {
                    Daemon::None => panic!("nobody is there to be stopped"),
                    Daemon::Deaf => self.input(killed(if stop == Stop::Terminate { 15 } else { 2 })),
                    Daemon::Running => {
                        self.installed = false;
                        self.machine.handle_input(self.now, Input::Message(Message::Removed(vec![entry()])));
                        self.input(exited(0));
                    }
                },
                Output::Reload => {
                    assert_eq!(self.daemon, Daemon::Running, "the signal would kill it");
                    self.reloads += 1;
                }
                Output::Send(_) => assert_eq!(self.daemon, Daemon::Running),
                Output::Resign(all) => self.resigned += all.len(),
                Output::Remove(inventory) => {
                    assert_ne!(self.daemon, Daemon::Running, "the daemon may install it again");
                    assert_eq!(inventory, Inventory::from([entry()]));
                    self.installed = false;
                }
                Output::Ready => self.ready += 1,
                Output::Exit(code) => {
                    assert_eq!(self.daemon, Daemon::None, "its daemon is left alone");
                    self.code = Some(code);
                }
                Output::Namespace(_) | Output::Log(_) => {}
            }
        }
    }

    /// The daemon gets its handlers, and asks.
    fn listen(&mut self) {
        assert_eq!(self.daemon, Daemon::Deaf);
        self.daemon = Daemon::Running;
        self.input(Input::Message(Message::Resume));
    }

    /// The daemon runs, and its instance is Active.
    fn run(&mut self) {
        self.listen();
        if self.daemon == Daemon::Running {
            self.input(Input::Message(Message::Install(vec![entry()])));
            self.installed = true;
            self.input(Input::Message(active()));
            self.input(Input::Message(Message::Ready));
        }
    }

    /// Time goes on until nothing is due within so many seconds.
    fn pass(&mut self, seconds: u32) {
        let end = self.now + SECOND * seconds;
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.machine.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = end;
    }
}

/// Each moment in the life of a supervisor, by name.
fn moments() -> Vec<(&'static str, World)> {
    let at = |reach: &dyn Fn(&mut World)| {
        let mut world = World::new(true);
        world.carry_out();
        reach(&mut world);
        assert_eq!(world.code, None);
        world
    };
    let ran = |world: &mut World| world.run();
    let crash = |world: &mut World, times: usize| {
        world.run();
        for _ in 1..times {
            world.input(killed(9));
            world.run();
        }
        world.input(killed(9));
    };
    vec![
        ("starting", at(&|_| {})),
        ("listening, before ready", at(&|world| world.listen())),
        ("running", at(&ran)),
        ("starting a successor", at(&|world| crash(world, 1))),
        (
            "a slow successor, resigned",
            at(&|world| {
                crash(world, 1);
                world.pass(1);
            }),
        ),
        (
            "a successor before it is ready",
            at(&|world| {
                crash(world, 1);
                world.listen();
            }),
        ),
        (
            "a successor",
            at(&|world| {
                crash(world, 1);
                world.run();
            }),
        ),
        ("the pause between respawns", at(&|world| crash(world, 4))),
        (
            "the pause after a failed start",
            at(&|world| {
                world.run();
                world.refuses = true;
                world.input(killed(9));
            }),
        ),
        (
            "long after a failed start",
            at(&|world| {
                world.run();
                world.refuses = true;
                world.input(killed(9));
                world.pass(10);
            }),
        ),
    ]
}

#[test]
fn a_request_to_stop_counts_at_every_moment() {
    for stop in [Stop::Terminate, Stop::Interrupt] {
        for (moment, mut world) in moments() {
            let starts = world.starts;
            world.input(Input::Stop(stop));
            world.pass(5);
            assert_eq!(world.code, Some(0), "{moment}");
            assert_eq!(world.starts, starts, "{moment}: nothing is started any more");
            assert!(!world.installed, "{moment}: something is left");
        }
    }
}

#[test]
fn a_reload_is_never_lost_and_never_kills_a_daemon() {
    for (moment, mut world) in moments() {
        world.input(Input::Forward(Forward::Reload));
        world.input(Input::Forward(Forward::Dump(DumpKind::Data)));
        world.refuses = false;
        world.pass(5);
        if world.daemon == Daemon::Deaf {
            assert_eq!(world.reloads, 0, "{moment}");
            world.run();
        }
        assert_eq!((world.code, world.reloads, world.daemon), (None, 1, Daemon::Running), "{moment}");
    }
}

#[test]
fn a_daemon_that_is_killed_at_any_moment_has_a_successor_or_leaves_nothing() {
    for (moment, mut world) in moments() {
        let was_ready = world.ready > 0;
        if world.daemon == Daemon::None {
            continue;
        }
        world.input(killed(9));
        world.pass(5);
        match was_ready {
            true => assert_eq!((world.code, world.daemon), (None, Daemon::Deaf), "{moment}"),
            false => assert_eq!(world.code, Some(128 + 9), "{moment}: it never worked"),
        }
        assert!(!world.installed, "{moment}: resigned, and nobody came for seconds");
    }
}

#[test]
fn an_instance_is_resigned_once_and_goes_on_if_the_successor_is_in_time() {
    let mut world = World::new(true);
    world.carry_out();
    world.run();
    world.input(killed(9));
    world.run();
    world.pass(60);
    assert_eq!((world.resigned, world.installed, world.starts), (0, true, 2));
    world.input(killed(9));
    world.pass(60);
    assert_eq!(world.resigned, 1);
}

#[test]
fn without_respawn_a_death_resigns_and_removes_everything() {
    let mut world = World::new(false);
    world.carry_out();
    world.run();
    world.input(killed(11));
    assert_eq!((world.resigned, world.code, world.installed), (1, None, true), "a peer takes over first");
    world.pass(1);
    assert_eq!((world.code, world.installed, world.starts), (Some(128 + 11), false, 1));
}

#[test]
fn starts_that_fail_are_tried_again_until_everything_is_given_up() {
    let mut world = World::new(true);
    world.carry_out();
    world.run();
    world.refuses = true;
    world.input(killed(9));
    world.pass(4);
    assert_eq!((world.code, world.resigned, world.installed), (None, 1, false), "the addresses go at once");
    world.refuses = false;
    world.pass(1);
    world.run();
    assert_eq!((world.code, world.daemon, world.ready), (None, Daemon::Running, 1));
    // It counts anew.
    world.refuses = true;
    let starts = world.starts;
    world.input(killed(9));
    world.pass(100);
    assert_eq!((world.code, world.installed), (Some(CANNOT_RUN), false));
    assert_eq!(world.starts - starts, MAX_FAILED_STARTS as usize);
}

#[test]
fn the_first_start_that_fails_ends_it() {
    let mut world = World::new(true);
    world.refuses = true;
    world.carry_out();
    assert_eq!((world.code, world.starts), (Some(CANNOT_RUN), 1));
}

#[test]
fn an_exit_status_is_the_decision_of_the_daemon() {
    for code in [0, 1, 78] {
        let mut world = World::new(true);
        world.carry_out();
        world.run();
        world.input(exited(code));
        world.pass(2);
        assert_eq!((world.code, world.installed), (Some(code), false));
        assert_eq!(world.resigned, usize::from(code != 0), "one that ends well has resigned by itself");
    }
    // A panic is none.
    let mut world = World::new(true);
    world.carry_out();
    world.run();
    world.input(exited(PANICKED));
    assert_eq!((world.code, world.daemon), (None, Daemon::Deaf));
}

#[test]
fn whoever_asks_twice_does_not_wait_for_peers() {
    let (_, mut world) = moments().remove(3);
    world.input(Input::Stop(Stop::Terminate));
    assert_eq!((world.code, world.resigned), (None, 1));
    world.input(Input::Stop(Stop::Terminate));
    assert_eq!((world.code, world.installed), (Some(0), false));
}

#[test]
fn a_daemon_that_dies_often_is_started_with_pauses() {
    let mut world = World::new(true);
    world.carry_out();
    for _ in 0..MAX_QUICK_DEATHS {
        world.run();
        world.input(killed(9));
        assert_eq!(world.daemon, Daemon::Deaf, "at once");
    }
    world.run();
    world.input(killed(9));
    assert_eq!(world.daemon, Daemon::None);
    world.pass(1);
    assert_eq!(world.daemon, Daemon::Deaf);
    world.pass(100);
    world.run();
    world.input(killed(9));
    assert_eq!(world.daemon, Daemon::Deaf, "that was long ago");
}

proptest::proptest! {
    /// Whatever happens in whatever order: a request to stop ends it, and nothing stays installed.
    #[test]
    fn any_history_can_be_stopped(steps in proptest::collection::vec(0_u8..9, 0..60)) {
        let mut world = World::new(true);
        world.carry_out();
        for step in steps {
            if world.code.is_some() {
                break;
            }
            match (step, world.daemon) {
                (0, Daemon::Deaf) => world.run(),
                (1, Daemon::Deaf) => world.listen(),
                (2, Daemon::Deaf | Daemon::Running) => world.input(killed(9)),
                (3, Daemon::Deaf | Daemon::Running) => world.input(exited(PANICKED)),
                (4, _) => world.input(Input::Forward(Forward::Reload)),
                (5, _) => world.refuses = !world.refuses,
                (6, _) => world.pass(1),
                (7, _) => world.now = world.now + SECOND / 20,
                _ => {}
            }
        }
        if world.code.is_none() {
            world.input(Input::Stop(Stop::Terminate));
            world.pass(5);
        }
        proptest::prop_assert!(world.code.is_some() && !world.installed);
    }
}
