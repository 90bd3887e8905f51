//! What the dashboards in `deploy/grafana` say, without a Prometheus: each panel can be understood by itself, its threshold is
//! that of an alert, and its labels have values that exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{expression, file, files, rules};

/// A dashboard, as Grafana imports it.
pub(super) struct Dashboard {
    pub(super) name: String,
    json: Value,
}

/// What a panel asks of Prometheus.
pub(super) struct PanelQuery {
    /// The dashboard and the title of the panel.
    pub(super) panel: String,
    /// As in the file, with Grafana's variables.
    pub(super) text: String,
}

impl Dashboard {
    /// All panels but the titles of rows.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        self.json["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
    }

    /// The panels that show data.
    fn charts(&self) -> impl Iterator<Item = &Value> {
        self.panels().filter(|panel| panel["type"] != "text")
    }

    /// Its variables of this kind.
    pub(super) fn variables(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let variables = self.json["templating"]["list"].as_array().unwrap().iter();
        variables.filter(move |variable| variable["type"] == kind)
    }

    /// What its panels ask.
    pub(super) fn queries(&self) -> Vec<PanelQuery> {
        let queries = |panel: &Value| {
            let title = format!("{}: {}", self.name, text(&panel["title"]));
            let targets = panel["targets"].as_array().unwrap().clone();
            targets
                .into_iter()
                .map(move |target| PanelQuery { panel: title.clone(), text: text(&target["expr"]).to_owned() })
        };
        self.charts().flat_map(queries).collect()
    }

    /// What its annotations ask.
    pub(super) fn annotations(&self) -> impl Iterator<Item = &str> {
        self.json["annotations"]["list"].as_array().unwrap().iter().map(|annotation| text(&annotation["expr"]))
    }
}

pub(super) fn dashboards() -> Vec<Dashboard> {
    let read = |name: String| {
        let json = serde_json::from_str(&file(&format!("deploy/grafana/{name}"))).unwrap();
        Dashboard { name, json }
    };
    files("deploy/grafana", ".json").into_iter().map(read).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn each_panel_can_be_understood_by_itself() {
    for dashboard in dashboards() {
        let mut cells = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in dashboard.json["panels"].as_array().unwrap() {
            let name = format!("{}: {}", dashboard.name, text(&panel["title"]));
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name} has the id of another panel");
            let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            for (x, y) in (0..place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
                assert!(place("x") + x < 24, "{name} doesn't fit");
                assert!(cells.insert((place("x") + x, place("y") + y)), "{name} lies upon another panel");
            }
        }
        for panel in dashboard.charts() {
            let name = format!("{}: {}", dashboard.name, text(&panel["title"]));
            assert!(text(&panel["description"]).len() > 5, "{name} has no description");
            assert!(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{name} has no unit");
            for asked in panel["targets"].as_array().unwrap().iter().chain([panel]) {
                assert_eq!(asked["datasource"]["uid"], "${datasource}", "{name}");
            }
        }
        let first = dashboard.panels().next().unwrap();
        assert_eq!(first["type"], "text", "{} begins with what to do", dashboard.name);
        assert_eq!(dashboard.json["uid"], dashboard.name.trim_end_matches(".json"));
        // A link to all others by their tag, which keeps what was chosen.
        assert_eq!(dashboard.json["tags"][0], dashboard.json["links"][0]["tags"][0], "{}", dashboard.name);
        assert_eq!(dashboard.json["links"][0]["includeVars"], true, "{}", dashboard.name);
        let names: Vec<_> = dashboard.variables("query").map(|variable| text(&variable["name"])).collect();
        assert_eq!(names, ["namespace", "job", "instance"], "{}", dashboard.name);
    }
}

/// The numbers in a text.
fn numbers(text: &str) -> impl Iterator<Item = f64> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|number| number.parse().ok())
}

/// Somebody who sees red and somebody who is woken have to agree.
#[test]
fn each_threshold_is_that_of_a_rule() {
    let of_rules: Vec<f64> = rules().iter().flat_map(|rule| numbers(expression(rule)).collect::<Vec<_>>()).collect();
    for dashboard in dashboards() {
        for panel in dashboard.charts() {
            let steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array();
            for step in steps.into_iter().flatten().filter_map(|step| step["value"].as_f64()) {
                assert!(of_rules.contains(&step), "{}: {}: no rule has {step}", dashboard.name, panel["title"]);
            }
        }
    }
}

/// An alert that a panel names has to be in the runbook.
#[test]
fn each_alert_that_a_dashboard_names_exists() {
    let rules = rules();
    let alerts: BTreeSet<_> = rules.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    for dashboard in dashboards() {
        let text = dashboard.json.to_string();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        for word in words.filter(|word| word.len() > "Scenecast".len() && word.starts_with("Scenecast")) {
            assert!(alerts.contains(word), "{}: there is no alert {word}", dashboard.name);
        }
    }
}

/// The label values of pods' metrics that an expression looks for, except those of Grafana's variables and of any text.
fn label_values(expression: &str) -> Vec<String> {
    let series: Vec<_> = expression.split('{').collect();
    // The labels of kube-state-metrics are names of Kubernetes.
    let of_pods = series.windows(2).filter(|pair| !pair[0].ends_with("kube_deployment_spec_replicas"));
    let matchers = of_pods.filter_map(|pair| pair[1].split('}').next());
    let matchers = matchers.flat_map(|matchers| matchers.split("\",")).filter_map(|matcher| matcher.split_once('"'));
    let values = matchers.flat_map(|(_, values)| values.trim_end_matches('"').split('|').map(str::to_owned));
    values.filter(|value| !value.contains('$') && !value.contains(".*") && !value.is_empty()).collect()
}

/// A value that no pod writes makes a panel or an alert silent for ever. docs/metrics.md has them all.
#[test]
fn each_label_value_in_a_query_exists() {
    assert_eq!(label_values(r#"sum(a_total{b=~"c|d",e!="f",g=~"$h"}) / i{j="k.*",l="m"}"#), ["c", "d", "f", "m"]);
    let document = file("docs/metrics.md") + &file("docs/phone.md") + &file("docs/backend.md");
    let known: BTreeSet<&str> = document.split(['`', '"']).collect();
    let rules = rules();
    let of_rules = rules.iter().map(|rule| expression(rule).to_owned());
    let of_panels = dashboards().into_iter().flat_map(|dashboard| dashboard.queries()).map(|query| query.text);
    // What Prometheus itself writes; the objectives of our own rules; how both versions of Prometheus write a second.
    let elsewhere = ["firing", "push", "1", "1[.]0"];
    for query in of_rules.chain(of_panels) {
        for value in label_values(&query) {
            assert!(known.contains(&*value) || elsewhere.contains(&&*value), "no label has the value {value}: {query}");
        }
    }
}
