//! The task that has the addresses: it brings each instance to what is wanted of it by now, some addresses at a time, so
//! that thousands of them of one instance keep no other one waiting, and an order that changed takes effect at once.

mod burst;
mod desk;
mod job;
mod rescue;
mod worker;

pub(super) use burst::Occasion;
pub(super) use desk::{Assets, Change, Desk, Device, Place};
pub(super) use worker::Worker;
