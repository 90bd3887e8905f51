//! Prints a result, and writes it with its report and the log of histograms.

use std::{
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use super::{error::RunError, summary::RunSummary};
use crate::{
    generator::Measured,
    measure::{IntervalEntry, write_interval_log},
    report,
    results::{self, ResultFileError, RunResult, RunVerdict},
};

/// Prints a result, and writes it to this directory.
pub(super) fn keep(
    result: &RunResult,
    measured: &Measured,
    began_at: SystemTime,
    directory: &Path,
) -> Result<(), RunError> {
    // It fails if stdout is closed. Then nobody reads it.
    let _ = writeln!(io::stdout(), "{}", RunSummary(result));
    match write(result, measured, began_at, directory) {
        // A lost login is worse than a full disk.
        Err(error) if result.verdict == RunVerdict::BrokenPromise => {
            error.say();
            Ok(())
        }
        written => written,
    }
}

/// Writes the result, the log of histograms, and the report, which can be made of the result later. Each is tried, whatever
/// became of the others; the first error counts.
fn write(result: &RunResult, measured: &Measured, began_at: SystemTime, directory: &Path) -> Result<(), RunError> {
    let written = results::write(result, &directory.join("result.json"));
    let logged = write_log(measured, began_at, &directory.join("result.hlog"));
    let reported = report::write_report(result, &directory.join("report.html"));
    written?;
    logged?;
    Ok(reported?)
}

/// Writes the log of histograms.
fn write_log(measured: &Measured, began_at: SystemTime, path: &Path) -> Result<(), ResultFileError> {
    results::write_whole(path, |file| {
        let entries = measured.timings.seconds.iter().flat_map(|(number, timed)| {
            let start = Duration::from_secs(*number);
            let entry = move |tag, times| IntervalEntry { tag, start, length: Duration::from_secs(1), times };
            let times = &timed.times;
            [entry("response", &times.response), entry("service", &times.service), entry("lateness", &times.lateness)]
        });
        write_interval_log(file, began_at, entries.filter(|entry| !entry.times.is_empty()))
    })
    .map_err(|source| ResultFileError::Write { path: path.into(), source })
}
