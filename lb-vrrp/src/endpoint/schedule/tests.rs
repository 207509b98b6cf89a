use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn an_earlier_deadline_comes_first_at_once() {
    let mut schedule = Schedule::default();
    schedule.reserve(3);
    for place in 0..3 {
        schedule.set(place, Some(Time::from_secs(10 + place as u64)));
    }
    assert_eq!(schedule.first(), Some((Time::from_secs(10), 0)));
    schedule.set(2, Some(Time::from_secs(1)));
    assert_eq!(schedule.first(), Some((Time::from_secs(1), 2)));
}

#[test]
fn a_later_deadline_is_never_told_as_the_old_one() {
    let mut schedule = Schedule::default();
    schedule.reserve(2);
    schedule.set(0, Some(Time::from_secs(1)));
    schedule.set(1, Some(Time::from_secs(2)));
    schedule.set(0, Some(Time::from_secs(3)));
    assert_eq!(schedule.first(), Some((Time::from_secs(2), 1)));
    schedule.set(1, None);
    assert_eq!(schedule.first(), Some((Time::from_secs(3), 0)));
    schedule.set(0, None);
    assert_eq!(schedule.first(), None);
}

proptest! {
    #[test]
    fn it_is_a_map_that_knows_its_minimum(
        changes in prop::collection::vec((0usize..20, prop::option::of(0u64..50)), 0..400)
    ) {
        let mut schedule = Schedule::default();
        schedule.reserve(20);
        let mut model = BTreeMap::new();
        for (place, deadline) in changes {
            let deadline = deadline.map(Time::from_nanos);
            schedule.set(place, deadline);
            model.insert(place, deadline);
            let least = model.values().copied().flatten().min();
            prop_assert_eq!(schedule.first().map(|(at, _)| at), least);
            if let Some((at, place)) = schedule.first() {
                prop_assert_eq!(model[&place], Some(at));
            }
            prop_assert!(schedule.len() <= 20);
            for (position, entry) in schedule.heap.iter().enumerate() {
                prop_assert_eq!(schedule.routers[entry.place].position, Some(position));
            }
        }
    }
}
