//! Who is asked for the slot table, by layout, and how.

use std::{pin::pin, time::Duration};

use fred::types::config::Server;
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    address::Layout,
    command::{RedisCommand, send_all},
    connection::pool::ConnectionPool,
    error::{RedisError, RedisErrorKind},
    reply::Reply,
    role,
    topology::{
        cluster::{ClusterState, ClusterView},
        sentinel::{self, SentinelState},
        slots::{Primary, RequiredAcks, SlotTable},
    },
};

/// How long a server may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How long the other servers are waited for once the first has answered. A slower answer waits for the next refresh.
const STRAGGLER_LIMIT: Duration = Duration::from_millis(100);

/// Where the slot table comes from.
pub(crate) enum TopologySource {
    /// The address names all primaries, so their slots are fixed. Each is asked only how many replicas it has.
    Fixed { nodes: Vec<Server>, may_ask_role: bool },
    /// Sentinels, asked over connections of their own.
    Sentinels { sentinels: Vec<Server>, service: String, connections: ConnectionPool, state: SentinelState },
    /// The nodes of a Cluster; `seeds` are asked while no other node is known or answers.
    Cluster { seeds: Vec<Server>, state: ClusterState },
}

impl TopologySource {
    /// The source for this layout. `connections` lead to sentinels, and are used only if the layout has any.
    pub(crate) fn new(layout: &Layout, connections: ConnectionPool) -> Self {
        match layout.clone() {
            Layout::Independent(nodes) => Self::Fixed { nodes, may_ask_role: true },
            Layout::Sentinel { sentinels, service } => {
                Self::Sentinels { sentinels, service, connections, state: SentinelState::default() }
            }
            Layout::Cluster { seeds } => Self::Cluster { seeds, state: ClusterState::default() },
        }
    }

    /// What is known before any server was asked.
    pub(crate) fn initial_table(&self) -> SlotTable {
        match self {
            Self::Fixed { nodes, .. } => {
                let primary = |node: &Server| Primary { node: node.clone(), epoch: 0, required_acks: None };
                SlotTable::rendezvous(nodes.iter().map(primary).collect())
            }
            Self::Sentinels { .. } | Self::Cluster { .. } => SlotTable::empty(),
        }
    }

    /// Asks for the table, over the connections in `nodes`. `ask_all` asks every node of a Cluster, because the table
    /// has probably changed; otherwise one is enough.
    pub(crate) async fn query(
        &mut self,
        current: &SlotTable,
        nodes: &ConnectionPool,
        ask_all: bool,
    ) -> Result<SlotTable, RedisError> {
        match self {
            Self::Fixed { may_ask_role, .. } => Ok(update_required_acks(current, nodes, may_ask_role).await),
            Self::Sentinels { sentinels, service, connections, state } => {
                let answers = sentinels.iter().map(|sentinel| ask_sentinel(sentinel, connections, service));
                let (primaries, error) = collect(answers).await;
                let primary = state.merge(primaries, Instant::now().into_std()).ok_or(error)?.clone();
                if !current.has_primary(&primary.node) {
                    confirm_promotion(&primary.node, nodes).await?;
                }
                Ok(SlotTable::rendezvous(vec![primary]))
            }
            Self::Cluster { seeds, state } => {
                let mut asked = current.nodes();
                if !ask_all && !asked.is_empty() {
                    // Each node knows the whole Cluster. A random one is asked, because any one may be cut off.
                    asked = vec![asked.swap_remove(rand::random_range(0..asked.len()))];
                }
                let (mut views, mut error) = ask_cluster_nodes(nodes, &asked).await;
                if views.is_empty() {
                    asked = [current.nodes(), seeds.clone()].concat();
                    (views, error) = ask_cluster_nodes(nodes, &asked).await;
                }
                if views.is_empty() { Err(error) } else { Ok(state.merge(views, Instant::now().into_std())) }
            }
        }
    }
}

/// Asks each primary how many replicas it has. A primary that doesn't answer keeps what it had.
async fn update_required_acks(current: &SlotTable, nodes: &ConnectionPool, may_ask_role: &mut bool) -> SlotTable {
    let answers = join_all(current.primaries().map(|primary| ask(nodes, &primary.node, [RedisCommand::role()]))).await;
    let forbidden = current.primaries().zip(&answers).find(|(_, answer)| is_forbidden(answer));
    if let Some((primary, _)) = forbidden
        && *may_ask_role
    {
        tracing::warn!(
            node = %primary.node,
            "the Redis user of this pod may not run ROLE, so logins don't wait for replicas and a failover can lose \
             them. Grant it +role"
        );
        *may_ask_role = false;
    }
    let mut required = Vec::with_capacity(answers.len());
    for (primary, answer) in current.primaries().zip(&answers) {
        required.push(match answer {
            // Nothing says which replica would be promoted, so one must be enough.
            Ok([role]) if role::is_primary(role) => Some(RequiredAcks::AtLeast(role::replica_count(role).min(1))),
            // The address leads to a replica for now, which knows nothing of the primary's replicas.
            Ok(_) => None,
            answer if is_forbidden(answer) => Some(RequiredAcks::AtLeast(0)),
            Err(_) => primary.required_acks,
        });
    }
    current.clone().with_required_acks(required)
}

fn is_forbidden<T>(answer: &Result<T, RedisError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == RedisErrorKind::NotPermitted)
}

/// Asks a node that sentinels name whether it is a primary. It may not know yet; and sentinels that are cut off may
/// name one that was replaced.
async fn confirm_promotion(node: &Server, nodes: &ConnectionPool) -> Result<(), RedisError> {
    let [role] = ask(nodes, node, [RedisCommand::role()]).await?;
    if role::is_primary(&role) {
        return Ok(());
    }
    let message = format!("sentinels name {node} as the primary, but it says that it is a replica");
    Err(RedisError::new(RedisErrorKind::NoPrimary, message))
}

/// Returns the primary of the service as this sentinel sees it.
async fn ask_sentinel(sentinel: &Server, connections: &ConnectionPool, service: &str) -> Result<Primary, RedisError> {
    let command = |subcommand| RedisCommand::new("SENTINEL", [subcommand, service]);
    let [primary, replicas] = ask(connections, sentinel, [command("MASTER"), command("REPLICAS")]).await?;
    sentinel::parse_primary(primary, replicas).ok_or_else(RedisError::malformed)
}

async fn ask_cluster_nodes(nodes: &ConnectionPool, asked: &[Server]) -> (Vec<ClusterView>, RedisError) {
    let views = asked.iter().map(async |node| {
        let command = |subcommand| RedisCommand::new("CLUSTER", [subcommand]);
        let [slots, lines] = ask(nodes, node, [command("SLOTS"), command("NODES")]).await?;
        ClusterView::parse(slots, &lines.into_string().unwrap_or_default(), node).ok_or_else(RedisError::malformed)
    });
    collect(views).await
}

/// Waits for answers. Returns those that came in time, and the last error, for use if there was none.
async fn collect<T>(
    answers: impl Iterator<Item = impl Future<Output = Result<T, RedisError>>>,
) -> (Vec<T>, RedisError) {
    let mut answers: FuturesUnordered<_> = answers.collect();
    let mut collected = vec![];
    let mut last_error = RedisError::new(RedisErrorKind::NoAnswer, "no Redis node or sentinel answers");
    let mut limit = pin!(sleep(ANSWER_LIMIT));
    loop {
        tokio::select! {
            Some(answer) = answers.next() => match answer {
                Ok(answer) => {
                    if collected.is_empty() {
                        limit.as_mut().reset(Instant::now() + STRAGGLER_LIMIT);
                    }
                    collected.push(answer);
                }
                Err(error) => last_error = error,
            },
            () = &mut limit, if !answers.is_empty() => return (collected, last_error),
            else => return (collected, last_error),
        }
    }
}

async fn ask<const N: usize>(
    nodes: &ConnectionPool,
    node: &Server,
    commands: [RedisCommand; N],
) -> Result<[Reply; N], RedisError> {
    let connection = nodes.get(node);
    let permit = connection.permit()?;
    let answers = timeout(ANSWER_LIMIT, send_all(&permit.client, &commands, false)).await;
    let answers: Vec<_> = answers.map_err(|_| RedisError::timed_out(node))?.into_iter().collect::<Result<_, _>>()?;
    Ok(answers.try_into().expect("send_all returns one answer for each command"))
}
