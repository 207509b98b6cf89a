//! What goes beyond the RFCs, or what they leave open. What they require is tested in `tests/conformance`.

use crate as vrrp;

mod basis;
mod checksum;
mod dropped;
mod drops;
mod handover;
mod linger;
mod options;
mod priority;
mod resignation;
mod restart;
#[path = "../../tests/conformance/rig.rs"]
mod rig;
mod rival;
mod statistics;
mod successor;
mod told;
mod unicast;
mod unsent;
mod waiting;
