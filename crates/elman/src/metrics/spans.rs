//! Spans in sequences of tags, and their precision, recall and F1: a span counts as found where its type, beginning and end are
//! right. Tags are `O`, or one of the letters B, I, E, S, a hyphen and the type. Source: the rules of conlleval, as seqeval applies
//! them without a scheme: a span also begins where a tag continues nothing, and ends where the next tag does not continue it.

/// A span: type, first and last place.
type Span<'a> = (&'a str, usize, usize);

/// Counts of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// Predicted with the right type and ends.
    pub found: u64,
    /// Predicted.
    pub predicted: u64,
    /// There.
    pub there: u64,
}

/// Figures of spans; a ratio over nothing is 0.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct SpanFigures {
    /// Of the predicted spans, the share that is there.
    pub span_precision: f64,
    /// Of the spans that are there, the share that was predicted.
    pub span_recall: f64,
    /// The harmonic mean of both.
    pub span_f1: f64,
    /// Spans that are there.
    pub spans: u64,
}

/// Whether classes are tags of spans: each is `O` or a letter, a hyphen and a type, and one begins spans.
pub fn are_spans(classes: &[String]) -> bool {
    let is_tag = |class: &String| {
        class == "O" || (class.len() > 2 && class.as_bytes()[1] == b'-' && class.starts_with(['B', 'I', 'E', 'S']))
    };
    classes.iter().all(is_tag) && classes.iter().any(|class| class != "O")
}

impl Spans {
    /// Counts the spans of a sequence.
    pub fn add(&mut self, truth: &[&str], predicted: &[&str]) {
        let (truth, predicted) = (spans(truth), spans(predicted));
        self.there += truth.len() as u64;
        self.predicted += predicted.len() as u64;
        // Both lists rise.
        let mut at = 0;
        for span in &predicted {
            while at < truth.len() && (truth[at].1, truth[at].2) < (span.1, span.2) {
                at += 1;
            }
            self.found += u64::from(truth.get(at) == Some(span));
        }
    }

    /// The figures.
    pub fn figures(&self) -> SpanFigures {
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        SpanFigures {
            span_precision: ratio(self.found, self.predicted),
            span_recall: ratio(self.found, self.there),
            span_f1: ratio(2 * self.found, self.predicted + self.there),
            spans: self.there,
        }
    }
}

/// The letter and the type of a tag.
fn parts(tag: &str) -> (u8, &str) {
    let letter = tag.bytes().next().unwrap_or(b'O');
    (letter, tag.get(1..).unwrap_or_default().trim_start_matches('-'))
}

/// The spans of a sequence, in order.
fn spans<'a>(tags: &[&'a str]) -> Vec<Span<'a>> {
    let (mut all, mut begin) = (Vec::new(), None);
    let mut before = (b'O', "");
    for (at, now) in tags.iter().map(|tag| parts(tag)).chain([(b'O', "")]).enumerate() {
        let ((letter_before, type_before), (letter, of_type)) = (before, now);
        let is_inside = letter_before != b'O';
        let ends = is_inside
            && (matches!(letter_before, b'E' | b'S') || matches!(letter, b'B' | b'S' | b'O') || type_before != of_type);
        if ends && let Some(begin) = begin.take() {
            all.push((type_before, begin, at - 1));
        }
        let begins = letter != b'O'
            && (matches!(letter, b'B' | b'S') || matches!(letter_before, b'E' | b'S' | b'O') || type_before != of_type);
        if begins {
            begin = Some(at);
        }
        before = now;
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const TABLE: &str = include_str!("../../../../testdata/spans.json");

    #[test]
    fn counts_of_random_sequences_are_seqevals() {
        let table: Value = serde_json::from_str(TABLE).unwrap();
        // The generator of testdata/make_spans.py.
        let mut state = 1_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for (scheme, blocks) in table["schemes"].as_object().unwrap() {
            let tags: Vec<&str> =
                table["tags"][scheme].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
            for block in blocks.as_array().unwrap() {
                let mut spans = Spans::default();
                for _ in 0..10 {
                    let length = 1 + draw(15);
                    let truth: Vec<&str> = (0..length).map(|_| tags[draw(tags.len() as u64) as usize]).collect();
                    // Half of the predictions are right.
                    let predicted: Vec<&str> = truth
                        .iter()
                        .map(|tag| if draw(2) == 0 { tag } else { tags[draw(tags.len() as u64) as usize] })
                        .collect();
                    spans.add(&truth, &predicted);
                }
                let want: Vec<u64> = block.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
                assert_eq!([spans.found, spans.predicted, spans.there][..], want, "{scheme}");
            }
        }
    }

    #[test]
    fn only_tags_of_spans_are_taken_for_such() {
        let classes = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert!(are_spans(&classes(&["B-LOC", "I-LOC", "O"])) && are_spans(&classes(&["S-x", "O"])));
        assert!(
            !are_spans(&classes(&["O"])) && !are_spans(&classes(&["NOUN", "O"])) && !are_spans(&classes(&["B-", "O"]))
        );
        let mut spans = Spans::default();
        spans.add(&["B-PER", "I-PER", "O", "B-LOC"], &["B-PER", "I-PER", "O", "B-PER"]);
        let figures = spans.figures();
        assert_eq!((figures.span_precision, figures.span_recall, figures.span_f1, figures.spans), (0.5, 0.5, 0.5, 2));
        assert_eq!(Spans::default().figures().span_f1, 0.0);
    }
}
