//! One login: the phone acts, the page hears of it, the site redeems the grant.

use std::{sync::Arc, time::Instant};

use tokio::time::timeout_at;

use super::{generator_state::GeneratorState, waiting_pages::WaitingPage};
use crate::{
    ledger::Redemption,
    plan::Phase,
    targets::{LoginTarget, PageEnd},
};

/// Runs the login with this number, planned for this instant. Returns when nothing more can come of it.
pub(super) async fn log_in<T: LoginTarget>(state: Arc<GeneratorState<T>>, phase: Phase, number: u64, planned: Instant) {
    let Some(WaitingPage { seat, scene, trigger, news }) = state.waiting.take() else {
        state.recorder.without_page(phase);
        return;
    };
    let Some(triggered) = state.target.trigger(trigger, planned, &news).await else {
        state.recorder.problem_in(phase, "the code could not be scanned");
        return;
    };
    state.recorder.triggered(phase, scene, planned, &triggered);
    let until = tokio::time::Instant::from_std(triggered.planned) + state.cool_down();
    if let Ok(PageEnd::Login { at, grant }) = timeout_at(until, news.end()).await {
        state.recorder.heard(phase, scene, &triggered, at);
        let redemption = match &grant {
            Some(grant) => state.target.redeem(seat, scene, grant.clone(), triggered.who.clone()).await,
            None => Redemption::Of(triggered.who.clone()),
        };
        if grant.is_some() && matches!(redemption, Redemption::Of(_)) {
            state.recorder.grant_redeemed(phase);
        }
        state.recorder.redeemed(phase, scene, redemption);
        if let (Some(grant), true) = (grant, state.plan.redeems_again(number)) {
            state.recorder.redeemed_again(phase);
            let again = state.target.redeem(seat, scene, grant, triggered.who).await;
            if matches!(again, Redemption::Of(_)) {
                state.recorder.redeemed(phase, scene, again);
            }
        }
        state.recorder.heard_again(phase, scene, news.heard_again().await);
    }
    state.recorder.close(phase, scene);
}
