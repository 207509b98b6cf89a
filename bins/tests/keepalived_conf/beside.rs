//! Generated files, and what a running keepalived makes of them.

use std::{env, fs};

use lb_config::{
    diagnostic::Diagnostic,
    keepalived::{
        self,
        language::{
            Settings,
            keywords::{Acted, Keyword, Repeated, Within},
        },
    },
};

use crate::{
    arguments, compare,
    daemons::{self, Answer},
    generate::{self, Case},
};

/// Differences that are meant: what the subject, or a line of it, has; what the difference has; and the row of
/// docs/from-keepalived.md that says why.
const MEANT: [(&str, &str, &str); 30] = [
    ("global_tracking", ": track_", "| `global_tracking` |"),
    ("enable_script_security", "script", "| `enable_script_security` without a `script_user` |"),
    ("enable_script_security", "Script = ", "| `enable_script_security` without a `script_user` |"),
    ("vrrp_min_garp", "efresh", "| `vrrp_min_garp` with a refresh |"),
    ("\"x\"", "cript", MISSING_SCRIPT),
    ("zz9", "cript", MISSING_SCRIPT),
    ("sixth", "cript", MISSING_SCRIPT),
    ("/nonexistent", "cript", MISSING_SCRIPT),
    ("/nonexistent", ": exists: ", MISSING_SCRIPT),
    ("repeat 256", "256 | 255", "| Repeats above 255 |"),
    ("use_vmac", ": ifp_ifname: ", VMAC_IN_DUMPS),
    ("use_vmac", ": vips: ", VMAC_IN_DUMPS),
    ("use_vmac", ": Interface: ", VMAC_IN_DUMPS),
    ("use_vmac", ": Virtual IP", VMAC_IN_DUMPS),
    ("BFD_CHECK/", ": exists: ", "| `bfd_instance`, `track_bfd`, `BFD_CHECK`,"),
    ("sorry_server ", ":0 | ", "`sorry_server` without a port"),
    ("interval ", ": Interval: ", "| Interval of a script with a fraction |"),
    ("path a", ": Checked url: ", "| `path` without a slash |"),
    ("weight 0", ": quorum: ", "| All weights are 0 |"),
    ("auth_hmac", "HMAC", "| `auth_hmac` |"),
    ("lthreshold", ": exists: ", "`lthreshold` above `uthreshold`"),
    ("unknownword", "rack", "| Unknown word behind what is tracked |"),
    ("unicast_fault_no_peer", ": exists: ", "| Unicast without peers |"),
    ("224.0.0.18", "irtual IP", "| Address that no host can have |"),
    ("224.0.0.18", ": vips: ", "| Address that no host can have |"),
    ("retry ", ": Retries: Retries = 0 |", "| Number that is none, or out of range |"),
    ("weight ", "eight", "| Number that is none, or out of range |"),
    ("weight ", ": Tracked ", "| Number that is none, or out of range |"),
    ("weight ", ": Tracking ", "| Number that is none, or out of range |"),
    ("vrrp_sync_group/track_", ": Tracking instances: ", "those of its members do not"),
];
const MISSING_SCRIPT: &str = "| Script that is missing at the start, or whose user does not exist |";
const VMAC_IN_DUMPS: &str = "| interface of an instance with `use_vmac` in dumps |";

/// What keepalived does not start over, in its own words, while we leave a block out, or wait; and the row that says so.
const NOT_STARTED: [(&str, &str); 5] = [
    ("MUST match VRRP instance family", "| `mcast_dst_ip` of another family |"),
    ("exited due to segmentation fault", "| File over which a process of keepalived crashes |"),
    ("is missing a parameter", "| Keyword without the value that it needs |"),
    ("Non-existent interface specified", "| Interface that does not exist |"),
    (
        "the virtual router id must be set",
        "| Instance without `virtual_router_id`, or with one that is no number from 1 to 255 |",
    ),
];

/// Blocks that we leave out, by our error, while keepalived makes something else of them; and the row that says so.
const LEFT_OUT: [(&str, &str); 2] = [
    ("is unicast and has no peer", "| Unicast without peers |"),
    ("is more than uthreshold", "`lthreshold` above `uthreshold`"),
];

/// A file that keepalived runs runs here with all its blocks, and one that it does not run has an error here, but for what the
/// documentation has.
#[test]
fn generated_files_start_here_if_they_start_keepalived() {
    const TEST: &str = "generated_files_start_here_if_they_start_keepalived";
    if !daemons::available(TEST) {
        return;
    }
    let cases = cases(5_000);
    let verdicts = daemons::in_parallel(&cases, |case| (daemons::starts(&case.text), left_out(&case.text)));
    let is_meant = |theirs: &Answer, ours: &[String]| match theirs.runs {
        true => ours.iter().all(|error| LEFT_OUT.iter().any(|(words, _)| error.contains(words))),
        false => NOT_STARTED.iter().any(|(words, _)| theirs.log.contains(words)),
    };
    let found: Vec<String> = cases
        .iter()
        .zip(&verdicts)
        .filter(|(case, (theirs, ours))| {
            theirs.runs != ours.is_empty() && !is_meant(theirs, ours) && !case.lacks_a_block()
        })
        .map(|(case, (theirs, ours))| {
            let last: Vec<&str> = theirs.log.lines().rev().take(4).collect();
            let last = if theirs.runs { String::new() } else { last.join("\n      ") };
            story(case, &[format!("runs: {} | {}", theirs.runs, ours.is_empty()), ours.join("; "), last])
        })
        .collect();
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), cases.len(), found.join("\n"));
    let runs = verdicts.iter().filter(|(theirs, _)| theirs.runs).count();
    assert!(runs > cases.len() / 2, "{runs} of {}", cases.len());
}

/// Both daemons say the same of what they run with.
#[test]
fn generated_files_mean_the_same_to_both_daemons() {
    const TEST: &str = "generated_files_mean_the_same_to_both_daemons";
    if !daemons::available(TEST) {
        return;
    }
    let cases = cases(500);
    let answers = daemons::both(&cases, |case| &case.text);
    let both_run = answers.iter().filter(|(theirs, ours)| theirs.runs && ours.runs).count();
    let found: Vec<String> = cases
        .iter()
        .zip(&answers)
        // Whether they run is another test's.
        .filter(|(case, (theirs, ours))| {
            theirs.runs && ours.runs && case.keyword.acted == Acted::Acted && !case.lacks_a_block()
        })
        .map(|(case, (theirs, ours))| (case, differences(case, theirs, ours)))
        .filter(|(_, differences)| !differences.is_empty())
        .map(|(case, differences)| story(case, &differences))
        .collect();
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), cases.len(), found.join("\n"));
    assert!(both_run > cases.len() / 2, "{both_run} of {}", cases.len());
}

/// Of each keyword that stands twice the same one counts.
#[test]
fn of_two_settings_the_same_one_counts_for_both_daemons() {
    const TEST: &str = "of_two_settings_the_same_one_counts_for_both_daemons";
    if !daemons::available(TEST) {
        return;
    }
    let stride = if env::var_os("LB_ORACLE_ALL").is_some() { 1 } else { 5 };
    let is_setting = |(_, keyword): &(Within, &'static Keyword)| {
        keyword.acted == Acted::Acted && keyword.repeated != Repeated::All
    };
    let all: Vec<Case> = arguments::pairs().into_iter().filter(is_setting).flat_map(twice).collect();
    assert!(all.len() > 150, "{}", all.len());
    let cases: Vec<Case> = all.into_iter().step_by(stride).collect();
    let answers = daemons::both(&cases, |case| &case.text);
    let found: Vec<String> = cases
        .iter()
        .zip(&answers)
        .map(|(case, (theirs, ours))| (case, differences(case, theirs, ours)))
        .filter(|(_, differences)| !differences.is_empty())
        .map(|(case, differences)| story(case, &differences))
        .collect();
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), cases.len(), found.join("\n"));
}

/// The first two right arguments of a keyword, one line each, in both orders.
fn twice((within, keyword): (Within, &'static Keyword)) -> Vec<Case> {
    let Some([one, two, ..]) = arguments::of(within, keyword.name).map(|known| known.right.as_slice()) else {
        return Vec::new();
    };
    [[one, two], [two, one]].map(|[first, second]| generate::plain(within, keyword, &[first, second])).into()
}

/// Virtual servers in all forms, field by field.
#[test]
fn check_data_is_that_of_keepalived() {
    const TEST: &str = "check_data_is_that_of_keepalived";
    if !daemons::available(TEST) {
        return;
    }
    let text = include_bytes!("virtual_servers.conf");
    let (theirs, ours) = (daemons::keepalived(text), daemons::lb_failover(text));
    assert_eq!(compare::differences(&theirs, &ours), [""; 0], "{}", ours.check);
    let count = |text: &str| ours.check.matches(text).count();
    assert_eq!(
        (count("< Virtual server >"), count("< Real server >"), count("Keepalive method")),
        (3, 6, 10)
    );
}

#[test]
fn what_differs_is_documented() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/from-keepalived.md");
    let text = fs::read_to_string(file).unwrap();
    let rows = MEANT.iter().map(|(_, _, row)| row).chain(NOT_STARTED.iter().map(|(_, row)| row));
    let rows = rows.chain(LEFT_OUT.iter().map(|(_, row)| row)).chain([&"| Block without its `{` |"]);
    for row in rows {
        assert!(text.contains(row), "{row}");
    }
}

/// A hundred cases, or so many with `LB_ORACLE_ALL=1`. `LB_SEED` is the first number, `LB_CASES` how many.
fn cases(all: u64) -> Vec<Case> {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse().ok());
    let count = if env::var_os("LB_ORACLE_ALL").is_some() { all } else { 100 };
    let (first, count) = (number("LB_SEED").unwrap_or(0), number("LB_CASES").unwrap_or(count));
    (first..first + count).map(generate::case).collect()
}

/// Differences that are not meant.
fn differences(case: &Case, theirs: &Answer, ours: &Answer) -> Vec<String> {
    let about = format!("{}\n{}\n", case.subject, case.lines.join("\n"));
    let is_meant = |found: &String| {
        MEANT.iter().any(|(text, difference, _)| about.contains(text) && found.contains(difference))
    };
    compare::differences(theirs, ours).into_iter().filter(|found| !is_meant(found)).collect()
}

fn story(case: &Case, differences: &[String]) -> String {
    let lines = case.lines.join(" ⏎ ").replace('\n', " ⏎ ");
    format!("#{} {} `{lines}`\n    {}", case.seed, case.subject, differences.join("\n    "))
}

/// What lb-failover leaves out of a file.
fn left_out(text: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let settings = Settings { config_id: "main".into(), ..Settings::default() };
    let faults = keepalived::load(file.path(), &settings).unwrap().resolved.faults;
    let error = |error: Option<Diagnostic>| error.map(|error| error.message).unwrap_or_default();
    faults.into_iter().map(|fault| format!("{}: {}", fault.block, error(fault.error))).collect()
}
