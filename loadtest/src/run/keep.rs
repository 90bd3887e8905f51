//! Prints a result, and writes it with its report and the log of histograms.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use super::{error::RunError, summary::RunSummary};
use crate::{
    generator::Measured,
    measure::{IntervalEntry, write_interval_log},
    report,
    results::{self, RunResult},
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
    results::write(result, &directory.join("result.json"))?;
    report::write_report(result, &directory.join("report.html"))?;
    let path = directory.join("result.hlog");
    let write = || {
        let mut file = BufWriter::new(File::create(&path)?);
        let entries = measured.timings.seconds.iter().flat_map(|(number, timed)| {
            let start = Duration::from_secs(*number);
            let entry = move |tag, times| IntervalEntry { tag, start, length: Duration::from_secs(1), times };
            let times = &timed.times;
            [entry("response", &times.response), entry("service", &times.service), entry("lateness", &times.lateness)]
        });
        write_interval_log(&mut file, began_at, entries.filter(|entry| !entry.times.is_empty()))?;
        file.flush()
    };
    write().map_err(|source| RunError::Result(results::ResultFileError::Write { path: path.clone(), source }))
}
