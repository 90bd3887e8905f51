//! A real Redis Cluster for one test.

use std::{collections::BTreeMap, ops::RangeInclusive};

use futures_util::future::join_all;

use crate::{
    redis::{
        launch::{ServerKind, ServerSettings, TlsUse},
        peer_proxies::peer_address,
        server::{RedisServer, shared_url},
    },
    tls::CertificateAuthority,
    until,
};

/// How long a node may be silent before the others call it failed. Redis's default of 15 s is longer than WeChat repeats
/// a message.
const NODE_TIMEOUT_MS: &str = "2000";
const SLOTS: usize = 16_384;

/// Primaries that share the slots, and their replicas. Nodes are numbered: first the nodes that are primaries at the
/// start, then the nodes that are replicas at the start, in the order of their primaries.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

/// A node's own view of itself.
struct NodeView {
    id: String,
    is_primary: bool,
    primary: String,
    epoch: u64,
    slots: Vec<RangeInclusive<u16>>,
}

impl RedisCluster {
    /// Starts three primaries with a replica each. The replicas are in sync.
    pub async fn start() -> Self {
        Self::start_with(3, 1).await
    }

    /// Starts this many primaries, with this many replicas each.
    pub async fn start_with(primaries: usize, replicas: usize) -> Self {
        Self::start_nodes(primaries, replicas, |_| ServerSettings::default(), None).await
    }

    /// As [`RedisCluster::start_with`], but all nodes accept only TLS.
    pub async fn start_with_tls(primaries: usize, replicas: usize, authority: &CertificateAuthority) -> Self {
        let settings = ServerSettings { tls: TlsUse::Everywhere, ..ServerSettings::default() };
        Self::start_nodes(primaries, replicas, |_| settings.clone(), Some(authority)).await
    }

    /// Starts three primaries with a replica each. Any node can be partitioned with [`RedisCluster::isolate`].
    pub async fn start_partitionable() -> Self {
        let settings = |n| ServerSettings { peer_address: Some(peer_address(n)), ..ServerSettings::default() };
        Self::start_nodes(3, 1, settings, None).await
    }

    async fn start_nodes(
        primaries: usize,
        replicas: usize,
        settings: impl Fn(usize) -> ServerSettings,
        authority: Option<&CertificateAuthority>,
    ) -> Self {
        let nodes = (0..primaries * (1 + replicas)).map(|n| start_node(settings(n), authority));
        let cluster = Self { nodes: join_all(nodes).await };
        for (n, node) in cluster.nodes.iter().enumerate() {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()]).await;
            if n < primaries {
                let first = n * SLOTS / primaries;
                let last = (n + 1) * SLOTS / primaries - 1;
                node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
            }
        }
        for node in &cluster.nodes[1..] {
            cluster.meet(node).await;
        }
        for (n, replica) in cluster.nodes[primaries..].iter().enumerate() {
            let primary = cluster.id(n % primaries).await;
            until("the replica knows its primary", async || {
                replica.cli(&["CLUSTER", "REPLICATE", &primary]).await.is_ok()
            })
            .await;
        }
        cluster.until_ok().await;
        cluster
    }

    /// The URL of all nodes, as a user who may do everything.
    pub fn url(&self) -> String {
        shared_url(&self.nodes[0].url(), "cluster", &self.nodes[1..])
    }

    /// The URL of all nodes, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        shared_url(&self.nodes[0].url_for(user, password), "cluster", &self.nodes[1..])
    }

    /// All nodes, primaries and replicas.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number]
    }

    /// One node, to stop or start it.
    pub fn node_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.nodes[number]
    }

    /// Adds a user to all nodes.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        join_all(self.nodes.iter().map(|node| node.add_user(user, password, rules))).await;
    }

    /// The slot of a key.
    pub fn slot_of(key: &str) -> u16 {
        scenecast_redis::Slot::of(key).number()
    }

    /// The number of the node that owns this slot. Waits until a running node owns it. If two nodes claim it, the node with
    /// the newer epoch is the owner.
    pub async fn primary_of(&self, slot: u16) -> usize {
        let mut primary = None;
        until("a node that is up has the slot", async || {
            let owners = self.views().await.into_iter().filter(|(_, view)| view.has(slot));
            primary = owners.max_by_key(|(_, view)| view.epoch).map(|(number, _)| number);
            primary.is_some()
        })
        .await;
        primary.expect("until() returns only with an owner")
    }

    /// The numbers of the running primaries that own slots.
    pub async fn primaries(&self) -> Vec<usize> {
        self.views()
            .await
            .into_iter()
            .filter(|(_, view)| view.is_primary && !view.slots.is_empty())
            .map(|(n, _)| n)
            .collect()
    }

    /// The number of a running replica of this primary. Panics if there is none.
    pub async fn replica_of(&self, primary: usize) -> usize {
        let id = self.id(primary).await;
        let views = self.views().await;
        views.into_iter().find(|(_, view)| view.primary == id).expect("it has a replica").0
    }

    /// Makes this replica the primary, without losing data, and waits until all nodes know. The same node can't do this
    /// twice within eight seconds: Redis 7.0 counts votes of the earlier election for the later one.
    pub async fn fail_over_to(&self, replica: usize) {
        // Other nodes vote only for a replica that they know to be in sync.
        self.until_ok().await;
        self.nodes[replica].ask(&["CLUSTER", "FAILOVER"]).await;
        self.until_primary(replica).await;
        self.until_ok().await;
    }

    /// Makes this replica the primary, whatever the others think of it (`FORCE`, `TAKEOVER`), and waits until it is one.
    /// What it didn't have yet is lost.
    pub async fn force_failover_to(&self, replica: usize, option: &str) {
        // Refused until it knows that it is a replica.
        until("the replica takes the order", async || {
            self.nodes[replica].cli(&["CLUSTER", "FAILOVER", option]).await.is_ok_and(|answer| answer.trim() == "OK")
        })
        .await;
        self.until_primary(replica).await;
    }

    /// Waits until this node is a primary.
    pub async fn until_primary(&self, node: usize) {
        until("the replica is a primary", async || self.view(node).await.is_primary).await;
    }

    /// Adds a primary without slots. Returns its number.
    pub async fn add_primary(&mut self) -> usize {
        let node = start_node(ServerSettings::default(), None).await;
        self.meet(&node).await;
        self.nodes.push(node);
        self.until_ok().await;
        self.nodes.len() - 1
    }

    /// Removes the last node from the Cluster, and stops it. It must own no slots.
    pub async fn remove_last(&mut self) {
        let last = self.nodes.len() - 1;
        let id = self.id(last).await;
        for node in self.nodes[..last].iter().filter(|node| node.is_up()) {
            node.ask(&["CLUSTER", "FORGET", &id]).await;
        }
        self.nodes.pop();
    }

    /// Moves this many slots from one primary to another, with `redis-cli --cluster reshard`.
    pub async fn reshard(&self, from: usize, to: usize, slots: usize) {
        let address = format!("127.0.0.1:{}", self.any().port());
        let slots = slots.to_string();
        let from = self.id(from).await;
        let to = self.id(to).await;
        let command = ["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to];
        let options = ["--cluster-slots", &slots, "--cluster-yes"];
        self.any().ask(&[&command[..], &options].concat()).await;
        self.until_ok().await;
    }

    /// Waits until all running nodes agree on primaries, replicas and slots, every slot has an owner, and the replicas are in
    /// sync.
    pub async fn until_ok(&self) {
        let up: Vec<_> = self.nodes.iter().filter(|node| node.is_up()).collect();
        until("all nodes of the Cluster agree", async || {
            let roles = join_all(up.iter().map(|node| roles(node))).await;
            roles[0].len() == up.len() && roles.iter().all(|view| *view == roles[0])
        })
        .await;
        for node in up {
            until("a node is ok and in sync", async || {
                let is_ok = node.ask(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok");
                let replication = node.info("replication").await;
                is_ok && replication.get("master_link_status").is_none_or(|status| status == "up")
            })
            .await;
        }
    }

    /// The id of this node in the Cluster.
    pub(crate) async fn id(&self, node: usize) -> String {
        self.view(node).await.id
    }

    fn any(&self) -> &RedisServer {
        self.nodes.iter().find(|node| node.is_up()).expect("one node is up")
    }

    async fn meet(&self, node: &RedisServer) {
        let address = node.peer_address().to_string();
        let port = node.port().to_string();
        let node_port = node.node_port().to_string();
        self.any().ask(&["CLUSTER", "MEET", &address, &port, &node_port]).await;
    }

    async fn views(&self) -> Vec<(usize, NodeView)> {
        let up = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up());
        join_all(up.map(async |node| (node, self.view(node).await))).await
    }

    async fn view(&self, node: usize) -> NodeView {
        let members = self.nodes[node].ask(&["CLUSTER", "NODES"]).await;
        members.lines().find_map(NodeView::parse_myself).expect("a node knows itself")
    }
}

impl NodeView {
    /// Reads a line of `CLUSTER NODES`: id, address, flags, primary, ping, pong, epoch, link, slots. `None` for lines about
    /// other nodes.
    fn parse_myself(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let [id, _, flags, primary, _, _, epoch, _] = std::array::from_fn(|_| fields.next().unwrap_or_default());
        flags.contains("myself").then(|| Self {
            id: id.to_owned(),
            is_primary: flags.contains("master"),
            primary: primary.to_owned(),
            epoch: epoch.parse().expect("an epoch is a number"),
            // A slot that is being moved is listed a second time, in brackets.
            slots: fields.filter(|slots| !slots.starts_with('[')).map(parse_range).collect(),
        })
    }

    fn has(&self, slot: u16) -> bool {
        self.is_primary && self.slots.iter().any(|slots| slots.contains(&slot))
    }
}

/// By node id: the primary of each node, and its slots, as `node` sees them. Failed nodes and nodes that are just joining
/// are left out.
async fn roles(node: &RedisServer) -> BTreeMap<String, Vec<String>> {
    let members = node.ask(&["CLUSTER", "NODES"]).await;
    let known = members.lines().filter(|line| !line.contains("fail") && !line.contains("handshake"));
    let words = known.map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    words.map(|words| (words[0].clone(), [&words[3..4], &words[8..]].concat())).collect()
}

/// Reads `first-last`, or a single slot.
fn parse_range(slots: &str) -> RangeInclusive<u16> {
    let slot = |text: &str| text.parse::<u16>().expect("a slot is a number");
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    slot(first)..=slot(last)
}

async fn start_node(settings: ServerSettings, authority: Option<&CertificateAuthority>) -> RedisServer {
    let arguments = ["--cluster-node-timeout", NODE_TIMEOUT_MS].map(str::to_owned).to_vec();
    RedisServer::start_as(ServerSettings { arguments, kind: ServerKind::Node, ..settings }, authority).await
}
