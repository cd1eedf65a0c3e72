//! The figures of classes: of a classifier, a tagger, and a network that restores. Not here: the confusion matrix
//! (`confusion.rs`).

use elman::metrics::Confusion;
use elman::metrics::spans::SpanFigures;
use elman::task::classify::Figures;
use elman::task::tag::{RestoreFigures, restored};
use serde::Serialize;

use super::Form;
use crate::confusion;

/// The figures of a classifier.
#[derive(Serialize, Default)]
pub struct Classified {
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
}

/// The figures of a tagger, or of a network that restores.
#[derive(Serialize, Default)]
pub struct Tagged {
    #[serde(flatten)]
    classified: Classified,
    /// Over all classes except the most frequent.
    micro_f1: Option<f64>,
    #[serde(flatten)]
    restored: Option<RestoreFigures>,
    #[serde(flatten)]
    spans: Option<SpanFigures>,
}

/// The figures of each class, in the order of `classes`.
#[derive(Serialize)]
pub struct Each<'a> {
    classes: &'a [String],
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    /// A row for each true class, a column for each predicted one.
    confusion: Vec<Vec<u64>>,
}

impl Each<'_> {
    /// The figures to write.
    pub fn of<'a>(confusion: &Confusion, classes: &'a [String]) -> Each<'a> {
        let all: Vec<_> = (0..classes.len()).map(|class| confusion.class(class)).collect();
        let counts = |truth| (0..classes.len()).map(|guess| confusion.count(truth, guess)).collect();
        Each {
            classes,
            precision: all.iter().map(|class| class.precision).collect(),
            recall: all.iter().map(|class| class.recall).collect(),
            f1: all.iter().map(|class| class.f1).collect(),
            confusion: (0..classes.len()).map(counts).collect(),
        }
    }
}

/// Lines and figures of a classifier; `all` says what accuracy is the share of.
pub fn classified(confusion: &Confusion, classes: &[String], all: &str, form: Form) -> (Vec<String>, Classified) {
    let (accuracy, macro_f1) = (confusion.accuracy(), confusion.macro_f1());
    let mut lines = lines_of(confusion, classes, all, form);
    lines.push((form.line)("macro F1", &format!("{macro_f1:.4}")));
    (lines, Classified { accuracy: Some(accuracy), macro_f1: Some(macro_f1) })
}

/// The same of a tagger.
pub fn tagged(figures: &Figures, classes: &[String], all: &str, form: Form) -> (Vec<String>, Tagged) {
    let confusion = &figures.confusion;
    let (mut lines, classified) = classified(confusion, classes, all, form);
    let micro_f1 = micro_f1(confusion, classes);
    lines.push((form.line)("micro F1", &format!("{micro_f1:.4}, the commonest class left out")));
    let spans = figures.spans.map(|spans| spans.figures());
    if let Some(SpanFigures { span_precision, span_recall, span_f1, spans }) = spans {
        let words = format!("F1 {span_f1:.4}, precision {span_precision:.4}, recall {span_recall:.4}, of {spans}");
        lines.push((form.line)("spans", &words));
    }
    (lines, Tagged { classified, micro_f1: Some(micro_f1), restored: None, spans })
}

/// The same of a network that restores. `majority` are the figures of a baseline: every word in its most frequent form in
/// training; only training knows them.
pub fn put_back(
    confusion: &Confusion,
    classes: &[String],
    (all, majority): (&str, Option<RestoreFigures>),
    form: Form,
) -> (Vec<String>, Tagged) {
    let found = restored(confusion, classes);
    let beside = |f1, of: fn(RestoreFigures) -> f64| {
        let most = majority.map(|figures| format!("every word as it mostly stood {:.4}, ", of(figures)));
        format!("F1 {f1:.4}; {}none put back 0", most.unwrap_or_default())
    };
    let mut lines = lines_of(confusion, classes, all, form);
    lines.extend([
        (form.line)("capitals", &beside(found.capitals_f1, |of| of.capitals_f1)),
        (form.line)("marks", &beside(found.punctuation_f1, |of| of.punctuation_f1)),
    ]);
    let classified = Classified { accuracy: Some(confusion.accuracy()), macro_f1: Some(confusion.macro_f1()) };
    (lines, Tagged { classified, micro_f1: Some(micro_f1(confusion, classes)), restored: Some(found), spans: None })
}

/// F1 over all classes except the most frequent.
fn micro_f1(confusion: &Confusion, classes: &[String]) -> f64 {
    let commonest = (0..classes.len()).max_by_key(|&class| confusion.class(class).examples);
    confusion.micro_f1(|class| Some(class) != commonest)
}

/// Lines with the figures of the classes and the accuracy.
fn lines_of(confusion: &Confusion, classes: &[String], all: &str, form: Form) -> Vec<String> {
    let accuracy = format!("{:.2} % of {all}", 100.0 * confusion.accuracy());
    vec![
        String::new(),
        confusion::lines(confusion, classes, form.width),
        String::new(),
        (form.line)("accuracy", &accuracy),
    ]
}
