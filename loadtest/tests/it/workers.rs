//! `scenecast-loadtest run` with workers, as processes of their own around real servers.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Output, Stdio},
};

use procfs::process::all_processes;
use rustix::process::{Pid, Signal, kill_process};
use scenecast_loadtest::{
    cluster::{API_KEY, APP_SECRET, Cluster, ORIGIN, Setup, TOKEN, callback_url},
    plan::{LoginPlan, Phase, Schedule, Segment},
    results::{self, ProcessRole, RunResult, RunVerdict},
    workers::{ProgramVersion, RunOffer, RunStreams},
};
use scenecast_simulator::{SimulatedAccount, http};
use scenecast_testing::{RedisServer, until};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

/// The command, whose result goes to this directory.
fn run(out: &Path, arguments: &str) -> Command {
    let mut run = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
    run.arg("run").args(arguments.split_whitespace()).arg("--out").arg(out);
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    run
}

fn said(ended: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

fn result(out: &Path, ended: &Output) -> RunResult {
    let said = said(ended);
    let result = results::read(&out.join("result.json")).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(ended.status.code(), Some(result.verdict.exit_code().into()), "{said}");
    result
}

/// Starts a run, and returns once people have logged in. Its other lines stay readable.
async fn running(mut command: Command) -> Child {
    let mut running = command.spawn().unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let has_logins = |line: &str| line.contains("  load") && line.ends_with(" in all") && !line.contains("  0 in all");
    while !has_logins(&lines.next_line().await.unwrap().expect("it goes on")) {}
    // Nobody may find its stderr closed.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    running
}

/// All processes that a run has started.
fn children_of(run: &Child) -> Vec<Pid> {
    let parent = i32::try_from(run.id().unwrap()).unwrap();
    let is_child = |process: &procfs::process::Process| process.stat().is_ok_and(|stat| stat.ppid == parent);
    let children = all_processes().unwrap().flatten().filter(is_child);
    children.filter_map(|child| Pid::from_raw(child.pid)).collect()
}

/// The worker with this number that a run has started.
fn worker_of(run: &Child, index: u32) -> Pid {
    let parent = i32::try_from(run.id().unwrap()).unwrap();
    let is_it = |process: &procfs::process::Process| {
        let arguments = process.cmdline().unwrap_or_default();
        let number = arguments.windows(2).any(|two| two == ["--worker-index".to_owned(), index.to_string()]);
        number && process.stat().is_ok_and(|stat| stat.ppid == parent)
    };
    let found = all_processes().unwrap().flatten().find(is_it).expect("the worker runs");
    Pid::from_raw(found.pid).unwrap()
}

#[tokio::test]
async fn two_workers_do_the_plan_of_one_and_merge_to_one_result() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--workers 2 --gateways 2 --pages 31 --no-refill --page-stages 9 --stage-hold 0.2 --opens 60 --hold 0.2 --rate 12 --for 2 --confirmation tap --think 0.1";
    let ended = run(files.path(), arguments).output().await.unwrap();
    let result = result(files.path(), &ended);
    let LoginPlan { rate, arrivals, seed, .. } = result.plan.clone();
    let planned = u64::try_from(Schedule::new(rate, arrivals, seed, Segment::WHOLE).count()).unwrap();

    let funnel = &result.funnel;
    let came = [funnel.opened, funnel.planned, funnel.accepted, funnel.delivered, funnel.redeemed];
    assert_eq!(came, [31, planned, planned, planned, planned], "{}", said(&ended));
    assert_eq!((funnel.lost, funnel.doubled, funnel.mixed_up, funnel.without_page), (0, 0, 0, 0), "{funnel:?}");
    let phases: Vec<_> = result.phases.iter().map(|phase| phase.phase).collect();
    assert_eq!(phases, [Phase::Ramp, Phase::Hold, Phase::Load, Phase::CoolDown]);
    let load = result.phase(Phase::Load).unwrap();
    assert_eq!(load.response.latency().unwrap().count(), planned);
    let by_second = [
        result.seconds.iter().map(|second| second.planned).sum::<u64>(),
        result.seconds.iter().map(|second| second.heard).sum(),
        result.seconds.iter().map(|second| second.response.summary.count).sum(),
        result.seconds.iter().map(|second| second.opened).sum(),
    ];
    assert_eq!(by_second, [planned, planned, planned, 31]);
    assert_eq!(result.seconds.last().unwrap().connected, 31 - planned);

    assert!(result.completeness.is_complete, "{:?}", result.completeness);
    let workers: Vec<_> = result.completeness.workers.iter().map(|end| (end.index, end.is_complete)).collect();
    assert_eq!(workers, [(0, true), (1, true)]);
    let names = |role| {
        let of_role = result.processes.iter().filter(|process| process.role == role);
        of_role.map(|process| process.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(ProcessRole::Generator), ["worker 0", "worker 1"]);
    assert_eq!(names(ProcessRole::Simulator), ["coordinator and WeChat"]);
    // The Redis in which the workers meet isn't under test.
    assert_eq!((names(ProcessRole::Redis).len(), names(ProcessRole::Peer).len()), (1, 0));
    assert!(load.cost.as_ref().unwrap().roles[&ProcessRole::Generator].cpu_seconds > 0.0);
}

#[tokio::test]
async fn a_worker_that_is_killed_makes_the_run_incomplete_and_is_named() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--workers 2 --pages 20 --opens 50 --hold 0 --rate 10 --for 600 --cool-down 10";
    let running = running(run(files.path(), arguments)).await;
    kill_process(worker_of(&running, 1), Signal::KILL).unwrap();
    let ended = running.wait_with_output().await.unwrap();
    let result = result(files.path(), &ended);
    assert_eq!(result.completeness.reasons[0], "the run was ended early, because a worker was gone");
    let gone = &result.completeness.reasons[1];
    assert!(gone.starts_with("worker 1 on ") && gone.contains("signal: 9") && gone.contains("worker-1.log"), "{gone}");
    assert_eq!(result.completeness.reasons.len(), 2, "{:?}", result.completeness.reasons);
    let workers: Vec<_> = result.completeness.workers.iter().map(|end| end.is_complete).collect();
    assert_eq!(workers, [true, false]);
    // What it had under way is not called lost, and what it had done is kept.
    let funnel = &result.funnel;
    assert!(funnel.lost == 0 && funnel.delivered > 0 && funnel.delivered <= funnel.planned, "{funnel:?}");
    assert_eq!(ended.status.code(), Some(3));
}

#[tokio::test]
async fn a_run_with_workers_that_is_interrupted_stops_all_of_them_and_leaves_a_partial_result() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--workers 2 --pages 20 --opens 50 --hold 0 --rate 10 --for 600 --cool-down 10";
    let mut command = run(files.path(), arguments);
    // Ctrl-C reaches all processes of a terminal's group.
    command.process_group(0);
    let running = running(command).await;
    let group = format!("-{}", running.id().unwrap());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().await.unwrap().success());
    let ended = running.wait_with_output().await.unwrap();
    let result = result(files.path(), &ended);
    assert_eq!(result.completeness.reasons, ["the run was stopped before its end"], "{}", said(&ended));
    assert!(result.completeness.workers.iter().all(|end| end.is_complete));
    let funnel = &result.funnel;
    assert!(funnel.delivered > 0 && funnel.delivered == funnel.accepted, "{funnel:?}");
}

#[tokio::test]
async fn workers_end_with_their_coordinator() {
    let files = tempfile::tempdir().unwrap();
    let mut running = running(run(
        files.path(),
        "--workers 2 --pages 20 --opens 50 --hold 0 --rate 10 --for 600 --workers-silent 3600",
    ))
    .await;
    let worker = worker_of(&running, 0);
    let servers = children_of(&running);
    running.kill().await.unwrap();
    until("the worker has ended", async || {
        procfs::process::Process::new(worker.as_raw_nonzero().get()).and_then(|process| process.stat()).is_err()
    })
    .await;
    // Nobody else ends these. Workers among them may be gone.
    for server in servers {
        let _ = kill_process(server, Signal::KILL);
    }
}

#[tokio::test]
async fn without_the_coordinators_redis_the_run_is_incomplete_with_what_was_reported() {
    let files = tempfile::tempdir().unwrap();
    let mut server = RedisServer::start().await;
    let arguments = "--workers 2 --pages 20 --opens 50 --hold 0 --rate 10 --for 600 --workers-silent 4";
    let mut command = run(files.path(), arguments);
    command.args(["--coordinator", &server.url()]);
    let running = running(command).await;
    server.stop().await;
    let ended = running.wait_with_output().await.unwrap();
    let result = result(files.path(), &ended);
    let reasons = &result.completeness.reasons;
    assert!(reasons[0].starts_with("the coordinator has no reports of the workers since "), "{reasons:?}");
    assert!(result.funnel.delivered > 0 && !result.completeness.is_complete && result.funnel.lost == 0);
    // The password of its URL is not told.
    let json = std::fs::read_to_string(files.path().join("result.json")).unwrap();
    assert!(!json.contains("admin:admin") && json.contains("redis://***@127.0.0.1"), "{:?}", result.tool);
}

/// A Redis, and the name of a run at it.
async fn meeting_place() -> (RedisServer, RunStreams) {
    let server = RedisServer::start().await;
    let streams = RunStreams::open(&server.url(), "one").unwrap();
    (server, streams)
}

#[tokio::test]
async fn workers_and_coordinators_of_another_version_are_refused_by_either() {
    let files = tempfile::tempdir().unwrap();
    let (server, streams) = meeting_place().await;
    let meet = format!("--coordinator {} --run-name one", server.url());
    let other = ProgramVersion { version: "9.9.9".to_owned(), ..ProgramVersion::this() };
    let (version, protocol) = (&other.version, other.protocol);

    // A worker that came earlier.
    let ready = format!(
        r#"{{"worker":0,"process":1,"number":0,"news":{{"ready":{{"program":{{"version":"{version}","build":"debug",
        "protocol":{protocol}}},"plan_hash":"","host":"there","clock":{{"ahead_us":0,"uncertainty_us":0}}}}}}}}"#
    );
    server.cli(&["XADD", "scenecast-loadtest:{one}:reports", "*", "letter", &ready]).await.unwrap();
    let ended = run(files.path(), &format!("--workers 1 --pages 1 --rate 1 --for 1 {meet}")).output().await.unwrap();
    let refused = said(&ended);
    assert!(refused.contains("worker 0 on there is scenecast-loadtest 9.9.9"), "{refused}");
    assert!(refused.contains("use the same binary") && !files.path().join("result.json").exists(), "{refused}");
    assert_eq!(ended.status.code(), Some(2), "{refused}");

    // Its name is taken now.
    assert!(streams.is_used().await.unwrap());
    let again = run(files.path(), &format!("--workers 1 --pages 1 --rate 1 --for 1 {meet}")).output().await.unwrap();
    assert!(said(&again).contains("choose another --run-name"), "{}", said(&again));

    // A coordinator of another version, and something that is no order at all.
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml");
    let work = async |name: &str, order: &str| {
        server.cli(&["XADD", &format!("scenecast-loadtest:{{{name}}}:orders"), "*", "letter", order]).await.unwrap();
        let meet = format!("--coordinator {} --run-name {name} --target {target}", server.url());
        let ended = run(files.path(), &format!("--worker --worker-index 0 {meet}")).output().await.unwrap();
        (ended.status.code(), said(&ended))
    };
    let first =
        server.cli(&["--raw", "XRANGE", "scenecast-loadtest:{one}:orders", "-", "+", "COUNT", "1"]).await.unwrap();
    let offer = first.lines().nth(2).unwrap();
    let newer = offer.replace(&format!(r#""version":"{}""#, ProgramVersion::this().version), r#""version":"9.9.9""#);
    let (code, refused) = work("newer", &newer).await;
    assert!(code == Some(2) && refused.contains("its coordinator is 9.9.9"), "{code:?} {refused}");
    let changed = offer.replacen(r#"\"pages\":1,"#, r#"\"pages\":2,"#, 1);
    let (code, refused) = work("changed", &changed).await;
    assert!(code == Some(2) && refused.contains("as another one"), "{code:?} {refused}");
    let (code, refused) = work("stranger", "{\"hello\":1}").await;
    assert!(code == Some(3) && refused.contains("is of another program"), "{code:?} {refused}");
    assert!(serde_json::from_str::<serde_json::Value>(offer).is_ok_and(|order| {
        serde_json::from_value::<RunOffer>(order["offer"].clone()).is_ok_and(|offer| offer.take(0).is_ok())
    }));
}

#[tokio::test]
async fn workers_that_cannot_meet_or_share_the_plan_are_told_why() {
    let files = tempfile::tempdir().unwrap();
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target.toml");
    let nobody = "--coordinator redis://127.0.0.1:1 --run-name one";
    for (arguments, code, says) in [
        (
            format!("--worker --worker-index 0 --target {target} --workers-within 3 {nobody}"),
            3,
            "no coordinator offered",
        ),
        (format!("--workers 1 --pages 1 --rate 1 --for 1 {nobody}"), 3, "the Redis of the coordinator"),
        ("--workers 5 --pages 4 --rate 1 --for 1".to_owned(), 2, "there are 5 of them for 4 pages"),
        (
            "--workers 2 --transports websocket=1,ticket=1".to_owned(),
            2,
            "--transports ticket needs a run without workers",
        ),
        ("--workers 2 --people 1000001".to_owned(), 2, "--people: at most 1000000"),
        ("--workers 1 --coordinator nowhere".to_owned(), 2, "--coordinator: "),
    ] {
        let ended = run(files.path(), &arguments).output().await.unwrap();
        let said = said(&ended);
        assert!(ended.status.code() == Some(code) && said.contains(says), "{arguments}: {said}");
    }
}

/// The description of this cluster, whose WeChat the coordinator serves at `wechat`.
fn target_of(cluster: &Cluster, wechat: SocketAddr) -> String {
    format!(
        "gateways = ['{}']\ncallbacks = ['{}']\norigin = '{ORIGIN}'\naccount = 'demo'\napi_key = '{API_KEY}'\n\
         listen = '{wechat}'\npublic_url = 'http://{wechat}'\n\
         [wechat]\ntitle = 'Demo'\napp_id = '{}'\noriginal_id = '{}'\nsecret = '{APP_SECRET}'\ntoken = '{TOKEN}'\n\
         callbacks = ['{}']\n",
        cluster.gateway_address(0),
        cluster.callback_internal(0),
        SimulatedAccount::SAMPLE_APP_ID,
        SimulatedAccount::SAMPLE_ORIGINAL_ID,
        callback_url(cluster.callback_public(0), &cluster.account),
    )
}

#[tokio::test]
async fn workers_that_somebody_else_starts_connect_out_and_end_without_their_coordinator() {
    let files = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wechat = free.local_addr().unwrap();
    drop(free);
    let setup = Setup { wechat: Some(http(wechat)), trusted_proxies: "127.0.0.0/8", ..Setup::default() };
    let cluster = Cluster::start_as(setup).await;
    let target = files.path().join("target.toml");
    std::fs::write(&target, target_of(&cluster, wechat)).unwrap();
    let meeting = RedisServer::start().await;

    // As a job of Kubernetes starts them: each learns its number, the Redis and the run's name from the environment.
    let start = |name: &str, arguments: &str| {
        let mut command = run(&files.path().join(name), arguments);
        command.arg("--target").arg(&target).env("LOADTEST_COORDINATOR", meeting.url()).env("LOADTEST_RUN", name);
        command
    };
    let worker = |name: &str, index: u32| {
        let mut worker = start(name, "--worker --workers-silent 3");
        worker.env("JOB_COMPLETION_INDEX", index.to_string()).spawn().unwrap()
    };
    let plan = "--await-workers 2 --pages 9 --opens 50 --hold 0 --arrivals uniform";
    let coordinator = start("whole", &format!("{plan} --rate 8 --for 1")).spawn().unwrap();
    let workers = [worker("whole", 0), worker("whole", 1)];
    let ended = coordinator.wait_with_output().await.unwrap();
    let whole = result(&files.path().join("whole"), &ended);
    assert_eq!((whole.funnel.planned, whole.funnel.delivered), (8, 8), "{}", said(&ended));
    assert!(whole.completeness.is_complete && whole.completeness.workers.len() == 2, "{:?}", whole.completeness);
    for worker in workers {
        let ended = worker.wait_with_output().await.unwrap();
        assert!(ended.status.success(), "{}", said(&ended));
    }

    let left = worker("left", 0);
    let mut coordinator = running(start("left", "--await-workers 1 --pages 9 --hold 0 --rate 8 --for 600")).await;
    coordinator.kill().await.unwrap();
    let ended = left.wait_with_output().await.unwrap();
    assert!(said(&ended).contains("the coordinator is gone: stopping"), "{}", said(&ended));
}

#[tokio::test]
async fn a_threshold_that_says_so_ends_a_run_early_by_what_all_workers_measured() {
    let files = tempfile::tempdir().unwrap();
    let arguments = "--pages 20 --opens 50 --hold 0 --rate 12 --for 600 --refill";
    let aborted = async |name: &str, workers: &str| {
        let out = files.path().join(name);
        let mut command = run(&out, &format!("{arguments} {workers}"));
        // Neither worker alone gets there soon.
        let ended = command.args(["--threshold", "delivered < 15 abort after 1s"]).output().await.unwrap();
        (result(&out, &ended), said(&ended))
    };
    for (result, said) in <[_; 2]>::from(tokio::join!(aborted("alone", ""), aborted("two", "--workers 2"))) {
        assert_eq!(result.aborted_by.as_deref(), Some("delivered < 15 abort after 1s"), "{said}");
        assert!(result.funnel.delivered >= 15 && result.took_seconds < 300.0, "{said}");
        assert!(said.contains("ended early, because this did not hold: delivered < 15"), "{said}");
        // It is no accident that the rest of the plan is missing.
        assert!(result.completeness.is_complete, "{said}");
        // On a busy machine the generator may be the limit, which counts before thresholds.
        assert!(matches!(result.verdict, RunVerdict::ThresholdCrossed | RunVerdict::GeneratorLimited), "{said}");
    }
}
