//! `vrrp_sync_group`, `garp_group`, `interface_up_down_delays`.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    time::Duration,
};

use crate::{
    diagnostic::{BlockErrors, Diagnostic, Problems},
    document::Span,
    keepalived::{
        language::{Directive, keywords::Within},
        model::{Config, Group, Instance, InterfaceDelays, Notify, Tracked, Tracks},
    },
};

use super::{
    addresses::{is_interface_name, no_interface_name},
    faults::{Area, Faults, title},
    globals::{Defaults, interval},
    notify::notify,
    settle::{GarpGroups, Settled},
    tracking::{Trackers, no_block, no_entries, tracks},
    values::{IGNORED, bare, effective, only, seconds_in, surplus},
};

/// Sync groups as they come.
#[derive(Debug)]
pub(super) struct SyncGroups<'i> {
    instances: &'i mut [Settled],
    /// Instances that are in the file and have an error.
    left_out: &'i HashSet<String>,
    before: &'i Config,
    by_name: HashMap<String, usize>,
    /// The group that an instance is in already, and where that is said.
    member_of: HashMap<usize, (String, Span)>,
    names: HashMap<String, Span>,
    groups: Vec<Group>,
    /// Those with errors.
    wrong: Vec<(&'i Directive, BlockErrors)>,
}

impl<'i> SyncGroups<'i> {
    pub(super) fn new(
        instances: &'i mut [Settled],
        left_out: &'i HashSet<String>,
        before: &'i Config,
    ) -> Self {
        let names = instances.iter().enumerate().map(|(at, settled)| (settled.instance.name.clone(), at));
        let by_name = names.collect();
        Self {
            instances,
            left_out,
            before,
            by_name,
            member_of: HashMap::new(),
            names: HashMap::new(),
            groups: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// All groups. What was in force for one with an error stays, as far as its members are there and in no other group.
    pub(super) fn finish(mut self, trackers: &mut Trackers, faults: &mut Faults) -> Vec<Group> {
        for (directive, errors) in std::mem::take(&mut self.wrong) {
            let name = directive.parameters().first();
            let taken = |name: &str| self.groups.iter().any(|group| group.name == name);
            let before = name.filter(|name| !taken(&name.text)).and_then(|name| {
                self.before.groups.iter().find(|group| *name.text == *group.name).map(|group| (name, group))
            });
            let kept = before.map(|(name, group)| self.keep(group, name.span, trackers));
            faults.push(title(directive), Area::Vrrp, kept.is_some(), errors);
            self.groups.extend(kept.filter(|group| !group.members.is_empty()));
        }
        self.groups
    }

    fn keep(&mut self, before: &Group, place: Span, trackers: &mut Trackers) -> Group {
        let mut group = before.clone();
        trackers.retain_known(&mut group.tracks);
        let named = before.members.iter().chain(&before.missing);
        // As in a group without errors, it goes on without what it did not lack before.
        group.missing.retain(|name| self.left_out.contains(name));
        let mut members = Vec::new();
        for name in named {
            let Some(&at) = self.by_name.get(name) else { continue };
            if let Entry::Vacant(free) = self.member_of.entry(at) {
                free.insert((before.name.clone(), place));
                members.push(name.clone());
            }
        }
        group.members = members;
        group
    }

    /// A `vrrp_sync_group`.
    pub(super) fn read(
        &mut self,
        directive: &'i Directive,
        defaults: &Defaults,
        trackers: &mut Trackers,
        problems: &mut Problems,
    ) {
        let known = self.member_of.clone();
        let (group, errors) = problems.block(|problems| self.group(directive, defaults, trackers, problems));
        if let Some(errors) = errors {
            self.wrong.push((directive, errors));
            // Its members may be in another group.
            self.member_of = known;
        } else if let Some(group) = group.filter(|group| !group.members.is_empty()) {
            self.groups.push(group);
        }
    }

    fn group(
        &mut self,
        directive: &Directive,
        defaults: &Defaults,
        trackers: &mut Trackers,
        problems: &mut Problems,
    ) -> Option<Group> {
        let name = only(directive, "a name", problems)?;
        let Some(block) = &directive.block else {
            problems.push(no_block(directive));
            return None;
        };
        if let Some(first) = self.names.insert(name.text.to_string(), name.span) {
            problems.push(
                Diagnostic::error(name.span, format!("sync group `{}` is defined twice", name.text))
                    .label("the second time")
                    .related(first, "first defined here")
                    .help("rename one of them"),
            );
            return None;
        }
        let mut group = Group {
            name: name.text.to_string(),
            notify: Notify {
                priority_changes: defaults.priority_changes,
                mail: defaults.mail,
                ..Notify::default()
            },
            ..Group::default()
        };
        let mut members = Vec::new();
        let (mut own_weights, mut global_tracking) = (false, false);
        // What the group says of it holds for its members.
        let mut priority_changes = None;
        for line in effective(block, Within::SyncGroup, problems) {
            if tracks(line, &mut group.tracks, trackers, problems) {
                continue;
            }
            if line.keyword() == "group" {
                members.extend(self.members(line, &mut group, problems));
                continue;
            }
            match line.keyword() {
                "global_tracking" => {
                    global_tracking = bare(line, problems);
                    problems.push(
                        Diagnostic::warning(line.span(), "`global_tracking` is deprecated")
                            .label("what one member tracks counts for all")
                            .help("put the `track_…` blocks of the members into the group"),
                    );
                }
                "sync_group_tracking_weight" => own_weights = bare(line, problems),
                _ => {
                    notify(line, &mut group.notify, problems);
                }
            }
            if line.keyword() == "notify_priority_changes" {
                priority_changes = Some(group.notify.priority_changes);
            }
        }
        if let Some(told) = priority_changes {
            for &at in &members {
                self.instances[at].instance.notify.priority_changes = told;
            }
        }
        if members.len() < 2 && group.missing.is_empty() {
            let problem = if members.is_empty() {
                Diagnostic::warning(name.span, format!("sync group `{}` has no member", name.text))
                    .label("it has no effect")
            } else {
                Diagnostic::warning(name.span, format!("sync group `{}` has one member only", name.text))
                    .label("nothing is kept in step")
            };
            problems.push(problem.help("name its instances in `group { … }`"));
        }
        if global_tracking {
            self.track_for_all(&members, &mut group.tracks);
        } else if !own_weights {
            self.drop_weights(&members, &group.name, problems);
        }
        group.members = members.iter().map(|&at| self.instances[at].instance.name.clone()).collect();
        // A group that works goes on without a new member that has an error.
        let works = |before: &&Group| before.name == group.name && before.missing.is_empty();
        if self.before.groups.iter().any(|before| works(&before)) {
            group.missing.clear();
        }
        Some(group)
    }

    /// `group { NAME … }`: each is an instance that is in no other group.
    fn members(&mut self, directive: &Directive, group: &mut Group, problems: &mut Problems) -> Vec<usize> {
        let Some(block) = &directive.block else {
            problems.push(no_entries(directive));
            return Vec::new();
        };
        let mut members = Vec::new();
        for word in block.directives.iter().flat_map(|line| &line.words) {
            let Some(&at) = self.by_name.get(&*word.text) else {
                // What is wrong with one that is left out was said.
                if self.left_out.contains(&*word.text) {
                    group.missing.push(word.text.to_string());
                } else {
                    problems.push_mistake_with(word.span, || {
                        Diagnostic::mistake(word.span, format!("there is no instance `{}`", word.text))
                            .instead(IGNORED)
                            .help("define it, or leave it out of the group")
                            .did_you_mean(&word.text, self.by_name.keys().map(String::as_str))
                    });
                }
                continue;
            };
            match self.member_of.get(&at) {
                None => {
                    self.member_of.insert(at, (group.name.clone(), word.span));
                    members.push(at);
                }
                Some((same, first)) if *same == group.name => problems.push(
                    Diagnostic::warning(word.span, format!("`{}` is in the group twice", word.text))
                        .label("ignored here")
                        .related(*first, "named here first"),
                ),
                Some((other, first)) => problems.push(
                    Diagnostic::mistake(word.span, format!("instance `{}` is in two sync groups", word.text))
                        .label("ignored here, as with keepalived")
                        .related(*first, format!("it is in `{other}` here"))
                        .help("put all instances that belong together into one group"),
                ),
            }
        }
        members
    }

    /// `global_tracking`: what one member tracks counts for all.
    fn track_for_all(&mut self, members: &[usize], tracks: &mut Tracks) {
        for &at in members {
            let Some(own) = self.instances[at].instance.tracks.said_mut() else { continue };
            let lists = |tracks: &mut Tracks| {
                [&mut tracks.interfaces, &mut tracks.scripts, &mut tracks.processes, &mut tracks.files]
                    .map(std::mem::take)
            };
            let [interfaces, scripts, processes, files] = lists(own);
            let into = |list: &mut Vec<Tracked>, more: Vec<Tracked>| {
                let known: HashSet<String> = list.iter().map(|tracked| tracked.name.clone()).collect();
                list.extend(more.into_iter().filter(|tracked| !known.contains(&tracked.name)));
            };
            into(&mut tracks.interfaces, interfaces);
            into(&mut tracks.scripts, scripts);
            into(&mut tracks.processes, processes);
            into(&mut tracks.files, files);
        }
    }

    /// Members with different priorities would pull each other to and fro, so what would change the priority of one alone
    /// does not count, as with keepalived.
    fn drop_weights(&mut self, members: &[usize], group: &str, problems: &mut Problems) {
        for &at in members {
            let name = self.instances[at].name;
            let Instance { tracks, name: instance, .. } = &mut self.instances[at].instance;
            let Some(tracks) = tracks.said_mut() else { continue };
            for list in
                [&mut tracks.interfaces, &mut tracks.scripts, &mut tracks.processes, &mut tracks.files]
            {
                list.retain(|tracked| {
                    if tracked.weight.value == 0 {
                        return true;
                    }
                    problems.push(
                        Diagnostic::warning(
                            name,
                            format!(
                                "`{}` has a weight for `{instance}`, which is in sync group `{group}`",
                                tracked.name
                            ),
                        )
                        .label("it does not count, as with keepalived")
                        .note("members whose priorities differ would pull each other to and fro")
                        .help("track it in the group"),
                    );
                    false
                });
            }
        }
    }
}

/// `garp_group`.
pub(super) fn garp_group(
    directive: &Directive,
    defaults: &Defaults,
    groups: &mut GarpGroups,
    problems: &mut Problems,
) {
    let Some(block) = &directive.block else {
        problems.push(no_block(directive));
        return;
    };
    let mut intervals = [defaults.garp.interval4, defaults.garp.interval6];
    let mut interfaces = Vec::new();
    let lines = &block.directives;
    if !lines.iter().any(|line| matches!(line.keyword(), "garp_interval" | "gna_interval")) {
        problems.push(
            Diagnostic::warning(directive.span(), "`garp_group` has no interval")
                .label("it has no effect")
                .help("add `garp_interval SECONDS`, and `gna_interval SECONDS` for IPv6"),
        );
    }
    for line in effective(block, Within::GarpGroup, problems) {
        match line.keyword() {
            "garp_interval" => intervals[0] = interval(line, problems).unwrap_or(intervals[0]),
            "gna_interval" => intervals[1] = interval(line, problems).unwrap_or(intervals[1]),
            "interface" => interfaces.extend(only(line, "an interface", problems)),
            "interfaces" => {
                interfaces.extend(line.parameters());
                let block = line.block.iter().flat_map(|block| &block.directives);
                interfaces.extend(block.flat_map(|entry| &entry.words));
            }
            _ => {}
        }
    }
    if interfaces.is_empty() {
        problems.push(
            Diagnostic::warning(directive.span(), "`garp_group` names no interface")
                .label("it has no effect"),
        );
    }
    for word in interfaces {
        if groups.insert(word.text.to_string(), intervals).is_some() {
            problems.push(
                Diagnostic::warning(word.span, format!("`{}` is in two GARP groups", word.text))
                    .label("the last one counts"),
            );
        }
    }
}

/// `interface_up_down_delays { IF DOWN [UP] }`.
pub(super) fn interface_delays(
    directive: &Directive,
    delays: &mut BTreeMap<String, InterfaceDelays>,
    problems: &mut Problems,
) {
    const MAX: Duration = Duration::from_secs(255);
    let Some(block) = &directive.block else {
        problems.push(no_entries(directive));
        return;
    };
    for entry in &block.directives {
        let [name, rest @ ..] = &*entry.words else { continue };
        let ([down, ..], up) = (rest, rest.get(1)) else {
            problems.push(
                Diagnostic::warning(name.span, format!("no delay is given for `{}`", name.text))
                    .label("ignored")
                    .help("add seconds from 0 to 255, and others for up if need be"),
            );
            continue;
        };
        if !is_interface_name(&name.text) {
            problems.push(no_interface_name(name.span, &name.text));
            continue;
        }
        surplus(entry, rest.get(2..).unwrap_or_default(), problems);
        let down = seconds_in("delay", down, Duration::ZERO..=MAX, problems);
        let up = up.map_or(down, |up| seconds_in("delay", up, Duration::ZERO..=MAX, problems));
        if let (Some(down), Some(up)) = (down, up) {
            delays.insert(name.text.to_string(), InterfaceDelays { down, up });
        }
    }
}
