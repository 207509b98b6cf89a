//! `lbctl explain`: how an instance came to be what it is, and why it is not MASTER.

use std::{fmt::Write as _, time::Duration};

use lb_control::{
    event::{Condition, Event, Subject, What},
    protocol::{Explanation, InstanceStatus},
    wording,
};
use lb_core::Time;
use lb_runtime::{clock::rfc3339, span::span};
use lb_vrrp::track::Effect;

use super::{
    status::{effect, found},
    text::seconds,
};

/// Within so long before and after a change, what happened to the instance has to do with it.
const NEAR: Duration = Duration::from_secs(60);
/// The same of what happened to the daemon, the group, and what is tracked.
const NEARER: Duration = Duration::from_secs(10);

/// The explanation for people.
pub fn render(explanation: &Explanation) -> String {
    let instance = &explanation.instance;
    if let Some(at) = explanation.at {
        return render_past(explanation, at);
    }
    let mut out = format!(
        "{} is {} for {}: {}.\n",
        instance.name,
        instance.state,
        span(seconds(instance.since)),
        instance.why
    );
    for problem in &instance.problems {
        let _ = writeln!(out, "PROBLEM: {problem}");
    }
    if let Some(change) = &explanation.story.change {
        let _ = writeln!(out, "\nThe change of {}:", rfc3339(change.at));
        out += &timeline(explanation, change);
    }
    if instance.state != Condition::Master {
        out += "\nWhy it is not MASTER:\n";
        for reason in reasons(instance) {
            let _ = writeln!(out, "  - {reason}");
        }
    }
    out + &earlier(explanation)
}

/// What the instance was at a time.
fn render_past(explanation: &Explanation, at: Time) -> String {
    let (name, at) = (&explanation.instance.name, rfc3339(at));
    let Some(change) = &explanation.story.change else {
        return format!(
            "Nothing is known of {name} at {at}: the journal has no earlier change of its state.\n"
        );
    };
    let What::State { to, why, .. } = &change.what else { return sentence(change) + "\n" };
    let (since, why) = (rfc3339(change.at), wording::why(*to, why));
    let head = format!("{name} was {to} at {at}, since {since}: {why}.\n\nThe change of {since}:\n");
    head + &timeline(explanation, change) + &earlier(explanation)
}

fn earlier(explanation: &Explanation) -> String {
    let mut out = String::new();
    if !explanation.story.earlier.is_empty() {
        out += "\nBefore that:\n";
        for event in &explanation.story.earlier {
            let _ = writeln!(out, "  {}  {}", rfc3339(event.at), sentence(event));
        }
    }
    out
}

/// One line for each step, with its time in milliseconds before or after the change.
fn timeline(explanation: &Explanation, change: &Event) -> String {
    let story = &explanation.story;
    let mut steps: Vec<(Time, String)> = Vec::new();
    for event in story.before.iter().chain([change]).chain(&story.after) {
        steps.extend(steps_of(event));
    }
    for event in explanation.related.iter().filter(|event| is_near(event.at, change.at, NEARER)) {
        let about = match &event.subject {
            Subject::Daemon => String::new(),
            Subject::Group(name) => format!("group {name}: "),
            // The sentence names it.
            Subject::Tracker(_) => String::new(),
            Subject::Instance(name) => format!("{name}: "),
        };
        steps.extend(steps_of(event).into_iter().map(|(at, text)| (at, about.clone() + &text)));
    }
    steps.retain(|(at, _)| is_near(*at, change.at, NEAR));
    // Stable: what happened in the same moment stays in the order in which it was written down.
    steps.sort_by_key(|(at, _)| *at);
    steps.iter().fold(String::new(), |mut out, (at, text)| {
        let _ = writeln!(out, "  {:>+12.3} ms  {text}", millis(*at, change.at));
        out
    })
}

/// The steps that an event tells of: when, and what.
fn steps_of(event: &Event) -> Vec<(Time, String)> {
    let What::Basis { heard, timer, due, dropped } = &event.what else {
        return vec![(event.at, sentence(event))];
    };
    let mut steps = Vec::new();
    if let Some((at, source)) = heard {
        steps.push((*at, format!("the last advert of a MASTER was heard, from {source}")));
    }
    if let Some(dropped) = dropped {
        steps.push((event.at, format!("until then, {}", wording::dropped(dropped))));
    }
    match (timer, due) {
        (Some(timer), Some(due)) => steps.push((*due, format!("the timer for it was due: {timer}"))),
        (Some(timer), None) => steps.push((event.at, format!("the timer for it fired: {timer}"))),
        (None, _) => {}
    }
    steps
}

/// An event as a sentence.
fn sentence(event: &Event) -> String {
    match &event.what {
        What::State { from, to, why, priority } => {
            let with = if *priority == 0 { String::new() } else { format!(" with priority {priority}") };
            format!("{from} -> {to}{with}: {}", wording::why(*to, why))
        }
        What::Priority { from, to } => format!("priority {from} -> {to}"),
        What::NewMaster { source, priority } => format!("{source} is MASTER, with priority {priority}"),
        What::Tracked { status, detail } => match &event.subject {
            Subject::Tracker(id) if detail.starts_with("now ") => format!("{id} is {detail}"),
            Subject::Tracker(id) => found(id, *status, detail),
            subject => format!("{subject}: {detail}"),
        },
        What::Installed(count) => format!("all addresses installed and announced: {count}"),
        What::Removed(count) => format!("all addresses removed: {count}"),
        What::Ordered(text) => format!("ordered: {text}"),
        What::Notified { script, ended: None } => format!("{script} started"),
        What::Notified { script, ended: Some(how) } => format!("{script} {how}"),
        What::Untold(count) => format!("{count} more messages dropped since then"),
        What::Late(by) => format!("the process was late by {:.3} ms", by.as_secs_f64() * 1000.0),
        What::Configured { added, changed, removed } => {
            format!("a configuration is in force: {added} instances new, {changed} changed, {removed} gone")
        }
        _ => {
            let lines = wording::lines(event, Default::default(), true);
            lines.last().cloned().unwrap_or_else(|| match &event.what {
                What::Router(event) => event.to_string(),
                other => format!("{other:?}"),
            })
        }
    }
}

/// What keeps an instance from being MASTER.
fn reasons(instance: &InstanceStatus) -> Vec<String> {
    let mut reasons = Vec::new();
    if !instance.link.is_empty() {
        reasons.push(format!("its interface {} {}", instance.interface, instance.link));
    }
    for share in &instance.trackers {
        let text = found(&share.tracker, share.contribution.status, &share.detail);
        match share.contribution.effect {
            Effect::Fault => reasons.push(format!("{text}, and that is a fault")),
            Effect::Change(change) if change < 0 => {
                reasons.push(format!("{text}: {} to the priority", effect(share.contribution.effect)));
            }
            Effect::Change(_) => {}
        }
    }
    if let Some(reason) = &instance.handed_over {
        reasons
            .push(format!("the operator handed it over ({reason}): it takes over when nobody else is there"));
    }
    if let Some(master) = &instance.master {
        let heard =
            master.heard.map_or_else(String::new, |heard| format!(", heard {} ago", span(seconds(heard))));
        let (theirs, ours) = (master.priority, instance.priority);
        let behind = match theirs.cmp(&ours) {
            std::cmp::Ordering::Less if instance.nopreempt => ", and it does not preempt (nopreempt)",
            std::cmp::Ordering::Less if instance.preempt_delay > 0.0 => ", and preempt_delay is not over",
            std::cmp::Ordering::Less if instance.group.is_some() => {
                ", and its sync group is not ready for it"
            }
            _ => "",
        };
        reasons.push(format!(
            "{} is MASTER with priority {theirs} where ours is {ours}{behind}{heard}",
            master.address
        ));
    }
    if reasons.is_empty() {
        reasons.push(instance.why.clone());
    }
    reasons
}

fn is_near(at: Time, of: Time, limit: Duration) -> bool {
    at.since(of).max(of.since(at)) <= limit
}

/// Milliseconds from `of` to `at`; negative when it was before.
fn millis(at: Time, of: Time) -> f64 {
    if at >= of { at.since(of).as_secs_f64() * 1000.0 } else { of.since(at).as_secs_f64() * -1000.0 }
}

#[cfg(test)]
mod tests;
