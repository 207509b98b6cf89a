//! What lb-director says to questions that are for lb-failover.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use support::{Lab, text};

#[test]
fn questions_for_the_other_daemon_are_refused_with_what_to_do() {
    let lab = Lab::new("virtual=192.0.2.80:80\n\treal=192.0.2.1:80 masq\n\tchecktype=off\n");
    let daemon = lab.start("memory");
    for words in [
        &["explain"][..],
        &["explain", "VI_1"],
        &["status", "VI_1"],
        &["failover", "--all"],
        &["maintenance", "on", "--for", "30m"],
        &["dump", "json"],
    ] {
        let output = daemon.lbctl(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        let error = text(&output.stderr);
        assert!(error.contains("has no VRRP instances") && error.contains("--socket"), "{words:?}: {error}");
    }
    // The same words are for a real server where one is named.
    assert!(daemon.told(&["maintenance", "192.0.2.1:80"]).contains("192.0.2.1:80"));
    assert!(daemon.told(&["metrics"]).contains("lb_up_seconds{program=\"lb-director\"}"));
    assert_eq!(daemon.lbctl(&["failover"]).status.code(), Some(2), "of what?");
    assert_eq!(daemon.lbctl(&["failover", "VI_1", "--all"]).status.code(), Some(2));
}
