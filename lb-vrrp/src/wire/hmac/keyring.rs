use alloc::vec::Vec;
use core::{fmt, time::Duration};

use hmac::{Hmac, KeyInit, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use crate::Interval;

/// What a router with keys sends, and what it lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Sends trailers, and lets in nothing without.
    #[default]
    Enforce,
    /// Sends trailers, and lets in messages without as well. A trailer that is there has to be right.
    Permissive,
    /// Sends no trailers, and lets in messages with and without. A trailer that is there has to be right.
    ReceiveOnly,
}

/// What protects from messages that are sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AntiReplay {
    /// The time of a message has to be within the time window around now, and after that of the message before it. The
    /// clocks of all routers have to agree that far.
    #[default]
    Time,
    /// The time of a message has to be after that of the message before it, and may be any: for routers whose clocks do
    /// not agree. A router that was restarted takes an old message, if it is the first it hears.
    Monotonic,
}

/// Why keys do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no key.
    #[error("no key is given: authentication needs at least one")]
    NoKeys,
    /// The id of a key is 0.
    #[error("key id 0 is out of range: 1 to 255")]
    ZeroId,
    /// Two keys have the same id.
    #[error("key id {0} is given twice")]
    Duplicate(u8),
    /// A key has no bytes.
    #[error("key {0} is empty")]
    Empty(u8),
    /// No key has the id of the active one.
    #[error("the active key is to be {0}, and no key has this id")]
    Active(u8),
    /// The time window is not 1 to 300 seconds.
    #[error("time window of {} s is out of range: 1 to 300 whole seconds", .0.as_secs_f64())]
    TimeWindow(Duration),
}

/// Keys that a group of routers shares. All of them open messages, and the active one seals them, so a key is changed by
/// giving the new one to all routers, then making it active on each, then taking the old one away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
    /// Index of the active key.
    active: usize,
    time_window: Duration,
    anti_replay: AntiReplay,
    mode: Mode,
}

impl Keyring {
    /// Keys for routers that advertise at this interval. The time window is three intervals, at least 5 s and at most 300 s,
    /// unless it is set.
    pub fn builder(interval: Interval) -> KeyringBuilder {
        KeyringBuilder {
            keys: Vec::new(),
            active: None,
            time_window: Duration::from_secs(
                (3 * u64::from(interval.centiseconds())).div_ceil(100).clamp(5, 300),
            ),
            anti_replay: AntiReplay::default(),
            mode: Mode::default(),
        }
    }

    /// How far the time of a message may be from now, with [`AntiReplay::Time`].
    pub const fn time_window(&self) -> Duration {
        self.time_window
    }

    /// What protects from messages that are sent again.
    pub const fn anti_replay(&self) -> AntiReplay {
        self.anti_replay
    }

    /// What is sent, and what is let in.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The id of the key that seals.
    pub fn active_id(&self) -> u8 {
        self.active().id
    }

    pub(super) fn active(&self) -> &Key {
        &self.keys[self.active]
    }

    pub(super) fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// Collects keys; see [`Keyring::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct KeyringBuilder {
    keys: Vec<Result<Key, KeyringError>>,
    active: Option<u8>,
    time_window: Duration,
    anti_replay: AntiReplay,
    mode: Mode,
}

impl KeyringBuilder {
    /// A key of any length; 32 random bytes are best. `id` is 1 to 255.
    pub fn key(mut self, id: u8, secret: &[u8]) -> Self {
        self.keys.push(Key::new(id, secret));
        self
    }

    /// The id of the key that seals. Default: that of the first key.
    pub const fn active(mut self, id: u8) -> Self {
        self.active = Some(id);
        self
    }

    /// How far the time of a message may be from now, 1 to 300 whole seconds.
    pub const fn time_window(mut self, window: Duration) -> Self {
        self.time_window = window;
        self
    }

    /// What protects from messages that are sent again. Default: [`AntiReplay::Time`].
    pub const fn anti_replay(mut self, anti_replay: AntiReplay) -> Self {
        self.anti_replay = anti_replay;
        self
    }

    /// What is sent, and what is let in. Default: [`Mode::Enforce`].
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The keys, if they fit together.
    ///
    /// # Errors
    /// Named in [`KeyringError`].
    pub fn build(self) -> Result<Keyring, KeyringError> {
        let Self { keys, active, time_window, anti_replay, mode } = self;
        let keys = keys.into_iter().collect::<Result<Vec<Key>, KeyringError>>()?;
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|other| other.id == key.id) {
                return Err(KeyringError::Duplicate(key.id));
            }
        }
        let first = keys.first().ok_or(KeyringError::NoKeys)?.id;
        let active = active.unwrap_or(first);
        let active = keys.iter().position(|key| key.id == active).ok_or(KeyringError::Active(active))?;
        if time_window.subsec_nanos() != 0 || !(1..=300).contains(&time_window.as_secs()) {
            return Err(KeyringError::TimeWindow(time_window));
        }
        Ok(Keyring { keys, active, time_window, anti_replay, mode })
    }
}

/// One key, expanded. It does not show itself in [`Debug`].
#[derive(Clone)]
pub(super) struct Key {
    id: u8,
    hmac: Hmac<Sha256>,
}

impl Key {
    fn new(id: u8, secret: &[u8]) -> Result<Self, KeyringError> {
        match (id, secret) {
            (0, _) => Err(KeyringError::ZeroId),
            (_, []) => Err(KeyringError::Empty(id)),
            _ => Ok(Self { id, hmac: Hmac::new_from_slice(secret).expect("HMAC takes keys of any length") }),
        }
    }

    pub(super) const fn id(&self) -> u8 {
        self.id
    }

    pub(super) fn hmac(&self) -> Hmac<Sha256> {
        self.hmac.clone()
    }
}

/// Keys are the same when they seal alike.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.hmac().finalize() == other.hmac().finalize()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key {}", self.id)
    }
}
