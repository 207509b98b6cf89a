//! `keepalived.stats`.

use std::fmt::Write as _;

use crate::view::View;

pub(super) fn stats(view: &View<'_>) -> String {
    let mut out = String::new();
    for instance in &view.instances {
        let stats = instance.driver.as_ref().map(|driver| driver.stats).unwrap_or_default();
        let _ = write!(
            out,
            "VRRP Instance: {name}
  Advertisements:
    Received: {received}
    Sent: {sent}
  Became master: {became}
  Released master: {released}
  Packet Errors:
    Length: {length}
    TTL: {ttl}
    Invalid Type: {kind}
    Advertisement Interval: {interval}
    Address List: {list}
  Authentication Errors:
    Invalid Type: {auth_type}
    Type Mismatch: {mismatch}
    Failure: {failure}
  Priority Zero:
    Received: {zero_received}
    Sent: {zero_sent}
",
            name = instance.config.name,
            received = stats.received,
            sent = stats.sent,
            became = stats.became_active,
            released = stats.released,
            length = stats.length_errors,
            ttl = stats.ttl_errors,
            kind = stats.invalid_type,
            interval = stats.interval_errors,
            list = stats.address_list_errors,
            auth_type = stats.invalid_auth_type,
            mismatch = stats.auth_type_mismatch,
            failure = stats.auth_failures,
            zero_received = stats.priority_zero_received,
            zero_sent = stats.priority_zero_sent,
        );
    }
    out
}
