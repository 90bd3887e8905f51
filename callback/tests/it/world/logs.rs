//! Keeps everything that is logged while the tests run, so that tests can search it for secrets.

use std::{
    io::{self, Write},
    sync::{Mutex, Once},
};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// All that a callback runs, at its most talkative. The simulator logs openids, as it may.
const OUR_TARGETS: &str = "scenecast_callback=trace,scenecast_bus=trace,scenecast_redis=trace,scenecast_scene=trace,\
    scenecast_service=trace,scenecast_wechat=trace";

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct KeptLog;

impl Write for KeptLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        WRITTEN.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to keep all of our log lines, once.
pub(crate) fn keep() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| KeptLog);
        let ours = EnvFilter::new(OUR_TARGETS);
        tracing_subscriber::registry().with(ours).with(lines).init();
    });
}

/// All log lines so far.
pub(crate) fn text() -> String {
    String::from_utf8_lossy(&WRITTEN.lock().unwrap()).into_owned()
}
