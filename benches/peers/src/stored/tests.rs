use serde_json::{Value, json};

use super::*;
use crate::by_ratios::ByRatios;
use crate::report;

/// Two rounds of daisy, the second one without a figure of tokio, and two metrics of wake, which kameo failed.
fn sitting() -> Results {
    let pairs = [
        (Workload::Daisy, Contender::D3),
        (Workload::Daisy, Contender::Tokio),
        (Workload::Wake, Contender::D3),
        (Workload::Wake, Contender::Kameo),
    ];
    let mut results = Results::new(pairs.to_vec(), 2);
    let run = |samples: &[&[f64]]| Run {
        samples: samples.iter().map(|values| values.to_vec()).collect(),
        fate: Fate::Clean,
    };
    for (workload, contender, samples) in [
        (Workload::Daisy, Contender::D3, run(&[&[79.0, 81.0, 80.0]])),
        (
            Workload::Daisy,
            Contender::D3,
            run(&[&[14.208557757503113]]),
        ),
        (Workload::Daisy, Contender::Tokio, run(&[&[23.0]])),
        (Workload::Daisy, Contender::Tokio, run(&[&[]])),
        (Workload::Wake, Contender::D3, run(&[&[12.0], &[40.0]])),
    ] {
        results.add(workload, contender, samples);
    }
    let failed = Run {
        samples: vec![vec![], vec![]],
        fate: Fate::Failed("lost one".to_owned()),
    };
    results.add(Workload::Wake, Contender::Kameo, failed);
    results
}

fn written() -> (Results, Machine, Value) {
    let (results, machine) = (sitting(), Machine::look());
    let text = report::json::render(&results, &machine, false);
    let value = serde_json::from_str(&text).expect("it is JSON");
    (results, machine, value)
}

fn complaint(value: &Value) -> String {
    parse(&value.to_string())
        .expect_err("it is no sitting")
        .to_string()
}

#[test]
fn what_is_read_makes_the_tables_that_were_printed() {
    let (results, machine, value) = written();
    let stored = parse(&value.to_string()).expect("it is a sitting");
    assert_eq!(
        report::table::render(&stored.results, &stored.machine, stored.quick),
        report::table::render(&results, &machine, false)
    );
    assert_eq!(
        report::json::render(&stored.results, &stored.machine, stored.quick),
        report::json::render(&results, &machine, false)
    );
    let [remark] = stored.remarks.as_slice() else {
        panic!("only workloads are missing: {:?}", stored.remarks);
    };
    assert!(remark.starts_with("no workloads ping-pong, ring,"));
    assert!(stored.results.ours_are_clean());
}

#[test]
fn by_ratios_is_in_the_tables_and_in_the_file() {
    let (results, machine, value) = written();
    let found = &value["rows"][0]["by_ratios"]["d3"];
    assert_eq!(found["machine"], json!(1.0));
    assert_eq!(found["peers_in_targets"], json!(7));
    assert_eq!(found["peers"]["tokio"]["needed"], json!(80.0 / 23.0));
    assert_eq!(found["median"], json!(1.0));
    assert_eq!(found["reached"], json!(true));
    let table = report::table::render(&results, &machine, false);
    let (_, by_ratios) = table
        .split_once("The must, by ratios")
        .expect("it has that table");
    let line = by_ratios.lines().find(|line| line.starts_with("| daisy"));
    assert!(line.is_some_and(|line| line.contains(" 1 of 7 ") && line.ends_with("reached |")));
    // Nobody but d3 has a figure of wake, so there is nobody to hold it against.
    let line = by_ratios
        .lines()
        .find(|line| line.starts_with("| wake p50"));
    assert!(line.is_some_and(|line| line.contains(" 0 of 5 ") && line.ends_with("no peers |")));
    // Small sizes reach nothing and miss nothing.
    assert!(!report::table::render(&results, &machine, true).contains("by ratios"));
}

#[test]
fn an_older_file_is_read_and_what_it_lacks_is_told() {
    let (_, _, mut value) = written();
    let top = value.as_object_mut().expect("an object");
    top.remove("versions");
    for row in top["rows"].as_array_mut().expect("a list") {
        row.as_object_mut().expect("an object").remove("by_ratios");
        let contenders = row["contenders"].as_object_mut().expect("an object");
        for (_, cell) in contenders {
            cell.as_object_mut()
                .expect("an object")
                .remove("beside_peers");
        }
    }
    // The last row is wake's p99.
    top["rows"].as_array_mut().expect("a list").pop();
    let stored = parse(&value.to_string()).expect("it is a sitting");
    assert_eq!(
        stored.remarks[..4],
        [
            "no `versions`: nobody's version is known",
            "no `beside_peers`: worked out from its rounds",
            "no `by_ratios`: worked out from its rounds",
            "no rows “wake p99”",
        ]
    );
    let row = stored.results.rows()[0];
    let found = ByRatios::of(&stored.results, row, Contender::D3).expect("d3 has a must");
    assert_eq!(found.reached(), Some(true));
}

#[test]
fn a_note_of_ours_is_a_failure_of_ours() {
    let (_, _, mut value) = written();
    value["rows"][0]["contenders"]["d3"]["note"] = json!("failed in round 1: lost one");
    let stored = parse(&value.to_string()).expect("it is a sitting");
    assert!(!stored.results.ours_are_clean());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let (_, _, good) = written();
    let spoil = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        complaint(&value)
    };
    assert_eq!(complaint(&json!([1])), "is no sitting: rows is missing");
    assert_eq!(
        spoil(&|value| value["rows"] = json!(3)),
        "is no sitting: rows is not a list"
    );
    assert_eq!(
        spoil(&|value| value["workers"] = json!(-2)),
        "is no sitting: workers is not a whole number"
    );
    assert_eq!(
        spoil(&|value| value["quick"] = json!("no")),
        "is no sitting: quick is not true or false"
    );
    assert_eq!(
        spoil(&|value| value["rows"][0]["contenders"]["tokio"]["rounds"] = json!(["23"])),
        "is no sitting: rows[0].contenders.tokio.rounds[0] is not a number"
    );
    assert_eq!(
        spoil(&|value| value["rows"][0]["workload"] = json!("tulip")),
        "rows[0].workload names the workload “tulip”, which is not known here"
    );
    assert_eq!(
        spoil(&|value| value["rows"][1]["what"] = json!("wake p75")),
        "rows[1].what names the metric “wake p75”, which is not known here"
    );
    assert_eq!(
        spoil(&|value| value["rows"][0]["contenders"]["akka"] = json!({"rounds": null})),
        "rows[0].contenders.akka names the contender “akka”, which is not known here"
    );
    assert_eq!(
        spoil(&|value| value["rows"][1] = value["rows"][0].clone()),
        "is no sitting: rows[1].contenders.d3 is not the only one of its workload and metric"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    // The manifest is there and is no JSON; the folder has no text; the third is not there at all.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = folder.join("Cargo.toml");
    let error = read(&manifest).expect_err("it is no JSON");
    assert!(matches!(error.reason, Reason::NoJson(_)));
    assert!(error.to_string().contains("Cargo.toml: is no JSON: "));
    for unreadable in [folder.to_owned(), folder.join("no such file")] {
        let error = read(&unreadable).expect_err("it has no text");
        assert!(matches!(error.reason, Reason::Unreadable(_)));
        assert_eq!(error.file, unreadable);
    }
}
