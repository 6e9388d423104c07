//! A board as Grafana reads it: classic JSON of schema version 39 (Grafana 11),
//! which later versions read too.

use serde_json::{Value, json};

use crate::board::{Board, Kind, Panel, Query, Row};

/// The version of Grafana 11; later versions migrate a board when they load it.
const SCHEMA_VERSION: u32 = 39;
/// The boards link to all boards with this tag.
const TAG: &str = "my-cloud-controller-manager";
/// The width of a board.
const COLUMNS: u32 = 24;

/// The JSON of a board.
pub fn board(board: &Board) -> Value {
    json!({
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "templating": {"list": variables()},
        "annotations": {"list": annotations()},
        "links": [{
            "type": "dashboards", "tags": [TAG], "title": "Boards", "asDropdown": false,
            "includeVars": true, "keepTime": true, "targetBlank": false,
        }],
        "panels": panels(&board.rows),
    })
}

fn data_source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn variables() -> Vec<Value> {
    let all = json!({"selected": true, "text": ["All"], "value": ["$__all"]});
    let labels = |name: &str, label: &str, query: &str| {
        json!({
            "name": name, "label": label, "type": "query", "datasource": data_source(),
            "definition": query, "query": {"query": query, "refId": "Variable"},
            "refresh": 2, "sort": 1, "regex": "", "hide": 0, "options": [],
            "multi": true, "includeAll": true, "allValue": ".+", "current": all.clone(),
        })
    };
    let replicas = r#"mycloud_lb_build_info{job=~"$job"}"#;
    let clouds = r#"mycloud_lb_cloud_api_in_flight_requests{job=~"$job"}"#;
    vec![
        json!({
            "name": "datasource", "label": "Data source", "type": "datasource",
            "query": "prometheus", "refresh": 1, "regex": "", "hide": 0, "options": [],
            "multi": false, "includeAll": false, "current": {},
        }),
        labels("job", "Job", "label_values(mycloud_lb_build_info, job)"),
        labels(
            "instance",
            "Instance",
            &format!("label_values({replicas}, instance)"),
        ),
        labels("cloud", "Cloud", &format!("label_values({clouds}, cloud)")),
    ]
}

fn annotations() -> Vec<Value> {
    let replicas = r#"job=~"$job", instance=~"$instance""#;
    let annotation = |name: &str, colour: &str, expression: String, title: &str| {
        json!({
            "name": name, "enable": true, "hide": false, "iconColor": colour,
            "datasource": data_source(), "expr": expression, "step": "60s",
            "titleFormat": title, "useValueForTime": false,
        })
    };
    let builds = format!("count by (version, revision) (mycloud_lb_build_info{{{replicas}}}");
    vec![
        annotation(
            "Leadership acquired",
            "blue",
            format!(
                "sum by (instance) (increase(mycloud_lb_leader_transitions_total{{{replicas}, event=\"acquired\"}}[2m])) > 0"
            ),
            "{{instance}} leads",
        ),
        annotation(
            "New build",
            "purple",
            format!("{builds}) unless {builds} offset 2m)"),
            "{{version}} {{revision}}",
        ),
    ]
}

/// Places rows below each other, and the panels of a row beside each other while there is room.
fn panels(rows: &[Row]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let mut top = 0;
    for row in rows {
        all.push(heading(row, all.len() + 1, top));
        top += 1;
        let (mut left, mut tallest) = (0, 0);
        for panel in &row.panels {
            if left + panel.width > COLUMNS {
                top += tallest;
                (left, tallest) = (0, 0);
            }
            let place = json!({"x": left, "y": top, "w": panel.width, "h": panel.height});
            all.push(self::panel(panel, all.len() + 1, place));
            left += panel.width;
            tallest = tallest.max(panel.height);
        }
        top += tallest;
    }
    all
}

fn heading(row: &Row, id: usize, top: u32) -> Value {
    let mut heading = json!({
        "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
    });
    if let Some(variable) = &row.repeat {
        heading["repeat"] = json!(variable);
    }
    heading
}

fn panel(panel: &Panel, id: usize, place: Value) -> Value {
    let (kind, options) = match panel.kind {
        Kind::Timeseries => ("timeseries", timeseries_options()),
        Kind::Stat => ("stat", stat_options()),
        Kind::StateTimeline => ("state-timeline", state_options()),
        Kind::Table => ("table", json!({"showHeader": true, "cellHeight": "sm"})),
    };
    let mut shown = json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.description,
        "gridPos": place, "datasource": data_source(), "targets": targets(panel),
        "fieldConfig": {"defaults": defaults(panel), "overrides": []}, "options": options,
    });
    if panel.kind == Kind::Table {
        shown["transformations"] = transformations(&panel.columns);
    }
    shown
}

fn targets(panel: &Panel) -> Vec<Value> {
    let of = |(index, query): (usize, &Query)| {
        let latest = panel.kind == Kind::Stat || panel.kind == Kind::Table;
        let mut target = json!({
            "refId": char::from(b'A' + u8::try_from(index).unwrap_or_default()),
            "datasource": data_source(), "editorMode": "code", "expr": query.expression(),
            "legendFormat": query.legend, "instant": latest, "range": !latest,
            "exemplar": panel.exemplars,
        });
        if panel.kind == Kind::Table {
            target["format"] = json!("table");
        }
        target
    };
    panel.queries.iter().enumerate().map(of).collect()
}

fn defaults(panel: &Panel) -> Value {
    let mut defaults = json!({
        "unit": panel.unit,
        "noValue": "–",
        "color": {"mode": color_mode(panel.kind)},
        "thresholds": {"mode": "absolute", "steps": steps(&panel.thresholds)},
        "mappings": mappings(panel),
    });
    let numbers = [
        ("decimals", panel.decimals.map(f64::from)),
        ("min", panel.min),
        ("max", panel.max),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            defaults[name] = json!(number);
        }
    }
    match panel.kind {
        Kind::Timeseries => defaults["custom"] = lines(panel),
        Kind::StateTimeline => defaults["custom"] = json!({"fillOpacity": 80, "lineWidth": 0}),
        Kind::Stat | Kind::Table => {}
    }
    defaults
}

fn color_mode(kind: Kind) -> &'static str {
    match kind {
        Kind::Stat => "thresholds",
        Kind::Timeseries | Kind::StateTimeline | Kind::Table => "palette-classic",
    }
}

/// `red`, then `0.99 green`: red below 0.99, green from there.
fn steps(thresholds: &[String]) -> Vec<Value> {
    if thresholds.is_empty() {
        return vec![json!({"color": "green", "value": null})];
    }
    let step = |threshold: &String| match threshold.split_once(' ') {
        Some((value, colour)) => json!({"color": colour, "value": value.parse::<f64>().ok()}),
        None => json!({"color": threshold, "value": null}),
    };
    thresholds.iter().map(step).collect()
}

fn mappings(panel: &Panel) -> Vec<Value> {
    if panel.states.is_empty() {
        return Vec::new();
    }
    let mut options = json!({});
    for (index, (value, shown)) in panel.states.iter().enumerate() {
        let (text, colour) = shown.rsplit_once(' ').unwrap_or((shown, "blue"));
        options[value] = json!({"index": index, "text": text, "color": colour});
    }
    vec![json!({"type": "value", "options": options})]
}

fn lines(panel: &Panel) -> Value {
    let limits = if panel.thresholds.is_empty() {
        "off"
    } else {
        "line"
    };
    json!({
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 2,
        "fillOpacity": if panel.stacked { 40 } else { 10 },
        "showPoints": "auto", "pointSize": 4, "spanNulls": false,
        "stacking": {"group": "A", "mode": if panel.stacked { "normal" } else { "none" }},
        "thresholdsStyle": {"mode": limits},
    })
}

fn timeseries_options() -> Value {
    json!({
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true},
        "tooltip": {"mode": "multi", "sort": "desc"},
    })
}

fn stat_options() -> Value {
    json!({
        "colorMode": "value", "graphMode": "none", "justifyMode": "auto",
        "orientation": "auto", "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
    })
}

fn state_options() -> Value {
    json!({
        "alignValue": "left", "mergeValues": true, "rowHeight": 0.9, "showValue": "auto",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": false},
        "tooltip": {"mode": "single", "sort": "none"},
    })
}

/// Shows these labels only, in this order.
fn transformations(columns: &[String]) -> Value {
    let mut order = json!({});
    for (index, column) in columns.iter().enumerate() {
        order[column] = json!(index);
    }
    json!([{
        "id": "organize",
        "options": {
            "excludeByName": {"Time": true, "Value": true},
            "indexByName": order, "renameByName": {},
        },
    }])
}
