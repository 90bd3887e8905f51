//! A real Prometheus that scrapes real pods has data for what rules and dashboards ask. A panel without data in a healthy
//! fleet teaches people that empty panels are normal.

use std::collections::BTreeMap;

use scenecast_testing::until;

use super::{
    busy_cluster::BusyCluster,
    dashboards::{Dashboard, dashboards},
    expression, metrics,
    prometheus::Prometheus,
    rules,
};

/// Panels that are empty while all is well, and what fills them.
const EMPTY_IN_HEALTH: [(&str, &str); 1] =
    [("scenecast-fleet.json: Alerts that fire", "an alert that fires; most do so only after minutes")];

/// Writes what Grafana would write for its variables.
fn fill_in(query: &str) -> String {
    // So long that even a slow machine's traffic began within it.
    let query = query.replace("$__rate_interval", "2m");
    ["$namespace", "$job", "$instance"].into_iter().fold(query, |query, variable| query.replace(variable, ".*"))
}

/// The query for the series that give Grafana the values of a variable, by its definition: `label_values(series, label)`.
fn query_of_variable(definition: &str) -> String {
    let arguments = definition.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
    let (series, label) = arguments.rsplit_once(", ").unwrap();
    let open = series.strip_suffix('}').map_or_else(|| format!("{series}{{"), |matchers| format!("{matchers},"));
    fill_in(&format!("{open}{label}!=\"\"}}"))
}

/// All that has to have data, by what it is of.
fn expected() -> BTreeMap<String, Vec<String>> {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for rule in rules() {
        let of = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        let metrics = metrics(expression(&rule)).map(|name| format!("{{__name__=\"{name}\"}}")).collect();
        expected.insert(format!("{of}: metrics"), metrics);
    }
    let add_panels = |dashboard: &Dashboard| {
        for query in dashboard.queries() {
            expected.entry(query.panel).or_default().push(fill_in(&query.text));
        }
        for variable in dashboard.variables("query") {
            let query = query_of_variable(variable["definition"].as_str().unwrap());
            expected.entry(format!("{}: variables", dashboard.name)).or_default().push(query);
        }
    };
    dashboards().iter().for_each(add_panels);
    expected.retain(|of, _| !EMPTY_IN_HEALTH.iter().any(|(panel, _)| panel == of));
    expected
}

#[tokio::test]
async fn prometheus_has_data_for_each_panel_and_each_rule() {
    let mut busy = BusyCluster::start().await;
    let prometheus = Prometheus::start(busy.unused_address(), &busy.jobs()).await;
    // What happens before the first scrape is no increase.
    until("all pods are scraped", async || prometheus.query("up == 1").await.unwrap().len() == 3).await;
    busy.get_busy().await;

    for dashboard in dashboards() {
        for query in dashboard.annotations() {
            prometheus.query(&fill_in(query)).await.unwrap_or_else(|error| panic!("{}: {error}", dashboard.name));
        }
    }
    for (of, queries) in expected() {
        for query in queries {
            until(&format!("there is data for {of}: {query}"), async || {
                !prometheus.query(&query).await.unwrap_or_else(|error| panic!("{of}: {query}: {error}")).is_empty()
            })
            .await;
        }
    }
}
