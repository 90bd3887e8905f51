//! Those who know who owns which slots, and what to ask them.

use std::{pin::pin, time::Duration};

use fred::types::config::Server;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};

use super::{
    RedisError, Reply,
    address::Layout,
    cluster::{self, Beliefs},
    command::{Command, send_all},
    nodes::Nodes,
    sentinel::{self, Belief},
    slots::{Acks, Primary, Table},
};

/// How long one of them may take, and how long another one once the first has answered. Whoever is slower is heard
/// the next time.
const PATIENCE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(100);

/// Those who know.
pub(super) enum Authority {
    /// Nobody has to: each of these has its share for ever. Whether it has replicas it says itself.
    Address { nodes: Vec<Server>, may_ask: bool },
    /// These sentinels, who are spoken to over connections of their own.
    Sentinels { sentinels: Vec<Server>, name: String, speak: Nodes, belief: Belief },
    /// The Cluster's own nodes; these, as long as no other is known.
    Cluster { seeds: Vec<Server>, beliefs: Beliefs },
}

impl Authority {
    /// For this layout; sentinels are spoken to over `speak`.
    pub(super) fn of(layout: &Layout, speak: Nodes) -> Self {
        match layout.clone() {
            Layout::Independent(nodes) => Self::Address { nodes, may_ask: true },
            Layout::Sentinel { sentinels, name } => {
                Self::Sentinels { sentinels, name, speak, belief: Belief::default() }
            }
            Layout::Cluster { seeds } => Self::Cluster { seeds, beliefs: Beliefs::default() },
        }
    }

    /// What is known before anybody has been asked.
    pub(super) fn beforehand(&self) -> Table {
        match self {
            Self::Address { nodes, .. } => {
                let unknown = |node: &Server| Primary { node: node.clone(), epoch: 0, acks: None };
                Table::shared_among(nodes.iter().map(unknown).collect())
            }
            Self::Sentinels { .. } | Self::Cluster { .. } => Table::empty(),
        }
    }

    /// The table as they tell it now, over the connections to these nodes. Asks all of them where something
    /// hints at a change.
    pub(super) async fn look(&mut self, present: &Table, nodes: &Nodes, hinted: bool) -> Result<Table, RedisError> {
        match self {
            Self::Address { may_ask, .. } => Ok(look_at_replicas(present, nodes, may_ask).await),
            Self::Sentinels { sentinels, name, speak, belief } => {
                let said = sentinels.iter().map(|sentinel| named_by(sentinel, speak, name));
                let (said, failure) = gather(said).await;
                let primary = belief.hear(said, Instant::now().into_std()).ok_or(failure)?;
                if !present.has(&primary.node) {
                    // Sentinels name it before it knows; and those that are cut off, one that isn't it any more.
                    let [role] = ask(nodes, &primary.node, [Command::role()]).await?;
                    if !sentinel::is_primary(&role) {
                        return Err(RedisError::NoAnswer(format!("{} is no primary yet", primary.node)));
                    }
                }
                Ok(Table::shared_among(vec![primary.clone()]))
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
async fn look_at_replicas(present: &Table, nodes: &Nodes, may_ask: &mut bool) -> Table {
    let answers = join_all(present.primaries().map(|primary| ask(nodes, &primary.node, [Command::role()]))).await;
    let forbids = |answer: &Result<_, _>| matches!(answer, Err(RedisError::NoAnswer(why)) if why.contains("NOPERM"));
    if *may_ask && answers.iter().any(forbids) {
        tracing::warn!("this user of Redis may not ask for ROLE: logins won't wait for replicas");
        *may_ask = false;
    }
    let acks = present.primaries().zip(&answers).map(|(primary, answer)| match answer {
        // Nobody says which of them may take its place.
        Ok([role]) => Some(Acks::Needed(sentinel::followers(role).min(1))),
        refused if forbids(refused) => Some(Acks::Needed(0)),
        Err(_) => primary.acks,
    });
    present.clone().needing(acks.collect::<Vec<_>>())
}

/// The primary, as this sentinel names it.
async fn named_by(sentinel: &Server, speak: &Nodes, name: &str) -> Result<Primary, RedisError> {
    let about = |what| Command::new("SENTINEL", [what, name]);
    let [primary, replicas] = ask(speak, sentinel, [about("MASTER"), about("REPLICAS")]).await?;
    sentinel::read(primary, replicas).ok_or(RedisError::Foreign)
}

/// What these nodes say.
async fn cluster_views(nodes: &Nodes, whom: &[Server]) -> (Vec<cluster::View>, RedisError) {
    let views = whom.iter().map(async |node| {
        let about = |what| Command::new("CLUSTER", [what]);
        let [slots, lines] = ask(nodes, node, [about("SLOTS"), about("NODES")]).await?;
        cluster::View::read(slots, &lines.into_string().unwrap_or_default(), node).ok_or(RedisError::Foreign)
    });
    gather(views).await
}

/// Those who answer in time, and why another one doesn't.
async fn gather<T>(views: impl Iterator<Item = impl Future<Output = Result<T, RedisError>>>) -> (Vec<T>, RedisError) {
    let mut views: FuturesUnordered<_> = views.collect();
    let (mut heard, mut failure) = (vec![], RedisError::NoAnswer("nobody answers".to_owned()));
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

async fn ask<const N: usize>(nodes: &Nodes, node: &Server, commands: [Command; N]) -> Result<[Reply; N], RedisError> {
    let connection = nodes.to(node);
    let permit = connection.permit()?;
    let answers = timeout(PATIENCE, send_all(&permit.client, &commands, false)).await;
    let answers = answers.map_err(|_| RedisError::NoAnswer(format!("{node} is silent")))?;
    let answers: Vec<_> = answers.into_iter().collect::<Result<_, _>>()?;
    Ok(answers.try_into().expect("a command has one answer"))
}
