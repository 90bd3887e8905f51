//! `scenecast-loadtest run`, as a process of its own with real processes around it.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use crate::peers::target::{scripted_peer, serve};
use scenecast_loadtest::{
    plan::Phase,
    results::{self, ProcessRole, RunResult, RunVerdict},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
};

/// The command, whose result goes to this directory.
fn run(out: &Path, arguments: &str) -> Command {
    let mut run = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
    run.arg("run").args(arguments.split_whitespace()).arg("--out").arg(out).kill_on_drop(true);
    run
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The result that a run has left. The exit code is the one of its verdict.
fn result(out: &Path, ended: &Output) -> RunResult {
    let said = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
    let result = results::read(&out.join("result.json")).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(ended.status.code(), Some(result.verdict.exit_code().into()), "{said}");
    result
}

#[tokio::test]
async fn a_run_with_its_own_cluster_leaves_a_result_and_a_log_of_histograms() {
    let files = tempfile::tempdir().unwrap();
    let out = files.path().join("made/by the run");
    let arguments = "--gateways 2 --callbacks 2 --pages 24 --opens 50 --hold 0 --rate 10 --for 2 --confirmation number \
         --think 0.1 --transports websocket=1,sse=1,poll=1 --reconnects 4 --arrivals uniform";
    let ended = run(&out, arguments).args(["--threshold", "lost / accepted < 1%"]).output().await.unwrap();
    let result = result(&out, &ended);

    let funnel = &result.funnel;
    let came = [funnel.opened >= 24, funnel.planned == 20, funnel.accepted == 20, funnel.delivered == 20];
    assert_eq!(came, [true; 4], "{funnel:?}");
    assert_eq!((funnel.lost, funnel.doubled, funnel.mixed_up, funnel.without_page), (0, 0, 0, 0), "{funnel:?}");
    let phases: Vec<_> = result.phases.iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, [Phase::Ramp, Phase::Load, Phase::CoolDown]);
    let load = result.phase(Phase::Load).unwrap();
    assert_eq!([&load.response, &load.service, &load.lateness].map(|times| times.summary.count), [20; 3]);
    assert_eq!(load.response.latency().unwrap().count(), 20);
    assert!(result.phase(Phase::Ramp).unwrap().open.summary.count >= 24);
    let planned: u64 = result.seconds.iter().map(|second| second.planned).sum();
    assert_eq!(planned, 20);
    let count = |role| result.processes.iter().filter(|process| process.role == role).count();
    let roles = [ProcessRole::Generator, ProcessRole::Gateway, ProcessRole::Callback, ProcessRole::Redis].map(count);
    assert_eq!(roles, [1, 2, 2, 1]);
    let cost = load.cost.as_ref().unwrap();
    let parts: f64 =
        cost.roles.iter().filter(|(role, _)| role.is_under_test()).map(|(_, it)| it.cpu_us_per_login).sum();
    assert!(cost.logins == 20 && cost.cpu_us > 0.0 && (cost.cpu_us - parts).abs() < 0.1, "{cost:?}");
    assert_eq!((result.thresholds.len(), result.thresholds[0].holds), (1, true));
    assert!(result.completeness.is_complete);

    let log = std::fs::read_to_string(out.join("result.hlog")).unwrap();
    for tag in ["Tag=response,", "Tag=service,", "Tag=lateness,"] {
        assert!(log.lines().any(|line| line.starts_with(tag)), "{log}");
    }
    assert!(std::fs::read_to_string(out.join("scenecast-gateway-1.log")).unwrap().contains("\"serving\""));
    let said = text(&ended.stdout);
    assert!(said.contains("20 accepted, 20 delivered") && said.contains("holds: lost / accepted < 1%"), "{said}");
}

#[tokio::test]
async fn pages_of_compatible_routes_log_in_and_come_back() {
    let files = tempfile::tempdir().unwrap();
    let ways = "path-socket=1,client-id=1,typed-code=1,qr-on-open=1,ticket=1";
    let arguments = format!(
        "--gateways 2 --callbacks 2 --pages 25 --opens 25 --hold 0 --rate 10 --for 2 --confirmation tap --think 0.1 \
         --transports {ways} --reconnects 4 --arrivals uniform --no-refill"
    );
    let ended = run(files.path(), &arguments).output().await.unwrap();
    let result = result(files.path(), &ended);
    let funnel = &result.funnel;
    let all = [funnel.planned, funnel.accepted, funnel.delivered];
    assert_eq!((all, funnel.lost, funnel.doubled, funnel.mixed_up), ([20; 3], 0, 0, 0), "{funnel:?}");
    // Pages that get their QR code on open learn only a name. One that loses its connection gets another scene.
    assert!((15..=20).contains(&funnel.redeemed), "{funnel:?}");
    assert!(result.completeness.is_complete, "{:?}", result.completeness);
}

#[tokio::test]
async fn a_peer_is_the_target_of_the_same_run_and_the_result_says_what_it_does_not_do() {
    let files = tempfile::tempdir().unwrap();
    let peer = serve(scripted_peer()).await;
    let arguments = format!(
        "--peer ws --peer-at {peer},{peer} --pages 36 --opens 180 --hold 0.2 --rate 12 --for 2 --arrivals uniform --refill"
    );
    let ended = run(files.path(), &arguments).output().await.unwrap();
    let result = result(files.path(), &ended);
    let funnel = &result.funnel;
    let came = [funnel.planned, funnel.accepted, funnel.delivered, funnel.redeemed, funnel.lost];
    assert_eq!((came, result.target.kind.as_str()), ([24, 24, 24, 0, 0], "ws"), "{funnel:?}");
    assert!(result.target.summary.contains("which somebody else runs"), "{:?}", result.target);
    let report = std::fs::read_to_string(files.path().join("report.html")).unwrap();
    assert!(report.contains("A peer checks no signature"));
    // Where nothing runs, that is said at once.
    let refused = run(files.path(), "--peer ws --peer-at 127.0.0.1:1,127.0.0.1:1").output().await.unwrap();
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(3) && said.contains("no page can be opened at 127.0.0.1:1"), "{said}");
}

#[tokio::test]
async fn a_run_with_faults_marks_them_and_loses_no_login() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--gateways 2 --callbacks 2 --pages 40 --opens 80 --hold 0 --rate 12 --for 7 --arrivals uniform \
         --transports websocket=2,sse=1,poll=1 --fault gateway-killed:1@1..600 --cool-down 20 --fault callback-killed@2..4 \
         --fault redis-killed@4..5 --fault redis-disconnected@5.5 --fault callback-restarted:1@6";
    let ended = run(files.path(), arguments).output().await.unwrap();
    let result = result(files.path(), &ended);

    // The pages of the gateway that never comes back have gone to the other one.
    let funnel = &result.funnel;
    assert!(funnel.delivered > 60 && funnel.accepted == funnel.delivered, "{funnel:?}");
    assert_eq!((funnel.planned, funnel.lost, funnel.doubled, funnel.mixed_up), (84, 0, 0, 0), "{funnel:?}");
    assert!(result.completeness.is_complete, "{:?}", result.completeness);
    let phases: Vec<_> = result.phases.iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, [Phase::Ramp, Phase::Load, Phase::Fault, Phase::CoolDown]);
    let planned = |phase| result.phase(phase).unwrap().funnel.planned;
    assert_eq!(planned(Phase::Load) + planned(Phase::Fault), 84);
    assert!((10..=14).contains(&planned(Phase::Load)), "{}", planned(Phase::Load));

    let load = result.phase(Phase::Load).unwrap().from_seconds;
    let faults: Vec<_> = result.faults.iter().map(|fault| fault.what.as_str()).collect();
    let all = ["gateway 1 killed", "callback 0 killed", "Redis killed", "Redis disconnected", "callback 1 restarted"];
    assert_eq!(faults, all);
    for (fault, from) in result.faults.iter().zip([1.0, 2.0, 4.0, 5.5, 6.0]) {
        assert!(fault.from_seconds >= load + from && fault.to_seconds >= fault.from_seconds, "{load} {fault:?}");
    }
    // A process that came in the place of another one is sampled, too, and its log goes on in the same file.
    let names: Vec<_> = result.processes.iter().map(|process| process.name.as_str()).collect();
    assert!(names.contains(&"callback 0, start 2") && names.contains(&"callback 1, start 2"), "{names:?}");
    let log = std::fs::read_to_string(files.path().join("scenecast-callback-0.log")).unwrap();
    assert_eq!(log.matches("\"serving\"").count(), 2, "{log}");
    let report = std::fs::read_to_string(files.path().join("report.html")).unwrap();
    assert!(all.iter().all(|fault| report.contains(fault)));
}

#[tokio::test]
async fn a_run_that_is_interrupted_leaves_a_partial_result_that_says_so() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--pages 20 --opens 50 --hold 0 --rate 5 --for 600 --cool-down 10";
    let mut command = run(files.path(), arguments);
    // Ctrl-C reaches all processes of a terminal's group.
    let mut running = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    // The first line of its progress in the load.
    while !lines.next_line().await.unwrap().unwrap().contains("  load") {}
    let group = format!("-{}", running.id().unwrap());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().await.unwrap().success());
    let ended = running.wait_with_output().await.unwrap();
    let result = result(files.path(), &ended);
    assert!(!result.completeness.is_complete && result.verdict.exit_code() == 3, "{:?}", result.verdict);
    assert!(result.completeness.reasons[0].contains("stopped before its end"));
    // Nothing that had begun was given up, because the servers didn't get the signal.
    let funnel = &result.funnel;
    let begun = funnel.planned - funnel.without_page;
    assert!(begun > 0 && begun < 3000, "{funnel:?}");
    assert_eq!([funnel.scanned, funnel.accepted, funnel.delivered], [begun; 3], "{funnel:?}");
}

/// The processes that a run has started, with their command lines.
fn servers_of(run: u32) -> Vec<(u32, String)> {
    let all = procfs::process::all_processes().unwrap().flatten();
    let of_run = all.filter(|process| process.stat().is_ok_and(|stat| u32::try_from(stat.ppid) == Ok(run)));
    of_run
        .map(|process| (u32::try_from(process.pid).unwrap(), process.cmdline().unwrap_or_default().join(" ")))
        .collect()
}

async fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status().await.unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn a_second_interrupt_ends_a_run_at_once_and_leaves_no_server_and_no_worker() {
    for workers in ["", "--workers 2"] {
        let files = tempfile::tempdir().unwrap();
        // People who think for ten minutes: an interrupted run would wait for them.
        let arguments =
            format!("{workers} --pages 40 --opens 100 --hold 0 --rate 5 --for 600 --confirmation tap --think 600");
        let mut command = run(files.path(), &arguments);
        let mut running = command.process_group(0).stderr(Stdio::piped()).spawn().unwrap();
        let id = running.id().unwrap();
        let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
        while !lines.next_line().await.unwrap().unwrap().contains("  load") {}
        let servers = servers_of(id);
        assert!(servers.len() >= if workers.is_empty() { 3 } else { 6 }, "{servers:?}");
        signal("-INT", id).await;
        while !lines.next_line().await.unwrap().unwrap().starts_with("stopping: ") {}
        signal("-TERM", id).await;
        let ended = tokio::time::timeout(Duration::from_secs(60), running.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(130));
        scenecast_testing::until("the servers have ended", async || {
            servers.iter().all(|(server, _)| !Path::new(&format!("/proc/{server}")).exists())
        })
        .await;
        assert!(!files.path().join("result.json").exists());
    }
}

#[tokio::test]
async fn a_callback_that_dies_in_a_run_loses_nothing_and_is_told() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--callbacks 2 --pages 60 --opens 100 --hold 0 --rate 8 --for 7 --arrivals uniform --no-refill";
    let mut running = run(files.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("  load") {}
    let servers = servers_of(running.id().unwrap());
    let (callback, _) = servers.iter().find(|(_, command)| command.contains("scenecast-callback")).unwrap();
    signal("-KILL", *callback).await;
    let ended = running.wait_with_output().await.unwrap();
    let result = result(files.path(), &ended);
    let funnel = &result.funnel;
    assert_eq!([funnel.scanned, funnel.accepted, funnel.delivered, funnel.lost], [56, 56, 56, 0], "{funnel:?}");
    let told = funnel.problems.keys().any(|problem| problem.starts_with("a callback "));
    assert!(told, "{:?}", funnel.problems);
}

#[tokio::test]
async fn a_threshold_that_does_not_hold_is_code_99_unless_something_worse_is_true() {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("t.toml"), "thresholds = ['response.p99 < 1us', 'delivered >= 4']\n").unwrap();
    let mut command = run(files.path(), "--pages 10 --opens 50 --hold 0 --rate 4 --for 1 --arrivals uniform --seed 3");
    let ended = command.arg("--thresholds").arg(files.path().join("t.toml")).output().await.unwrap();
    let result = result(files.path(), &ended);
    let holds: Vec<_> = result.thresholds.iter().map(|threshold| threshold.holds).collect();
    assert_eq!(holds, [false, true], "{:?}", result.thresholds);
    // On a busy machine the generator may be the limit, which counts before thresholds.
    let is_limited = result.generator.is_limited;
    let verdict = if is_limited { RunVerdict::GeneratorLimited } else { RunVerdict::ThresholdCrossed };
    assert_eq!(result.verdict, verdict, "{:?}", result.generator);
    assert!(text(&ended.stdout).contains("DOES NOT HOLD: response.p99 < 1us"));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_before_anything_starts() {
    let files = tempfile::tempdir().unwrap();
    let bad = files.path().join("bad.toml");
    std::fs::write(&bad, "thresholds = ['response.p99 is fine']\n").unwrap();
    let bad = bad.to_str().unwrap();
    for (arguments, says) in [
        ("--rate x", "invalid value 'x'"),
        ("--pages 0", "pages: there has to be at least one"),
        ("--pages 10 --no-refill", "3000 logins need as many pages"),
        ("--threshold response.p99", "has no <"),
        (&format!("--thresholds {bad}"), "response.p99 is fine"),
        ("--thresholds no-such.toml", "no-such.toml"),
        ("--target no-such.toml", "no-such.toml"),
        ("--pages 40000000", "descriptors in this process"),
        ("--out /proc/no", "/proc/no can't be written"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
        command.arg("run").args(arguments.split_whitespace()).current_dir(files.path());
        let refused = command.output().await.unwrap();
        let said = text(&refused.stderr);
        assert_eq!((refused.status.code(), said.contains(says)), (Some(2), true), "{arguments}: {said}");
    }
}

#[tokio::test]
async fn a_target_that_is_down_or_something_else_is_said_at_once() {
    // A web server that knows nothing of Scenecast.
    let html = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = html.local_addr().unwrap();
    let routes = axum::Router::new().fallback(async || axum::response::Html("<html>welcome</html>"));
    tokio::spawn(async move { axum::serve(html, routes).await });
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    for (gateway, says) in [
        (nobody.to_string(), "connection refused"),
        (address.to_string(), "HTTP status 200 in place of a WebSocket"),
        ("no-such-host.invalid:80".to_owned(), "no-such-host.invalid:80 can't be resolved"),
    ] {
        let files = tempfile::tempdir().unwrap();
        let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml")).unwrap();
        let target = sample.replace("127.0.0.1:8080", &gateway).replace("[::]:8083", "127.0.0.1:0");
        std::fs::write(files.path().join("target.toml"), target).unwrap();
        let mut command = run(files.path(), "--for 1");
        command.arg("--target").arg(files.path().join("target.toml"));
        let refused = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
        let said = text(&refused.stderr);
        assert!(said.starts_with("error: ") && said.contains(says), "{said}");
        assert!(matches!(refused.status.code(), Some(2 | 3)), "{said}");
    }
}
