// Package drain stands in for the Collector contrib processor of the same name, whose module is not
// to be had from the module proxy: the same type, the same main settings, the same attribute, and
// the same engine (go-drain3) underneath. It sets a Drain template on every log record.
package drain

import (
	"context"
	"math"
	"sync"

	"github.com/jaeyo/go-drain3/pkg/drain3"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
)

// Config carries the settings of Drain, by the names and defaults of contrib's processor.
type Config struct {
	TreeDepth         int64    `mapstructure:"tree_depth"`
	MergeThreshold    float64  `mapstructure:"merge_threshold"`
	MaxNodeChildren   int64    `mapstructure:"max_node_children"`
	MaxClusters       int      `mapstructure:"max_clusters"`
	ExtraDelimiters   []string `mapstructure:"extra_delimiters"`
	TemplateAttribute string   `mapstructure:"template_attribute"`
}

// NewFactory returns the factory of the processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(component.MustNewType("drain"), defaults,
		processor.WithLogs(create, component.StabilityLevelDevelopment))
}

func defaults() component.Config {
	return &Config{
		TreeDepth:         4,
		MergeThreshold:    0.4,
		MaxNodeChildren:   100,
		TemplateAttribute: "log.record.template",
	}
}

func create(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	c := cfg.(*Config)
	limit := c.MaxClusters
	if limit <= 0 {
		limit = math.MaxInt32
	}
	tree, err := drain3.NewDrain(
		drain3.WithDepth(c.TreeDepth),
		drain3.WithSimTh(c.MergeThreshold),
		drain3.WithMaxChildren(c.MaxNodeChildren),
		drain3.WithMaxCluster(limit),
		drain3.WithExtraDelimiter(c.ExtraDelimiters),
	)
	if err != nil {
		return nil, err
	}
	m := &miner{tree: tree, attribute: c.TemplateAttribute}
	return processorhelper.NewLogs(ctx, set, cfg, next, m.annotate,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

// miner is one tree for the whole pipeline, behind a lock: it uses one core at most.
type miner struct {
	mu        sync.Mutex
	tree      *drain3.Drain
	attribute string
}

func (m *miner) annotate(_ context.Context, logs plog.Logs) (plog.Logs, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				line := record.Body().AsString()
				if line == "" {
					continue
				}
				if cluster, _, err := m.tree.AddLogMessage(line); err == nil && cluster != nil {
					record.Attributes().PutStr(m.attribute, cluster.GetTemplate())
				}
			}
		}
	}
	return logs, nil
}
