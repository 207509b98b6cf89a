//! What both daemons say of a file, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::daemons::Answer;

/// Fields of instances that are state, counters or secrets.
const STATE: [&str; 9] = [
    // Not in the JSON of keepalived 2.2.7.
    "track_process",
    "last_transition",
    "master_priority",
    "effective_priority",
    "vipset",
    "state",
    "wantstate",
    "master_adver_int",
    "auth_data",
];
/// The same of the dumps as text. `Multicast address` is only shown where it is not the usual one.
const STATE_OF_TEXT: [&str; 17] = [
    // In other words.
    "Virtual Routes",
    "Virtual Rules",
    "Deleted state transition script",
    "State",
    "Wantstate",
    "Last transition",
    "Effective priority",
    "Total priority",
    "Master router",
    "Master priority",
    "Master advert int",
    "Master advert interval",
    "Using src_ip",
    "Status",
    "Have quorum",
    "Multicast address",
    "Flags",
];

/// How ours differ from theirs: `SECTION: FIELD: THEIRS | OURS`.
pub(crate) fn differences(theirs: &Answer, ours: &Answer) -> Vec<String> {
    if theirs.runs != ours.runs {
        return vec![format!("runs: {} | {}", theirs.runs, ours.runs)];
    }
    let mut found = json(&theirs.json, &ours.json);
    // Without instances keepalived has none of it.
    if !theirs.data.is_empty() {
        found.extend(text(&data(&theirs.data), &data(&ours.data)));
    }
    found.extend(text(&check_data(&theirs.check), &check_data(&ours.check)));
    found
}

fn json(theirs: &str, ours: &str) -> Vec<String> {
    let parse = |text: &str| -> BTreeMap<String, Value> {
        let all: Value = serde_json::from_str(text).unwrap_or_default();
        let all = all.get("vrrp").unwrap_or(&all).as_array().cloned().unwrap_or_default();
        let named = all.into_iter().map(|mut one| one["data"].take());
        named.map(|data| (data["iname"].as_str().unwrap_or_default().to_owned(), data)).collect()
    };
    let (theirs, ours) = (parse(theirs), parse(ours));
    let mut found = Vec::new();
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for name in names {
        let (Some(theirs), Some(ours)) = (theirs.get(name), ours.get(name)) else {
            found.push(format!(
                "{name}: exists: {} | {}",
                theirs.contains_key(name),
                ours.contains_key(name)
            ));
            continue;
        };
        let fields = [theirs, ours].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys());
        let both: BTreeSet<&String> = fields.collect();
        for field in both.iter().filter(|field| !STATE.contains(&field.as_str())) {
            let [left, right] = [theirs, ours].map(|value| shown(field, value.get(field)));
            if left != right {
                found.push(format!("{name}: {field}: {left} | {right}"));
            }
        }
    }
    found
}

/// A value, in the same words for both.
fn shown(field: &str, value: Option<&Value>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match (field, value) {
        // keepalived prints what it has asked the kernel for, we print the words of the file.
        ("vroutes" | "vrules", Value::Array(list)) => format!("{} entries", list.len()),
        (_, Value::Array(list)) => {
            list.iter().map(|one| words(one.as_str().unwrap_or_default())).collect::<Vec<_>>().join("; ")
        }
        (_, Value::String(text)) => words(text),
        (_, other) => other.to_string(),
    }
}

/// Without what is state, and with one name for the folder of programs.
fn words(text: &str) -> String {
    let text = text.split(", uid:gid").next().unwrap_or_default();
    text.trim_end_matches(" set").replace("'/bin/", "'/usr/bin/")
}

/// Fields by section; a field may stand several times.
type Sections = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// `keepalived.data`: instances, groups and trackers.
fn data(text: &str) -> Sections {
    const ABOUT: [&str; 5] =
        ["VRRP Instance", "VRRP Sync Group", "VRRP Script", "Track file", "VRRP Track process"];
    let mut all = Sections::new();
    let (mut section, mut list) = (None, String::new());
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        match (indent, &section) {
            (0, _) => section = line.contains("Global definitions").then(|| "global_defs".to_owned()),
            (1, Some(name)) if name == "global_defs" => insert(&mut all, name, line, &mut list),
            (1, _) => {
                let name = line.split(',').next().unwrap_or_default();
                section = ABOUT.iter().any(|about| line.starts_with(about)).then(|| name.to_owned());
            }
            (3, Some(name)) => insert(&mut all, name, line, &mut list),
            (5, Some(name)) if !STATE_OF_TEXT.contains(&list.as_str()) => {
                let fields = all.entry(name.clone()).or_default();
                fields.entry(list.clone()).or_default().push(words(line));
            }
            _ => {}
        }
    }
    all
}

/// `FIELD = VALUE`, or the head of a list.
fn insert(all: &mut Sections, section: &str, line: &str, list: &mut String) {
    let (name, value) = match line.split_once(" = ") {
        Some((name, value)) => (name, value),
        None => (line.trim_end_matches([':', ' ']), ""),
    };
    *list = name.to_owned();
    if !value.is_empty() && !STATE_OF_TEXT.contains(&name) {
        all.entry(section.to_owned()).or_default().entry(name.to_owned()).or_default().push(words(value));
    }
}

/// Blanks before a field of `keepalived_check.data`; more are before what belongs to the field above.
const FIELD: usize = 3;

/// `keepalived_check.data`: virtual servers, real servers and checks, each with all its lines.
fn check_data(text: &str) -> Sections {
    let mut all = Sections::new();
    let (mut part, mut section) = ("", String::new());
    let (mut server, mut head, mut number) = (String::new(), String::new(), 0);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        match (indent, line) {
            (0, _) if line.contains("LVS Topology") => part = "servers",
            (0, _) if line.contains("Health checkers") => part = "checks",
            (0, _) => part = "",
            _ if part.is_empty() => {}
            (1, _) if line.starts_with("------< Virtual server group") => section.clear(),
            (1, _) if part == "servers" && line.starts_with("VS ") => {
                server = line.to_owned();
                section.clone_from(&server);
                all.entry(section.clone()).or_default();
            }
            (3, "------< Real server >------") => section = format!("{server}: real server"),
            (3, _) if line.starts_with("RIP = ") => {
                let (key, weight) = line.split_once(", WEIGHT = ").unwrap_or((line, ""));
                section = format!("{server}: {key}");
                let weight = weight.split(' ').next().unwrap_or_default();
                all.entry(section.clone()).or_default().insert("WEIGHT".to_owned(), vec![weight.to_owned()]);
            }
            (1, _) if part == "checks" => {
                number += 1;
                section = format!("check {number} {line}");
                all.entry(section.clone()).or_default();
            }
            _ if section.is_empty() => {}
            _ => {
                let name = line.split(" = ").next().unwrap_or(line);
                let name = name.split(" is ").next().unwrap_or(name);
                let name = if indent > FIELD { format!("{head}: {name}") } else { name.to_owned() };
                if indent <= FIELD {
                    head.clone_from(&name);
                }
                let fields = all.entry(section.clone()).or_default();
                fields.entry(name).or_default().push(words(line));
            }
        }
    }
    all
}

/// Differences in sections, and in fields that both have in some section of the same kind.
fn text(theirs: &Sections, ours: &Sections) -> Vec<String> {
    let names = |all: &Sections| -> BTreeSet<(String, String)> {
        let fields =
            all.iter().flat_map(|(section, fields)| fields.keys().map(move |field| (section, field)));
        fields.map(|(section, field)| (kind(section).to_owned(), field.clone())).collect()
    };
    let known: BTreeSet<(String, String)> = names(theirs).intersection(&names(ours)).cloned().collect();
    let mut found = Vec::new();
    let sections: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for section in sections {
        let (Some(theirs), Some(ours)) = (theirs.get(section), ours.get(section)) else {
            found.push(format!(
                "{section}: exists: {} | {}",
                theirs.contains_key(section),
                ours.contains_key(section)
            ));
            continue;
        };
        for (_, field) in known.iter().filter(|(of, _)| of == kind(section)) {
            let [left, right] =
                [theirs, ours].map(|fields| fields.get(field).map_or("-".to_owned(), |all| all.join("; ")));
            if left != right && !is_same(field, &left, &right) {
                found.push(format!("{section}: {field}: {left} | {right}"));
            }
        }
    }
    found
}

/// Whether two texts mean the same.
fn is_same(field: &str, theirs: &str, ours: &str) -> bool {
    match field {
        // Shown as 0 when nothing is said of it, where we show what counts then.
        "Timeout" | "timeout" | "Connection: Timeout" => {
            theirs.ends_with("= 0") || theirs.ends_with(" 0.000000") || theirs == "0 sec"
        }
        // We show options with the expression, and for each URL the host that is asked for, wherever that is set.
        "Checked url: Regex" => {
            ours.split_once(')').is_some_and(|(_, regex)| theirs == format!("Regex = \"{regex}"))
        }
        "Checked url: Virtual host" => theirs == "-" || theirs.split("; ").all(|host| ours.contains(host)),
        _ => false,
    }
}

/// What a section is about.
fn kind(section: &str) -> &str {
    match section {
        _ if section.contains("RIP = ") => "real server",
        _ if section.starts_with("check ") => "check",
        _ if section.starts_with("VS ") => "virtual server",
        _ => section.split(" = ").next().unwrap_or(section),
    }
}
