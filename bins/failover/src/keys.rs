//! Keys of `auth_hmac` that are in files of their own.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use lb_config::{
    diagnostic::{LocatedDiagnostic, Severity},
    keepalived::model::{Authentication, Config, Instance, Secret},
};
use thiserror::Error;

/// No key is longer; a wrong path may lead to anything.
const LONGEST: u64 = 4096;

/// Why a key can not be had.
#[derive(Debug, Error)]
#[error("auth_hmac of {instance}: the key file {path} {trouble}", path = path.display())]
pub struct KeyError {
    /// The instance.
    pub instance: String,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub trouble: Trouble,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Trouble {
    /// It can not be read.
    #[error("can not be read: {0}")]
    Read(#[from] io::Error),
    /// There is no key in it.
    #[error("has no key: a text of up to 4096 bytes, or hex: and an even number of digits")]
    Format,
}

/// The files of a configuration in this folder, with the instances that need them.
pub fn files<'a>(config: &'a Config, folder: &'a Path) -> impl Iterator<Item = (&'a str, PathBuf)> {
    config.instances.iter().flat_map(move |instance| {
        let keys = match &instance.authentication {
            Authentication::Hmac { keys, .. } => keys.as_slice(),
            _ => &[],
        };
        keys.iter().filter_map(move |key| Some((instance.name.as_str(), folder.join(key.file.as_ref()?))))
    })
}

/// Reads those of an instance. Warns of keys whose length is not advisable.
///
/// # Errors
/// The first that has none.
pub fn read(instance: &mut Instance, folder: &Path) -> Result<Vec<LocatedDiagnostic>, KeyError> {
    let mut warnings = Vec::new();
    let Authentication::Hmac { keys, .. } = &mut instance.authentication else { return Ok(warnings) };
    for key in keys {
        let Some(path) = key.file.as_ref().map(|file| folder.join(file)) else { continue };
        match read_one(&path) {
            Ok(secret) => key.key = secret,
            Err(trouble) => return Err(KeyError { instance: instance.name.clone(), path, trouble }),
        }
        if let Some(problem) = key.key.key_length_problem() {
            warnings.push(LocatedDiagnostic {
                severity: Severity::Warning,
                message: format!("key {} of {}: {problem}", key.id, instance.name),
                file: path.display().to_string(),
                place: None,
                label: None,
                related: None,
                notes: Vec::new(),
                help: Some("use 32 random bytes, as hex: and 64 digits, on all nodes".to_owned()),
            });
        }
    }
    Ok(warnings)
}

/// Takes them over from instances whose keys were read, where one of the same name has the same file: a text that a client
/// has sent names files that are not opened.
pub fn adopt(instance: &mut Instance, running: &[Instance]) {
    let Authentication::Hmac { keys, .. } = &mut instance.authentication else { return };
    let known = running.iter().find(|known| known.name == instance.name).map(|known| &known.authentication);
    let Some(Authentication::Hmac { keys: known, .. }) = known else { return };
    for key in keys.iter_mut().filter(|key| key.file.is_some()) {
        if let Some(known) = known.iter().find(|known| (known.id, &known.file) == (key.id, &key.file)) {
            key.key.clone_from(&known.key);
        }
    }
}

/// Whether all of them are there.
pub fn are_known(instance: &Instance) -> bool {
    match &instance.authentication {
        Authentication::Hmac { keys, .. } => keys.iter().all(|key| !key.key.expose().is_empty()),
        _ => true,
    }
}

/// Reads one: blanks and line feeds at its end are no part of it.
///
/// # Errors
/// Why it is no key.
pub fn read_one(path: &Path) -> Result<Secret, Trouble> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Trouble::Format);
    }
    let mut bytes = Vec::new();
    if file.take(LONGEST + 1).read_to_end(&mut bytes)? as u64 > LONGEST {
        return Err(Trouble::Format);
    }
    let text = String::from_utf8(bytes).map_err(|_| Trouble::Format)?;
    Secret::of_key(text.trim_end()).ok_or(Trouble::Format)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_digits_or_a_text_without_the_end_of_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_one(&path).map(|key| key.expose().to_vec())
        };
        assert_eq!(key(b"hex:00ff\n").unwrap(), [0, 0xff]);
        assert_eq!(key(b"open sesame\n").unwrap(), b"open sesame");
        for none in [&b"hex:0\n"[..], b"\n", b"", b"\xff", &[b'a'; 4097]] {
            assert!(matches!(key(none), Err(Trouble::Format)));
        }
        assert!(matches!(read_one(folder.path()), Err(Trouble::Format)));
        assert!(matches!(read_one(&folder.path().join("none")), Err(Trouble::Read(_))));
    }
}
