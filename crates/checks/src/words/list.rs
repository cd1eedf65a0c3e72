//! The words that the style guide replaces: for each, where it is searched, the field's term, and the contexts in which
//! the same letters mean something else. Not here: the search (`mod.rs`).
//!
//! Patterns are regular expressions without regard to case. A blank in them stands for any white space, so that a phrase
//! may run over the end of a line. An identifier is searched as its words: `goesOn` and `GOES_ON` as `goes on`.

/// One word of the list.
pub struct Word {
    /// What it is called in reports.
    pub name: &'static str,
    /// What to write instead.
    pub term: &'static str,
    /// In comments, string literals and Markdown.
    pub prose: Option<&'static str>,
    /// In the documentation at the head of a file (`//!`) alone.
    pub head: Option<&'static str>,
    /// In identifiers.
    pub names: Option<&'static str>,
    /// A match inside one of these is allowed; both kinds of text.
    pub allowed: &'static [&'static str],
    /// Ends of the paths of files in which the word is allowed.
    pub files: &'static [&'static str],
}

const NONE: Word = Word { name: "", term: "", prose: None, head: None, names: None, allowed: &[], files: &[] };

/// The same pattern in prose and in identifiers.
const fn everywhere(name: &'static str, term: &'static str, pattern: &'static str) -> Word {
    Word { name, term, prose: Some(pattern), names: Some(pattern), ..NONE }
}

pub const WORDS: &[Word] = &[
    everywhere("crew", "thread team", r"\bcrews?\b"),
    everywhere("pace", "adaptive choice between the team and one thread", r"\bpaces?\b"),
    Word {
        prose: Some(r"\bhalves\b|\b(each|either|every|other|one|this|two) half\b"),
        names: Some(r"\b(halves|half)\b"),
        // The verb, a part of a machine word, a number.
        allowed: &[
            r"\bhalves (the|it|its|them|a|every)\b",
            r"\b(each|one|other|every) half of\b",
            r"\b(low|high|upper|lower|even|odd) (half|halves)\b",
        ],
        files: &["matvec/bf16.rs", "softmax.rs", "simd/mod.rs", "simd/narrow.rs", "math.rs", "pairs.rs"],
        ..everywhere("half", "shard", "")
    },
    everywhere("lend", "borrow, return", r"\b(lent|lends?|lending)\b"),
    everywhere("loan", "scratch buffer", r"\bloans?\b"),
    everywhere("shelf", "scratch pool", r"\b(shelf|shelves)\b"),
    everywhere("door", "entry point, public function", r"\bdoors?\b"),
    everywhere("ledger", "profiler, timings", r"\bledgers?\b"),
    everywhere("member", "ensemble size, models; threads of the team", r"\bmembers?\b"),
    Word {
        prose: Some(r"\b(one|two|both|num|of) ways\b"),
        names: Some(r"\bways?\b"),
        allowed: &[r"\b(in|by) (one|two|both) ways\b", r"\b\w+ ways (to|of|in)\b"],
        ..everywhere("way", "num_directions; choice", "")
    },
    Word {
        prose: Some(r"\bmark\b|\btextmarks?\b"),
        names: Some(r"\bmark\b"),
        allowed: &[r"\b(question|quotation|punctuation|exclamation|byte[- ]order|end) mark\b"],
        ..everywhere("mark", "fingerprint", "")
    },
    Word {
        prose: Some(r"\b(the|its|a|what is) usual (norm|gradient|for a gradient)\b|\bwhat is usual\b|`Usual`"),
        names: Some(r"\busual\b"),
        // A season in steps, such as 12 months.
        allowed: &[r"\busual season\b"],
        ..everywhere("usual", "moving average of the gradient norm", "")
    },
    Word {
        prose: Some(concat!(
            r"\b(present|absent) (positions?|rows?|steps?|tokens?)\b",
            r"|\b(positions?|rows?|steps?|tokens?|one|nothing|anything) (that )?(is|are) (present|absent)\b",
        )),
        names: Some(r"\b(present|absent)\b"),
        // A cargo feature that is not compiled in.
        allowed: &[r"\bbpe absent\b"],
        ..everywhere("present, absent", "mask, masked", "")
    },
    Word { allowed: &[r"\b(he|she|i|they|who) said\b"], ..everywhere("said", "raw output; stated", r"\bsaid\b") },
    Word {
        prose: Some(r"\brooms\b|\b(a|no|the|every|its|this|each|one|other) room\b"),
        names: Some(r"\brooms?\b"),
        allowed: &[r"\broom (on|for)\b"],
        ..everywhere("room", "module; memory, space", "")
    },
    Word {
        allowed: &[r"\bwall[- ](time|clock|seconds)\b", r"\bthe wall the wall the wall\b"],
        ..everywhere("wall", "boundary", r"\bwalls?\b")
    },
    everywhere("stranger", "untrusted input", r"\bstrangers?\b"),
    Word { names: Some(r"\bvisits\b"), ..everywhere("visit", "pass", r"\b(visits?|visited)\b") },
    everywhere("goes on", "continues", r"\b(go|goes|going|went|gone) on\b"),
    everywhere("is to stop", "stops, must stop", r"\b(is|are|was|were) to stop\b"),
    Word {
        // A quotation of the tutorial's text.
        allowed: &[r"\brose, came to the lamp\b"],
        ..everywhere("has come to", "result", r"\b((has|have|had) come|came) to\b|\bwhat (\w+ )+comes? to\b")
    },
    Word { head: Some(r"\bRefuses\b"), ..Word { name: "Refuses", term: "Not here: ...", ..NONE } },
    Word { head: Some(r"\bHolds\b"), ..Word { name: "Holds", term: "what the file is for", ..NONE } },
];
