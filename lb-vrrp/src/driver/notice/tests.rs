use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::{Event as Line, Metadata, Subscriber, span};

use super::*;

/// Counts lines of the log.
struct Counter(Arc<AtomicUsize>);

impl Subscriber for Counter {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Line<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn what_is_told_is_logged_unless_told_not_to() {
    let lines = Arc::new(AtomicUsize::new(0));
    let mut teller = Teller::new();
    let mut notices = teller.subscribe();
    tracing::subscriber::with_default(Counter(lines.clone()), || {
        teller.tell(Time::ZERO, &"test".into(), Happening::Link(LinkState::Ready));
        teller.set_log(false);
        teller.tell(Time::ZERO, &"test".into(), Happening::Link(LinkState::Gone));
    });
    assert_eq!(lines.load(Ordering::Relaxed), 1);
    for state in [LinkState::Ready, LinkState::Gone] {
        let Some(Told::Notice(notice)) = notices.next().await else { panic!("nothing was told") };
        assert!(matches!(notice.what, Happening::Link(is) if is == state));
    }
}
