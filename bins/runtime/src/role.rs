//! The daemons inside lbctl: `lbctl lb-failover …` is lb-failover, so that lbctl alone is enough for a demo or a lab.
//!
//! A daemon starts its own program again when it detaches, supervises or restarts. The role has to be among the arguments
//! then, which is why it is kept here.

use std::{ffi::OsStr, sync::OnceLock};

static CURRENT: OnceLock<Role> = OnceLock::new();

/// A daemon that another program of this package can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// lb-director.
    Director,
    /// lb-failover.
    Failover,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 2] = [Self::Director, Self::Failover];

    /// The program's name, which is also the first argument that selects the role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Director => "lb-director",
            Self::Failover => "lb-failover",
        }
    }

    /// The role that an argument selects.
    pub fn of(argument: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|role| argument == role.name())
    }

    /// Records that this process has the role for the rest of its life.
    pub fn assume(self) {
        let _ = CURRENT.set(self);
    }
}

/// What comes before the arguments when this program is started again: the role's name, or nothing in a program of its own.
pub fn argument() -> Option<&'static str> {
    CURRENT.get().map(|role| role.name())
}
