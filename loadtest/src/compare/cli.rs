//! `scenecast-loadtest compare`: two results, and what became better or worse.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::comparison::{CompareError, RunComparison};
use crate::{
    report::{self, ReportFileError, USAGE},
    results::{self, ResultFileError},
};

/// Arguments of `scenecast-loadtest compare`.
#[derive(Debug, Args)]
pub struct CompareCli {
    /// The result before the change
    #[arg(value_name = "BEFORE.json")]
    before: PathBuf,
    /// The result after the change, of the same plan
    #[arg(value_name = "AFTER.json")]
    after: PathBuf,
    /// Changes up to this are no news
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = noise)]
    noise: f64,
    /// Also write a report with both
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

/// Why two results were not compared. Each text says what to do.
#[derive(Debug, thiserror::Error)]
enum CompareFileError {
    #[error(transparent)]
    Result(#[from] ResultFileError),
    #[error("{before} and {after}: {source}")]
    Compare { before: PathBuf, after: PathBuf, source: CompareError },
    #[error(transparent)]
    Report(#[from] ReportFileError),
}

/// A part of what was, written in percent: `5%`, `5` and `2.5 %`.
fn noise(text: &str) -> Result<f64, &'static str> {
    let number = text.trim().trim_end_matches('%').trim_end();
    let percent = number.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.map(|percent| percent / 100.0).ok_or("must be a percentage from 0% to 100%, such as 5%")
}

/// Runs the command. It exits with 0 if nothing became worse, 99 if something did, 3 if a run can't be relied on, and 2 if
/// the results can't be compared.
pub fn run(cli: &CompareCli) -> ExitCode {
    // Both fail if nobody reads.
    match compare(cli) {
        Ok(comparison) => {
            let _ = writeln!(io::stdout(), "{}", comparison.text());
            ExitCode::from(comparison.exit_code())
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(USAGE)
        }
    }
}

fn compare(cli: &CompareCli) -> Result<RunComparison, CompareFileError> {
    let CompareCli { before, after, noise, out } = cli;
    let [was, is] = [results::read(before)?, results::read(after)?];
    let comparison = RunComparison::new(&was, &is, *noise).map_err(|source| CompareFileError::Compare {
        before: before.clone(),
        after: after.clone(),
        source,
    })?;
    if let Some(out) = out {
        refuse_own_file(out, [before, after])?;
        let page = report::comparison_page(&was, &is, comparison.table())
            .map_err(|source| ReportFileError::Damaged { path: after.clone(), source })?;
        report::write_page(&page, out)?;
    }
    Ok(comparison)
}

fn refuse_own_file(out: &Path, results: [&PathBuf; 2]) -> Result<(), ReportFileError> {
    if results.into_iter().any(|result| report::is_same_file(result, out)) {
        return Err(ReportFileError::SameFile { path: out.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_a_percentage() {
        for (text, is) in [("5%", 0.05), ("5", 0.05), (" 2.5 % ", 0.025), ("0%", 0.0), ("100%", 1.0)] {
            assert_eq!(noise(text), Ok(is), "{text}");
        }
        for text in ["", "%", "five", "-1%", "101%", "NaN", "inf"] {
            assert!(noise(text).is_err(), "{text}");
        }
    }
}
