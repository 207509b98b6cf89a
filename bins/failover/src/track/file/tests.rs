use std::{fs, path::Path};

use lb_config::keepalived::model::{Config, Group, Tracked, Tracks};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use super::*;
use crate::{testing::PATIENCE, track::Trackers};

fn config(path: &Path, init: Option<FileInit>) -> Config {
    let file = TrackFile { name: "F".into(), path: path.to_owned(), weight: Weight::default(), init };
    let tracked = Tracked { name: "F".into(), weight: Default::default() };
    let tracks = Tracks { files: vec![tracked], ..Tracks::default() };
    Config {
        files: BTreeMap::from([("F".into(), file)]),
        groups: vec![Group { name: "G".into(), tracks, ..Group::default() }],
        ..Config::default()
    }
}

async fn next(reports: &mut UnboundedReceiver<Report>) -> (i32, String) {
    let report = timeout(PATIENCE, reports.recv()).await.expect("nothing is reported").unwrap();
    let Status::Value(value) = report.status else { panic!("{:?}", report.status) };
    (value, report.detail)
}

#[tokio::test]
async fn numbers_are_followed_whatever_happens_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    let (mut trackers, mut reports) = Trackers::start();
    trackers.set(&config(&path, None));
    let missing = format!("note: {} is not there, which counts as 0", path.display());
    assert_eq!(next(&mut reports).await, (0, missing.clone()));
    fs::write(&path, "7\n").unwrap();
    // It may have been looked at before the number was in it.
    while next(&mut reports).await != (7, String::new()) {}
    fs::write(folder.path().join("new"), "-300").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    assert_eq!(next(&mut reports).await, (-300, String::new()));
    fs::write(folder.path().join("new"), "\nseven\n").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let (value, detail) = next(&mut reports).await;
    assert_eq!(value, -300);
    assert!(
        detail.contains("number holds `seven` in line 2, which is no number; -300 still counts"),
        "{detail}"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(next(&mut reports).await, (0, missing.clone()));
    fs::write(folder.path().join("new"), "1").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    assert_eq!(next(&mut reports).await, (1, String::new()));
    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(next(&mut reports).await, (0, missing));
}

#[tokio::test]
async fn a_file_behind_a_link_and_a_folder_that_comes_later_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, path) = (folder.path().join("inner"), folder.path().join("inner/link"));
    let (mut trackers, mut reports) = Trackers::start();
    trackers.set(&config(&path, None));
    assert_eq!(next(&mut reports).await.0, 0);
    fs::create_dir(&inner).unwrap();
    fs::write(folder.path().join("real"), "3").unwrap();
    std::os::unix::fs::symlink("../real", &path).unwrap();
    assert_eq!(next(&mut reports).await, (3, String::new()));
    fs::write(folder.path().join("new"), "4").unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("real")).unwrap();
    assert_eq!(next(&mut reports).await, (4, String::new()));
}

#[tokio::test]
async fn a_file_begins_with_what_it_is_to_hold_but_not_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    let (mut trackers, mut reports) = Trackers::start();
    let init = FileInit { value: 5, overwrite: true };
    trackers.set(&config(&path, Some(init)));
    assert_eq!(next(&mut reports).await, (5, String::new()));
    fs::write(folder.path().join("new"), "6").unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    assert_eq!(next(&mut reports).await, (6, String::new()));
    // Another configuration in which it is the same.
    trackers.set(&config(&path, Some(FileInit { value: 9, overwrite: true })));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "6");
    assert!(reports.try_recv().is_err());
}
