//! What is made ahead is what would be sent.

use super::rig::*;
use crate::{Family, Farewell, Input, Profile};

#[test]
fn what_is_made_ahead_is_what_is_sent() {
    let unicast = || v3(Family::V4).unicast([host(Family::V4, 8), host(Family::V4, 9)]);
    let strict = || v3(Family::V4).profile(Profile::Strict);
    for config in [v3(Family::V4), v3(Family::V6), v2().auth_text("secret"), dual(), unicast(), strict()] {
        let mut rig = Rig::active(config);
        let before = rig.router.snapshot(rig.now);
        let made = rig.router.resignations();
        assert_eq!(rig.router.snapshot(rig.now), before, "nothing changes");
        let _ = rig.timeout();
        let _ = rig.input(Input::StepDown(Farewell::Resign));
        let sent: Vec<_> = rig.sent.iter().map(|sent| (sent.destination, sent.payload.clone())).collect();
        assert_eq!(made, sent);
        assert!(made.iter().all(|(_, payload)| payload[2] == 0));
        assert_eq!(rig.router.resignations(), [], "who is not Active has nothing to resign from");
    }
}
