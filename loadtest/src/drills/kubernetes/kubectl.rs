//! Runs `kubectl`, and what an operator gave for things that it can't do.

use std::{io, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

/// The time limit of a command. Rolling out many pods that drain takes minutes.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Why something could not be done to the cluster.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterCommandError {
    /// The program is not installed, or may not be run.
    #[error("{program} can't be run: {source}")]
    Start { program: String, source: io::Error },
    /// The program says that it failed, and why.
    #[error("`{command}` failed: {output}")]
    Failed { command: String, output: String },
    /// The program did not end in time.
    #[error("`{command}` was still running after {} minutes", TIMEOUT.as_secs() / 60)]
    TooSlow { command: String },
    /// What the drill waited for did not come.
    #[error("after {minutes} minutes it was still not so that {what}")]
    NotSo { what: String, minutes: u64 },
    /// The cluster has nothing that could be broken this way.
    #[error("{0}")]
    NothingToBreak(String),
    /// The operator has to say how it is broken.
    #[error("give {0}")]
    OptionMissing(&'static str),
}

/// `kubectl` for one namespace of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Kubectl {
    pub(super) namespace: String,
    /// The name of a context in the kubeconfig; without it, the current one.
    pub(super) context: Option<String>,
}

impl Kubectl {
    /// Runs `kubectl` with these arguments. Answers what it wrote to stdout, without space at the end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<String, ClusterCommandError> {
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &self.namespace]);
        command.args(self.context.iter().flat_map(|context| ["--context", context]));
        output("kubectl", command.args(arguments)).await
    }
}

/// Runs a command of the operator in a shell. `name` is its `$1`.
pub(super) async fn run_in_shell(command: &str, name: &str) -> Result<(), ClusterCommandError> {
    output("sh", Command::new("sh").args(["-c", command, "sh", name])).await.map(drop)
}

async fn output(program: &str, command: &mut Command) -> Result<String, ClusterCommandError> {
    let words = command.as_std().get_args().map(|word| word.to_string_lossy());
    let line = [program.into()].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let Ok(output) = timeout(TIMEOUT, running).await else {
        return Err(ClusterCommandError::TooSlow { command: line });
    };
    let output = output.map_err(|source| ClusterCommandError::Start { program: program.to_owned(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(ClusterCommandError::Failed { command: line, output: text(&output.stderr) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_of_the_operator_gets_the_name_and_its_failure_is_told() {
        run_in_shell("test \"$1\" = node-7", "node-7").await.unwrap();
        let failed = run_in_shell("echo no such node: $1 >&2; exit 3", "node-7").await.unwrap_err().to_string();
        assert!(failed.ends_with("failed: no such node: node-7"), "{failed}");
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let missing = output("no-such-program", &mut Command::new("no-such-program")).await.unwrap_err().to_string();
        assert!(missing.starts_with("no-such-program can't be run: "), "{missing}");
    }
}
