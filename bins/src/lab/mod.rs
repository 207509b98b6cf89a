//! Small worlds to try things in, on this machine and without privileges.

pub mod demo;
