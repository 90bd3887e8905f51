// Package metrics serves custom.metrics.k8s.io: what Prometheus knows of each pod, for the autoscaler. In clusters of
// others prometheus-adapter or KEDA does that.
package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/klog/v2"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider/defaults"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

type podMetrics struct {
	defaults.DefaultCustomMetricsProvider
	prometheus string
	objects    dynamic.Interface
}

// byPod asks for the sum of a metric over each pod. A pod that Prometheus doesn't know is absent, never 0.
func (m *podMetrics) byPod(ctx context.Context, metric, namespace string) (map[string]float64, error) {
	query := fmt.Sprintf(`sum by (pod) (%s{namespace=%q})`, metric, namespace)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		m.prometheus+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any // time, and the value as text
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, sample := range answer.Data.Result {
		text, _ := sample.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		values[sample.Metric["pod"]] = value
	}
	return values, nil
}

func metricValue(namespace, pod, metric string, value float64) custom_metrics.MetricValue {
	return custom_metrics.MetricValue{
		DescribedObject: custom_metrics.ObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod, Namespace: namespace},
		Metric:          custom_metrics.MetricIdentifier{Name: metric},
		Timestamp:       metav1.Time{Time: time.Now()},
		Value:           *resource.NewMilliQuantity(int64(value*1000), resource.DecimalSI),
	}
}

func (m *podMetrics) GetMetricByName(ctx context.Context, pod types.NamespacedName, info provider.CustomMetricInfo,
	_ labels.Selector) (*custom_metrics.MetricValue, error) {
	values, err := m.byPod(ctx, info.Metric, pod.Namespace)
	if err != nil {
		return nil, err
	}
	value, known := values[pod.Name]
	if !known {
		return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, pod.Name)
	}
	found := metricValue(pod.Namespace, pod.Name, info.Metric, value)
	return &found, nil
}

func (m *podMetrics) GetMetricBySelector(ctx context.Context, namespace string, selector labels.Selector,
	info provider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValueList, error) {
	values, err := m.byPod(ctx, info.Metric, namespace)
	if err != nil {
		return nil, err
	}
	options := metav1.ListOptions{LabelSelector: selector.String()}
	selected, err := m.objects.Resource(pods).Namespace(namespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	list := &custom_metrics.MetricValueList{}
	for _, pod := range selected.Items {
		if value, known := values[pod.GetName()]; known {
			list.Items = append(list.Items, metricValue(namespace, pod.GetName(), info.Metric, value))
		}
	}
	return list, nil
}

// Main runs the adapter until it is killed.
func Main() {
	adapter := &cmd.AdapterBase{Name: "custom-metrics"}
	prometheus := adapter.Flags().String("prometheus", "http://127.0.0.1:9090", "where Prometheus answers")
	if err := adapter.Flags().Parse(os.Args[1:]); err != nil {
		klog.Fatal(err)
	}
	objects, err := adapter.DynamicClient()
	if err != nil {
		klog.Fatal(err)
	}
	adapter.WithCustomMetrics(&podMetrics{prometheus: *prometheus, objects: objects})
	klog.Fatal(adapter.Run(context.Background()))
}
