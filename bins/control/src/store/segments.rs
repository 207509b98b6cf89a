//! The journal as two files, of which the older one goes when the newer one is full.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use lb_runtime::state_dir::StateDir;
use serde::{Deserialize, Serialize};

use super::super::protocol::Record;

const CURRENT: &str = "journal.jsonl";
const PREVIOUS: &str = "journal.1.jsonl";
/// Changes with each change that an older version would misunderstand.
const FORMAT: u32 = 1;
/// A file that has reached this size is continued by another one.
pub(super) const SEGMENT_SIZE: u64 = 8 << 20;

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
}

/// Keeps aside what this version cannot read; says what.
pub(super) fn check(folder: &StateDir) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    for name in [PREVIOUS, CURRENT] {
        let header = match File::open(folder.path().join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => Err(error.to_string()),
            Ok(file) => header(&mut BufReader::new(file)),
        };
        if let Err(why) = header {
            let aside = folder.set_aside(name)?;
            notes.push(format!(
                "The journal of an earlier process cannot be used, and is kept in {}: {why}",
                aside.display()
            ));
        }
    }
    Ok(notes)
}

/// Reads the first line. An empty file is as good as none.
fn header(file: &mut impl io::BufRead) -> Result<(), String> {
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    if line.is_empty() {
        return Ok(());
    }
    let Header { format } = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
    if format == FORMAT {
        Ok(())
    } else {
        Err(format!("its format {format} is not {FORMAT}, which this version reads"))
    }
}

/// Appends lines. When that fails, nothing of them is left, as far as the disk permits.
pub(super) fn append(
    folder: &Path,
    lines: &str,
    rotating: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let open =
        || OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(folder.join(CURRENT));
    let mut file = open()?;
    let mut size = file.metadata()?.len();
    if size >= SEGMENT_SIZE {
        rotating()?;
        file = open()?;
        size = file.metadata()?.len();
    }
    let mut text = String::new();
    let mut last = [b'\n'];
    if size == 0 {
        text = serde_json::to_string(&Header { format: FORMAT })? + "\n";
    } else if file.read_at(&mut last, size - 1)? == 1 && last != [b'\n'] {
        // A process died in the middle of a line.
        text.push('\n');
    }
    text += lines;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        let _ = file.set_len(size);
    }
    written
}

/// What there is takes the place of what was before.
pub(super) fn rotate(folder: &Path) -> io::Result<()> {
    fs::rename(folder.join(CURRENT), folder.join(PREVIOUS))
}

/// Both files as they are now, the older one first.
pub(super) fn open(folder: &Path) -> Vec<File> {
    [PREVIOUS, CURRENT].iter().filter_map(|name| File::open(folder.join(name)).ok()).collect()
}

/// Reads the records that fit. A line that is not whole, or that only a newer version understands, is left out.
pub(super) fn read(files: Vec<File>, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
    let mut records = Vec::new();
    for file in files {
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            records.extend(serde_json::from_slice::<Record>(&line).ok().filter(&fits));
            line.clear();
        }
    }
    records
}
