//! The program of this process, which can be started again although the file was replaced.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use lb_runtime::file_id::is_at;
use tokio::process::Command;

/// The file that this process was started from. An upgrade of the package puts another file in its place, or removes it;
/// the daemon that is started then has to fit the supervisor.
#[derive(Debug)]
pub(super) struct Executable {
    /// `None` where `/proc` is not mounted.
    file: Option<File>,
    path: PathBuf,
    /// What this process is called: the program may have several roles.
    argv0: OsString,
}

impl Executable {
    /// To be called at the start, while the file is there.
    pub(super) fn of_this_process() -> io::Result<Self> {
        let argv0 = std::env::args_os().next().unwrap_or_default();
        let path = match std::env::current_exe() {
            Ok(path) => path,
            Err(error) => search(Path::new(&argv0)).ok_or(error)?,
        };
        Ok(Self { file: File::open("/proc/self/exe").ok(), path, argv0 })
    }

    /// What starts it, in the order in which it is tried: by its path if that is the same file still, which gives the
    /// process its usual name.
    pub(super) fn commands(&self) -> Vec<Command> {
        let by_path = || self.command(&self.path);
        let Some(file) = &self.file else { return vec![by_path()] };
        match is_at(file, &self.path) {
            true => vec![by_path()],
            // The child has this descriptor until it executes the file. Without `/proc` the path has to do.
            false => vec![self.command(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))), by_path()],
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg0(&self.argv0);
        command
    }
}

/// Where a shell would have found it.
fn search(argv0: &Path) -> Option<PathBuf> {
    if argv0.components().count() > 1 {
        return std::path::absolute(argv0).ok();
    }
    let path = std::env::var_os("PATH")?;
    let is_program =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
    std::env::split_paths(&path).map(|folder| folder.join(argv0)).find(is_program)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(command: &mut Command) -> io::Result<String> {
        let output = command.arg("-c").arg("echo $0").output().await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A copy of the shell, as a package installs a program.
    fn installed(folder: &Path) -> Executable {
        let path = folder.join("program");
        fs::copy("/bin/sh", &path).unwrap();
        Executable { file: Some(File::open(&path).unwrap()), path, argv0: "role".into() }
    }

    #[tokio::test]
    async fn the_program_is_started_after_its_file_was_replaced_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let program = installed(folder.path());
        assert_eq!(said(&mut program.commands()[0]).await.unwrap(), "role\n");
        assert_eq!(program.commands()[0].as_std().get_program(), program.path.as_os_str());
        fs::write(folder.path().join("new"), "not a program").unwrap();
        fs::rename(folder.path().join("new"), &program.path).unwrap();
        assert_eq!(said(&mut program.commands()[0]).await.unwrap(), "role\n");
        fs::remove_file(&program.path).unwrap();
        assert_eq!(said(&mut program.commands()[0]).await.unwrap(), "role\n");
    }

    #[tokio::test]
    async fn without_proc_the_path_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let program = Executable { file: None, ..installed(folder.path()) };
        let mut commands = program.commands();
        assert_eq!(commands.len(), 1);
        assert_eq!(said(&mut commands[0]).await.unwrap(), "role\n");
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        assert!(search(Path::new("sh")).unwrap().ends_with("sh"));
        assert_eq!(search(Path::new("/some/where")), Some(PathBuf::from("/some/where")));
        assert_eq!(search(Path::new("no-program-is-called-so")), None);
    }
}
