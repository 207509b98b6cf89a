//! What systemd is told (sd_notify(3)). Where there is no systemd nobody listens, which is no error.

use sd_notify::{NotifyState, notify};

/// Everything is in place, for the first time or after [`reloading`].
pub fn ready() {
    let _ = notify(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub fn reloading() {
    // `Type=notify-reload` insists on the time.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        let _ = notify(&[NotifyState::Reloading, now]);
    }
}

/// The end has begun.
pub fn stopping() {
    let _ = notify(&[NotifyState::Stopping]);
}

/// The loop still turns.
pub fn alive() {
    let _ = notify(&[NotifyState::Watchdog]);
}
