use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::Alternate;
use crate::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target};

/// Notes that it was asked; says what it is told to say.
#[derive(Debug)]
struct Note(&'static str, Arc<Mutex<(String, bool)>>);

#[async_trait]
impl HealthCheck for Note {
    fn kind(&self) -> &'static str {
        self.0
    }

    async fn check(&self, _: &Target) -> Outcome {
        let mut notes = self.1.lock().unwrap();
        notes.0.push_str(self.0);
        if notes.1 { Ok(Passed::default()) } else { Err(Failure::new(FailureKind::Refused, "")) }
    }
}

fn target(port: u16) -> Target {
    Target::new(([127, 0, 0, 1], port).into())
}

#[tokio::test]
async fn thorough_then_n_cheap_ones_for_each_target() {
    let notes = Arc::new(Mutex::new((String::new(), true)));
    let (cheap, thorough) = (Arc::new(Note("c", notes.clone())), Arc::new(Note("T", notes.clone())));
    let check = Alternate::new(cheap, NonZeroU32::new(3).unwrap(), thorough);
    for _ in 0..9 {
        check.check(&target(1)).await.unwrap();
    }
    check.check(&target(2)).await.unwrap();
    assert_eq!(notes.lock().unwrap().0, "TcccTcccTT");
}

#[tokio::test]
async fn a_failed_look_is_followed_by_a_thorough_one() {
    let notes = Arc::new(Mutex::new((String::new(), true)));
    let (cheap, thorough) = (Arc::new(Note("c", notes.clone())), Arc::new(Note("T", notes.clone())));
    let check = Alternate::new(cheap, NonZeroU32::new(9).unwrap(), thorough);
    check.check(&target(1)).await.unwrap();
    notes.lock().unwrap().1 = false;
    check.check(&target(1)).await.unwrap_err();
    check.check(&target(1)).await.unwrap_err();
    notes.lock().unwrap().1 = true;
    check.check(&target(1)).await.unwrap();
    check.check(&target(1)).await.unwrap();
    assert_eq!(notes.lock().unwrap().0, "TcTTc");
}

#[test]
fn identity_tells_what_is_checked_and_not_how_far_it_is() {
    let notes = Arc::new(Mutex::new((String::new(), true)));
    let check = |n| {
        let (cheap, thorough) = (Arc::new(Note("c", notes.clone())), Arc::new(Note("T", notes.clone())));
        Alternate::new(cheap, NonZeroU32::new(n).unwrap(), thorough).identity()
    };
    assert_eq!(check(3), check(3));
    assert_ne!(check(3), check(4));
}
