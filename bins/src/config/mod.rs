//! Configuration files: text → document with places → resolved configuration.

pub mod diagnostic;
pub mod document;
#[doc(hidden)]
pub mod fuzz;
pub mod keepalived;
pub mod ldirectord;
pub mod names;
pub mod sources;
