//! Every directive of ldirectord.cf: where it may stand and what its value looks like.

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Outside the sections.
    Global,
    /// In a section of a virtual service.
    Section,
    /// In both; a section's goes before the global one.
    Both,
    /// It begins a section.
    Head,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Address, port and so on of a virtual service.
    Virtual,
    /// Address, forwarding method and so on of a real server.
    Real,
    /// Address of a fallback.
    Fallback,
    /// The first number in the value, at least so much.
    Number {
        least: u64,
    },
    /// A number at the beginning.
    LeadingNumber,
    /// 1 to 65,535.
    Port,
    /// `yes` or `no`.
    YesNo,
    /// In double quotes, which are required.
    Quoted {
        empty: bool,
    },
    /// In double quotes or without.
    MaybeQuoted {
        empty: bool,
    },
    /// As it stands.
    Text {
        empty: bool,
    },
    /// Letters, digits and `_.-`.
    HostName,
    CheckType,
    Service,
    Protocol,
    Scheduler,
    SchedulerFlags,
    HttpMethod,
    Netmask,
    AlertStates,
    /// No longer allowed; what to write instead.
    Removed(&'static str),
}

macro_rules! directives {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $scope:ident, $syntax:expr;)+) => {
        /// A directive of ldirectord.cf.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Directive {
            $($(#[$doc])* #[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Directive {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Where it may stand.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)+ }
            }

            pub(super) const fn syntax(self) -> Syntax {
                match self { $(Self::$variant => $syntax,)+ }
            }
        }
    };
}

directives! {
    Virtual = "virtual", Head, Syntax::Virtual;
    Virtual6 = "virtual6", Head, Syntax::Virtual;

    Real = "real", Section, Syntax::Real;
    Real6 = "real6", Section, Syntax::Real;
    CheckType = "checktype", Section, Syntax::CheckType;
    Service = "service", Section, Syntax::Service;
    CheckCommand = "checkcommand", Section, Syntax::MaybeQuoted { empty: false };
    CheckPort = "checkport", Section, Syntax::Port;
    Request = "request", Section, Syntax::Quoted { empty: false };
    Receive = "receive", Section, Syntax::Quoted { empty: false };
    HttpMethod = "httpmethod", Section, Syntax::HttpMethod;
    VirtualHost = "virtualhost", Section, Syntax::MaybeQuoted { empty: true };
    Login = "login", Section, Syntax::Quoted { empty: false };
    Passwd = "passwd", Section, Syntax::Quoted { empty: false };
    Database = "database", Section, Syntax::Quoted { empty: false };
    Secret = "secret", Section, Syntax::Quoted { empty: false };
    Load = "load", Section, Syntax::Quoted { empty: false };
    Scheduler = "scheduler", Section, Syntax::Scheduler;
    SchedFlags = "schedflags", Section, Syntax::SchedulerFlags;
    Persistent = "persistent", Section, Syntax::Number { least: 0 };
    Netmask = "netmask", Section, Syntax::Netmask;
    Protocol = "protocol", Section, Syntax::Protocol;
    Ops = "ops", Section, Syntax::YesNo;
    MonitorFile = "monitorfile", Section, Syntax::MaybeQuoted { empty: false };
    ServiceName = "servicename", Section, Syntax::Text { empty: true };
    Comment = "comment", Section, Syntax::Text { empty: true };

    CheckTimeout = "checktimeout", Both, Syntax::Number { least: 1 };
    NegotiateTimeout = "negotiatetimeout", Both, Syntax::Number { least: 1 };
    CheckInterval = "checkinterval", Both, Syntax::Number { least: 1 };
    CheckCount = "checkcount", Both, Syntax::Number { least: 1 };
    FailureCount = "failurecount", Both, Syntax::Number { least: 1 };
    Fallback = "fallback", Both, Syntax::Fallback;
    Fallback6 = "fallback6", Both, Syntax::Fallback;
    FallbackCommand = "fallbackcommand", Both, Syntax::MaybeQuoted { empty: false };
    Quiescent = "quiescent", Both, Syntax::YesNo;
    CleanStop = "cleanstop", Both, Syntax::YesNo;
    EmailAlert = "emailalert", Both, Syntax::MaybeQuoted { empty: false };
    EmailAlertFreq = "emailalertfreq", Both, Syntax::LeadingNumber;
    EmailAlertStatus = "emailalertstatus", Both, Syntax::AlertStates;
    Smtp = "smtp", Both, Syntax::HostName;
    ConnectTimeout = "connecttimeout", Both, Syntax::Removed("use `checktimeout` or `negotiatetimeout`");

    Autoreload = "autoreload", Global, Syntax::YesNo;
    Callback = "callback", Global, Syntax::Quoted { empty: true };
    LogFile = "logfile", Global, Syntax::Quoted { empty: true };
    Execute = "execute", Global, Syntax::Text { empty: true };
    Supervised = "supervised", Global, Syntax::YesNo;
    Fork = "fork", Global, Syntax::YesNo;
    ReaddQuiescent = "readdquiescent", Global, Syntax::YesNo;
    EmailAlertFrom = "emailalertfrom", Global, Syntax::Text { empty: false };
    MaintenanceDir = "maintenancedir", Global, Syntax::Text { empty: false };
    Timeout = "timeout", Global, Syntax::Removed("use `checktimeout` and `negotiatetimeout`");
}

impl Directive {
    /// By the word as it is written; case counts.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|directive| directive.name() == name)
    }

    /// Whether it may stand in a section.
    pub const fn in_section(self) -> bool {
        matches!(self.scope(), Scope::Section | Scope::Both)
    }

    /// Whether it may stand outside the sections.
    pub const fn in_globals(self) -> bool {
        matches!(self.scope(), Scope::Global | Scope::Both | Scope::Head)
    }

    /// Whether every line counts, not only the last one.
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Virtual | Self::Virtual6 | Self::Real | Self::Real6 | Self::Execute)
    }
}
