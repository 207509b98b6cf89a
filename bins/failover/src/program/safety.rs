//! Whether root can run a file without others deciding what it does.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The file, or the directory on the way to it, that somebody else than root could change: as it is written, and as it
/// is when symbolic links are followed.
///
/// A sticky directory, such as `/tmp`, does not let others replace what is not theirs.
pub(super) fn changeable_by_others(program: &Path) -> Option<PathBuf> {
    let real = program.canonicalize().ok()?;
    let written = std::path::absolute(program).unwrap_or_else(|_| program.to_owned());
    let links = written.ancestors().skip(1).filter(|folder| !real.starts_with(folder));
    real.ancestors().chain(links).find(|place| is_changeable(place)).map(Path::to_owned)
}

fn is_changeable(place: &Path) -> bool {
    // What can not be looked at can not be vouched for.
    place.metadata().map_or(true, |metadata| allows_others(&metadata))
}

fn allows_others(metadata: &Metadata) -> bool {
    if metadata.uid() != 0 {
        return true;
    }
    if metadata.is_dir() && metadata.mode() & STICKY != 0 {
        return false;
    }
    let group = metadata.gid() != 0 && metadata.mode() & GROUP_WRITES != 0;
    group || metadata.mode() & OTHERS_WRITE != 0
}
