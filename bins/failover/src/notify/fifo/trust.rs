//! Whether a named pipe is the one that is meant: lines with names and addresses are for nobody else, and the script that
//! reads it may be root's.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
};

use nix::{
    libc::{O_NOFOLLOW, O_NONBLOCK},
    unistd::{Uid, geteuid},
};
use thiserror::Error;

const OTHERS_WRITE: u32 = 0o022;

/// Why a pipe is not used.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// Somebody else has made it.
    #[error("it belongs to user {0}; remove it, or name that user as its owner")]
    Owner(Uid),
    /// Somebody else can decide which pipe it is.
    #[error(
        "{link} is a symbolic link in a folder that others can write to; name the pipe itself, or chmod go-w {folder}"
    )]
    Link {
        /// The link.
        link: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// It is something else.
    #[error("it is not a pipe; remove it, or name another path")]
    Kind,
    /// The system refuses.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Opens a pipe for reading and writing, which waits for nobody. It has to belong to root, to us or to `owner`.
pub(super) fn open(path: &Path, owner: Option<Uid>) -> Result<File, Refusal> {
    let path = std::path::absolute(path)?;
    if let Some((link, folder)) = link_of_others(&path)? {
        return Err(Refusal::Link { link, folder });
    }
    // What is no link now is none when it is opened, where others could put one in its place.
    let follow = match path.parent() {
        Some(folder) if is_open_to_others(folder)? => O_NOFOLLOW,
        _ => 0,
    };
    let file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK | follow).open(&path)?;
    let metadata = file.metadata()?;
    if !metadata.file_type().is_fifo() {
        return Err(Refusal::Kind);
    }
    let found = Uid::from_raw(metadata.uid());
    if !found.is_root() && found != geteuid() && Some(found) != owner {
        return Err(Refusal::Owner(found));
    }
    Ok(file)
}

/// A symbolic link on the way that others could have made, and its folder.
fn link_of_others(path: &Path) -> io::Result<Option<(PathBuf, PathBuf)>> {
    let mut place = PathBuf::new();
    for component in path.components() {
        let folder = place.clone();
        place.push(component);
        if matches!(component, Component::Normal(_))
            && fs::symlink_metadata(&place)?.is_symlink()
            && is_open_to_others(&folder)?
        {
            return Ok(Some((place, folder)));
        }
    }
    Ok(None)
}

/// Whether others than root and us can put something into a folder: a sticky one, too.
fn is_open_to_others(folder: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(folder)?;
    let owner = Uid::from_raw(metadata.uid());
    Ok(metadata.mode() & OTHERS_WRITE != 0 || !(owner.is_root() || owner == geteuid()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    fn folder(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        mkfifo(&folder.path().join("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        symlink(folder.path().join("pipe"), folder.path().join("link")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn a_link_counts_only_where_others_could_not_have_made_it() {
        let private = folder(0o755);
        open(&private.path().join("pipe"), None).unwrap();
        open(&private.path().join("link"), None).unwrap();
        for mode in [0o1777, 0o775] {
            let shared = folder(mode);
            open(&shared.path().join("pipe"), None).unwrap();
            let refused = open(&shared.path().join("link"), None).unwrap_err();
            assert!(matches!(&refused, Refusal::Link { link, .. } if link.ends_with("link")), "{refused}");
            let beyond = private.path().join("beyond");
            let _ = fs::remove_file(&beyond);
            // A link of ours that leads there is no better than its end, and is known by its end.
            symlink(shared.path(), &beyond).unwrap();
            open(&beyond.join("pipe"), None).unwrap();
            assert!(open(&beyond.join("link"), None).is_err());
        }
    }

    #[test]
    fn anything_but_a_pipe_is_refused() {
        let folder = folder(0o755);
        assert!(matches!(open(&folder.path().join("file"), None), Err(Refusal::Kind)));
        assert!(matches!(open(&folder.path().join("nothing"), None), Err(Refusal::System(_))));
    }

    #[test]
    fn a_pipe_of_another_user_is_refused_unless_that_is_its_owner() {
        let folder = folder(0o1777);
        let other = Uid::from_raw(12345);
        let path = folder.path().join("pipe");
        if nix::unistd::chown(&path, Some(other), None).is_err() {
            return crate::testing::skip("a_pipe_of_another_user_is_refused", "root");
        }
        let refused = open(&path, None).unwrap_err();
        assert!(matches!(refused, Refusal::Owner(found) if found == other), "{refused}");
        open(&path, Some(other)).unwrap();
    }
}
