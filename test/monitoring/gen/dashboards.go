package main

import (
	"bytes"
	"encoding/json"
)

// dashboard is what a dashboard of Grafana is made from.
type dashboard struct {
	UID, Title, About string
	Rows              []row
}

type row struct {
	Title  string
	Panels []panel
}

// panel is a graph, or a number when Stat is set.
type panel struct {
	Title, About, Unit string
	Stat               bool
	// Stack draws series on top of each other.
	Stack bool
	// Red is from which value on it is red; 0 never.
	Red     float64
	Queries []query
	// Lucene asks the logs instead of Prometheus: the filter and the field whose values are the series.
	Lucene, By string
	// Metric of the logs: count, or the average of a field.
	Avg string
}

type query struct{ Legend, Expr string }

// one is a panel's only query.
func one(legend, expr string) []query { return []query{{legend, expr}} }

// quantiles asks a histogram for its median and its 99th percentile.
func quantiles(histogram, matchers string) []query {
	q := func(p string) string {
		return "histogram_quantile(" + p + ", sum by (le) (rate(" + histogram + "_bucket" + matchers + "[$__rate_interval])))"
	}
	return []query{{"median", q("0.5")}, {"99 %", q("0.99")}}
}

// json writes it as Grafana has it.
func (d *dashboard) json() []byte {
	var panels []any
	id, y := 1, 0
	for _, r := range d.Rows {
		panels = append(panels, map[string]any{
			"id": id, "type": "row", "title": r.Title, "collapsed": false, "panels": []any{},
			"gridPos": map[string]int{"x": 0, "y": y, "w": 24, "h": 1},
		})
		id++
		y++
		x, height := 0, 0
		for _, p := range r.Panels {
			w, h := 8, 8
			if p.Stat {
				w, h = 4, 4
			}
			if x+w > 24 {
				x, y, height = 0, y+height, 0
			}
			panels = append(panels, p.json(id, map[string]int{"x": x, "y": y, "w": w, "h": h}))
			id++
			x += w
			height = max(height, h)
		}
		y += height
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(map[string]any{
		"uid": d.UID, "title": d.Title, "description": d.About, "tags": []string{"homing"}, "schemaVersion": 41,
		"version": 1, "editable": false, "refresh": "30s", "timezone": "browser", "graphTooltip": 1,
		"time":       map[string]string{"from": "now-6h", "to": "now"},
		"templating": map[string]any{"list": variables},
		"panels":     panels,
	}); err != nil {
		panic(err) // strings, numbers, and maps of them
	}
	return b.Bytes()
}

// variables let one dashboard be used with any data source.
var variables = []any{
	map[string]any{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0},
	map[string]any{"name": "logs", "label": "Logs", "type": "datasource", "query": "elasticsearch", "hide": 0},
}

func (p *panel) json(id int, at map[string]int) map[string]any {
	source := map[string]string{"type": "prometheus", "uid": "${datasource}"}
	if p.Lucene != "" {
		source = map[string]string{"type": "elasticsearch", "uid": "${logs}"}
	}
	steps := []any{map[string]any{"color": "green", "value": nil}}
	if p.Red != 0 {
		steps = append(steps, map[string]any{"color": "red", "value": p.Red})
	}
	defaults := map[string]any{"unit": p.Unit, "thresholds": map[string]any{"mode": "absolute", "steps": steps}}
	kind := "timeseries"
	options := map[string]any{"legend": map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"}}
	if p.Stat {
		kind = "stat"
		options = map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}}, "colorMode": "value"}
	} else {
		custom := map[string]any{"fillOpacity": 10, "showPoints": "never"}
		if p.Stack {
			custom["stacking"] = map[string]string{"mode": "normal", "group": "A"}
		}
		defaults["custom"] = custom
	}
	return map[string]any{
		"id": id, "type": kind, "title": p.Title, "description": p.About, "gridPos": at, "datasource": source,
		"fieldConfig": map[string]any{"defaults": defaults, "overrides": []any{}}, "options": options,
		"targets": p.targets(source),
	}
}

func (p *panel) targets(source map[string]string) []any {
	if p.Lucene != "" {
		metric := map[string]any{"id": "1", "type": "count"}
		if p.Avg != "" {
			metric = map[string]any{"id": "1", "type": "avg", "field": p.Avg}
		}
		return []any{map[string]any{
			"refId": "A", "datasource": source, "query": p.Lucene, "timeField": "@timestamp", "metrics": []any{metric},
			"bucketAggs": []any{
				map[string]any{"id": "2", "type": "terms", "field": p.By, "settings": map[string]string{
					"size": "20", "order": "desc", "orderBy": "_count", "min_doc_count": "1",
				}},
				map[string]any{"id": "3", "type": "date_histogram", "field": "@timestamp",
					"settings": map[string]string{"interval": "auto"}},
			},
		}}
	}
	var targets []any
	for i, q := range p.Queries {
		targets = append(targets, map[string]any{
			"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr, "legendFormat": q.Legend,
			"editorMode": "code", "range": true,
		})
	}
	return targets
}
