//! keepalived.conf: what its text says, and what it means.
//!
//! ```text
//! files ──language──▶ Document (directives with their places) ──resolve──▶ Config
//! ```
//!
//! - [`language`] knows comments, quotes, includes, conditions, definitions and sequences, and which keyword may stand where.
//! - `resolve` knows what each keyword means, its unit and range, and what follows from several of them together.
//! - [`model`] is the result, for those who act on it.

pub mod language;
pub mod model;
pub mod resolve;
