use std::fs;

use lb_core::overrides::Action;
use lb_runtime::log::Target;
use tempfile::TempDir;

use super::*;

fn log(folder: &TempDir) -> (Log, PathBuf) {
    let path = folder.path().join("log");
    (Log::new(Target::File(path.clone()), Clock::start(), "test"), path)
}

fn open(folder: &TempDir, state: &str) -> (Store, Found) {
    Store::open(Ok(folder.path().join(state)), &log(folder).0, Clock::start())
}

fn drain(last_byte: u8, until: Option<Time>) -> ServerOrder {
    ServerOrder {
        server: format!("192.168.0.{last_byte}:80").parse().unwrap(),
        service: None,
        action: Action::Drain,
        reason: "new \"disk\"\n".to_owned(),
        by: Some("alice".to_owned()),
        until,
    }
}

fn maintenance(until: Option<Time>) -> Maintenance {
    let (reason, by) = ("kernel".to_owned(), Some("root".to_owned()));
    Maintenance { reason, by, since: Time::from_secs(1), until }
}

#[tokio::test]
async fn orders_are_there_for_the_next_process_until_they_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let later = Clock::start().wall() + Duration::from_secs(3600);
    let (store, found) = open(&folder, "state");
    assert_eq!(found.orders, Orders::default());
    assert_eq!(store.saved().await, Ok(()));
    store.set_node(Some(maintenance(Some(Time::from_secs(2)))));
    store.set_servers(vec![drain(1, Some(later)), drain(2, Some(Time::from_secs(2))), drain(3, None)]);
    assert_eq!(store.saved().await, Ok(()));
    assert_eq!(store.problems(), [""; 0]);
    drop(store);
    let (store, found) = open(&folder, "state");
    assert_eq!(found.orders.servers, [drain(1, Some(later)), drain(3, None)]);
    assert_eq!(found.orders.maintenance, None);
    let ran_out = found.notes.iter().filter(|note| note.starts_with("Ran out at 1970-01-01T")).count();
    assert_eq!((ran_out, found.notes.len()), (2, 4), "{:?}", found.notes);
    store.set_servers(Vec::new());
    store.flush(Duration::from_secs(30));
    drop(store);
    assert_eq!(open(&folder, "state").1.orders, Orders::default());
}

#[test]
fn a_file_that_cannot_be_used_is_kept_aside() {
    for text in
        ["", "{\"format\":1,\"ser", "[]", "{\"format\":2,\"servers\":[]}", "{\"format\":1,\"servers\":[7]}"]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        fs::write(folder.path().join("state/orders.json"), text).unwrap();
        let (store, found) = open(&folder, "state");
        assert_eq!(found.orders, Orders::default());
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
        assert!(found.notes[0].contains("orders.json.aside.1"), "{:?}", found.notes);
        assert_eq!(fs::read_to_string(folder.path().join("state/orders.json.aside.1")).unwrap(), text);
        assert_eq!(store.problems(), [""; 0], "orders are kept from now on");
    }
}

#[tokio::test]
async fn without_a_folder_there_is_one_warning_and_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state"), "a file is in the way").unwrap();
    let (store, _) = open(&folder, "state");
    for _ in 0..3 {
        store.set_node(Some(maintenance(None)));
        store.set_node(None);
    }
    let answer = store.clone().confirm(Answer::Done("drained".to_owned())).await;
    let Answer::Done(text) = answer else { panic!("{answer:?}") };
    assert!(text.starts_with("drained; it is not on disk, and a restart of the daemon ends it: "), "{text}");
    let problems = store.problems();
    assert!(problems[0].contains("--state-dir"), "{problems:?}");
    let text = fs::read_to_string(log(&folder).1).unwrap();
    assert_eq!(text.matches("not kept over a restart").count(), 1, "{text}");
}

#[tokio::test]
async fn two_daemons_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = open(&folder, "state");
    first.set_servers(vec![drain(1, None)]);
    first.saved().await.unwrap();
    let (second, found) = open(&folder, "state");
    assert_eq!(found.orders, Orders::default());
    assert!(second.problems()[0].contains("in use by another daemon"), "{:?}", second.problems());
    second.set_servers(vec![drain(2, None)]);
    drop((first, second));
    // The thread of the first one lets go of the folder a moment later.
    assert_eq!(open(&folder, "state").1.orders.servers, [drain(1, None)]);
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(&folder, "state");
    // Not even root can put a file in the place of a folder.
    let obstacle = folder.path().join("state/orders.json/x");
    fs::create_dir_all(&obstacle).unwrap();
    store.set_servers(vec![drain(1, None)]);
    assert!(store.saved().await.is_err());
    assert_eq!(store.problems().len(), 1);
    fs::remove_dir_all(obstacle.parent().unwrap()).unwrap();
    while !store.problems().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(store);
    assert_eq!(open(&folder, "state").1.orders.servers, [drain(1, None)]);
}
