use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::Rounds;
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target};

/// Writes its name down, and passes unless it is told not to, or not to end.
#[derive(Debug, Default)]
struct Probe {
    name: char,
    diary: Arc<Mutex<String>>,
    fails: AtomicBool,
    hangs: AtomicBool,
}

#[async_trait]
impl HealthCheck for Probe {
    fn kind(&self) -> &'static str {
        "test"
    }

    async fn check(&self, _: &Target) -> Outcome {
        self.diary.lock().unwrap().push(self.name);
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match self.fails.load(Ordering::Relaxed) {
            true => Err(Failure::new(FailureKind::WrongAnswer, self.name)),
            false => Ok(Passed::with(self.name)),
        }
    }
}

fn three(diary: &Arc<Mutex<String>>) -> Vec<Arc<Probe>> {
    "abc".chars().map(|name| Arc::new(Probe { name, diary: diary.clone(), ..Probe::default() })).collect()
}

fn rounds(probes: &[Arc<Probe>]) -> Rounds {
    let probes = probes.iter().map(|probe| Arc::clone(probe) as Arc<dyn HealthCheck>).collect();
    Rounds::new(probes, Duration::from_secs(1))
}

fn target(port: u16) -> Target {
    Target::new(([127, 0, 0, 1], port).into())
}

#[tokio::test]
async fn all_at_first_then_one_at_a_time_and_all_after_a_failure() {
    let diary = Arc::new(Mutex::new(String::new()));
    let probes = three(&diary);
    let rounds = rounds(&probes);
    let mut seen = Vec::new();
    for _ in 0..5 {
        rounds.check(&target(1)).await.unwrap();
        seen.push(std::mem::take(&mut *diary.lock().unwrap()));
    }
    assert_eq!(seen, ["abc", "a", "b", "c", "a"]);
    probes[1].fails.store(true, Ordering::Relaxed);
    assert_eq!(rounds.check(&target(1)).await.unwrap_err().detail, "b");
    assert!(rounds.check(&target(1)).await.is_err());
    probes[1].fails.store(false, Ordering::Relaxed);
    rounds.check(&target(1)).await.unwrap();
    assert_eq!(*diary.lock().unwrap(), "bababc", "one, all up to the failure, all");
}

#[tokio::test]
async fn each_target_has_its_own_turn() {
    let diary = Arc::new(Mutex::new(String::new()));
    let rounds = rounds(&three(&diary));
    for port in [1, 1, 2, 2, 1] {
        rounds.check(&target(port)).await.unwrap();
    }
    assert_eq!(*diary.lock().unwrap(), "abcaabcab");
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_time_limit() {
    let diary = Arc::new(Mutex::new(String::new()));
    let probes = three(&diary);
    probes[2].hangs.store(true, Ordering::Relaxed);
    assert_eq!(rounds(&probes).check(&target(1)).await.unwrap_err().kind, FailureKind::Timeout);
}

#[test]
fn two_are_the_same_if_all_their_parts_are() {
    let diary = Arc::default();
    assert_eq!(rounds(&three(&diary)).identity(), rounds(&three(&diary)).identity());
    assert_ne!(rounds(&three(&diary)).identity(), rounds(&three(&diary)[1..]).identity());
}
