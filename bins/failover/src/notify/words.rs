//! What is told, in keepalived's words (2.2.7, measured): pure.

use std::fmt;

use lb_config::keepalived::model::{Notify, ScriptCommand};

use super::{Happened, Kind, Notification};

/// What happened as those see it who are told: what exists no longer has failed, for those who do not ask for more.
pub(super) fn in_effect(what: Happened, wanted: &Notify) -> Happened {
    match what {
        Happened::Deleted if !wanted.tells_deleted => Happened::Fault,
        what => what,
    }
}

/// The line for pipes: `INSTANCE "VI_1" MASTER 150`.
pub(super) fn line(notification: &Notification, what: Happened, wanted: &Notify) -> Option<String> {
    let about_priority = matches!(what, Happened::MasterPriority | Happened::BackupPriority);
    let Notification { of, name, priority, .. } = notification;
    (!about_priority || wanted.priority_changes).then(|| format!("{of} \"{name}\" {what} {priority}"))
}

/// What is run, in this order: what it is for, the command, its further arguments.
pub(super) fn scripts<'a>(
    notification: &Notification,
    what: Happened,
    wanted: &'a Notify,
) -> Vec<(String, &'a ScriptCommand, Vec<String>)> {
    let Notification { of, name, priority, .. } = notification;
    let (keyword, own) = match what {
        Happened::Master => ("notify_master", &wanted.master),
        Happened::Backup => ("notify_backup", &wanted.backup),
        Happened::Fault => ("notify_fault", &wanted.fault),
        Happened::Stop => ("notify_stop", &wanted.stop),
        Happened::Deleted => ("notify_deleted", &wanted.deleted),
        Happened::MasterRxLowerPri => ("notify_master_rx_lower_pri", &wanted.lower_priority),
        Happened::MasterPriority | Happened::BackupPriority => return Vec::new(),
    };
    let own = own.as_ref().map(|command| (format!("{keyword} of {name}"), command, Vec::new()));
    let any = wanted.any.as_ref().filter(|_| what != Happened::MasterRxLowerPri);
    let any = any.map(|command| {
        let arguments = vec![of.to_string(), name.to_string(), what.to_string(), priority.to_string()];
        (format!("notify of {name} ({what})"), command, arguments)
    });
    own.into_iter().chain(any).collect()
}

/// Subject, without the router's name, and text of a mail; `None` for what no mail is sent about.
pub(super) fn mail(notification: &Notification, what: Happened) -> Option<(String, String)> {
    let state = match what {
        Happened::Master | Happened::Backup | Happened::Fault => what,
        _ => return None,
    };
    let name = &notification.name;
    Some(match notification.of {
        Kind::Instance => {
            let owning = if state == Happened::Master { "now" } else { "no longer" };
            let mut text = format!("=> VRRP Instance is {owning} owning VRRP VIPs <=\n");
            if let Some(peer) = notification.peer {
                text += &format!("The other router is {peer}.\n");
            }
            (format!("VRRP Instance {name} - Entering {state} state"), text)
        }
        Kind::Group => (
            format!("VRRP Group {name} - Entering {state} state"),
            format!("=> All VRRP group instances are now in {state} state <=\n"),
        ),
    })
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instance => "INSTANCE",
            Self::Group => "GROUP",
        })
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(of: Kind, what: Happened) -> Notification {
        Notification { of, name: "VI_1".into(), what, priority: 150, peer: None }
    }

    fn command(name: &str) -> Option<ScriptCommand> {
        Some(ScriptCommand { argv: vec![name.to_owned()], user: None })
    }

    fn run(what: Happened, wanted: &Notify) -> Vec<String> {
        let what = in_effect(what, wanted);
        let all = scripts(&notification(Kind::Instance, what), what, wanted);
        all.iter().map(|(_, command, further)| format!("{} {}", command.argv[0], further.join(" "))).collect()
    }

    #[test]
    fn the_script_of_the_state_comes_first() {
        let wanted = Notify {
            master: command("m"),
            any: command("n"),
            lower_priority: command("l"),
            ..Notify::default()
        };
        assert_eq!(run(Happened::Master, &wanted), ["m ", "n INSTANCE VI_1 MASTER 150"]);
        assert_eq!(run(Happened::Backup, &wanted), ["n INSTANCE VI_1 BACKUP 150"]);
        assert_eq!(run(Happened::MasterRxLowerPri, &wanted), ["l "]);
        assert_eq!(run(Happened::MasterPriority, &wanted), [""; 0]);
    }

    #[test]
    fn what_is_deleted_has_failed_unless_somebody_asks() {
        let mut wanted =
            Notify { fault: command("f"), deleted: command("d"), any: command("n"), ..Notify::default() };
        assert_eq!(run(Happened::Deleted, &wanted), ["f ", "n INSTANCE VI_1 FAULT 150"]);
        wanted.tells_deleted = true;
        assert_eq!(run(Happened::Deleted, &wanted), ["d ", "n INSTANCE VI_1 DELETED 150"]);
    }

    #[test]
    fn pipes_hear_of_priorities_when_asked() {
        let told = |what, priority_changes| {
            let wanted = Notify { priority_changes, ..Notify::default() };
            line(&notification(Kind::Instance, what), what, &wanted)
        };
        assert_eq!(told(Happened::Master, false).unwrap(), "INSTANCE \"VI_1\" MASTER 150");
        assert_eq!(told(Happened::BackupPriority, false), None);
        assert_eq!(told(Happened::BackupPriority, true).unwrap(), "INSTANCE \"VI_1\" BACKUP_PRIORITY 150");
    }

    #[test]
    fn mails_are_those_of_keepalived() {
        let of = |kind, what| mail(&notification(kind, what), what);
        let (subject, text) = of(Kind::Instance, Happened::Master).unwrap();
        assert_eq!(subject, "VRRP Instance VI_1 - Entering MASTER state");
        assert_eq!(text, "=> VRRP Instance is now owning VRRP VIPs <=\n");
        let (subject, text) = of(Kind::Group, Happened::Fault).unwrap();
        assert_eq!(subject, "VRRP Group VI_1 - Entering FAULT state");
        assert_eq!(text, "=> All VRRP group instances are now in FAULT state <=\n");
        assert_eq!(of(Kind::Instance, Happened::Stop), None);
    }
}
