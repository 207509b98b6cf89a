//! What the RFCs require, one test for each requirement: `rfc9568_6_4_2_a41_...` tests requirement A41, which is in
//! section 6.4.2 of RFC 9568. The requirements are listed in `docs/rfc9568-map.md` and `docs/rfc3768-map.md`.
//!
//! The tests know the public interface only: messages made byte by byte go in, outputs and deadlines come out.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/requirements.rs"]
mod requirements;

mod conformance {
    // The name under which the rig knows the crate; the unit tests of the router have another.
    use lb_vrrp as vrrp;

    mod maps;
    mod mib;
    mod rfc2338;
    mod rfc3768;
    mod rfc3768_states;
    mod rfc9568_5;
    mod rfc9568_5_checksum;
    mod rfc9568_6_1;
    mod rfc9568_6_4_1;
    mod rfc9568_6_4_2;
    mod rfc9568_6_4_3;
    mod rfc9568_7;
    mod rfc9568_8;
    mod rig;
}
