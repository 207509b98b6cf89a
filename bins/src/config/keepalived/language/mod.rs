//! From text to directives, each with its place.
//!
//! Nothing here knows what a directive means; that a keyword exists and where it may stand is known, so that one that does
//! not can be answered with the one that was meant, and never ends the block around it.

mod tree;

pub use tree::{Block, Directive, Document, Word};
