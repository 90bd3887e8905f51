//! Where a Scenecast is, and how people behave at it.

use std::{collections::BTreeMap, net::SocketAddr, ops::RangeInclusive};

use scenecast_scene::AccountName;
use scenecast_simulator::Simulator;

use crate::{
    crowd::{ReadyPods, ReplyPhrases, SiteBackend},
    plan::{PhoneSteps, ThinkTime},
    results::TargetInfo,
    targets::timer::PreciseTimer,
};

/// Where a Scenecast is, and how people behave at it.
#[derive(Debug)]
pub struct ScenecastSetup {
    /// What the result file says of it.
    pub info: TargetInfo,
    /// The gateways' public listeners. Pages go to those that are ready, in turn.
    pub gateways: ReadyPods,
    pub site: SiteBackend,
    /// WeChat, as the callbacks know it.
    pub simulator: Simulator,
    pub account: AccountName,
    /// The origin of the pages.
    pub origin: String,
    pub phrases: ReplyPhrases,
    pub steps: PhoneSteps,
    pub think_time: ThinkTime,
    /// The numbers of the people who log in, each in turn. Callbacks ask WeChat once for each.
    pub people: RangeInclusive<u64>,
    /// Whether pages on WebSockets ask for heartbeats, as the page's JavaScript does.
    pub heartbeats: bool,
    pub codes: CodeMaker,
    pub timer: PreciseTimer,
    /// Where pages of compatible routes go. Without it they all go to the gateways' public listeners.
    pub compatible: Option<CompatiblePlaces>,
}

/// Where pages of compatible routes go, besides the gateways' public listeners.
#[derive(Debug)]
pub struct CompatiblePlaces {
    /// The listener for pages that get their QR code on open, by the gateway's public one.
    pub on_open: BTreeMap<SocketAddr, SocketAddr>,
    /// Who logs in with the mini program's codes.
    pub mini_program: AccountName,
    /// The callbacks' public listeners, to which the mini program posts.
    pub callbacks: ReadyPods,
    /// The site's backend for logins by the mini program.
    pub mini_site: SiteBackend,
}

/// Which simulated WeChat makes the codes on the pages: the one that callbacks call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeMaker {
    /// The one whose phones scan them.
    ThisSimulator,
    /// One in another process: that of the coordinator of a run with workers.
    AnotherSimulator,
}
