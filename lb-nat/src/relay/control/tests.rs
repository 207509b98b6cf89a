use std::num::NonZeroUsize;

use super::*;

#[tokio::test]
async fn a_panic_of_one_thread_is_reported_by_every_call() {
    let relay =
        Relay::start(RelayConfig { threads: NonZeroUsize::new(2), ..RelayConfig::default() }).unwrap();
    assert_eq!(relay.apply(&[]).await, Ok(Vec::new()));
    relay.workers[1].mailbox.send(Order::Panic);
    // Whether it is still in the queue or has been carried out, nobody waits for ever.
    let error = relay.connections(1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.detail.contains("worker 1"), "{error}");
    while !relay.workers[1].mailbox.is_closed() {
        tokio::task::yield_now().await;
    }
    for result in [
        relay.apply(&[]).await.map(drop),
        relay.snapshot().await.map(drop),
        relay.counters().await.map(drop),
        relay.connections(0).await.map(drop),
    ] {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unavailable);
    }
}
