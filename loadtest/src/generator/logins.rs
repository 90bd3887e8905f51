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
    let begun = triggered.planned.max(triggered.answered);
    let until = tokio::time::Instant::from_std(begun) + state.cool_down();
    let end = timeout_at(until, news.end()).await;
    let phase = state.recorder.phase_of_login(phase);
    state.recorder.triggered(phase, scene, planned, &triggered);
    if let Ok(PageEnd::Login { at, grant }) = end {
        state.recorder.heard(phase, scene, &triggered, at);
        let is_without = grant.is_none();
        let grant = match grant {
            Some(heard) => state.target.grant(seat, heard).await,
            None => None,
        };
        let redemption = match &grant {
            None if !is_without => Redemption::Refused("the page got no grant".to_owned()),
            Some(grant) => state.target.redeem(seat, scene, grant.clone(), triggered.who.clone()).await,
            None => Redemption::Of(triggered.who.clone()),
        };
        if grant.is_some() && matches!(redemption, Redemption::Of(_)) {
            state.recorder.grant_redeemed(phase);
        }
        state.recorder.redeemed(phase, scene, redemption);
        if let (Some(grant), true) = (grant, state.plan.redeems_again(number)) {
            let again = state.target.redeem(seat, scene, grant, triggered.who).await;
            state.recorder.redeemed_again(scene, again);
        }
        state.recorder.heard_again(phase, scene, news.heard_again().await);
    }
    state.recorder.close(phase, scene);
}
