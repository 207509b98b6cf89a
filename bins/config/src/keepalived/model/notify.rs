use super::seldom::Usual;

/// A command line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand {
    /// Program and arguments. Never empty.
    pub argv: Vec<String>,
    /// As whom it runs. Default: `script_user`, else `keepalived_script` if there is such a user, else whoever runs the
    /// daemon; the last two are found out when it runs.
    pub user: Option<User>,
}

/// Names of a user and a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user: a name or a number.
    pub name: String,
    /// The group. Default: that of the user.
    pub group: Option<String>,
}

/// Who is told what. The order is: `notify_STATE`, then `notify`, with `INSTANCE|GROUP NAME STATE PRIORITY` as further
/// arguments to the latter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<ScriptCommand>,
    /// `notify_backup`.
    pub backup: Option<ScriptCommand>,
    /// `notify_fault`.
    pub fault: Option<ScriptCommand>,
    /// `notify_stop`.
    pub stop: Option<ScriptCommand>,
    /// `notify_deleted`: it exists no longer after a reload. Without it that is a FAULT.
    pub deleted: Option<ScriptCommand>,
    /// Whether `notify_deleted` is there, with or without a script.
    pub tells_deleted: bool,
    /// `notify_master_rx_lower_pri`: a MASTER heard a lower priority.
    pub lower_priority: Option<ScriptCommand>,
    /// `notify`.
    pub any: Option<ScriptCommand>,
    /// `notify_priority_changes`: FIFOs are told changes of the priority.
    pub priority_changes: bool,
    /// `smtp_alert`: mail at each change of state.
    pub mail: bool,
}

impl Usual for Notify {
    const USUAL: &'static Self = &Self {
        master: None,
        backup: None,
        fault: None,
        stop: None,
        deleted: None,
        tells_deleted: false,
        lower_priority: None,
        any: None,
        priority_changes: false,
        mail: false,
    };
}
