//! What goes between the processes: flags and words.

use std::time::Duration;

use crate::swarm::arguments::{Args, Seeds};
use crate::swarm::child::Word;
use crate::swarm::totals::Totals;

#[test]
fn words_of_a_child_survive_the_pipe() {
    let totals = Totals {
        seeds: 1,
        received: u64::MAX,
        ..Totals::default()
    };
    let words = [
        Word::Begun { seed: u64::MAX },
        Word::Passed {
            seed: 3,
            totals,
            rss_bytes: Some(5),
        },
        Word::Passed {
            seed: 3,
            totals,
            rss_bytes: None,
        },
        Word::Failed {
            seed: 4,
            faults: vec!["a".into(), "b\nc".into()],
        },
    ];
    for word in words {
        assert_eq!(Word::parse(&word.json().to_string()), Some(word));
    }
    for line in [
        "",
        "{}",
        "thread panicked",
        "{\"passed\":1}",
        "{\"failed\":1}",
        "[1]",
    ] {
        assert_eq!(Word::parse(line), None, "{line}");
    }
}

#[test]
fn seeds_are_read() {
    let seeds = |from, to| Ok(Seeds { from, to });
    assert_eq!("7".parse(), seeds(7, Some(8)));
    assert_eq!("7..9".parse(), seeds(7, Some(9)));
    assert_eq!("7..".parse(), seeds(7, None));
    for bad in ["", "x", "..", "..3", "5..5", "9..7", "-1..3", "1..x"] {
        assert!(bad.parse::<Seeds>().is_err(), "{bad}");
    }
}

#[test]
fn times_are_checked() {
    use clap::Parser;
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }
    let range = |flags: &[&str]| {
        let flags = std::iter::once(&"swarm").chain(flags);
        let command = Command::try_parse_from(flags).map_err(|error| error.to_string())?;
        command.args.range(|| 42)
    };
    let minute = Duration::from_secs(60);
    let fresh = range(&[]).expect("fresh seeds for a minute");
    assert_eq!(
        (fresh.seeds.from, fresh.seeds.to, fresh.time),
        (42, None, Some(minute))
    );
    let one = range(&["--seed", "7"]).expect("one seed");
    assert_eq!((one.seeds.from, one.seeds.to, one.time), (7, Some(8), None));
    let some = range(&["--seeds", "1..5", "--minutes", "2"]).expect("some seeds");
    assert_eq!((some.seeds.to, some.time), (Some(5), Some(2 * minute)));
    for bad in [
        ["--minutes", "0"],
        ["--minutes", "-1"],
        ["--minutes", "NaN"],
        ["--seeds", "3..1"],
    ] {
        assert!(range(&bad).is_err(), "{bad:?}");
    }
    assert!(range(&["--seed", "1", "--minutes", "1"]).is_err());
}
