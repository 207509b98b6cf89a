use std::num::NonZeroU32;

use lb_core::{Health, Time};
use proptest::prelude::*;

use super::{Tally, Transition};

fn tally(rise: u32, fall: u32) -> Tally {
    Tally::new(NonZeroU32::new(rise).unwrap(), NonZeroU32::new(fall).unwrap())
}

fn play(tally: &mut Tally, looks: &str) -> Vec<Health> {
    let looks = looks.chars().enumerate();
    looks
        .map(|(n, look)| {
            tally.record(look == '+', Time::from_secs(n as u64));
            tally.health()
        })
        .collect()
}

#[test]
fn the_first_look_decides() {
    use Health::{Down, Up};
    assert_eq!(play(&mut tally(5, 5), "+"), [Up]);
    assert_eq!(play(&mut tally(5, 5), "-"), [Down]);
}

#[test]
fn only_looks_in_a_row_count() {
    use Health::{Down, Up};
    assert_eq!(play(&mut tally(2, 3), "+--+---"), [Up, Up, Up, Up, Up, Up, Down]);
    assert_eq!(play(&mut tally(2, 3), "-+-++"), [Down, Down, Down, Down, Up]);
}

#[test]
fn a_transition_says_from_to_and_when() {
    let mut tally = tally(1, 2);
    tally.record(true, Time::from_secs(1));
    tally.record(false, Time::from_secs(2));
    let at = Time::from_secs(3);
    assert_eq!(tally.record(false, at), Some(Transition { from: Health::Up, to: Health::Down, at }));
    assert_eq!(tally.since(), Some(at));
    assert_eq!(tally.record(false, Time::from_secs(4)), None);
    assert_eq!(tally.since(), Some(at));
}

#[test]
fn leaning_is_the_soft_failure() {
    let mut tally = tally(2, 3);
    assert_eq!(tally.leaning(), None);
    play(&mut tally, "+--");
    assert_eq!(tally.leaning().unwrap().to_string(), "failure 2/3");
    play(&mut tally, "-+");
    assert_eq!(tally.leaning().unwrap().to_string(), "success 1/2");
    play(&mut tally, "+");
    assert_eq!(tally.leaning(), None);
}

#[test]
fn an_adopted_health_needs_as_much_as_a_seen_one() {
    let mut tally = tally(1, 2);
    tally.adopt(Health::Up);
    assert_eq!(play(&mut tally, "-"), [Health::Up]);
    assert_eq!(play(&mut tally, "-"), [Health::Down]);
}

#[test]
fn an_order_needs_no_count() {
    let mut tally = tally(9, 9);
    play(&mut tally, "+");
    assert_eq!(tally.decide(Health::Down, Time::from_secs(5)).unwrap().from, Health::Up);
    assert_eq!(tally.decide(Health::Down, Time::from_secs(6)), None);
}

#[test]
fn fewer_looks_needed_does_not_decide_by_itself() {
    let mut tally = tally(1, 5);
    play(&mut tally, "+----");
    tally.set_thresholds(NonZeroU32::MIN, NonZeroU32::new(2).unwrap());
    assert_eq!(tally.health(), Health::Up);
    assert_eq!(play(&mut tally, "-"), [Health::Down]);
}

proptest! {
    /// The last run of equal looks explains the health: long enough, it is what was seen.
    #[test]
    fn a_long_enough_run_always_wins(looks in prop::collection::vec(any::<bool>(), 1..60), rise in 1u32..5, fall in 1u32..5) {
        let mut tally = tally(rise, fall);
        for (n, &up) in looks.iter().enumerate() {
            let before = tally.health();
            let transition = tally.record(up, Time::from_secs(n as u64));
            let run = looks[..=n].iter().rev().take_while(|&&look| look == up).count() as u32;
            let seen = if up { Health::Up } else { Health::Down };
            let needed = if up { rise } else { fall };
            prop_assert_eq!(transition.is_some(), before != tally.health());
            if run >= needed { prop_assert_eq!(tally.health(), seen); }
            if before != seen && before != Health::Unknown && run < needed { prop_assert_eq!(tally.health(), before); }
        }
    }
}
