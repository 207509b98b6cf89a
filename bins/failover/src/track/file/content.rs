//! What stands in a tracked file.

use std::{
    fs::OpenOptions,
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use lb_config::keepalived::model::FileInit;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

/// More than any number takes.
const MOST: u64 = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A number. What is beyond the range of `i32` counts as its end.
    Number(i32),
    /// There is no file.
    Missing,
    /// Something else, and why that is no number.
    Unusable(String),
}

/// Reads it; never waits for a pipe.
pub(super) fn read(path: &Path) -> Content {
    let read = || -> io::Result<Option<Vec<u8>>> {
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    };
    match read() {
        Ok(Some(bytes)) => parse(&bytes),
        Ok(None) => Content::Unusable("is no file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Content::Missing,
        Err(error) => Content::Unusable(format!("can not be read: {error}")),
    }
}

fn parse(bytes: &[u8]) -> Content {
    let text = String::from_utf8_lossy(bytes);
    let trimmed = text.trim();
    match trimmed.parse::<i64>() {
        Ok(number) => {
            let end = if number < 0 { i32::MIN } else { i32::MAX };
            Content::Number(i32::try_from(number).unwrap_or(end))
        }
        Err(_) if trimmed.is_empty() => Content::Unusable("is empty".to_owned()),
        Err(_) => {
            let before = text.len() - text.trim_start().len();
            let line = text[..before].matches('\n').count() + 1;
            let shown: String = trimmed.chars().take(20).flat_map(char::escape_default).collect();
            Content::Unusable(format!("holds `{shown}` in line {line}, which is no number"))
        }
    }
}

/// Writes the number it is to begin with. A symbolic link is not followed: this may be root, in a directory of others.
pub(super) fn write(path: &Path, init: FileInit) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    if init.overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    match options.open(path) {
        Ok(mut file) => file.write_all(format!("{}\n", init.value).as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, number) in [("5", 5), ("-300\n", -300), (" +7 \n\n", 7), ("99999999999", i32::MAX)] {
            assert_eq!(parse(text.as_bytes()), Content::Number(number), "{text}");
        }
        assert_eq!(parse(b"-99999999999"), Content::Number(i32::MIN));
    }

    #[test]
    fn anything_else_is_said_with_its_place() {
        assert_eq!(parse(b" \n"), Content::Unusable("is empty".into()));
        let why = |bytes| match parse(bytes) {
            Content::Unusable(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(b"\n\nabc"), "holds `abc` in line 3, which is no number");
        assert_eq!(why(b"1 2"), "holds `1 2` in line 1, which is no number");
        assert!(why(b"\xff\x00\x1b[2J").contains("\\u{1b}[2J"));
        assert!(why(&[b'9'; 1000]).starts_with("holds `99999999999999999999`"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&pipe), Content::Unusable("is no file".into()));
        assert_eq!(read(&folder.path().join("none")), Content::Missing);
        assert_eq!(read(folder.path()), Content::Unusable("is no file".into()));
    }

    #[test]
    fn a_file_gets_its_first_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let init = FileInit { value: 5, overwrite: false };
        write(&path, init).unwrap();
        assert_eq!(read(&path), Content::Number(5));
        write(&path, FileInit { value: 6, ..init }).unwrap();
        assert_eq!(read(&path), Content::Number(5));
        write(&path, FileInit { value: 6, overwrite: true }).unwrap();
        assert_eq!(read(&path), Content::Number(6));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, FileInit { value: 7, overwrite: true }).unwrap_err();
        assert_eq!(read(&path), Content::Number(6));
    }
}
