//! WeChat stops pushing.

use std::time::Duration;

use scenecast_simulator::{Faults, MarkFail};
use scenecast_testing::RedisServer;

use crate::drills::{
    drill::{Drill, run_drill},
    environment::{ClusterShape, DrillEnvironment},
};

/// As many pushes as WeChat makes of one message.
const FAILURES: u32 = 3;

pub(super) const MARK_FAIL: Drill = Drill {
    name: "wechat-mark-fail",
    proves: "All callbacks are gone for some seconds, and then WeChat pushes nothing for a minute (MarkFail): nobody is \
             told that they are logged in, pages keep their codes, and logins go on as soon as WeChat pushes again.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            let pause = Duration::from_secs(if environment.load.short { 3 } else { 60 });
            let pause_ms = u64::try_from(pause.as_millis()).expect("pauses of drills are short");
            let rule = MarkFail { failures: FAILURES, pause_ms };
            environment.cluster.simulator.set_faults(Faults { mark_fail: Some(rule), ..Faults::default() });
            for n in 0..environment.callbacks() {
                environment.cluster.callback(n).kill().await;
            }
            environment.load.run_for(5, 1).await;
            let is_marked = environment.cluster.simulator.is_marked(&environment.cluster.account);
            environment.check("WeChat pushes nothing", is_marked);
            for n in 0..environment.callbacks() {
                environment.cluster.restart_callback(n).await;
            }
            environment.wait_until_ready().await;
            let late_after = environment.load.late_after;
            let before = environment.crowd.ledger().tally(late_after);
            tokio::time::sleep(pause).await;
            environment.load.run_for(10, 2).await;
            let after = environment.crowd.ledger().tally(late_after);
            environment.check("logins go on once WeChat pushes again", after.delivered > before.delivered);
        }))
    },
};
