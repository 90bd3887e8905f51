//! Keeps everything that is logged while the tests run, so that tests can search it for secrets.

use scenecast_testing::KeptLog;

/// All that a callback runs, at its most talkative. The simulator logs openids, as it may.
const OUR_TARGETS: &str = "scenecast_callback=trace,scenecast_bus=trace,scenecast_redis=trace,scenecast_scene=trace,\
    scenecast_service=trace,scenecast_wechat=trace";

/// Starts to keep all of our log lines, once.
pub(crate) fn keep() {
    KeptLog::start(OUR_TARGETS);
}

/// All log lines so far.
pub(crate) fn text() -> String {
    KeptLog::text()
}
