//! The results for programs.

use serde_json::{Map, Value, json};

use crate::by_ratios::{Beside, ByRatios};
use crate::machine::Machine;
use crate::plan::Contender;
use crate::results::{Results, Row};

/// One object, indented, with a line break at its end.
pub(crate) fn render(results: &Results, machine: &Machine, quick: bool) -> String {
    let versions: Map<String, Value> = machine
        .versions
        .iter()
        .map(|(package, version)| (package.clone(), version.as_str().into()))
        .collect();
    let rows: Vec<_> = results
        .rows()
        .into_iter()
        .map(|row| render_row(results, row))
        .collect();
    let value = json!({
        "machine": {
            "date": machine.date,
            "processor": machine.processor,
            "cores": machine.cores,
            "memory_bytes": machine.memory,
            "kernel": machine.kernel,
            "load_at_start": machine.load,
        },
        "versions": versions,
        "workers": results.workers(),
        "quick": quick,
        "rows": rows,
    });
    // `{:#}` of a value cannot fail: all keys are strings.
    format!("{value:#}\n")
}

fn render_row(results: &Results, row: Row) -> Value {
    let contenders: Map<String, Value> = results
        .contenders()
        .into_iter()
        .filter(|contender| row.workload.takes(*contender))
        .map(|contender| {
            let value = render_cell(results, row, contender);
            (contender.to_string(), value)
        })
        .collect();
    let best = results.best_peer(row);
    json!({
        "workload": row.workload.to_string(),
        "what": row.metric.title,
        "unit": row.metric.unit,
        "more_is_better": row.metric.more_is_better,
        "best_peer": best.map(|best| best.to_string()),
        "d3_to_best_peer": best.and_then(|best| results.ratio(row, Contender::D3, best)),
        "contenders": contenders,
        "by_ratios": render_by_ratios(results, row),
    })
}

/// One object for each of ours that has a must here and peers to hold it against.
fn render_by_ratios(results: &Results, row: Row) -> Value {
    let judged = results.contenders().into_iter().filter_map(|contender| {
        let found = ByRatios::of(results, row, contender)?;
        let share = found.share();
        let value = json!({
            "must": found.must,
            "machine": found.machine(),
            "scaled_must": found.scaled_must(),
            "peers_in_targets": found.known,
            "peers": found.peers.iter().map(render_beside).collect::<Map<_, _>>(),
            "median": share.map(|share| share.median),
            "least": share.map(|share| share.least),
            "most": share.map(|share| share.most),
            "reached": found.reached(),
        });
        Some((contender.to_string(), value))
    });
    Value::Object(judged.collect())
}

fn render_beside(beside: &Beside) -> (String, Value) {
    let value = json!({
        "in_targets": beside.there,
        "here": beside.here,
        "needed": beside.needed,
        "measured": beside.measured,
        "measured_by_needed": beside.share(),
    });
    (beside.peer.to_string(), value)
}

fn render_cell(results: &Results, row: Row, contender: Contender) -> Value {
    let cell = results.cell(row, contender);
    let target = row.workload.target(row.index, contender);
    let beside: Vec<_> = row
        .workload
        .targets_beside(row.index, contender)
        .iter()
        .map(|(peer, target)| {
            json!({
                "peer": peer.to_string(),
                "found": results.ratio(row, contender, *peer),
                "must": target.must,
                "reach": target.reach,
            })
        })
        .collect();
    json!({
        "median": cell.as_ref().map(|cell| cell.median),
        "least": cell.as_ref().map(|cell| cell.least),
        "most": cell.as_ref().map(|cell| cell.most),
        "rounds": cell.map(|cell| cell.rounds),
        "d3_is_better_by": results.ratio(row, Contender::D3, contender),
        "must": target.map(|target| target.must),
        "reach": target.map(|target| target.reach),
        "beside_peers": beside,
        "note": results.note(row.workload, contender),
    })
}
