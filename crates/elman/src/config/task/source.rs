//! Where examples are in a table.

settings! {
    /// Where examples are in a table.
    pub struct Source {
        /// The column of texts.
        pub text: String = "text".into(),
        /// The column of classes.
        pub label: String = "label".into(),
        /// The column that says which sequence a row of numbers belongs to; None where a row is a text.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub group: Option<String> = None,
        /// The columns of numbers; none takes all that are nothing else.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub features: Vec<String> = Vec::new(),
        /// Whether a row is a whole sequence of numbers, with its label in one of the cells.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub wide: bool = false,
        /// Whether the first row names the columns; without, they are `1`, `2`, ...
        pub header: bool = true,
    }
}
