//! The target for JSON lines: the table, and every reader of data that takes one. Not here: CSV and TSV, which the
//! target `csv` takes.

use elman::config::{Numbers, Output, Sides, Source};
use elman::data::series::{Known, Roles, SeriesSet};
use elman::data::table::labelled::{Items, Labelled};
use elman::data::table::measured::Measured;
use elman::data::table::parallel::Parallel;
use elman::data::table::reading::Reading;
use elman::data::table::tagged::Tagged;
use elman::data::table::vectors;
use elman::data::table::written::Written;
use elman::data::table::{Format, Table, json_object};
use elman::{Corpus, Error, RunDir};

use crate::files::quick_dir;

/// JSON lines: rejected with an error that names the data, or a table from which every task's reader takes examples that
/// fit themselves. The bytes are a run's log, too.
pub fn json_lines(bytes: &[u8]) -> bool {
    log(bytes);
    let tells = |error: Error| assert!(error.to_string().ends_with("(fuzz)"), "{error}");
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if let Err(error) = json_object("fuzz", at as u64 + 1, line) {
            tells(error);
        }
    }
    let mut bad = 0;
    let lenient = Table::parse("fuzz", bytes, Format::JsonLines, true, &mut |error| {
        tells(error);
        bad += 1;
        Ok(())
    });
    let table = match Table::from_bytes("fuzz", bytes, Format::JsonLines, true) {
        Ok(table) => table,
        Err(error) => {
            assert!(bad > 0 || lenient.is_err());
            tells(error);
            return false;
        }
    };
    assert!(bad == 0 && lenient.is_ok_and(|lenient| lenient.len() == table.len()));
    let fingerprint = Corpus::from_raw("fuzz", bytes.to_vec()).fingerprint();
    let column = |at: usize| table.columns().get(at).cloned();
    let (first, last) = (column(0).expect("a column"), column(table.columns().len() - 1).expect("a column"));
    let source = |text: &str, label: &str, group: Option<String>| {
        let (text, label) = (text.to_string(), label.to_string());
        Source { text, label, group, ..Source::default() }
    };
    let sources = [
        Source::default(),
        source(&first, &last, None),
        source(&first, &last, column(1)),
        source(&last, &first, column(0)),
    ];
    for source in &sources {
        if let Ok(labelled) = Labelled::of_table(&table, source, fingerprint.clone()) {
            assert_eq!(labelled.labels.len(), labelled.items.len());
            assert!(labelled.labels.iter().all(|&label| (label as usize) < labelled.classes.len()));
            assert!(labelled.classes.is_sorted_by(|a, b| a < b));
            finite(&labelled.items);
            let _ = Written::of(labelled);
        }
        if let Ok(tagged) = Tagged::of_table(&table, source, fingerprint.clone()) {
            assert_eq!(tagged.labels.len(), tagged.items.len());
            assert!(tagged.labels.iter().flatten().all(|&label| (label as usize) < tagged.classes.len()));
            finite(&tagged.items);
        }
        let mut skipped = 0;
        let columns = [last.clone()];
        let groups = vectors::groups(&table, source, (&columns, &[]), &mut |error| {
            tells(error);
            skipped += 1;
            Ok(())
        });
        if let Ok(items) = groups {
            assert!(items.len() + skipped <= table.len());
            finite(&items);
        }
    }
    let sides = Sides { from: first.clone(), to: last, header: true };
    if let Ok(parallel) = Parallel::of_table(&table, &sides, fingerprint) {
        assert_eq!(parallel.pairs.len(), table.len());
    }
    let group = Roles { group: column(1), ..Roles::default() };
    let known = Roles { future: column(1).into_iter().collect(), ..Roles::default() };
    for roles in [Roles::default(), group, known, Roles { wide: true, ..Roles::default() }] {
        series(&table, &roles);
    }
    true
}

/// The series of a table: rejected with an error that names the data, or every row in one, on its grid, and finite or
/// missing.
pub fn series(table: &Table, roles: &Roles) {
    match SeriesSet::new(table, roles, &Known::default()) {
        Err(error) => assert!(error.to_string().ends_with("(fuzz)"), "{error}"),
        Ok(set) => {
            let rows: usize = set.series.iter().map(|series| series.rows).sum();
            assert!(roles.wide || rows == table.len() + set.gaps);
            for series in &set.series {
                assert!(series.known <= series.rows && series.cells.len() == series.rows * set.width());
                assert!(series.cells.iter().all(|value| !value.is_infinite()));
            }
        }
    }
}

/// Sequences of numbers are finite.
fn finite(items: &Items) {
    if let Items::Vectors { columns, sequences, .. } = items {
        assert!(sequences.iter().flatten().all(|x| x.is_finite()));
        assert!(sequences.iter().all(|sequence| sequence.len().is_multiple_of(columns.len().max(1))));
    }
}

/// The bytes as `log.jsonl`: rejected by the number of a line, or as many reports as lines.
fn log(bytes: &[u8]) {
    let dir = quick_dir();
    let run = RunDir::create(dir.path().join("run")).expect("a new directory");
    std::fs::write(run.log(), bytes).expect("a small file");
    match run.reports() {
        Err(error) => assert!(error.to_string().contains("log.jsonl")),
        Ok(reports) => assert_eq!(reports.len(), String::from_utf8_lossy(bytes).lines().count()),
    }
}

/// Numbers to predict of a table: an error with its name, or as many as its sequences or their steps ask for.
pub(crate) fn measured(table: &Table, every_step: bool) {
    let (Some(label), group) = (table.columns().first(), table.columns().get(1).cloned()) else { return };
    let source = Source { group, ..Source::default() };
    let (labels, ahead) = (vec![label.clone()], usize::from(every_step));
    let numbers = Numbers { source: &source, labels, every_step, ahead, output: Output::Squared, levels: &[] };
    let fingerprint = Corpus::from_text("fuzz", "x".into()).fingerprint();
    match Measured::of_rows(table, &numbers, fingerprint, &mut Reading::default()) {
        Err(error) => assert!(error.to_string().contains("fuzz"), "{error}"),
        Ok(measured) => assert_eq!(measured.targets.len(), measured.items.len()),
    }
}
