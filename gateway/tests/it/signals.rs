//! The signals that a gateway process gets, at its start, while it serves, and while it drains.

use std::{
    fs::OpenOptions,
    io::Write,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    descriptors::{GatewayProcess, command, sample},
    fixtures::PATIENCE,
};

async fn signal(process: &Child, name: &str) {
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
}

async fn end(process: &mut Child) -> ExitStatus {
    timeout(PATIENCE, process.wait()).await.expect("the process to end").unwrap()
}

#[tokio::test]
async fn a_signal_to_stop_is_not_lost_while_the_process_starts() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("gateway.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    for name in ["TERM", "INT"] {
        // Its drain window is longer than the test's patience: without pages there is nothing to wait for.
        let mut process = command(1024, &pipe).stderr(Stdio::null()).spawn().unwrap();
        let config = pipe.clone();
        // This waits until the process reads its configuration, which is the first that it does.
        let opened = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(config));
        let mut pipe = timeout(PATIENCE, opened).await.expect("a process that starts").unwrap().unwrap();
        signal(&process, name).await;
        pipe.write_all(&std::fs::read(sample().path()).unwrap()).unwrap();
        drop(pipe);
        assert_eq!(end(&mut process).await.code(), Some(0), "{name}");
    }
}

#[tokio::test]
async fn signals_that_would_kill_are_ignored_and_the_second_to_stop_ends_the_process_at_once() {
    let mut gateway = GatewayProcess::start_with(1024, &[("SCENECAST_DRAIN__NOTICE", "300")]).await;
    for name in ["HUP", "USR1", "USR2"] {
        signal(&gateway.child, name).await;
        gateway.logs(&format!("\"signal\":\"SIG{name}\"")).await;
    }
    signal(&gateway.child, "TERM").await;
    gateway.logs("a second one, a second or more later, ends the process at once").await;
    // Before that, it would be the same signal once more.
    sleep(Duration::from_secs(1)).await;
    signal(&gateway.child, "INT").await;
    gateway.logs("got a second signal to stop").await;
    assert_eq!(end(&mut gateway.child).await.code(), Some(1));
}
