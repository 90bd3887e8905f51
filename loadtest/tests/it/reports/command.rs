//! The command lines of `scenecast-loadtest report` and `compare`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use scenecast_loadtest::{
    report::sample::SampleRun,
    results::{self, RunResult},
};

/// A directory with results in it.
struct Results(tempfile::TempDir);

impl Results {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn add(&self, name: &str, result: &RunResult) {
        results::write(result, &self.path(name)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
        command.current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    /// The exit code, what is on stdout, and what is on stderr.
    fn outcome(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.run(arguments);
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

fn sample(slowness: f64) -> RunResult {
    SampleRun { slowness, rate: 30, ..SampleRun::default() }.result()
}

fn is_page(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|page| page.starts_with("<!doctype html>"))
}

#[test]
fn a_report_is_written_beside_its_result_or_where_it_is_asked_for() {
    let results = Results::new();
    results.add("r.json", &sample(1.0));
    assert_eq!(results.outcome(&["report", "r.json"]), (0, "r.html\n".to_owned(), String::new()));
    assert_eq!(results.outcome(&["report", "r.json", "--out", "other.html"]).0, 0);
    assert!(is_page(&results.path("r.html")) && is_page(&results.path("other.html")));
}

#[test]
fn the_exit_code_says_what_became_of_a_comparison() {
    let results = Results::new();
    let (usual, slow) = (sample(1.0), sample(1.5));
    results.add("usual.json", &usual);
    results.add("slow.json", &slow);
    let mut incomplete = slow.clone();
    incomplete.completeness.lacks("somebody pressed Ctrl-C".to_owned());
    incomplete.verdict = incomplete.judge();
    results.add("incomplete.json", &incomplete);
    for (before, after, code, says) in [
        ("usual.json", "usual.json", 0, "No change: "),
        ("slow.json", "usual.json", 0, "Better: “p50 of response in load”"),
        ("usual.json", "slow.json", 99, "Worse: “p50 of response in load”"),
        ("usual.json", "incomplete.json", 3, "Can't be told: The run after is incomplete: somebody pressed Ctrl-C."),
    ] {
        let (found, out, error) = results.outcome(&["compare", before, after, "--out", "c.html"]);
        assert!(out.starts_with(says), "{out}");
        assert_eq!((found, error), (code, String::new()), "{before} {after}");
        assert!(is_page(&results.path("c.html")));
    }
    assert_eq!(results.outcome(&["compare", "usual.json", "slow.json", "--noise", "90%"]).0, 0);
}

#[test]
fn what_cannot_be_read_compared_or_written_is_named_and_nothing_is_written() {
    let results = Results::new();
    let whole = sample(1.0);
    results.add("r.json", &whole);
    let mut other = sample(1.0);
    other.plan.pages = 5;
    results.add("other-plan.json", &other);
    let mut nothing = sample(1.0);
    nothing.phases.clear();
    results.add("nothing.json", &nothing);
    let text = results::to_json(&whole);
    fs::write(results.path("version.json"), text.replacen("\"version\":1", "\"version\":9", 1)).unwrap();
    fs::write(results.path("half.json"), &text[..text.len() / 2]).unwrap();
    fs::write(results.path("page.json"), "<html></html>").unwrap();
    for (arguments, says) in [
        (&["report", "none.json"][..], "none.json can't be read: No such file"),
        (&["report", "version.json"], "version.json is a result of version 9, and this program reads version 1"),
        (&["report", "half.json"], "half.json is not a whole result"),
        (&["report", "page.json"], "page.json is not a whole result"),
        (&["report", "r.json", "--out", "r.json"], "r.json is the result itself"),
        (&["report", "r.json", "--out", "none/r.html"], "none/r.html can't be written: No such file"),
        (&["report", "r.json", "--out", "."], ". can't be written"),
        (&["compare", "r.json", "none.json"], "none.json can't be read"),
        (&["compare", "version.json", "r.json"], "version.json is a result of version 9"),
        (&["compare", "r.json", "other-plan.json"], "pages was 10000 before and is 5 after"),
        (&["compare", "nothing.json", "r.json"], "the result before has no login that was timed"),
        (&["compare", "r.json", "r.json", "--out", "r.json"], "r.json is the result itself"),
        (&["compare", "r.json", "r.json", "--noise", "much"], "must be a percentage from 0% to 100%"),
        (&["compare", "r.json"], "AFTER.json"),
    ] {
        let (code, out, error) = results.outcome(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    assert!(fs::read_dir(results.0.path()).unwrap().all(|file| file.unwrap().path().extension().unwrap() == "json"));
    assert!(fs::read_to_string(results.path("r.json")).unwrap() == text, "the result was changed");
}
