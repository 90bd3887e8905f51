//! Those who know who owns which slots, and what to ask them.

use std::{pin::pin, time::Duration};

use fred::types::config::Server;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    address::Layout,
    commands::command::{RedisCommand, send_all},
    connection::pool::ConnectionPool,
    error::{RedisError, RedisErrorKind},
    reply::Reply,
    topology::{
        cluster::{ClusterState, ClusterView},
        sentinel::{self, SentinelState},
        slots::{Primary, RequiredAcks, SlotTable},
    },
};

/// How long one of them may take, and how long another one once the first has answered. Whoever is slower is heard
/// the next time.
const PATIENCE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(100);

/// Those who know.
pub(crate) enum TopologySource {
    /// Nobody has to: each of these has its share for ever. Whether it has replicas it says itself.
    Address { nodes: Vec<Server>, may_ask: bool },
    /// These sentinels, who are spoken to over connections of their own.
    Sentinels { sentinels: Vec<Server>, name: String, speak: ConnectionPool, belief: SentinelState },
    /// The Cluster's own nodes; these, as long as no other is known.
    Cluster { seeds: Vec<Server>, beliefs: ClusterState },
}

impl TopologySource {
    /// For this layout; sentinels are spoken to over `speak`.
    pub(crate) fn of(layout: &Layout, speak: ConnectionPool) -> Self {
        match layout.clone() {
            Layout::Independent(nodes) => Self::Address { nodes, may_ask: true },
            Layout::Sentinel { sentinels, name } => {
                Self::Sentinels { sentinels, name, speak, belief: SentinelState::default() }
            }
            Layout::Cluster { seeds } => Self::Cluster { seeds, beliefs: ClusterState::default() },
        }
    }

    /// What is known before anybody has been asked.
    pub(crate) fn beforehand(&self) -> SlotTable {
        match self {
            Self::Address { nodes, .. } => {
                let unknown = |node: &Server| Primary { node: node.clone(), epoch: 0, acks: None };
                SlotTable::shared_among(nodes.iter().map(unknown).collect())
            }
            Self::Sentinels { .. } | Self::Cluster { .. } => SlotTable::empty(),
        }
    }

    /// The table as they tell it now, over the connections to these nodes. Asks all of them where something
    /// hints at a change.
    pub(crate) async fn look(
        &mut self,
        present: &SlotTable,
        nodes: &ConnectionPool,
        hinted: bool,
    ) -> Result<SlotTable, RedisError> {
        match self {
            Self::Address { may_ask, .. } => Ok(look_at_replicas(present, nodes, may_ask).await),
            Self::Sentinels { sentinels, name, speak, belief } => {
                let said = sentinels.iter().map(|sentinel| named_by(sentinel, speak, name));
                let (said, failure) = gather(said).await;
                let primary = belief.hear(said, Instant::now().into_std()).ok_or(failure)?;
                if !present.has(&primary.node) {
                    // Sentinels name it before it knows; and those that are cut off, one that isn't it any more.
                    let [role] = ask(nodes, &primary.node, [RedisCommand::role()]).await?;
                    if !sentinel::is_primary(&role) {
                        return Err(RedisError::new(
                            RedisErrorKind::NoPrimary,
                            format!("{} is no primary yet", primary.node),
                        ));
                    }
                }
                Ok(SlotTable::shared_among(vec![primary.clone()]))
            }
            Self::Cluster { seeds, beliefs } => {
                let mut whom = present.nodes();
                if !hinted && !whom.is_empty() {
                    // One can tell of all; another one each time, because this one may be cut off.
                    whom = vec![whom.swap_remove(rand::random_range(0..whom.len()))];
                }
                let (mut views, mut failure) = cluster_views(nodes, &whom).await;
                if views.is_empty() {
                    whom = [present.nodes(), seeds.clone()].concat();
                    (views, failure) = cluster_views(nodes, &whom).await;
                }
                if views.is_empty() { Err(failure) } else { Ok(beliefs.hear(views, Instant::now().into_std())) }
            }
        }
    }
}

/// What a primary doesn't say now is as it was.
async fn look_at_replicas(present: &SlotTable, nodes: &ConnectionPool, may_ask: &mut bool) -> SlotTable {
    let answers = join_all(present.primaries().map(|primary| ask(nodes, &primary.node, [RedisCommand::role()]))).await;
    let forbids =
        |answer: &Result<_, RedisError>| matches!(answer, Err(error) if error.kind() == RedisErrorKind::NotPermitted);
    if *may_ask && answers.iter().any(forbids) {
        tracing::warn!("this user of Redis may not ask for ROLE: logins won't wait for replicas");
        *may_ask = false;
    }
    let acks = present.primaries().zip(&answers).map(|(primary, answer)| match answer {
        // Nobody says which of them may take its place.
        Ok([role]) => Some(RequiredAcks::Needed(sentinel::followers(role).min(1))),
        refused if forbids(refused) => Some(RequiredAcks::Needed(0)),
        Err(_) => primary.acks,
    });
    present.clone().needing(acks.collect::<Vec<_>>())
}

/// The primary, as this sentinel names it.
async fn named_by(sentinel: &Server, speak: &ConnectionPool, name: &str) -> Result<Primary, RedisError> {
    let about = |what| RedisCommand::new("SENTINEL", [what, name]);
    let [primary, replicas] = ask(speak, sentinel, [about("MASTER"), about("REPLICAS")]).await?;
    sentinel::read(primary, replicas).ok_or_else(RedisError::malformed)
}

/// What these nodes say.
async fn cluster_views(nodes: &ConnectionPool, whom: &[Server]) -> (Vec<ClusterView>, RedisError) {
    let views = whom.iter().map(async |node| {
        let about = |what| RedisCommand::new("CLUSTER", [what]);
        let [slots, lines] = ask(nodes, node, [about("SLOTS"), about("NODES")]).await?;
        ClusterView::read(slots, &lines.into_string().unwrap_or_default(), node).ok_or_else(RedisError::malformed)
    });
    gather(views).await
}

/// Those who answer in time, and why another one doesn't.
async fn gather<T>(views: impl Iterator<Item = impl Future<Output = Result<T, RedisError>>>) -> (Vec<T>, RedisError) {
    let mut views: FuturesUnordered<_> = views.collect();
    let (mut heard, mut failure) = (vec![], RedisError::new(RedisErrorKind::NoAnswer, "no node or sentinel answers"));
    let mut patience = pin!(sleep(PATIENCE));
    loop {
        tokio::select! {
            Some(view) = views.next() => match view {
                Ok(view) => {
                    if heard.is_empty() {
                        patience.as_mut().reset(Instant::now() + GRACE);
                    }
                    heard.push(view);
                }
                Err(error) => failure = error,
            },
            () = &mut patience, if !views.is_empty() => return (heard, failure),
            else => return (heard, failure),
        }
    }
}

async fn ask<const N: usize>(
    nodes: &ConnectionPool,
    node: &Server,
    commands: [RedisCommand; N],
) -> Result<[Reply; N], RedisError> {
    let connection = nodes.to(node);
    let permit = connection.permit()?;
    let answers = timeout(PATIENCE, send_all(&permit.client, &commands, false)).await;
    let answers =
        answers.map_err(|_| RedisError::new(RedisErrorKind::NoAnswer, format!("{node} gave no answer in time")))?;
    let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
    Ok(answers.try_into().expect("a command has one answer"))
}
