# metrics.sh up|down: Prometheus beside the nodes, and what tells the autoscaler what it knows.
. "$(dirname "${BASH_SOURCE[0]}")/../settings.sh"
set -euo pipefail
TARGETS=/run/targets.json

# Debian's Prometheus can't ask Kubernetes for pods, so it reads them from a file. They get the labels that a
# ServiceMonitor would give them.
write_targets() {
  curl --silent --fail --cacert "$CERTIFICATES/ca.crt" --cert "$CERTIFICATES/admin.crt" --key "$CERTIFICATES/admin.key" \
    "https://$CONTROL_PLANE:6443/api/v1/pods?labelSelector=app.kubernetes.io/part-of%3Dscenecast" |
    jq '[.items[] | select(.status.phase == "Running") | . as $pod
      | .spec.containers[] | .name as $container | .ports[]? | select(.name == "admin")
      | {targets: ["\($pod.status.podIP):\(.containerPort)"],
         labels: {namespace: $pod.metadata.namespace, pod: $pod.metadata.name, container: $container,
                  job: $pod.metadata.labels["app.kubernetes.io/name"]}}]' >"$TARGETS.new" &&
    mv "$TARGETS.new" "$TARGETS"
}

up() {
  cat >/run/prometheus.yaml <<YAML
global: { scrape_interval: 2s, evaluation_interval: 2s }
rule_files: [/run/prometheus-rules.yaml]
scrape_configs:
  - job_name: pods
    file_sd_configs: [{ files: [$TARGETS], refresh_interval: 1s }]
YAML
  # The rate that components/hpa-pods-metric/prometheus-adapter.yaml computes elsewhere.
  cat >/run/prometheus-rules.yaml <<'YAML'
groups:
  - name: autoscaler
    rules:
      - record: scenecast_pages_turned_away_per_second
        expr: sum by (namespace, pod) (rate(scenecast_turned_away_total{why=~"connections|connects"}[1m]))
YAML
  echo '[]' >"$TARGETS"
  # The same script, as a process of its own, keeps the list of pods fresh.
  start_program targets 0 bash "$CLUSTER_DIR/inside/metrics.sh" follow
  start_program prometheus 0 prometheus --config.file=/run/prometheus.yaml --storage.tsdb.path="$RUN_DIR/prometheus" \
    --web.listen-address="$CONTROL_PLANE:9090"
  start_program custom-metrics 0 "$PROGRAMS_DIR/custom-metrics" --prometheus="http://$CONTROL_PLANE:9090" \
    --lister-kubeconfig="$KUBECONFIG" --authentication-kubeconfig="$KUBECONFIG" \
    --authorization-kubeconfig="$KUBECONFIG" --secure-port=6444 --cert-dir=/run/custom-metrics
  admin apply -f "$CLUSTER_DIR/manifests/metrics.yaml" >/dev/null
  wait_for 60 admin get --raw /apis/custom.metrics.k8s.io/v1beta2
}

down() {
  for program in targets prometheus custom-metrics; do
    # Each is the leader of its group.
    kill -TERM -- "-$(cat "/run/$program.pid")" 2>/dev/null || true
  done
}

case ${1:-} in
  up) up ;;
  down) down ;;
  follow) while :; do write_targets || true; sleep 1; done ;;
  *) echo "usage: metrics.sh up|down" >&2; exit 2 ;;
esac
