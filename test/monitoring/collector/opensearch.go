package main

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
)

// openSearch stands for the exporter to OpenSearch, which public proxies of Go modules do not hand out. It knows the
// settings that its README has and that collector.yaml uses, refuses any other, and cannot export.
func openSearch() exporter.Factory {
	return exporter.NewFactory(component.MustNewType("opensearch"),
		func() component.Config { return &openSearchConfig{Dataset: "default", Namespace: "namespace"} },
		exporter.WithLogs(func(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
			return exporterhelper.NewLogs(ctx, set, cfg, func(context.Context, plog.Logs) error {
				return errors.New("this collector is for validate only")
			})
		}, component.StabilityLevelAlpha))
}

// openSearchConfig is the part of the exporter's settings that is used or likely to be.
type openSearchConfig struct {
	HTTP            confighttp.ClientConfig `mapstructure:"http"`
	LogsIndex       string                  `mapstructure:"logs_index"`
	LogsIndexFormat string                  `mapstructure:"logs_index_time_format"`
	Dataset         string                  `mapstructure:"dataset"`
	Namespace       string                  `mapstructure:"namespace"`
}

// Validate implements component.ConfigValidator: the exporter does not start without an endpoint.
func (c *openSearchConfig) Validate() error {
	if c.HTTP.Endpoint == "" {
		return errors.New("http.endpoint must be set")
	}
	return nil
}
