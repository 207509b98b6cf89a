//! Configuration files: text → document with places → resolved configuration.

pub mod diagnostic;
pub mod document;
pub mod ldirectord;
