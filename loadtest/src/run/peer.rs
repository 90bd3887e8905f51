//! A server that people use in Scenecast's place, as the target of a run.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{error::RunError, peer_options::PeerOptions};
use crate::{
    peers::{Contestant, RunningPeer, default_cache, install},
    plan::LoginPlan,
    results::{ProcessRole, TargetInfo},
    targets::peers::PeerTarget,
};

/// A message is as large as the frame by which our page is told of its login, in bytes.
const PAYLOAD_BYTES: usize = 220;
/// What a reader has to know of the numbers, one sentence each.
const NOTES: [&str; 3] = [
    "A peer checks no signature, decrypts and parses no XML, asks nobody who somebody is, keeps no state of a login, and gives no grant.",
    "A login at a peer is one message, published by one HTTP request to one subscribed page: nobody scans, and nothing is redeemed.",
    "What is published while a page has lost its connection reaches nobody and counts as lost, where the peer keeps nothing for it.",
];

/// A peer that runs.
pub(super) struct RunPeer {
    pub(super) target: PeerTarget,
    /// Where pages open.
    pub(super) pages: SocketAddr,
    /// The servers, if they are ours.
    running: Option<RunningPeer>,
}

impl RunPeer {
    /// Installs and starts it, unless it runs already.
    pub(super) async fn open(options: &PeerOptions, peer: Contestant, plan: &LoginPlan) -> Result<Self, RunError> {
        let Some(kind) = peer.protocol() else { return Err(RunError::NoPeer) };
        let (running, version, addresses) = match &options.peer_at {
            Some(at) => (None, String::new(), [at.pages, at.publisher]),
            None => {
                let cache = options.cache.clone().unwrap_or_else(default_cache);
                let installed = install(peer, &cache).await?.ok_or(RunError::NoPeer)?;
                let running = RunningPeer::start(&installed).await?;
                let addresses = [running.holder(), running.publisher()];
                (Some(running), installed.version, addresses)
            }
        };
        let info = info(peer, version, running.is_some());
        let [pages, publisher] = addresses;
        let target = PeerTarget::new(kind, pages, publisher, PAYLOAD_BYTES, info);
        // A page that opens again leaves first, as ours does.
        Ok(Self { target: if plan.refill { target.with_leaving_pages() } else { target }, pages, running })
    }

    /// Its processes: what each is, its name, and its process id.
    pub(super) fn processes(&self) -> Vec<(ProcessRole, String, u32)> {
        let processes = self.running.iter().flat_map(|running| running.processes().into_list());
        let role = |name: &str| if name == "redis" { ProcessRole::Redis } else { ProcessRole::Peer };
        processes.map(|process| (role(process.name), process.name.to_owned(), process.pid)).collect()
    }
}

fn info(peer: Contestant, version: String, is_ours: bool) -> TargetInfo {
    let title = peer.title();
    let settings = if is_ours { peer.settings() } else { BTreeMap::new() };
    let topology: &[(&str, u32)] = if is_ours { &[("peer", 2), ("redis", 1)] } else { &[] };
    let summary = if is_ours {
        format!("{title} {version}: one process for pages, one for publishing, one Redis")
    } else {
        format!("{title}, which somebody else runs")
    };
    TargetInfo {
        kind: peer.to_string(),
        version,
        summary,
        topology: topology.iter().map(|(role, count)| ((*role).to_owned(), *count)).collect(),
        settings,
        notes: NOTES.map(str::to_owned).into(),
    }
}
