use std::{fs, sync::Arc, time::Duration};

use lb_control::{
    event::{Condition, Why},
    history::CAPACITY,
    store::Store,
};
use lb_runtime::{clock::Clock, log::Target};
use lb_vrrp::{Cause, Priority};

use super::*;

struct Book {
    journal: Journal,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Book {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::new(Target::File(path.clone()), Clock::start(), "test");
        Self {
            journal: Journal::new(log, false, History::new(Clock::start(), Store::default())),
            path,
            _folder: folder,
        }
    }

    fn record(&mut self, millis: u64, subject: &Subject, what: What) {
        self.journal.record(Event { at: Time::from_millis(millis), subject: subject.clone(), what });
    }

    /// What was written, without the stamps.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        text.lines().map(|line| line.split_once("] ").unwrap().1.to_owned()).collect()
    }
}

fn instance(name: &str) -> Subject {
    Subject::Instance(Arc::from(name))
}

fn state(from: Condition, to: Condition) -> What {
    What::State { from, to, why: Why::Protocol(Cause::Silence), priority: 100 }
}

fn other_active(last_byte: u8) -> What {
    What::Router(lb_vrrp::Event::OtherActive {
        source: [10, 9, 0, last_byte].into(),
        priority: Priority::new(90).unwrap(),
    })
}

#[test]
fn the_story_of_a_change_outlives_the_noise_of_the_same_and_of_others() {
    let mut book = Book::new();
    let (one, two) = (instance("VI_1"), instance("VI_2"));
    book.record(
        1,
        &one,
        What::Basis { heard: None, timer: Some("3 x 1000 ms".to_owned()), due: None, dropped: None },
    );
    book.record(2, &one, state(Condition::Backup, Condition::Master));
    book.record(3, &one, What::Installed(2));
    for millis in 0..10_000 {
        book.record(10 + millis, &two, other_active(2));
        book.record(10 + millis, &one, other_active(3));
    }
    let story = book.journal.story(&one).unwrap();
    assert!(matches!(story.before[..], [Event { what: What::Basis { .. }, .. }]), "{story:?}");
    assert!(matches!(story.change, Some(Event { what: What::State { .. }, .. })));
    assert!(matches!(story.after[0].what, What::Installed(2)));
    assert_eq!(book.journal.history().newest().count(), CAPACITY);
    assert_eq!(book.journal.story(&two).unwrap().change, None);
}

#[test]
fn earlier_changes_are_told_with_the_last_one() {
    let mut book = Book::new();
    let one = instance("VI_1");
    let steps = [Condition::Init, Condition::Backup, Condition::Master, Condition::Fault];
    for (place, pair) in steps.windows(2).enumerate() {
        book.record(place as u64, &one, state(pair[0], pair[1]));
    }
    let story = book.journal.story(&one).unwrap();
    let to = |event: &Event| match event.what {
        What::State { to, .. } => to,
        _ => panic!("{event:?}"),
    };
    assert_eq!(story.earlier.iter().map(to).collect::<Vec<_>>(), [Condition::Backup, Condition::Master]);
    assert_eq!(story.change.as_ref().map(to), Some(Condition::Fault));
}

#[test]
fn a_story_has_what_led_to_the_change_what_followed_it_first_and_few_changes_before() {
    let mut book = Book::new();
    let one = instance("VI_1");
    let steps = [Condition::Backup, Condition::Master];
    for change in 0..10 {
        for event in 0..20 {
            book.record(change * 100 + event, &one, What::Installed(event as usize));
        }
        let place = change as usize % 2;
        book.record(change * 100 + 50, &one, state(steps[place], steps[1 - place]));
    }
    for event in 0..30 {
        book.record(2000 + event, &one, What::Removed(event as usize));
    }
    let story = book.journal.story(&one).unwrap();
    let times =
        |events: &[Event]| events.iter().map(|event| event.at.as_nanos() / 1_000_000).collect::<Vec<_>>();
    assert_eq!(times(&story.earlier), [550, 650, 750, 850]);
    assert_eq!(times(&story.before), (912..920).collect::<Vec<_>>());
    assert_eq!(story.change.map(|event| event.at), Some(Time::from_millis(950)));
    assert_eq!(times(&story.after), (2000..2008).collect::<Vec<_>>());
    assert_eq!(times(&book.journal.lately(&one)), (2022..2030).collect::<Vec<_>>());
    book.record(3000, &one, state(Condition::Backup, Condition::Master));
    let story = book.journal.story(&one).unwrap();
    assert_eq!(times(&story.earlier), [650, 750, 850, 950]);
    assert_eq!(times(&story.before), (2022..2030).collect::<Vec<_>>());
    assert!(story.after.is_empty());
}

#[test]
fn scripts_that_were_told_of_a_change_are_in_its_story_and_lead_to_nothing() {
    let mut book = Book::new();
    let one = instance("VI_1");
    book.record(0, &one, state(Condition::Init, Condition::Backup));
    let told = |number: u64| What::Notified { script: format!("notify {number}"), ended: None };
    (1..4).for_each(|number| book.record(number, &one, told(number)));
    book.record(4, &one, What::Installed(1));
    (5..30).for_each(|number| book.record(number, &one, told(number)));
    let after = book.journal.story(&one).unwrap().after;
    let is_told = |event: &Event| matches!(event.what, What::Notified { .. });
    assert_eq!((after.len(), after.iter().filter(|event| is_told(event)).count()), (8, 7));
    book.record(30, &one, state(Condition::Backup, Condition::Master));
    let before = book.journal.story(&one).unwrap().before;
    assert!(matches!(before[..], [Event { what: What::Installed(1), .. }]), "{before:?}");
    assert_eq!(book.lines().len(), 2, "they are not written: {:?}", book.lines());
}

#[test]
fn a_peer_writes_one_line_a_second_and_the_others_are_counted() {
    let mut book = Book::new();
    let (one, two) = (instance("VI_1"), instance("VI_2"));
    for millis in 0..1000 {
        book.record(millis, &one, other_active((millis % 250) as u8));
    }
    book.record(500, &two, other_active(1));
    assert_eq!(book.lines().len(), 2, "{:?}", book.lines());
    book.record(1000, &one, other_active(1));
    let lines = book.lines();
    assert!(lines[2].ends_with(", forcing new election (999 more left out)"), "{lines:?}");
}

#[test]
fn what_was_left_out_at_the_end_is_counted_too() {
    let mut book = Book::new();
    let one = instance("VI_1");
    for millis in 0..4 {
        book.record(millis, &one, other_active(1));
    }
    book.journal.tick(Time::from_millis(500));
    assert_eq!(book.lines().len(), 1);
    book.journal.tick(Time::from_millis(1500));
    assert_eq!(book.lines()[1], "(VI_1) 3 more lines like those before left out");
    book.journal.tick(Time::from_millis(3000));
    assert_eq!(book.lines().len(), 2, "it is said once");
    assert_eq!(book.journal.limits.len(), 0, "nothing stays of what is over");
}

#[test]
fn kinds_do_not_take_lines_from_each_other() {
    let mut book = Book::new();
    let one = instance("VI_1");
    for _ in 0..3 {
        book.record(0, &one, other_active(1));
        let source = [10, 9, 0, 2].into();
        book.record(0, &one, What::Router(lb_vrrp::Event::DuplicateOwner { source }));
        book.record(0, &one, state(Condition::Backup, Condition::Master));
    }
    let lines = book.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("Entering MASTER STATE")).count(), 3, "{lines:?}");
    assert_eq!(lines.len(), 5, "{lines:?}");
}

#[test]
fn changes_of_state_are_written_but_not_without_end() {
    let mut book = Book::new();
    let one = instance("VI_1");
    for _ in 0..500 {
        book.record(0, &one, state(Condition::Backup, Condition::Master));
        book.record(0, &one, state(Condition::Master, Condition::Backup));
    }
    assert_eq!(book.lines().len(), 10);
}

#[test]
fn the_last_to_change_is_the_instance_and_not_what_happened_since() {
    let mut book = Book::new();
    let (one, two) = (instance("VI_1"), instance("VI_2"));
    assert_eq!(book.journal.last_to_change(), None);
    book.record(1, &two, state(Condition::Init, Condition::Backup));
    book.record(2, &one, state(Condition::Init, Condition::Backup));
    book.record(3, &two, other_active(1));
    assert_eq!(book.journal.last_to_change(), Some(&one));
    book.journal.retain(|subject| *subject != one);
    assert_eq!(book.journal.story(&one), None);
    assert!(book.journal.story(&two).is_some());
}

#[test]
fn a_window_begins_with_its_first_line() {
    let mut limits = Limits::default();
    let event = |at| Event { at, subject: instance("VI_1"), what: other_active(1) };
    let take = |limits: &mut Limits, millis| limits.take(Time::from_millis(millis), &event(Time::ZERO));
    assert_eq!(take(&mut limits, 900), Some(0));
    assert_eq!(take(&mut limits, 1100), None);
    assert_eq!(take(&mut limits, 1899), None);
    assert_eq!(take(&mut limits, 1900), Some(2));
    assert_eq!(limits.expire(Time::ZERO + Duration::from_millis(2899)), []);
}

#[test]
fn dropped_messages_push_nothing_out_and_usual_ones_are_not_told() {
    let mut book = Book::new();
    let one = instance("VI_1");
    let dropped = |reason| What::Router(lb_vrrp::Event::Dropped { source: [10, 9, 0, 2].into(), reason });
    book.record(1, &one, What::Ordered("disk".to_owned()));
    for second in 1..30 {
        book.record(second * 1000, &one, dropped(lb_vrrp::DropReason::AuthText));
        book.record(second * 1000, &one, dropped(lb_vrrp::DropReason::NotRunning));
    }
    book.record(40_000, &one, state(Condition::Master, Condition::Backup));
    let lines = book.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("takes no part")).count(), 0);
    assert_eq!(lines.iter().filter(|line| line.contains("authentication text is wrong")).count(), 29);
    let story = book.journal.story(&one).unwrap();
    assert_eq!(story.before.len(), 1, "{story:?}");
}

#[test]
fn one_reason_to_drop_does_not_hide_another() {
    let mut book = Book::new();
    let one = instance("VI_1");
    let dropped = |reason| What::Router(lb_vrrp::Event::Dropped { source: [10, 9, 0, 2].into(), reason });
    for millis in 0..50 {
        book.record(millis, &one, dropped(lb_vrrp::DropReason::NotAPeer));
        book.record(millis, &one, dropped(lb_vrrp::DropReason::AuthText));
    }
    let lines = book.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("not one of the peers") && lines[1].contains("authentication"), "{lines:?}");
}
