//! The maps of the requirements agree with the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::requirements::skip;

const MAPS: [(&str, &[(char, u32)]); 2] =
    [("rfc9568-map.md", &[('A', 81)]), ("rfc3768-map.md", &[('B', 17), ('C', 8)])];
const STATUSES: [&str; 6] = ["met", "differs", "daemon", "operator", "documented", "declined"];
/// Which tests are named for requirements.
const PREFIXES: [&str; 4] = ["rfc9568_", "rfc5798_", "rfc3768_", "rfc2338_"];

/// A line of a map: id, section, level, requirement, status, where it is met, tests.
struct Row {
    id: String,
    section: String,
    status: String,
    place: String,
    tests: Vec<String>,
}

#[test]
fn every_requirement_is_on_a_map_once() {
    let Some(maps) = maps("every_requirement_is_on_a_map_once") else { return };
    for ((name, series), rows) in MAPS.iter().zip(&maps) {
        let listed: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let expected: Vec<String> = series
            .iter()
            .flat_map(|(letter, last)| (1..=*last).map(move |n| format!("{letter}{n}")))
            .collect();
        assert_eq!(listed, expected, "{name}");
    }
}

#[test]
fn every_row_says_what_becomes_of_the_requirement() {
    let Some(maps) = maps("every_row_says_what_becomes_of_the_requirement") else { return };
    for row in maps.iter().flatten() {
        assert!(STATUSES.contains(&row.status.as_str()), "{}: status {}", row.id, row.status);
        assert!(!row.place.is_empty(), "{} does not say where, whose or why", row.id);
        let tested = !row.tests.is_empty();
        assert!(tested || !["met", "differs"].contains(&row.status.as_str()), "{} has no test", row.id);
    }
}

#[test]
fn the_maps_name_tests_that_exist() {
    let Some(maps) = maps("the_maps_name_tests_that_exist") else { return };
    let exist = tests();
    for row in maps.iter().flatten() {
        for test in &row.tests {
            assert!(exist.contains(test), "{} names {test}, which is no test", row.id);
        }
    }
}

#[test]
fn the_maps_name_files_that_exist() {
    let Some(maps) = maps("the_maps_name_files_that_exist") else { return };
    let mut files = 0;
    for row in maps.iter().flatten() {
        for file in row.place.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs")) {
            assert!(manifest().join("src").join(file).exists(), "{} names {file}, which is no file", row.id);
            files += 1;
        }
    }
    assert!(files > 60, "{files} files found");
}

/// By the id and the section in its name: `rfc9568_6_4_2_a41_...` is A41, of §6.4.2.
#[test]
fn every_test_of_a_requirement_stands_with_it() {
    let Some(maps) = maps("every_test_of_a_requirement_stands_with_it") else { return };
    let rows: BTreeMap<&str, &Row> = maps.iter().flatten().map(|row| (row.id.as_str(), row)).collect();
    let tests: Vec<String> =
        tests().into_iter().filter(|test| PREFIXES.iter().any(|prefix| test.starts_with(prefix))).collect();
    assert!(tests.len() > 60, "{} tests found", tests.len());
    for test in tests {
        let words: Vec<&str> = test.split('_').collect();
        let id = words.iter().position(|word| is_id(word)).unwrap_or_else(|| panic!("{test} has no id"));
        let section = words[1..id].join(".");
        let row =
            rows.get(words[id].to_uppercase().as_str()).unwrap_or_else(|| panic!("{test}: no such row"));
        assert!(row.tests.contains(&test), "{} does not name {test}", row.id);
        let sections: Vec<&str> = row.section.split(", ").map(|text| text.trim_start_matches('§')).collect();
        assert!(sections.contains(&section.as_str()), "{test}: {} is of {}", row.id, row.section);
    }
}

fn is_id(word: &str) -> bool {
    let (letter, number) = word.split_at(1.min(word.len()));
    ["a", "b", "c"].contains(&letter)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The rows of both maps; `None` where the crate stands without them.
fn maps(test: &str) -> Option<Vec<Vec<Row>>> {
    let folder = manifest().join("../docs");
    if !folder.join(MAPS[0].0).exists() {
        skip(test, "the maps, in docs/ beside the crate (get the repository)");
        return None;
    }
    Some(MAPS.iter().map(|(name, _)| rows(&fs::read_to_string(folder.join(name)).unwrap())).collect())
}

fn rows(map: &str) -> Vec<Row> {
    let lines = map.lines().filter_map(|line| line.strip_prefix("| "));
    let lines = lines.filter(|line| line.split(' ').next().is_some_and(|id| is_id(&id.to_lowercase())));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 7, "{line}");
        Row {
            id: cells[0].into(),
            section: cells[1].into(),
            status: cells[4].into(),
            place: cells[5].into(),
            tests: cells[6].split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        }
    };
    lines.map(row).collect()
}

/// The names of all functions that are tests, as they stand in the sources.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![manifest().join("src"), manifest().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                collect_tests(&fs::read_to_string(path).unwrap(), &mut found);
            }
        }
    }
    found
}

fn collect_tests(source: &str, found: &mut BTreeSet<String>) {
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            marked |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
            if marked && let Some((name, _)) = rest.split_once('(') {
                found.insert(name.to_owned());
            }
            marked = false;
        } else if !line.starts_with("//") {
            marked = false;
        }
    }
}

fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}
