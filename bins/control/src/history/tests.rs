use std::{fs, io::Write as _, path::Path, time::Duration};

use lb_core::{
    Time,
    event::{Cause, Subject, What},
};
use lb_runtime::log::{Log, Target};
use tempfile::TempDir;

use super::*;

fn store(folder: &TempDir) -> Store {
    let clock = Clock::start();
    let log = Log::new(Target::File(folder.path().join("log")), clock, "test");
    Store::open(Ok(folder.path().join("state")), &log, clock).0
}

fn history(folder: &TempDir) -> History {
    History::new(Clock::start(), store(folder))
}

fn add(history: &mut History, text: &str) {
    let at = history.clock.now();
    let (subject, what) = (Subject::Daemon, What::Crashed(text.to_owned()));
    history.add(Entry::Balance(lb_core::Event { at, subject, what, cause: Cause::Lifecycle }), true);
}

async fn ask(history: &History, query: EventQuery) -> Records {
    let (reply, answer) = oneshot::channel();
    history.answer(query, reply);
    let Answer::Events(records) = answer.await.unwrap() else { panic!("records") };
    records
}

fn texts(records: &Records) -> Vec<String> {
    let text = |record: &Record| match &record.entry {
        Entry::Balance(lb_core::Event { what: What::Crashed(text), .. }) => text.clone(),
        Entry::Lost(count) => format!("{count} lost"),
        other => panic!("{other:?}"),
    };
    records.records.iter().map(text).collect()
}

async fn all(history: &History) -> Vec<String> {
    texts(&ask(history, EventQuery { count: usize::MAX, ..EventQuery::default() }).await)
}

fn journal(folder: &TempDir, name: &str) -> std::path::PathBuf {
    folder.path().join("state").join(name)
}

#[tokio::test]
async fn what_processes_have_recorded_is_one_journal() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = history(&folder);
    add(&mut first, "one");
    add(&mut first, "two");
    assert_eq!(all(&first).await, ["one", "two"]);
    drop(first);
    let mut second = history(&folder);
    add(&mut second, "three");
    assert_eq!(all(&second).await, ["one", "two", "three"]);
    let newest = ask(&second, EventQuery { count: 1, ..EventQuery::default() }).await;
    assert_eq!((texts(&newest), newest.more), (vec!["three".to_owned()], false));
    let newest = ask(&second, EventQuery { count: 2, ..EventQuery::default() }).await;
    assert_eq!((texts(&newest), newest.more), (vec!["two".to_owned(), "three".to_owned()], true));
}

#[tokio::test]
async fn a_query_goes_on_where_the_one_before_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = history(&folder);
    let begin = ask(&first, EventQuery { count: 9, ..EventQuery::default() }).await;
    for text in ["one", "two", "three"] {
        add(&mut first, text);
    }
    let query = |from, count| EventQuery { count, from: Some(from), ..EventQuery::default() };
    let some = ask(&first, query(begin.next, 2)).await;
    assert_eq!((texts(&some), some.more), (vec!["one".to_owned(), "two".to_owned()], true));
    drop(first);
    // The next process has the same journal.
    let mut second = history(&folder);
    add(&mut second, "four");
    let rest = ask(&second, query(some.next, 9)).await;
    assert_eq!((texts(&rest), rest.more), (vec!["three".to_owned(), "four".to_owned()], false));
    assert_eq!(texts(&ask(&second, query(rest.next, 9)).await), [""; 0]);
}

#[tokio::test]
async fn a_line_that_is_not_whole_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = history(&folder);
    add(&mut first, "one");
    drop(all(&first).await);
    drop(first);
    let path = journal(&folder, "journal.jsonl");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"time\":\"2026-12-01T02:31:44Z\",\"run\":7,\"numb").unwrap();
    let mut second = history(&folder);
    add(&mut second, "two");
    assert_eq!(all(&second).await, ["one", "two"]);
    drop(second);
    let third = history(&folder);
    assert_eq!(all(&third).await, ["one", "two"], "on disk, too");
}

#[tokio::test]
async fn a_journal_of_another_format_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("state")).unwrap();
    for (name, text) in [("journal.jsonl", "{\"format\":2}\nnew\n"), ("journal.1.jsonl", "garbage")] {
        fs::write(journal(&folder, name), text).unwrap();
    }
    let mut history = history(&folder);
    add(&mut history, "one");
    assert_eq!(all(&history).await, ["one"]);
    assert_eq!(
        fs::read_to_string(journal(&folder, "journal.jsonl.aside.1")).unwrap(),
        "{\"format\":2}\nnew\n"
    );
    assert_eq!(fs::read_to_string(journal(&folder, "journal.1.jsonl.aside.1")).unwrap(), "garbage");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(log.matches("cannot be used, and is kept in").count(), 2, "{log}");
}

#[tokio::test]
async fn the_journal_does_not_grow_without_bound() {
    const TEXTS: u32 = 60;
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder);
    let text = "x".repeat(500_000);
    for number in 0..TEXTS {
        add(&mut history, &format!("{number} {text}"));
        // One by one, so that none is lost.
        history.store.flush(Duration::from_secs(30));
    }
    let size = |name: &str| fs::metadata(journal(&folder, name)).unwrap().len();
    let (current, previous) = (size("journal.jsonl"), size("journal.1.jsonl"));
    assert!(current < 9 << 20 && previous < 9 << 20, "{current} {previous}");
    drop(history);
    let kept = all(&self::history(&folder)).await;
    assert!((10..TEXTS as usize).contains(&kept.len()), "{}", kept.len());
    assert!(kept.last().unwrap().starts_with("59 "));
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_a_problem_for_as_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = history(&folder);
    // Not even root can write to a folder.
    let obstacle = journal(&folder, "journal.jsonl");
    fs::create_dir(&obstacle).unwrap();
    for text in ["one", "two"] {
        add(&mut first, text);
        first.store.flush(Duration::from_secs(30));
    }
    assert!(first.store.problems()[0].contains("the journal is not kept"), "{:?}", first.store.problems());
    assert_eq!(all(&first).await, ["one", "two"], "memory has them");
    fs::remove_dir(&obstacle).unwrap();
    add(&mut first, "three");
    first.store.flush(Duration::from_secs(30));
    assert_eq!(first.store.problems(), [""; 0]);
    drop(first);
    assert_eq!(all(&history(&folder)).await, ["2 lost", "three"]);
}

#[test]
fn without_a_folder_memory_is_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::new(Clock::start(), Store::default());
    for number in 0..=CAPACITY {
        add(&mut history, &number.to_string());
    }
    assert_eq!(history.newest().count(), CAPACITY);
    assert!(!Path::new(&journal(&folder, "journal.jsonl")).exists());
    assert!(history.newest().all(|record| record.time > Time::ZERO));
}
