//! Runs a package manager.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// Building Centrifugo takes minutes on two cores that are busy.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How much of a failed command's output an error has, in bytes.
const MAX_OUTPUT: usize = 400;

/// Why a peer could not be had. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("{program} is not installed; {remedy}")]
    MissingProgram { program: &'static str, remedy: &'static str },
    #[error("`{command}` failed: {output}")]
    Failed { command: String, output: String },
    #[error("`{command}` was still running after {} minutes; is there a network?", TIMEOUT.as_secs() / 60)]
    TooSlow { command: String },
    #[error("{what} has the checksum {found}, and {expected} is pinned; don't run it")]
    Checksum { what: &'static str, expected: &'static str, found: String },
    #[error("`{command}` answered something unexpected: {output}")]
    Unexpected { command: String, output: String },
    #[error("{path} can't be used: {source}")]
    File { path: PathBuf, source: io::Error },
}

/// A program that installs, and what to do if it isn't there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Installer {
    pub(super) program: &'static str,
    pub(super) remedy: &'static str,
}

impl Installer {
    /// Runs it in this folder. Answers what it wrote to stdout (or else to stderr), without space at the end.
    pub(super) async fn run(self, folder: &Path, arguments: &[&str]) -> Result<String, InstallError> {
        let Self { program, remedy } = self;
        let command = || [&[program], arguments].concat().join(" ");
        let mut process = Command::new(program);
        process.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        // Debian installs nginx in a directory that is only in root's path.
        process.env("PATH", std::env::var("PATH").unwrap_or_default() + ":/usr/sbin");
        let output =
            timeout(TIMEOUT, process.output()).await.map_err(|_| InstallError::TooSlow { command: command() })?;
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => InstallError::MissingProgram { program, remedy },
            _ => InstallError::Failed { command: command(), output: error.to_string() },
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let [stdout, stderr] = [text(&output.stdout), text(&output.stderr)];
        match output.status.success() {
            true if stdout.is_empty() => Ok(stderr),
            true => Ok(stdout),
            false => Err(InstallError::Failed { command: command(), output: end_of(&stderr) }),
        }
    }
}

/// The end of a text, where package managers say what went wrong.
fn end_of(text: &str) -> String {
    let from = text.len().saturating_sub(MAX_OUTPUT);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text[from..].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Installer = Installer { program: "sh", remedy: "" };

    #[tokio::test]
    async fn what_could_not_be_had_says_why() {
        let here = Path::new(".");
        assert_eq!(SHELL.run(here, &["-c", "echo yes"]).await.unwrap(), "yes");
        assert_eq!(SHELL.run(here, &["-c", "echo version 1 >&2"]).await.unwrap(), "version 1");
        let error = SHELL.run(here, &["-c", "echo no network >&2; exit 1"]).await.unwrap_err();
        assert_eq!(error.to_string(), "`sh -c echo no network >&2; exit 1` failed: no network");
        let missing = Installer { program: "scenecast-no-such-program", remedy: "install it" };
        let error = missing.run(here, &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "scenecast-no-such-program is not installed; install it");
    }

    #[test]
    fn the_end_of_a_long_output_is_kept() {
        let text = "é".repeat(1000) + " why";
        assert!(end_of(&text).ends_with("é why") && end_of(&text).len() <= MAX_OUTPUT, "{}", end_of(&text));
        assert_eq!(end_of("short\n"), "short");
    }
}
