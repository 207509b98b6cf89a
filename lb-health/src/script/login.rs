//! Who asks.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// A user's name and password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password; empty by default.
    #[serde(default)]
    pub password: Secret,
}

impl Login {
    /// This user with this password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: Secret::new(password) }
    }
}
