use core::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Effect, Status};

/// The most that one tracker adds or takes: from the least to the greatest priority of those that do not own.
const MAX: i16 = 253;

/// How much a tracker counts: -253 to 253.
///
/// | weight | what it does |
/// |---|---|
/// | positive | is added while the tracker is up |
/// | negative | is taken off while it is down |
/// | 0, [`Weight::FAULT`] | the router takes no part while it is down, or not known |
///
/// For a file, the number in it times the weight is added. That is 253 at most; -254 or less is a fault. With weight 0,
/// any number but 0 is a fault.
///
/// A [`reversed`](Self::reversed) weight takes off what it would add, and adds what it would take off; weight 0 is a
/// fault then while the tracker is up (or its number 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Weight {
    value: i16,
    reverse: bool,
}

/// A number that is no [`Weight`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("weight {0} is out of range: -253 to 253")]
pub struct WeightOutOfRange(pub i16);

impl Weight {
    /// Weight 0, the default: when the tracker is down, the router takes no part.
    pub const FAULT: Self = Self { value: 0, reverse: false };

    /// A weight.
    ///
    /// # Errors
    /// Outside of -253 to 253.
    pub const fn new(value: i16) -> Result<Self, WeightOutOfRange> {
        match value {
            -253..=253 => Ok(Self { value, reverse: false }),
            _ => Err(WeightOutOfRange(value)),
        }
    }

    /// The same weight, the other way round.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { reverse: !self.reverse, ..self }
    }

    /// The number.
    pub const fn get(self) -> i16 {
        self.value
    }

    /// Whether it is the other way round.
    pub const fn is_reversed(self) -> bool {
        self.reverse
    }

    /// What follows from what a tracker was found to be.
    pub fn effect(self, status: Status) -> Effect {
        let signed = if self.reverse { -self.value } else { self.value };
        match status {
            Status::Unknown if self.value == 0 => Effect::Fault,
            Status::Up if self.value == 0 && self.reverse => Effect::Fault,
            Status::Down if self.value == 0 && !self.reverse => Effect::Fault,
            Status::Value(number) if self.value == 0 && (number != 0) != self.reverse => Effect::Fault,
            Status::Up if self.value > 0 => Effect::Change(signed),
            Status::Down if self.value < 0 => Effect::Change(signed),
            Status::Unknown | Status::Up | Status::Down => Effect::Change(0),
            Status::Value(number) => {
                let product = i64::from(number) * i64::from(signed);
                match i16::try_from(product.min(i64::from(MAX))) {
                    Ok(change) if change >= -MAX => Effect::Change(change),
                    _ => Effect::Fault,
                }
            }
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, if self.reverse { " reverse" } else { "" })
    }
}

#[derive(Serialize, Deserialize)]
struct Fields {
    value: i16,
    #[serde(default)]
    reverse: bool,
}

impl TryFrom<Fields> for Weight {
    type Error = WeightOutOfRange;

    fn try_from(fields: Fields) -> Result<Self, WeightOutOfRange> {
        let weight = Self::new(fields.value)?;
        Ok(if fields.reverse { weight.reversed() } else { weight })
    }
}

impl From<Weight> for Fields {
    fn from(weight: Weight) -> Self {
        Self { value: weight.value, reverse: weight.reverse }
    }
}
