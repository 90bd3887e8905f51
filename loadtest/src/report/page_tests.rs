//! The report as a file: what is in it, and what is never in it.

use sha2::{Digest, Sha256};

use super::{
    page::{comparison_page, run_page},
    sample::SampleRun,
};
use crate::{
    compare::RunComparison,
    results::{RunResult, SecondResult},
};

fn short() -> RunResult {
    SampleRun { load_seconds: 12, rate: 20, ..SampleRun::default() }.result()
}

#[test]
fn the_copied_files_are_those_of_the_packages() {
    let sum =
        |bytes: &[u8]| Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let uplot = include_str!("../../vendor/uplot/README.md");
    let axe = include_str!("../../tests/vendor/axe-core/README.md");
    for (readme, file) in [
        (uplot, &include_bytes!("../../vendor/uplot/uPlot.iife.min.js")[..]),
        (uplot, include_bytes!("../../vendor/uplot/uPlot.min.css")),
        (axe, include_bytes!("../../tests/vendor/axe-core/axe.min.js")),
    ] {
        assert!(readme.contains(&sum(file)), "{readme}");
    }
}

#[test]
fn the_file_refers_to_nothing_outside_and_its_scripts_end_where_they_should() {
    let page = run_page(&short()).unwrap();
    for refers in ["src=", "url(", "@import", "href=\"http", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(refers), "{refers}");
    }
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (3, 3));
    assert!(page.contains("Copyright (c) 2022 Leon Sorokin") && page.contains("default-src 'none'"));
}

#[test]
fn texts_of_a_result_stay_texts() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;";
    let mut result =
        SampleRun { fault_before_end: Some(4), load_seconds: 12, rate: 20, ..SampleRun::default() }.result();
    let texts = [
        &mut result.tool.version,
        &mut result.host.name,
        &mut result.host.cpu_model,
        &mut result.target.kind,
        &mut result.target.summary,
        &mut result.thresholds[0].text,
        &mut result.faults[0].what,
        &mut result.processes[0].name,
        &mut result.plan_hash,
    ];
    for text in texts {
        *text = hostile.to_owned();
    }
    result.tool.arguments.push(hostile.to_owned());
    result.target.notes.push(hostile.to_owned());
    result.target.settings.insert(hostile.to_owned(), hostile.to_owned());
    result.target.topology.insert(hostile.to_owned(), 1);
    result.funnel.lost_because.insert(hostile.to_owned(), 1);
    result.funnel.problems.insert(hostile.to_owned(), 1);
    result.completeness.lacks(hostile.to_owned());
    result.verdict = result.judge();
    let comparison = RunComparison::new(&result, &result, 0.05).unwrap();
    for page in [run_page(&result).unwrap(), comparison_page(&result, &result, comparison.table()).unwrap()] {
        assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (3, 3));
        assert!(!page.contains("<img"));
    }
}

#[test]
fn a_report_without_scripts_has_every_number() {
    let page = run_page(&short()).unwrap();
    let (_, noscript) = page.split_once("<noscript").unwrap();
    let (noscript, _) = noscript.split_once("</noscript>").unwrap();
    assert_eq!(noscript.matches("<tr>").count(), 33, "a head, and a row for each second");
    assert!(
        noscript.contains("<th scope=\"row\">20 s</th><td>load</td><td>20</td><td>20</td><td>20</td>"),
        "{noscript}"
    );
    for says in ["Passed", "p99.9", "100 a second", "This was one run", "response.p99 &#60; 50ms", "gateway 0"] {
        assert!(page.contains(says) || page.contains(&says.replace("100", "20")), "{says}");
    }
}

#[test]
fn a_result_of_nothing_and_one_without_processes_are_reports_too() {
    let sample = short();
    let nothing = RunResult::new(sample.plan.clone(), sample.target.clone());
    let page = run_page(&nothing).unwrap();
    for says in ["Nothing was measured.", "No login was timed", "No process was measured"] {
        assert!(page.contains(says), "{says}");
    }
    let elsewhere = RunResult { processes: vec![], ..sample };
    assert!(run_page(&elsewhere).unwrap().contains("the servers ran elsewhere"));
}

#[test]
fn a_report_of_an_hour_is_small() {
    let mut result = short();
    let second = result.seconds[20].clone();
    result.seconds = (0..3600).map(|number| SecondResult { second: number, ..second.clone() }).collect();
    let page = run_page(&result).unwrap();
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn the_command_can_be_pasted_into_a_shell_whatever_its_arguments_are() {
    let mut result = SampleRun { load_seconds: 2, rate: 5, ..SampleRun::default() }.result();
    result.tool.arguments = ["run", "--threshold=p99<5ms", "", "it's", "$(id)"].map(str::to_owned).to_vec();
    let page = run_page(&result).unwrap();
    let command = r"scenecast-loadtest run &#39;--threshold=p99&#60;5ms&#39; &#39;&#39; &#39;it&#39;\&#39;&#39;s&#39; &#39;$(id)&#39;";
    assert!(page.contains(command), "{}", &page[page.find("scenecast-loadtest run").unwrap()..][..200]);
}
