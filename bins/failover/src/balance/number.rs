//! `FILE_CHECK`: a number in a file.

use std::{
    fs::File,
    io,
    io::Read as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use lb_health::{Failure, FailureKind, HealthCheck, Outcome, Passed, Target, connect::is_shortage};

/// Adds the number in a file, times a factor, to the weight. With the factor 0 any number but 0 takes the server down,
/// and so does a sum that no weight makes up for. A file that is not there is 0, as for the instances.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) path: PathBuf,
    pub(super) factor: i64,
}

/// Most bytes of the file that are read.
const MOST: u64 = 64;

/// From here on downwards no weight makes up for it: keepalived's `-IPVS_WEIGHT_MAX`.
const FATAL: i64 = -2_147_483_647;

#[async_trait]
impl HealthCheck for Number {
    fn kind(&self) -> &'static str {
        "file"
    }

    async fn check(&self, _target: &Target) -> Outcome {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let text = read.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| {
            let kind = if is_shortage(&error) { FailureKind::Local } else { FailureKind::Misconfigured };
            Failure::new(kind, format_args!("reading {}: {error}", self.path.display()))
        })?;
        judge(&text, self.factor)
    }
}

fn read(path: &Path) -> io::Result<String> {
    // A pipe would keep this thread for as long as nobody writes to it.
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok("0".to_owned()),
        _ => {}
    }
    let mut text = String::new();
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

fn judge(text: &str, factor: i64) -> Outcome {
    let wrong = |what: std::fmt::Arguments<'_>| Err(Failure::new(FailureKind::WrongAnswer, what));
    let Ok(number) = text.trim().parse::<i64>() else {
        return wrong(format_args!("no number in the file: {text}"));
    };
    let sum = number.saturating_mul(factor);
    if factor == 0 && number != 0 || sum <= FATAL {
        return wrong(format_args!("the file says {number}"));
    }
    Ok(Passed::with(format_args!("the file says {number}")).graded(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(text: &str, factor: i64) -> Option<i64> {
        judge(text, factor).ok().and_then(|passed| passed.grade)
    }

    #[test]
    fn the_number_counts_times_its_factor() {
        assert_eq!(grade("5\n", 3), Some(15));
        assert_eq!(grade("-5", 3), Some(-15));
        assert_eq!(grade("0", 0), Some(0));
        assert_eq!(grade("1", 0), None);
        assert_eq!(grade("-2147483647", 1), None);
        assert_eq!(grade("9223372036854775807", 2), Some(i64::MAX));
        for none in ["", "x", "1 2", "99999999999999999999"] {
            assert_eq!(grade(none, 1), None, "{none}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_0_and_a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let check = |path: PathBuf| async move {
            Number { path, factor: 1 }.check(&Target::new(([127, 0, 0, 1], 1).into())).await
        };
        assert_eq!(check(folder.path().join("none")).await.unwrap().grade, Some(0));
        assert_eq!(check(folder.path().to_owned()).await.unwrap_err().kind, FailureKind::Misconfigured);
        std::fs::write(folder.path().join("some"), "7\n").unwrap();
        assert_eq!(check(folder.path().join("some")).await.unwrap().grade, Some(7));
    }
}
