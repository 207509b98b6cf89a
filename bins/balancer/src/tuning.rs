//! The kernel's settings for IPVS: set when that is asked for, and advice where the services would be better off with others.
//!
//! Which settings matter depends on what becomes of servers that are down: [`advice`] is a pure function of that and of the
//! settings as they are.

use std::collections::BTreeMap;

use lb_core::{
    desired::{OnFailure, Policy},
    model::ServiceKey,
};
use lb_ipvs::{
    Namespace,
    sysctl::{self, Assignment, Setting, Sysctl},
};

/// What of the services the settings matter to: one service that is an example of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// Any.
    any: Option<ServiceKey>,
    /// Servers that are down leave its table.
    leaving: Option<ServiceKey>,
    /// Servers that are down stay, with weight 0, and clients are bound to them.
    binding: Option<ServiceKey>,
}

impl Situation {
    /// That of this policy.
    pub fn of(policy: &Policy) -> Self {
        let mut situation = Self::default();
        for (service, entry) in policy {
            let has = |what| entry.servers.values().any(|server| server.on_failure == what);
            situation.any.get_or_insert(*service);
            if has(OnFailure::Remove) {
                situation.leaving.get_or_insert(*service);
            }
            if has(OnFailure::Quiesce) && entry.spec.persistence.is_some() {
                situation.binding.get_or_insert(*service);
            }
        }
        situation
    }

    /// For whom a setting should be what is recommended, and why.
    fn concerns(&self, setting: &Setting) -> Option<(ServiceKey, &'static str)> {
        match (setting.sysctl, setting.value?) {
            (Sysctl::ExpireNodestConn, 0) => Some((self.leaving?, "takes out servers that are down")),
            (Sysctl::ExpireQuiescentTemplate, 0) => {
                Some((self.binding?, "is persistent, and gives servers that are down weight 0"))
            }
            (Sysctl::ConnReuseMode, 0) => Some((self.any?, "may have servers drained")),
            // Whoever wants netfilter to track connections knows why.
            _ => None,
        }
    }
}

/// What would be better, a line for each setting.
pub fn advice(situation: &Situation, settings: &[Setting]) -> BTreeMap<Sysctl, String> {
    let line = |setting: &Setting| {
        let (service, why) = situation.concerns(setting)?;
        let Setting { sysctl, value } = *setting;
        let (value, better) = (value?, sysctl.recommended());
        let text = format!(
            "{sysctl} is {value}: {}; {service} {why}: consider `lbctl ipvs sysctl {sysctl}={better}`",
            sysctl.meaning(value)
        );
        Some((sysctl, text))
    };
    settings.iter().filter_map(line).collect()
}

/// The settings of this network namespace, as far as a daemon cares for them.
#[derive(Debug)]
pub struct Tuning {
    /// Whether IPVS carries the services.
    ipvs: bool,
    situation: Situation,
    advice: BTreeMap<Sysctl, String>,
    refused: Vec<String>,
}

impl Tuning {
    /// Nothing yet, for the data plane of this name.
    pub fn new(plane: &str) -> Self {
        let situation = Situation::default();
        Self { ipvs: plane == "ipvs", situation, advice: BTreeMap::new(), refused: Vec::new() }
    }

    /// Sets what is asked for, and says of each what it was and is, or why not.
    pub fn set(&mut self, wanted: &[Assignment]) -> Vec<String> {
        let mut lines = Vec::new();
        for wish in wanted {
            let Assignment { sysctl, value } = *wish;
            let done = match self.ipvs {
                true => sysctl::replace(&Namespace::own(), sysctl, value).map_err(|error| error.to_string()),
                false => Err("the data plane is not ipvs".to_owned()),
            };
            lines.push(match done {
                Ok(before) => format!("sysctl {sysctl}: from {before} to {value}"),
                Err(why) => {
                    let line = format!("sysctl {wish} is not set: {why}");
                    self.refused.push(line.clone());
                    line
                }
            });
        }
        lines
    }

    /// Looks at the settings with the eyes of these services; returns what is new about them.
    pub fn judge(&mut self, policy: &Policy) -> Vec<String> {
        self.situation = Situation::of(policy);
        self.look()
    }

    /// Looks at the settings; returns what is new about them.
    pub fn look(&mut self) -> Vec<String> {
        if !self.ipvs {
            return Vec::new();
        }
        // What can not be read, as in some containers, can not be judged.
        let settings = sysctl::read_all(&Namespace::own()).unwrap_or_default();
        let advice = advice(&self.situation, &settings);
        let is_new = |sysctl: &Sysctl| !self.advice.contains_key(sysctl);
        let lines =
            advice.iter().filter(|(sysctl, _)| is_new(sysctl)).map(|(_, line)| line.clone()).collect();
        self.advice = advice;
        lines
    }

    /// What would be better.
    pub fn advice(&self) -> impl Iterator<Item = &String> {
        self.advice.values()
    }

    /// What could not be set.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
}

#[cfg(test)]
mod tests;
