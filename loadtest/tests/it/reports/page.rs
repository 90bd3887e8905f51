//! The report, as a browser shows it.

use std::path::PathBuf;

use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_loadtest::{
    compare::RunComparison,
    report::{self, sample::SampleRun},
    results::RunResult,
};
use serde_json::{Value, json};

/// Keeps what a page complains of, from its first script on.
const RECORDER: &str = "<script>
    window.complaints = [];
    console.error = console.warn = (...texts) => complaints.push(texts.join(' '));
    addEventListener('error', event => complaints.push(event.message));
    addEventListener('securitypolicyviolation', event => complaints.push(`${event.violatedDirective}: ${event.blockedURI}`));
</script>";

const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");

/// A report in a file of its own.
struct ReportFile {
    _files: tempfile::TempDir,
    path: PathBuf,
}

impl ReportFile {
    fn new(page: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("report.html");
        report::write_page(&page.replacen("<head>", &format!("<head>{RECORDER}"), 1), &path).unwrap();
        Self { _files: files, path }
    }

    async fn show(&self, browser: &Browser) {
        browser.visit(&format!("file://{}", self.path.display())).await;
        browser.run_async("document.documentElement.dataset.charts ? requestAnimationFrame(done) : done()").await;
    }
}

/// A run with everything that a report can show.
fn run() -> RunResult {
    let mut result = SampleRun { fault_before_end: Some(20), ..SampleRun::default() }.result();
    result.target.summary = String::from("2 gateways </script><img src=x onerror=alert(1)>");
    result.faults[0].what = String::from("gateway 1 </script><script>alert(1)</script>");
    result.funnel.late = 7;
    result.thresholds[0].holds = false;
    result.verdict = result.judge();
    result
}

fn compared() -> String {
    let (before, after) = (
        run(),
        RunResult {
            funnel: run().funnel,
            ..SampleRun { seed: 2, slowness: 1.5, fault_before_end: Some(20), ..SampleRun::default() }.result()
        },
    );
    let comparison = RunComparison::new(&before, &after, 0.05).unwrap();
    report::comparison_page(&before, &after, comparison.table()).unwrap()
}

/// The report as it is where dark colours are preferred.
fn dark(page: &str) -> String {
    let is_dark = "@media screen and (prefers-color-scheme: dark)";
    assert!(page.contains(is_dark));
    page.replacen(is_dark, "@media screen", 1)
}

/// How many charts have lines in them, and what is wrong with the page.
async fn look(browser: &Browser) -> (Value, Value) {
    let drawn = browser
        .run(
            "return [...document.querySelectorAll('.plot canvas')].filter(canvas => {
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                const colours = new Set();
                for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) colours.add(data.slice(at, at + 3).join());
                return colours.size > 3;
            }).length",
        )
        .await;
    let wrong = browser
        .run(
            "return [
                ...complaints,
                ...performance.getEntriesByType('resource').map(entry => `asked for ${entry.name}`),
                ...[...document.images].map(image => `an image: ${image.src}`),
                ...(document.documentElement.scrollWidth > document.documentElement.clientWidth ? [`wider than the screen: ${document.documentElement.scrollWidth}`] : []),
            ]",
        )
        .await;
    (drawn, wrong)
}

/// What axe-core finds.
async fn barriers(browser: &Browser) -> Value {
    browser.run(&format!("{AXE}; return null")).await;
    browser
        .run_async(
            "axe.run().then(found => done(found.violations.map(
                rule => `${rule.id}: ${rule.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')}`)))",
        )
        .await
}

#[tokio::test]
async fn everybody_can_read_a_report_in_light_and_dark() {
    let browser = Browser::start(ScreenSize::Desktop, "en-US").await;
    let run = report::run_page(&run()).unwrap();
    let compared = compared();
    for (page, charts) in [(&run, 7), (&dark(&run), 7), (&compared, 7), (&dark(&compared), 7)] {
        let file = ReportFile::new(page);
        file.show(&browser).await;
        assert_eq!(look(&browser).await, (json!(charts), json!([])));
        assert_eq!(barriers(&browser).await, json!([]));
    }
}

#[tokio::test]
async fn a_report_fits_a_phone_and_paper_and_its_lines_can_be_hidden() {
    let browser = Browser::start(ScreenSize::Phone, "en-US").await;
    let file = ReportFile::new(&report::run_page(&run()).unwrap());
    file.show(&browser).await;
    assert_eq!(look(&browser).await, (json!(7), json!([])));
    assert_eq!(barriers(&browser).await, json!([]));
    // The numbers stand in a table, too.
    browser.click("#table summary").await;
    assert_eq!(browser.run("return document.querySelectorAll('#table tbody tr').length").await, json!(60));
    browser.click("#latency .legend li:nth-child(3) button").await;
    assert_eq!(browser.attribute("#latency .legend li:nth-child(3) button", "aria-pressed").await, "false");
    // Paper has a width of its own, and is never dark.
    let widths = "return [...document.querySelectorAll('.plot canvas')].map(canvas => canvas.clientWidth > 400)";
    browser.run("dispatchEvent(new Event('beforeprint'))").await;
    assert_eq!(browser.run(widths).await, json!([true, true, true, true, true, true, true]));
    browser.run("dispatchEvent(new Event('afterprint'))").await;
    assert_eq!(browser.run(widths).await, json!([false, false, false, false, false, false, false]));
    assert_eq!(look(&browser).await, (json!(7), json!([])));
}
