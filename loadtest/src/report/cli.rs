//! `scenecast-loadtest report`: writes the report of a result that is there already.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::page::{ReportError, run_page};
use crate::results::{self, ResultFileError, RunResult};

/// What a command answers that can't do what it was asked, such as for a file that isn't there.
pub const USAGE: u8 = 2;

/// Arguments of `scenecast-loadtest report`.
#[derive(Debug, Args)]
pub struct ReportCli {
    /// The result, as `run` wrote it
    #[arg(value_name = "RESULT.json")]
    result: PathBuf,
    /// Where to write the report; beside the result if not given
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

/// Why there is no report. Each text names the file.
#[derive(Debug, thiserror::Error)]
pub enum ReportFileError {
    #[error(transparent)]
    Result(#[from] ResultFileError),
    #[error("{path} is damaged: {source}; measure again")]
    Damaged { path: PathBuf, source: ReportError },
    /// The report would take the place of the result.
    #[error("{path} is the result itself; choose another file for the report")]
    SameFile { path: PathBuf },
    #[error("{path} can't be written: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// Runs the command. Fails with [`USAGE`] if there is no result to report.
pub fn run(cli: &ReportCli) -> ExitCode {
    let out = cli.out.clone().unwrap_or_else(|| cli.result.with_extension("html"));
    // Both fail if nobody reads.
    match report(&cli.result, &out) {
        Ok(()) => {
            let _ = writeln!(io::stdout(), "{}", out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(USAGE)
        }
    }
}

fn report(result: &Path, out: &Path) -> Result<(), ReportFileError> {
    if is_same_file(result, out) {
        return Err(ReportFileError::SameFile { path: out.into() });
    }
    let read = results::read(result)?;
    let page = run_page(&read).map_err(|source| ReportFileError::Damaged { path: result.into(), source })?;
    write_page(&page, out)
}

/// Writes the report of a result to this file.
pub fn write_report(result: &RunResult, path: &Path) -> Result<(), ReportFileError> {
    let page = run_page(result).map_err(|source| ReportFileError::Damaged { path: path.into(), source })?;
    write_page(&page, path)
}

/// Whether both names lead to one file that is there.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Writes a report to this file. If the disk is full, an older file of this name stays as it was.
pub fn write_page(page: &str, path: &Path) -> Result<(), ReportFileError> {
    results::write_whole(path, |file| file.write_all(page.as_bytes()))
        .map_err(|source| ReportFileError::Write { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::sample::SampleRun;

    fn refusal(result: &Path, out: &Path) -> String {
        report(result, out).unwrap_err().to_string()
    }

    #[test]
    fn a_report_is_written_whole_or_not_at_all_and_never_over_its_result() {
        let files = tempfile::tempdir().unwrap();
        let [json, html] = ["r.json", "r.html"].map(|name| files.path().join(name));
        let mut result = SampleRun { load_seconds: 2, rate: 10, ..SampleRun::default() }.result();
        results::write(&result, &json).unwrap();
        report(&json, &html).unwrap();
        let whole = fs::read_to_string(&html).unwrap();
        assert!(whole.starts_with("<!doctype html>") && whole.trim_end().ends_with("</html>"));
        assert!(refusal(&json, &json).ends_with("r.json is the result itself; choose another file for the report"));
        assert!(
            refusal(&json, "/no-such-directory/r.html".as_ref())
                .starts_with("/no-such-directory/r.html can't be written: ")
        );
        // Writing to /dev/full fails as a full disk does.
        std::os::unix::fs::symlink("/dev/full", files.path().join("r.html.partial")).unwrap();
        assert!(refusal(&json, &html).contains("No space left on device"));
        assert_eq!((fs::read_to_string(&html).unwrap(), fs::read_dir(files.path()).unwrap().count()), (whole, 2));
        result.seconds[16].response.hdr = "?".to_owned();
        results::write(&result, &json).unwrap();
        assert!(refusal(&json, &html).ends_with(
            "r.json is damaged: second 16: the histogram of response can't be read: it is not base64; measure again"
        ));
        assert!(refusal(&files.path().join("none.json"), &html).contains("none.json can't be read"));
    }
}
