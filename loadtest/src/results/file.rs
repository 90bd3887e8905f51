//! Reads and writes the file of a result. Another format or version is refused, with what to do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    format::{FORMAT, VERSION},
    run_result::RunResult,
};

/// Why a result can't be read or written. Each text names the file, if there is one.
#[derive(Debug, thiserror::Error)]
pub enum ResultFileError {
    #[error("{path} can't be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} can't be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    /// It is no JSON, or cut off, or a field is missing or wrong.
    #[error("{path} is not a whole result of scenecast-loadtest: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    /// It is JSON of something else.
    #[error("{path} is not a result of scenecast-loadtest: its field \"format\" is not {FORMAT:?}")]
    Format { path: PathBuf },
    #[error(
        "{path} is a result of version {found}, and this program reads version {VERSION}; use the scenecast-loadtest that wrote it, or measure again"
    )]
    Version { path: PathBuf, found: u32 },
}

/// What every version of the format has.
#[derive(Deserialize)]
struct FormatHeader {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: u32,
}

/// Reads the result in this file.
pub fn read(path: &Path) -> Result<RunResult, ResultFileError> {
    let json = fs::read(path).map_err(|source| ResultFileError::Read { path: path.into(), source })?;
    parse(&json, path)
}

/// Reads a result. Errors name `path`.
pub fn parse(json: &[u8], path: &Path) -> Result<RunResult, ResultFileError> {
    let path = || path.to_owned();
    let wrong = |source| ResultFileError::Json { path: path(), source };
    let FormatHeader { format, version } = serde_json::from_slice(json).map_err(wrong)?;
    if format != FORMAT {
        return Err(ResultFileError::Format { path: path() });
    }
    if version != VERSION {
        return Err(ResultFileError::Version { path: path(), found: version });
    }
    serde_json::from_slice(json).map_err(wrong)
}

/// The JSON of a result.
pub fn to_json(result: &RunResult) -> String {
    serde_json::to_string(result).expect("numbers and texts can be written as JSON")
}

/// Writes the result to this file. If the disk is full, an older file of this name stays as it was.
pub fn write(result: &RunResult, path: &Path) -> Result<(), ResultFileError> {
    let write = || {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = path.with_file_name(name);
        let written = fs::write(&partial, to_json(result)).and_then(|()| fs::rename(&partial, path));
        if written.is_err() {
            // What is left of it is of no use, and takes room.
            let _ = fs::remove_file(&partial);
        }
        written
    };
    write().map_err(|source| ResultFileError::Write { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{Arrivals, LoginPlan, PhoneSteps, RateCurve, ThinkTime, WayIn, WeightedWay},
        results::TargetInfo,
    };

    fn result() -> RunResult {
        let plan = LoginPlan {
            seed: 1,
            pages: 10,
            opens_per_second: 10.0,
            hold_seconds: 0.0,
            rate: RateCurve::constant(1.0, 5.0),
            arrivals: Arrivals::Uniform,
            cool_down_seconds: 1.0,
            phone: PhoneSteps::None,
            think_time: ThinkTime { from: 0.0, to: 0.0 },
            ways: vec![WeightedWay { way: WayIn::WebSocket, weight: 1 }],
            refill: false,
            leaves_per_second: 0.0,
            reconnects_per_second: 0.0,
            late_after_seconds: 1.0,
            faults: vec![],
        };
        RunResult::new(plan, TargetInfo { kind: "scenecast".to_owned(), ..TargetInfo::default() })
    }

    fn refusal(json: &str) -> String {
        parse(json.as_bytes(), "r.json".as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn a_result_comes_back_from_its_file_with_fields_that_are_not_known_yet() {
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("r.json");
        write(&result(), &path).unwrap();
        assert_eq!(read(&path).unwrap(), result());
        assert_eq!(fs::read_dir(files.path()).unwrap().count(), 1);
        let newer = to_json(&result()).replacen('{', "{\"from a newer minor\": 1,", 1);
        assert_eq!(parse(newer.as_bytes(), &path).unwrap(), result());
    }

    #[test]
    fn what_is_no_result_of_this_version_is_refused_by_name() {
        let whole = to_json(&result());
        for (json, says) in [
            (
                whole.replace("\"version\":1", "\"version\":2"),
                "r.json is a result of version 2, and this program reads",
            ),
            (whole.replace("\"version\":1,", ""), "a result of version 0"),
            (whole.replace(FORMAT, "k6"), "r.json is not a result of scenecast-loadtest"),
            ("{}".to_owned(), "is not a result of scenecast-loadtest"),
            ("[]".to_owned(), "is not a result of scenecast-loadtest"),
            ("<html></html>".to_owned(), "r.json is not a whole result"),
            (String::new(), "r.json is not a whole result"),
            (whole[..whole.len() / 2].to_owned(), "r.json is not a whole result"),
            (whole.replace("\"funnel\"", "\"channel\""), "missing field `funnel`"),
        ] {
            let refused = refusal(&json);
            assert!(refused.contains(says), "{refused}");
        }
        assert!(read("no-such.json".as_ref()).unwrap_err().to_string().starts_with("no-such.json can't be read: "));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_leaves_nothing() {
        let refused = write(&result(), "/no-such-directory/r.json".as_ref()).unwrap_err().to_string();
        assert!(refused.starts_with("/no-such-directory/r.json can't be written: "), "{refused}");
        // Writing to /dev/full fails as a full disk does.
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("r.json");
        write(&result(), &path).unwrap();
        std::os::unix::fs::symlink("/dev/full", files.path().join("r.json.partial")).unwrap();
        let full = write(&result(), &path).unwrap_err().to_string();
        assert!(full.contains("No space left on device"), "{full}");
        assert_eq!(read(&path).unwrap(), result());
    }
}
