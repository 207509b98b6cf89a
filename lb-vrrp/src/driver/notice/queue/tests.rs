use std::{future::poll_fn, pin::pin, task::Poll};

use super::*;
use crate::{Time, driver::notice::Happening};

fn notice(number: u64) -> Notice {
    let what = Happening::Untold { count: number };
    Notice { at: Time::from_secs(number), instance: "test".into(), what, basis: None }
}

fn number(told: Option<Told>) -> Option<u64> {
    match told {
        Some(Told::Notice(Notice { what: Happening::Untold { count }, .. })) => Some(count),
        _ => None,
    }
}

#[tokio::test]
async fn all_hear_everything_in_order_and_then_the_end() {
    let audience = Audience::new(10);
    let (one, two) = (audience.join(), audience.join());
    audience.tell(notice(1));
    let late = audience.join();
    audience.tell(notice(2));
    drop(audience);
    for unheard in [&one, &two] {
        assert_eq!(number(unheard.next().await), Some(1));
        assert_eq!(number(unheard.next().await), Some(2));
        assert!(unheard.next().await.is_none());
    }
    assert_eq!(number(late.next().await), Some(2));
    assert!(late.next().await.is_none());
    assert!(late.next().await.is_none());
}

#[tokio::test]
async fn who_is_slow_loses_the_oldest_and_is_told_how_many() {
    let audience = Audience::new(3);
    let unheard = audience.join();
    (1..=5).for_each(|number| audience.tell(notice(number)));
    assert!(matches!(unheard.next().await, Some(Told::Missed(2))));
    for expected in 3..=5 {
        assert_eq!(number(unheard.next().await), Some(expected));
    }
    audience.tell(notice(6));
    assert_eq!(number(unheard.next().await), Some(6));
}

#[tokio::test]
async fn who_waits_is_woken() {
    let audience = Audience::new(3);
    let unheard = audience.join();
    {
        let mut next = pin!(unheard.next());
        let polled = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending()));
        assert!(polled.await, "there is nothing yet");
        audience.tell(notice(1));
        assert_eq!(number(next.await), Some(1));
    }
    let waits = tokio::spawn(async move { unheard.next().await.is_none() });
    tokio::task::yield_now().await;
    drop(audience);
    assert!(waits.await.unwrap());
}

#[tokio::test]
async fn the_room_of_a_burst_is_given_back() {
    let audience = Audience::new(10_000);
    let unheard = audience.join();
    (0..5_000).for_each(|number| audience.tell(notice(number)));
    for _ in 0..5_000 {
        unheard.next().await;
    }
    assert!(lock(&unheard.waiting).notices.capacity() <= ROOM);
}

#[test]
fn for_who_is_gone_nothing_is_kept() {
    let audience = Audience::new(10);
    drop(audience.join());
    audience.tell(notice(1));
    assert!(lock(&audience.listeners).is_empty());
}
