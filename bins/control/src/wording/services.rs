//! Events in the words of ldirectord's log, which people read and scripts match, with the cause behind.

use lb_core::{
    Event,
    desired::ServerState,
    event::{Cause, Subject, What},
    model::{ServerKey, ServiceKey, Weight},
};

/// The line that the log gets for an event.
pub fn line(event: &Event) -> String {
    match (&event.what, &event.subject) {
        (What::Server { state, before, after }, subject) => {
            let change = server(&event.cause, subject, *state, *before, *after);
            match event.cause {
                Cause::Lifecycle => change,
                _ => format!("{change} ({})", event.cause),
            }
        }
        (What::ServiceAdded, Subject::Service(service)) => format!("Added virtual server: {}", name(service)),
        (What::ServiceChanged, Subject::Service(service)) => {
            format!("Changed virtual server: {}", name(service))
        }
        (What::ServiceRemoved, Subject::Service(service)) => {
            let stage = if event.cause == Cause::Lifecycle { " (stop)" } else { "" };
            format!("Purged virtual server{stage}: {}", name(service))
        }
        (What::SoftFailure(count, of), Subject::Server(service, server)) => {
            format!("Soft failure real server: {server} ({service}) failure {count}/{of} ({})", event.cause)
        }
        (What::SoftFailureOver, Subject::Server(service, server)) => {
            format!("Resetting soft failure count: {server} ({service})")
        }
        (What::Ordered(action), Subject::Server(service, server)) => {
            let action = action.map_or_else(|| "resume".to_owned(), |action| action.to_string());
            format!("Ordered {action} of real server: {server} ({}) ({})", name(service), event.cause)
        }
        (What::Crashed(how), _) => format!("The daemon before this one did not stop by itself: {how}"),
        (What::Started, _) => format!("Starting lb-director {}", env!("CARGO_PKG_VERSION")),
        (What::Stopped, _) => "Stopped lb-director".to_owned(),
        (What::Foreign, subject) => format!("Left alone, not ours: {subject}"),
        (What::Repaired, subject) => format!("Put right: {subject} ({})", event.cause),
        (What::Refused, subject) => {
            format!("The data plane refuses a change of {subject}, it will be tried again: {}", event.cause)
        }
        (What::Rejected, _) => format!("Configuration refused, the old one stays in force: {}", event.cause),
        (What::Configured, _) => format!("In force: {}", event.cause),
        (what, subject) => format!("{what:?}: {subject} ({})", event.cause),
    }
}

/// What a mail about an event says, without the cause; `None` = it is worth no mail.
pub fn alert(event: &Event) -> Option<String> {
    let What::Server { state, before, after } = event.what else { return None };
    match (before, after, &event.subject) {
        (None, None, Subject::Server(service, server)) => {
            (state == Some(ServerState::Down)).then(|| inaccessible(service, server))
        }
        (before, after, subject) => {
            (before != after).then(|| self::server(&event.cause, subject, state, before, after))
        }
    }
}

/// What a mail about a server that is still down says.
pub fn inaccessible(service: &ServiceKey, server: &ServerKey) -> String {
    format!("Inaccessible real server: {server} ({})", name(service))
}

/// What has become of a server.
fn server(
    cause: &Cause,
    subject: &Subject,
    state: Option<ServerState>,
    before: Option<Weight>,
    after: Option<Weight>,
) -> String {
    let (kind, service, server) = match subject {
        Subject::Server(service, server) => ("real", service, server),
        Subject::Fallback(service, server) => ("fallback", service, server),
        subject => return format!("{subject}"),
    };
    match cause {
        Cause::DataPlane(_) if before == after && kind == "real" => {
            format!("Kept real server: {server} ({})", name(service))
        }
        Cause::Lifecycle if after.is_none() => {
            format!("Purged {kind} server (stop): {server} ({})", name(service))
        }
        _ => change(kind, state, before, after, server, service),
    }
}

/// A virtual service as ldirectord names it: `10.0.0.1:80`, or the firewall mark alone.
pub fn name(service: &ServiceKey) -> String {
    match service {
        ServiceKey::FwMark { mark, .. } => mark.to_string(),
        ServiceKey::Address { .. } => {
            service.address().map_or_else(String::new, |address| address.to_string())
        }
    }
}

fn change(
    kind: &str,
    state: Option<ServerState>,
    before: Option<Weight>,
    after: Option<Weight>,
    server: &ServerKey,
    service: &ServiceKey,
) -> String {
    let service = name(service);
    let (verb, weight) = match (before, after) {
        (None, None) => {
            let state = state.map_or_else(|| "gone".to_owned(), |state| state.to_string());
            return format!("Not in use, {state}: {kind} server {server} ({service})");
        }
        (_, None) => return format!("Deleted {kind} server: {server} ({service})"),
        (None, Some(weight)) if !weight.is_zero() => ("Added", weight),
        (Some(Weight::ZERO), Some(weight)) if !weight.is_zero() => ("Restored", weight),
        (_, Some(Weight::ZERO)) => ("Quiescent", Weight::ZERO),
        (Some(_), Some(weight)) | (None, Some(weight)) => ("Changed", weight),
    };
    format!("{verb} {kind} server: {server} ({service}) (Weight set to {weight})")
}

#[cfg(test)]
mod tests {
    use lb_core::Time;

    use super::*;

    #[test]
    fn changes_have_the_words_of_ldirectord() {
        let line = |before: Option<u16>, after: Option<u16>, fallback: bool| {
            let (service, server) = ("tcp:10.0.0.1:80".parse().unwrap(), "192.168.0.1:80".parse().unwrap());
            let what =
                What::Server { state: None, before: before.map(Weight::new), after: after.map(Weight::new) };
            let subject = match fallback {
                true => Subject::Fallback(service, server),
                false => Subject::Server(service, server),
            };
            super::line(&Event { at: Time::ZERO, subject, what, cause: Cause::Check("refused".into()) })
        };
        assert_eq!(
            line(None, Some(3), false),
            "Added real server: 192.168.0.1:80 (10.0.0.1:80) (Weight set to 3) (check: refused)"
        );
        assert!(
            line(Some(0), Some(3), false)
                .starts_with("Restored real server: 192.168.0.1:80 (10.0.0.1:80) (W")
        );
        assert!(line(Some(3), Some(0), false).starts_with("Quiescent real server: "));
        assert!(line(None, Some(0), false).starts_with("Quiescent real server: "));
        assert!(
            line(Some(3), None, false).starts_with("Deleted real server: 192.168.0.1:80 (10.0.0.1:80) (")
        );
        assert!(line(Some(3), Some(4), false).starts_with("Changed real server: "));
        assert!(line(None, Some(1), true).starts_with("Added fallback server: "));
    }

    #[test]
    fn a_mail_has_the_change_without_its_cause() {
        let (service, server) = ("tcp:10.0.0.1:80".parse().unwrap(), "192.168.0.1:80".parse().unwrap());
        let alert = |state, before: Option<u16>, after: Option<u16>, cause| {
            let what = What::Server { state, before: before.map(Weight::new), after: after.map(Weight::new) };
            super::alert(&Event { at: Time::ZERO, subject: Subject::Server(service, server), what, cause })
        };
        let check = || Cause::Check("refused".into());
        for (state, before, after, cause, expected) in [
            (None, Some(3), None, check(), Some("Deleted real server: 192.168.0.1:80 (10.0.0.1:80)")),
            (
                None,
                Some(3),
                None,
                Cause::Lifecycle,
                Some("Purged real server (stop): 192.168.0.1:80 (10.0.0.1:80)"),
            ),
            (
                Some(ServerState::Down),
                None,
                None,
                check(),
                Some("Inaccessible real server: 192.168.0.1:80 (10.0.0.1:80)"),
            ),
            (Some(ServerState::Maintenance), None, None, check(), None),
            (Some(ServerState::Active), Some(3), Some(3), Cause::DataPlane("found in use".into()), None),
        ] {
            assert_eq!(alert(state, before, after, cause).as_deref(), expected);
        }
    }
}
