//! The data plane in user space.
